"""The measures of the outline that is shown: now, since the baseline, corrected by hand. No Qt."""

import json
import time
from collections.abc import Callable, Sequence

import numpy as np

from orapp.display.language import Say
from orapp.errors import OrappError
from orapp.frames import Frame, Outline, Overlay, OverlayStyle, Polygon, Signal
from orapp.measure import (
    Baseline,
    Change,
    GenantRange,
    Measures,
    Reading,
    SixPoints,
    Trend,
    change_since,
    corrected,
    genant,
    measure,
    six_points,
    widened,
)
from orapp.orientation import Orientation
from orapp.settings import Measures as Choices

STAYS_NS = 500_000_000
"""So long the last figures stay while the next exposure is being segmented."""
LEAST_PROBABILITY = 0.93
"""Outlines with a lower mean erred two to three times as far (docs/measures.md)."""
UNSURE = "the outline is too unsure to be measured"


class Measuring:
    """Measures each exposure once, when its own outline is shown.

    Args:
        choices: of the site: calibration, and where the front is.
        log: called with kind and text of what is worth an event.

    Attributes:
        on: whether anything is measured; a person says so, and thereby that the view is lateral.
        now: of the newest measured exposure, or None.
        why_not: why the newest outline can't be measured, or empty.
        baseline: as a person has set it, or None.
        trend: over the exposures.
        outlines: how many there were on the exposure that was measured.
        dropped: whether a baseline was dropped since the picture has another size.
    """

    def __init__(self, choices: Choices, log: Callable[[str, str], None]) -> None:
        self._choices, self._log = choices, log
        self.on = choices.shown
        self.now: Measures | None = None
        self.why_not = ""
        self.baseline: Baseline | None = None
        self.trend = Trend()
        self.outlines = 0
        self.dropped = False
        self._size: tuple[int, ...] | None = None
        self._centre: Polygon | None = None
        self._measured_ns = 0
        self._frame_index = self._exposure = -1
        self._held_logged = -1

    def see(self, frame: Frame, overlay: Overlay | None) -> None:
        """Takes what is shown; an exposure that was measured before is left as it is."""
        if not self.on:
            return
        self._look_at_size(frame)
        if overlay is None or overlay.style is not OverlayStyle.PAIRED:
            old = frame.captured_ns - self._measured_ns > STAYS_NS
            if frame.exposure != self._exposure and old:
                self.now = None  # nothing is measured on the picture that is shown
                self._exposure, self.why_not = -1, ""
            return
        if frame.exposure != self._exposure:
            self._measure(frame, overlay)
        held = frame.signal is Signal.HOLD and self._held_logged != frame.exposure
        if held and self.now is not None:
            self._held_logged = frame.exposure
            self.note("held")

    def _measure(self, frame: Frame, overlay: Overlay) -> None:
        self._exposure, self._frame_index = frame.exposure, overlay.frame_index
        self._measured_ns, self.outlines = frame.captured_ns, len(overlay.outlines)
        self.now, self.why_not = None, ""
        outline, choices = self._same_body(overlay.outlines), self._choices
        if outline.mean_probability < LEAST_PROBABILITY:
            self.why_not = UNSURE
            return
        try:
            size = frame.pixels.shape
            points = six_points(outline, choices.anterior, choices.head, size)
            fresh = self._measured(points)
        except OrappError as error:
            self.why_not = error.what
            return
        self.trend.add(frame.captured_ns, frame.exposure, fresh)
        self.now = widened(fresh, self.trend.scatter_px())

    def _look_at_size(self, frame: Frame) -> None:
        """Another size is another magnification: nothing of before can be compared."""
        if frame.pixels.shape == self._size:
            return
        if self._size is not None and self.baseline is not None:
            self._log("setting", "the baseline is dropped: the picture has another size")
            self.dropped = True
        self._size, self.baseline, self._centre = frame.pixels.shape, None, None
        self.trend.clear()

    def _same_body(self, outlines: Sequence[Outline]) -> Outline:
        """The outline nearest to the one that was measured before; the largest at first."""
        centres = [outline.points.mean(axis=0) for outline in outlines]
        last = centres[0] if self._centre is None else self._centre
        nearest = int(np.argmin([float(np.hypot(*(centre - last))) for centre in centres]))
        self._centre = centres[nearest]
        return outlines[nearest]

    def _measured(self, points: SixPoints) -> Measures:
        sd = self._choices.mm_per_px_uncertainty or 0.0
        return measure(points, self._calibration(), mm_per_px_sd=sd)

    def _calibration(self) -> float | None:
        """Mm per px, if it was made for pictures of this width."""
        choices, size = self._choices, self._size
        if size is None or choices.for_width not in (None, size[1]):
            return None
        return choices.mm_per_px

    def points_on(self, frame: Frame | None, *, still: bool) -> Polygon | None:
        """(6, 2) float32 in frame pixels, if they were measured on this frame's exposure.

        Only a picture that stands still has them: on a run they would only jump about.
        """
        if not still or frame is None or frame.exposure != self._exposure or self.now is None:
            return None
        return self.now.points.points.astype(np.float32) if self.on else None

    def drag(self, exposure: int, which: int, x: float, y: float) -> bool:
        """A person moves a point of an exposure; False if that is not the one measured now."""
        if self.now is None or exposure != self._exposure:
            return False
        moved = corrected(self.now.points, which, x, y)
        try:
            self.now = self._measured(moved)
        except OrappError:
            return True  # on top of another point: it stays where it was
        self.trend.add(time.monotonic_ns(), self._exposure, self.now)
        return True

    def set_baseline(self) -> bool:
        """Keeps what is measured now as the start; False if nothing is."""
        if self.now is None:
            return False
        self.baseline = Baseline(self.now, self._exposure, time.monotonic_ns())
        self.dropped = False
        self.trend.clear()
        self.trend.add(self.baseline.time_ns, self._exposure, self.now)
        self.note("baseline")
        return True

    def note(self, occasion: str, exposure: int | None = None) -> None:
        """Logs the measures, as one line of JSON with the occasion in it.

        Given an exposure, only if they are still of it.
        """
        if self.now is not None and exposure in (None, self._exposure):
            said = json.loads(self.now.to_json(self._frame_index, self._exposure))
            self._log("measure", json.dumps({"occasion": occasion, **said}))

    def change(self) -> Change | None:
        """Since the baseline; None without one, or where they can't be compared."""
        if self.baseline is None or self.now is None:
            return None
        try:
            return change_since(self.baseline, self.now, scatter_px=self.trend.scatter_px())
        except OrappError:
            return None


_SHORT = {"anterior": "Ha", "middle": "Hm", "posterior": "Hp", "left": "Hl", "right": "Hr"}
_MIRRORED = _SHORT | {"left": "Hr", "right": "Hl"}
_TURNED = _SHORT | {"left": "H1", "right": "H2"}


def lines(measuring: Measuring, say: Say, orientation: Orientation) -> list[str]:
    """What the panel says, line by line; left and right are those of the eye."""
    now = measuring.now
    if now is None:
        why = say(measuring.why_not) if measuring.why_not else ""
        return [why or say("no outline to measure on this picture")]
    short = _MIRRORED if orientation.mirrored else _SHORT
    if orientation.quarter_turns:
        short = _TURNED
    unit = "px" if now.mm_per_px is None else "mm"
    heights = now.heights_mm or now.heights
    named = [(short[n], h) for n, h in zip(now.names, heights, strict=True)]
    area = say("area {area} {unit}²").format(area=_about(now.area_mm2 or now.area_px), unit=unit)
    said = ["   ".join([*(f"{name} {_about(h)} {unit}" for name, h in named), area])]
    by = "Hp" if now.points.anterior else "Hmax"
    end = "Ha" if now.points.anterior else "Hmin"
    said.append(
        f"{end}/{by} {_about(now.end_ratio, 2)}   Hm/{by} {_about(now.middle_ratio, 2)}"
        + "   "
        + say("wedge {angle}°").format(angle=_about(now.wedge_deg))
    )
    grade = genant(now)
    said.append(
        say("lost {lost} % against its own highest end, {grade}").format(
            lost=_about(grade.lost), grade=_grade(grade, say)
        )
    )
    said.append(_change_line(measuring, say, short))
    if measuring.outlines > 1:
        said.append(say("one of {count} outlines is measured").format(count=measuring.outlines))
    if now.corrected:
        said.append(say("POINTS CORRECTED BY HAND"))
    return said


def _grade(grade: GenantRange, say: Say) -> str:
    """No hard grade where a threshold lies in the band, and none at all where all of them do."""
    if grade.highest - grade.lowest >= 3:
        return say("Genant not told")
    grades = "-".join(str(g) for g in sorted({grade.lowest, grade.highest}))
    return say("Genant {grades}").format(grades=grades)


def _change_line(measuring: Measuring, say: Say, short: dict[str, str]) -> str:
    change = measuring.change()
    if change is None and measuring.dropped:
        return say("THE BASELINE IS DROPPED: the picture has another size")
    if change is None:
        return say("no baseline set")
    parts = [
        f"{short[name]} {'' if beyond else '('}{step.value:+.0f} ± {step.band:.0f} %"
        f"{'' if beyond else ')'}"
        for name, step, beyond in zip(
            change.names, change.height_percent, change.is_beyond_band, strict=True
        )
    ]
    return say("since baseline: {change}").format(change="   ".join(parts))


def _about(reading: Reading, digits: int = 0) -> str:
    value = round(reading.value, digits) + 0.0  # no -0
    return f"{value:.{digits}f} ± {reading.band:.{digits}f}"
