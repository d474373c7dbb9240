"""What a session says about each of its frames: for a replay. Pure, once it is read."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orapp.frames import AiState, Gray, Overlay, Segmentation
from orapp.overlay import OverlayRules, overlay_for
from orapp.session import SessionReader
from orapp.session_lines import FrameRow, GapLine, SegmentationLine
from orapp.settings import SiteProfile
from orapp.text_cover import Box

TOLD = ("marker", "signal", "ai", "view", "format", "recording", "measure", "reference", "gap")
"""Kinds of what one may want to jump to."""
_FRAME = re.compile(r"\bframe (\d{1,15})\b")
_NAMES_A_FRAME = ("marker", "reference")


def text_of(uri: str) -> tuple[Box, ...]:
    """Where text is burned into the frames of a source, if that is a session; else nobody knows.

    Raises:
        OrappError: there is no such session.
    """
    kind, _, path = uri.partition(":")
    if kind != "session":
        return ()
    with SessionReader(Path(path)) as reader:
        return reader.text


def as_recorded(uri: str, profile: SiteProfile) -> SiteProfile:
    """The profile for a source: the frames of a session that was calibrated are so already.

    Raises:
        OrappError: there is no such session.
    """
    kind, _, path = uri.partition(":")
    if kind != "session" or profile.picture is None:
        return profile
    with SessionReader(Path(path)) as reader:
        if reader.site is None:
            return profile
    return profile.model_copy(update={"picture": None, "signature": None})


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened while the frame at a place was the newest one."""

    place: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded beside the pictures. By default: nothing.

    Attributes:
        rows: of the frames, by their place.
        happenings: by their place.
        engine: what computed; empty if nothing did.
        case: id of the case.
        ended: what is to be said about the end: it was cut off, or is damaged; empty if not.
        started: wall time, and the monotonic ns of the same moment; None if it is not known.
        by_frame, by_exposure: what the engine saw, by the recorded numbers.
        states: of `ai` and `orientation`: time (monotonic ns) and words of every change.
    """

    rows: Sequence[FrameRow] = ()
    happenings: Sequence[Happening] = ()
    engine: str = ""
    case: str = ""
    ended: str = ""
    started: tuple[datetime, int] | None = None
    by_frame: dict[int, Segmentation] = field(default_factory=dict)
    by_exposure: dict[int, Segmentation] = field(default_factory=dict)
    states: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    @property
    def has_outlines(self) -> bool:
        """Whether anything was segmented at all."""
        return bool(self.by_frame)

    def segmentation(self, place: int) -> Segmentation | None:
        """Of the very frame at a place, or of its exposure; None if there is none."""
        row = self.rows[place]
        return self.by_frame.get(row.index) or self.by_exposure.get(row.exposure)

    def overlay(self, place: int, pixels: Gray) -> Overlay | None:
        """What may be drawn on the frame at a place, (H, W) uint8, by the recorded outlines."""
        row, found = self.rows[place], self.segmentation(place)
        rules = OverlayRules("paired")
        return overlay_for(row.frame(pixels), found, row.captured_ns, rules)

    def wall_time(self, place: int) -> datetime | None:
        """When the frame at a place was captured, in local time; None if that is not known."""
        if self.started is None or place >= len(self.rows):
            return None
        started, started_ns = self.started
        try:
            since = timedelta(microseconds=(self.rows[place].captured_ns - started_ns) / 1000)
            return (started + since).astimezone()
        except (OverflowError, OSError, ValueError):
            return None

    @property
    def seconds(self) -> float:
        """From the first frame to the last; 0 if that is not known."""
        rows = self.rows
        return (rows[-1].captured_ns - rows[0].captured_ns) / 1e9 if rows else 0.0

    def state(self, kind: str, place: int) -> str:
        """The text of the last event of a kind, ai or orientation, until then; empty if none."""
        said = self.states.get(kind, [])
        at = bisect_right(said, self.rows[place].captured_ns, key=lambda s: s[0])
        return said[at - 1][1] if at else ""

    def ai(self, place: int) -> AiState | None:
        """What the AI was at a place, as far as it was recorded."""
        return _ai_of(self.state("ai", place))

    def beside(self, place: int, way: int) -> Happening | None:
        """The next (way 1) or previous (way -1) happening from a place; None if there is none."""
        if way > 0:
            at = bisect_right(self.happenings, place, key=lambda h: h.place)
            return self.happenings[at] if at < len(self.happenings) else None
        at = bisect_left(self.happenings, place, key=lambda h: h.place)
        return self.happenings[at - 1] if at else None


def read_recorded(reader: SessionReader) -> Recorded:
    """Everything that a session says, but its pictures; an hour's takes some seconds."""
    rows = reader.rows
    place_at = _Places(rows)
    happened: list[Happening] = []
    states: dict[str, list[tuple[int, str]]] = {"ai": [], "orientation": []}
    by_frame: dict[int, Segmentation] = {}
    for line in reader.lines():
        if line["kind"] == "segmentation":
            seen = SegmentationLine.model_validate(line).segmentation()
            by_frame[seen.frame_index] = seen
        elif line["kind"] == "gap":
            gap = GapLine.model_validate(line)
            happened.append(_gap(gap, place_at))
        elif line["kind"] == "event":
            kind, text = line["event_kind"], line["text"]
            if kind == "orientation" or (kind == "ai" and _ai_of(text) is not None):
                states[kind].append((line["t"], text))
            if kind in TOLD:
                happened.append(Happening(place_at.of_event(line["t"], kind, text), kind, text))
    for said in states.values():
        said.sort(key=lambda s: s[0])
    return Recorded(
        rows=rows,
        happenings=sorted(happened, key=lambda h: h.place),
        engine=_engine(reader.engine),
        case=reader.head["case"],
        ended=_ended(reader),
        started=_started(reader.head),
        by_frame=by_frame,
        by_exposure={seen.exposure: seen for seen in by_frame.values()},
        states=states,
    )


def _ai_of(text: str) -> AiState | None:
    return next((state for state in AiState if text.startswith(state.value)), None)


class _Places:
    """From stamps and indexes to places."""

    def __init__(self, rows: Sequence[FrameRow]) -> None:
        self._indexes = [row.index for row in rows]
        self._stamps = [row.captured_ns for row in rows]

    def of_event(self, time_ns: int, kind: str, text: str) -> int:
        """Of the frame that it names, or of the newest one at its time."""
        named = _FRAME.search(text) if kind in _NAMES_A_FRAME else None
        if named is not None:
            at = self.of_index(int(named[1]))
            if at < len(self._indexes) and self._indexes[at] == int(named[1]):
                return at
        return max(bisect_right(self._stamps, time_ns) - 1, 0)

    def of_index(self, index: int) -> int:
        """Of the first frame with this index or a later one."""
        return bisect_left(self._indexes, index)


def _gap(gap: GapLine, place_at: _Places) -> Happening:
    """At the frame before it."""
    count = gap.last - gap.first + 1
    place = max(place_at.of_index(gap.first) - 1, 0)
    return Happening(place, "gap", f"{count} frames not recorded: {gap.why}")


def _engine(engine: dict[str, Any] | None) -> str:
    name, backend = (engine or {}).get("name"), (engine or {}).get("backend")
    return ", ".join(str(part)[:60] for part in (name, backend) if part)


def _ended(reader: SessionReader) -> str:
    if reader.damage:
        return f"damaged: {reader.damage}"
    if reader.lost_at_end:
        return f"damaged: the last {reader.lost_at_end} pictures are missing"
    return "" if reader.kinds.get("end") else "cut off: it was never closed"


def _started(head: dict[str, Any]) -> tuple[datetime, int] | None:
    try:
        started = datetime.fromisoformat(head["started"])
    except ValueError:
        return None
    return (started, head["started_ns"]) if started.tzinfo is not None else None
