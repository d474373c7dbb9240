"""A calibration in the making: what was found, and what a person has said otherwise."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from orapp.calibrate.delay import GrabberDelay
from orapp.calibrate.engine_time import EngineTime
from orapp.calibrate.findings import Findings
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.proposal import (
    BY_HAND,
    Evidence,
    Proposal,
    calibrated_width,
    correct,
    picture_of,
    propose,
)
from orapp.calibrate.spacing import Spacing
from orapp.errors import OrappError
from orapp.picture import RIM_PX
from orapp.settings import SiteProfile
from orapp.site import SiteMap

LEAST_TIMES, MOST_TIMES = 20, 400


class Standing(StrEnum):
    """How a step stands."""

    WAITING = "waiting"
    SURE = "sure"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, and the findings that it is about."""

    name: str
    fields: tuple[str, ...]


STEPS = (
    Step("video", ("rate_hz", "pulse_hz", "repeats")),
    Step("area", ("area", "circle")),
    Step("text", ("text",)),
    Step("grey", ("black", "white", "inverted")),
    Step("orientation", ("rotate", "mirror")),
    Step("geometry", ()),
    Step("save", ()),
)


class Draft:
    """Holds findings and corrections; gives the picture, the map and the profile that follow.

    Args:
        name: of the profile.
        before: the profile that it replaces, or None.

    Attributes:
        measured: the findings as measured; None before there are any.
        changes: by field, what a person says otherwise.
        flat: a person said that it is a flat panel.
        plate, spacing: as measured, or None.
        mode: that a person chose, or None for the advice.
        delay: of the grabber, as measured, or None.
    """

    def __init__(self, name: str, before: SiteProfile | None = None) -> None:
        self.name, self._before = name, before
        self.measured: Findings | None = None
        self.changes: dict[str, Any] = {}
        self.flat = False
        self.plate: PlateFit | None = None
        self.spacing: Spacing | None = None
        self.mode: str | None = None
        self.delay: GrabberDelay | None = None
        self._times: deque[float] = deque(maxlen=MOST_TIMES)
        self._engine = ""
        self._site: tuple[object, SiteMap] | None = None

    @property
    def found(self) -> Findings | None:
        """What was found, with the corrections in it; no round field beside a corrected area."""
        if self.measured is None:
            return None
        found = correct(self.measured, self.changes)
        return found if _is_round_inside(found) else replace(found, circle=None)

    def take(self, findings: Findings, fields: Iterable[str] | None = None) -> None:
        """Takes new findings over.

        Args:
            findings: of the video as it is now.
            fields: only these; None is all. A video of another size is always taken as a whole.
        """
        old = self.measured
        if old is None or self.is_of_another_size(findings):
            if old is not None:
                self.changes.clear()
                self._forget_geometry()
            self.measured = findings
            return
        wanted = set(Findings.__dataclass_fields__) if fields is None else set(fields)
        some = {f: getattr(findings, f) for f in wanted - {"notes", "unsure"}}
        notes = {**old.notes, **{f: n for f, n in findings.notes.items() if f in wanted}}
        unsure = [f for f in old.unsure if f not in wanted]
        unsure += [f for f in findings.unsure if f in wanted]
        before = self.found
        self.measured = replace(old, **some, notes=notes, unsure=tuple(unsure))
        if fields is not None:
            for name in wanted:
                self.changes.pop(name, None)
        self._reshaped(before)

    def is_of_another_size(self, findings: Findings) -> bool:
        """Whether these are of a video of another size than what has been measured."""
        old = self.measured
        size = findings.width, findings.height
        return old is not None and size != (old.width, old.height)

    def change(self, **fields: Any) -> None:
        """A person says otherwise; raises OrappError if that can't be."""
        if self.measured is None:
            return
        before, old = self.found, dict(self.changes)
        self.changes |= fields
        wrong = _impossible(correct(self.measured, self.changes))
        if wrong:
            self.changes = old
            raise OrappError(wrong, "choose others")
        self._reshaped(before)

    def as_measured(self, step: Step) -> None:
        """Drops a step's corrections."""
        before = self.found
        for name in step.fields:
            self.changes.pop(name, None)
        self._reshaped(before)

    def _reshaped(self, before: Findings | None) -> None:
        """A plate holds for its area and round field only, a spacing for its plate and turn."""
        if before is not None and not _same_shape(before, self.found):
            self._forget_geometry()

    def _forget_geometry(self) -> None:
        self.plate = self.spacing = None

    def set_plate(self, plate: PlateFit | None, *, flat: bool = False) -> None:
        """A plate was measured, or it is a flat panel; what was measured in mm is over.

        One that was measured in another area than the one that holds now is none.
        """
        found = self.found
        if plate is not None and found is not None:
            width, height = found.area[2:]
            if plate.centre != ((width - 1) / 2, (height - 1) / 2):
                plate = None
        self.plate, self.flat, self.spacing = plate, flat, None

    @property
    def site(self) -> SiteMap | None:
        """From raw to calibrated frames; None before there are findings."""
        found = self.found
        if found is None:
            return None
        picture = picture_of(found, self.plate)
        if self._site is None or self._site[0] != picture:
            self._site = picture, SiteMap(picture)
        return self._site[1]

    def timed(self, milliseconds: float, engine: str) -> None:
        """One answer of the engine; what it took, and what it is."""
        self._times.append(milliseconds)
        self._engine = engine

    @property
    def engine(self) -> EngineTime | None:
        """The engine's time, once there are answers enough."""
        if len(self._times) < LEAST_TIMES:
            return None
        return EngineTime.of(self._times, self._engine)

    @property
    def delay_before_ms(self) -> float | None:
        """The grabber's delay as the profile has it that is replaced."""
        device = self._before.device if self._before is not None else None
        return None if device is None else device.delay_ms

    def proposal(self, by: str) -> Proposal | None:
        """The profile as it would be written now; None before there are findings."""
        found = self.found
        if found is None:
            return None
        about = self.plate, self.spacing, self.engine, self.mode, self.delay
        evidence = Evidence(found, *about, flat=self.flat)
        return propose(evidence, self.name, self._before, by=by)

    def standing(self, step: Step) -> Standing:
        """Whether a step is done, needs a look, or has nothing yet."""
        found = self.found
        if found is None:
            return Standing.WAITING
        if step.name == "geometry":
            known = self.flat or self.plate is not None
            return Standing.SURE if known and self.spacing is not None else Standing.UNSURE
        if step.name == "save":
            return Standing.WAITING
        return Standing.UNSURE if set(step.fields) & set(found.unsure) else Standing.SURE

    def why(self, step: Step) -> str:
        """How a step's values were found, in one or two sentences."""
        found = self.found
        if found is None:
            return ""
        notes = [found.notes.get(name, "") for name in step.fields]
        if step.name == "area" and found.circle is None and "circle" not in self.changes:
            notes = notes[:1]
        said = list(dict.fromkeys(note for note in notes if note))
        if len(said) > 1 and BY_HAND in said:
            said = [BY_HAND, *(note for note in said if note != BY_HAND)]
        return "; ".join(said)

    @property
    def width(self) -> int:
        """Of the calibrated picture in pixels; 0 before there are findings."""
        found = self.found
        return 0 if found is None else calibrated_width(found)


def _is_round_inside(found: Findings) -> bool:
    """Whether the round field, if there is one, has its middle in the area."""
    c, (x, y, w, h) = found.circle, found.area
    return c is None or (x <= c.x <= x + w and y <= c.y <= y + h)


def _same_shape(one: Findings, other: Findings | None) -> bool:
    """Whether a plate and a spacing hold for both; a round field is found a little otherwise."""
    if other is None:
        return False
    turned = [(f.area, f.rotate or 0, bool(f.mirror)) for f in (one, other)]
    a, b = one.circle, other.circle
    if a is None or b is None:
        return turned[0] == turned[1] and a is b
    off = max(abs(a.x - b.x), abs(a.y - b.y), abs(a.radius - b.radius))
    return turned[0] == turned[1] and off <= RIM_PX


def _impossible(found: Findings) -> str:
    """What is wrong with corrected findings; empty if nothing is."""
    x, y, w, h = found.area
    if w < 64 or h < 64 or x < 0 or y < 0 or x + w > found.width or y + h > found.height:
        return "the image area must lie in the video, and be 64 pixels wide and high at least"
    if not _is_round_inside(found):
        return "the round field must have its middle in the image area"
    if found.white - found.black < 32:
        return "white must be 32 grey levels above black at least"
    return ""
