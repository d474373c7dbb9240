"""What the head and the lines of a session hold: checked when they are read, whoever wrote them."""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from orapp.errors import OrappError
from orapp.film import MAX_SIDE, is_plain_file, read_film
from orapp.frames import Frame, Gray, Outline, Segmentation, Signal, read_only
from orapp.picture import Picture

FORMAT = 1
LARGEST_HEAD = 1_000_000
MOST_FILMS = 10_000
SMALL = (256, 256)
"""Height and width of a session's small pictures: what the model that ships takes in."""
Count = Annotated[int, Field(ge=0, le=2**53)]
Stamp = Annotated[int, Field(ge=-(2**62), le=2**62)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=100)]
Place = Annotated[float, Field(allow_inf_nan=False, ge=-1e5, le=1e5)]
Point = Annotated[tuple[Place, Place], Field(strict=False)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Points = Annotated[list[Point], Field(min_length=3, max_length=30_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class FrameLine(_Strict):
    """A frame, without its pixels: they are in film `segment`, at `position`.

    A frame that equals the one before it, pixel for pixel, has the same position.
    """

    index: Count
    exposure: Count
    repeat: bool
    signal: Annotated[Signal, Field(strict=False)]
    captured_ns: Stamp
    segment: Annotated[int, Field(ge=0, lt=MOST_FILMS)]
    position: Annotated[int, Field(ge=0, le=10_000_000)]
    sha: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


@dataclass(frozen=True, slots=True)
class FrameRow:
    """The same, once it was checked, and a tenth as large: an hour holds 200,000 of them."""

    index: int
    exposure: int
    repeat: bool
    signal: Signal
    captured_ns: int
    segment: int
    position: int
    sha: str

    @classmethod
    def of(cls, line: dict[str, Any]) -> "FrameRow":
        """From a line that was checked."""
        return cls(
            index=line["index"],
            exposure=line["exposure"],
            repeat=line["repeat"],
            signal=Signal(line["signal"]),
            captured_ns=line["captured_ns"],
            segment=line["segment"],
            position=line["position"],
            sha=line["sha"],
        )

    def frame(self, pixels: Gray, raw: Gray | None = None) -> Frame:
        """The frame as it was seen, with the raw one where that was calibrated."""
        told = self.captured_ns, self.exposure, self.repeat, self.signal, raw
        return Frame(self.index, pixels, *told)


class GapLine(_Strict):
    """Frames that came and were not recorded: the indexes of the first and the last."""

    first: Count
    last: Count
    why: Text


class _OutlineFields(_Strict):
    points: Points
    area_px: Number
    mean_probability: Number


class SegmentationLine(_Strict):
    """What the engine saw, without the probability map."""

    frame_index: Count
    exposure: Count
    frame_size: Annotated[tuple[Side, Side], Field(strict=False)]
    score: Number | None
    view_supported: bool
    captured_ns: Stamp
    started_ns: Stamp
    finished_ns: Stamp
    inferred_ns: Stamp
    engine: Name
    outlines: Annotated[list[_OutlineFields], Field(max_length=64)]

    def segmentation(self) -> Segmentation:
        """As it was recorded; its probability is an empty (1, 1) map."""
        return Segmentation(
            frame_index=self.frame_index,
            exposure=self.exposure,
            frame_size=self.frame_size,
            probability=read_only(np.zeros((1, 1), np.uint8)),
            outlines=tuple(_outline(o) for o in self.outlines),
            score=float("nan") if self.score is None else self.score,
            view_supported=self.view_supported,
            captured_ns=self.captured_ns,
            started_ns=self.started_ns,
            finished_ns=self.finished_ns,
            inferred_ns=self.inferred_ns,
            engine=self.engine,
        )


class EventLine(_Strict):
    """An event of the session's log."""

    event_kind: Name
    text: Text


class PresentedLine(_Strict):
    """A frame was painted, at the line's time; with an outline of a style, or without."""

    index: Count
    style: Literal["paired", "aged"] | None


class EngineLine(_Strict):
    """What computes, once it is known, if it was not when the head was written."""

    engine: dict[str, Any]


class FilmLine(_Strict):
    """A film has ended: SHA-256 of its file, and of that with its pictures shrunk to `SMALL`."""

    segment: Annotated[int, Field(ge=0, lt=MOST_FILMS)]
    sha256: Digest
    small_sha256: Digest


class EndLine(_Strict):
    """The session was closed: with so many frames, and why; `complete` if that was all there was.

    What an older orapp closed counts as complete.
    """

    frames: Count
    why: Text
    complete: bool = True


class _Any(_Strict):
    n: Count
    t: Stamp
    kind: Name


class _Head(_Strict):
    class _Source(_Strict):
        kind: Name
        width: Count | None
        height: Count | None
        rate_hz: Number | None
        description: Text = ""

    class _Rules(_Strict):
        mode: Name
        max_outline_age_ms: Number

    class _Profile(_Strict):
        name: Name
        version: Count
        sha256: Name

    format: int
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    started: Annotated[str, Field(max_length=40)]
    started_ns: Stamp
    source: _Source
    engine: dict[str, Any] | None
    profile: _Profile | None = None
    picture: Picture | None = None
    rules: _Rules
    case: Annotated[str, Field(max_length=200)]


LINES: dict[str, TypeAdapter[Any]] = {
    "frame": TypeAdapter(FrameLine),
    "gap": TypeAdapter(GapLine),
    "segmentation": TypeAdapter(SegmentationLine),
    "event": TypeAdapter(EventLine),
    "presented": TypeAdapter(PresentedLine),
    "engine": TypeAdapter(EngineLine),
    "film": TypeAdapter(FilmLine),
    "end": TypeAdapter(EndLine),
}
_ANY, _HEAD = TypeAdapter(_Any), TypeAdapter(_Head)


class LineCheck:
    """Checks a session's lines, each in its turn: fields, and the order of the frames."""

    def __init__(self) -> None:
        self._index, self._film, self._position, self._sha = -1, 0, -1, ""

    def __call__(self, line: dict[str, Any]) -> None:
        """Raises ValueError unless the line belongs here; unknown kinds are let be."""
        _ANY.validate_python(line)
        kind = line["kind"]
        if kind in LINES:
            seen = LINES[kind].validate_python(line)
            if isinstance(seen, FrameLine):
                self._in_order(seen)

    def _in_order(self, frame: FrameLine) -> None:
        here = frame.segment == self._film
        new = here and frame.position == self._position + 1
        same = here and frame.position == self._position and frame.sha == self._sha
        next_film = frame.segment == self._film + 1 and frame.position == 0
        if frame.index <= self._index or not (new or same or next_film):
            raise ValueError("a frame is out of its order")
        self._index, self._film, self._position = frame.index, frame.segment, frame.position
        self._sha = frame.sha


def check_head(head: Any) -> None:
    """Raises ValueError unless it is what a session begins with."""
    _HEAD.validate_python(head)


def session_head(
    source: dict[str, Any],
    engine: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    case: str = "",
    profile: dict[str, Any] | None = None,
    picture: Picture | None = None,
) -> dict[str, Any]:
    """The head of a session that starts now.

    Args:
        source: kind, width, height, rate_hz (each may be None but the kind), description.
        engine: what computes; None if it is not known yet.
        rules: mode and max_outline_age_ms; by default those of OverlayRules.
        case: a case id, no patient's name.
        profile: name, version and sha256 of the site profile, if there is one.
        picture: what it says of the picture: frames are recorded raw, and calibrated when read.
    """
    return {
        "format": FORMAT,
        "id": uuid.uuid4().hex,
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "started_ns": time.monotonic_ns(),
        "source": {"description": "", **source},
        "engine": engine,
        "rules": rules or {"mode": "paired", "max_outline_age_ms": 200.0},
        "case": case,
        "profile": profile,
        "picture": picture and picture.model_dump(mode="json", exclude_none=True),
    }


def segmentation_fields(s: Segmentation) -> dict[str, Any]:
    """The fields of a segmentation's line."""
    return {
        "frame_index": s.frame_index,
        "exposure": s.exposure,
        "frame_size": list(s.frame_size),
        "score": s.score if np.isfinite(s.score) else None,
        "view_supported": s.view_supported,
        "captured_ns": s.captured_ns,
        "started_ns": s.started_ns,
        "finished_ns": s.finished_ns,
        "inferred_ns": s.inferred_ns,
        "engine": s.engine,
        "outlines": [
            {
                "points": [[round(x, 2), round(y, 2)] for x, y in o.points.tolist()],
                "area_px": round(o.area_px, 2),
                "mean_probability": round(o.mean_probability, 6),
            }
            for o in s.outlines
        ],
    }


def _outline(fields: _OutlineFields) -> Outline:
    points = np.array(fields.points, np.float32)
    points.flags.writeable = False
    return Outline(points, fields.area_px, fields.mean_probability)


def read_head(folder: Path) -> bytes:
    """The bytes of session.json, checked; raises OrappError if there is no session."""
    path = folder / "session.json"
    try:
        if folder.is_dir():
            next(folder.iterdir(), None)  # raises what hides its files, where something does
        if not is_plain_file(path):
            raise _no_session(folder, "it holds no session.json")
        with path.open("rb") as file:
            data = file.read(LARGEST_HEAD + 1)
        if len(data) > LARGEST_HEAD:
            raise ValueError("it is too large")
        head = json.loads(data, parse_constant=_refuse)
        if isinstance(head, dict) and head.get("format") not in (FORMAT, None):
            raise OrappError(
                f"'{folder.name}' is a session of another format", "use a newer orapp for it"
            )
        check_head(head)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise OrappError(f"'{folder.name}' can't be read ({why})", "check the path") from None
    except (ValueError, RecursionError):
        raise _no_session(folder, "its session.json is damaged") from None
    return data


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _no_session(folder: Path, why: str) -> OrappError:
    return OrappError(f"'{folder.name}' is no session: {why}", "give the folder of a session")


def film_name(segment: int) -> str:
    """The file of a film in the session's folder."""
    return f"frames-{segment:04d}.mkv"


def small_name(segment: int) -> str:
    """The file of its small pictures, which lie at the same times."""
    return f"small-{segment:04d}.mkv"


def sha_of(pixels: Gray) -> str:
    """First 16 hex digits of the SHA-256 of (H, W) uint8 pixels."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()[:16]


def timed(lines: list[FrameRow]) -> Iterator[tuple[FrameRow, int]]:
    """The frames of one film, each with the time of its picture in the film in ms."""
    last_ms = position = -1
    for line in lines:
        if line.position != position:
            last_ms = next_ms(last_ms, line.captured_ns - lines[0].captured_ns)
        position = line.position
        yield line, last_ms


def next_ms(last_ms: int, since_ns: int) -> int:
    """A picture's time in its film: no two are alike, however quickly they came."""
    return max(last_ms + 1, since_ns // 1_000_000)


def matched(
    lines: list[FrameRow], film_path: Path, first: int = 0
) -> Iterator[tuple[FrameRow, Gray | None]]:
    """Each line from `first` on with the picture that lies at its time and has its hash."""
    wanted = list(timed(lines))[first:]
    film = read_film(film_path, wanted[0][1])
    time_ms, pixels, sha = _next_picture(film)
    for line, wanted_ms in wanted:
        while time_ms is not None and time_ms < wanted_ms:
            time_ms, pixels, sha = _next_picture(film)
        yield line, pixels if time_ms == wanted_ms and sha == line.sha else None


def _next_picture(
    film: Iterator[tuple[int, Gray | None]],
) -> tuple[int | None, Gray | None, str]:
    """Its time, its pixels, their hash; without any at the film's end."""
    time_ms, pixels = next(film, (None, None))
    return time_ms, pixels, "" if pixels is None else sha_of(pixels)
