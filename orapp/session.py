"""The session on disk: what a recording holds, written to be whole at every moment, and read back.

A folder with `session.json` (the head), `frames-0000.mkv` and on (FFV1, lossless), and
`events.jsonl` (one hash-chained line for everything that happened).
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Self, TypeVar

import av
import numpy as np

from orapp.chain import ChainReader, ChainWriter, Line
from orapp.errors import OrappError
from orapp.film import FilmWriter, film_times, sync_folder
from orapp.frames import Event, Frame, Gray, Segmentation
from orapp.picture import Picture
from orapp.session_lines import (
    EndLine,
    FrameRow,
    GapLine,
    LineCheck,
    SegmentationLine,
    check_head,
    film_name,
    matched,
    next_ms,
    read_head,
    segmentation_fields,
    session_head,
    sha_of,
    timed,
)
from orapp.session_verdict import Contents, Verdict, judge, may_be_cut
from orapp.site import SiteMap

__all__ = ["SessionReader", "SessionWriter", "Verdict", "new_session_folder", "session_head"]
FILM_S = 60
"""A new film begins after so long: a damaged file costs a minute at most."""
Written = TypeVar("Written")


def new_session_folder(root: Path) -> Path:
    """Makes an empty folder `session-YYYYmmdd-HHMMSS` (UTC) in `root`, with -2, -3 if taken.

    Raises:
        OrappError: it can't be made.
    """
    name = f"session-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = root / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise _unwritable(error) from None
    raise OrappError("the recording can't be written (no name is free)", "choose another folder")


class SessionWriter:
    """Writes a session. A frame can be read back as soon as `frame` returns.

    One thread writes; `sync` may be called by another meanwhile.

    Args:
        folder: of the session, empty or to be made.
        head: as `session_head` gives it.

    Raises:
        OrappError: of any method: the folder or a file can't be written. What was written before
            stays readable.
    """

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        check_head(head)
        self._folder = folder
        self._lock = threading.Lock()
        self._film: FilmWriter | None = None
        self._old_film: FilmWriter | None = None  # full, and perhaps not flushed: `sync` does it
        self._new_film = False
        self._films = self._frames = 0
        self._film_began_ns = self._last_ms = 0
        self._last_pixels: Gray = np.zeros((0, 0), np.uint8)
        self._sha = ""
        data = (json.dumps(head, indent=1, allow_nan=False) + "\n").encode()
        self._lines = _told(lambda: self._begin(data))

    def _begin(self, data: bytes) -> ChainWriter:
        self._folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self._folder.parent)
        lines = ChainWriter(self._folder / "events.jsonl", data)
        lines.sync()
        sync_folder(self._folder)  # a head without its lines would look like damage
        try:
            self._write_head(data)
        except OSError:
            lines.close()
            raise
        return lines

    def _write_head(self, data: bytes) -> None:
        with (self._folder / "session.json").open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)

    @property
    def frames(self) -> int:
        """Frames so far."""
        return self._frames

    def frame(self, frame: Frame) -> None:
        """Appends a frame: its picture, if it is not that of the one before, then its line."""
        _told(lambda: self._frame(frame))

    def _frame(self, frame: Frame) -> None:
        film = self._film_for(frame)
        if film.frames == 0 or not np.array_equal(frame.sent, self._last_pixels):
            self._last_ms = next_ms(self._last_ms, frame.captured_ns - self._film_began_ns)
            film.add(frame.sent, self._last_ms)
            self._last_pixels, self._sha = frame.sent, sha_of(frame.sent)
        fields = {
            "index": frame.index,
            "exposure": frame.exposure,
            "repeat": frame.repeat,
            "signal": frame.signal.value,
            "captured_ns": frame.captured_ns,
            "segment": self._films - 1,
            "position": film.frames - 1,
            "sha": self._sha,
        }
        self._lines.add("frame", frame.captured_ns, fields)
        self._frames += 1

    def _film_for(self, frame: Frame) -> FilmWriter:
        film = self._film
        long = frame.captured_ns - self._film_began_ns >= FILM_S * 1_000_000_000
        if film is not None and film.size == frame.sent.shape and not long:
            return film
        self._end_old_film()
        height, width = frame.sent.shape
        new = FilmWriter(self._folder / film_name(self._films), (height, width))
        with self._lock:
            self._old_film, self._film, self._new_film = film, new, True
        self._films += 1
        self._film_began_ns, self._last_ms = frame.captured_ns, -1
        return new

    def segmentation(self, segmentation: Segmentation) -> None:
        """Appends what the engine saw; the outlines to 0.01 px, without the probability map."""
        self.line("segmentation", segmentation.finished_ns, segmentation_fields(segmentation))

    def event(self, event: Event) -> None:
        """Appends an event."""
        fields = {"event_kind": event.kind[:100], "text": _clean(event.text[:10_000])}
        self.line("event", event.time_ns, fields)

    def gap(self, first: int, last: int, why: str) -> None:
        """Says that the frames with the indexes first to last were not recorded."""
        self.line("gap", time.monotonic_ns(), {"first": first, "last": last, "why": why})

    def presented(self, index: int, presented_ns: int, style: str | None) -> None:
        """Says when a frame was painted, and with what style of outline, if any."""
        self.line("presented", presented_ns, {"index": index, "style": style})

    def engine(self, identity: Any) -> None:
        """Says what computes (a dataclass or a dict), where the head could not."""
        fields = asdict(identity) if is_dataclass(identity) else dict(identity)  # type: ignore[arg-type]
        self.line("engine", time.monotonic_ns(), {"engine": fields})

    def line(self, kind: str, time_ns: int, fields: Line) -> None:
        """Appends a line of a kind."""
        _told(lambda: self._lines.add(kind, time_ns, fields))

    def sync(self) -> None:
        """Has everything so far on the disk, pictures first; any thread may call it."""
        _told(self._end_old_film)
        with self._lock:
            film, new, self._new_film = self._film, self._new_film, False
        if film is not None:
            _told(film.sync)
        if new:
            _told(lambda: sync_folder(self._folder))
        _told(self._lines.sync)

    def _end_old_film(self) -> None:
        with self._lock:
            old, self._old_film = self._old_film, None
        if old is not None:
            try:
                old.sync()
            finally:
                old.close()

    def close(self, why: str) -> None:
        """Says that it ends, and why, and closes the files whatever happens; once is enough."""
        try:
            self.line("end", time.monotonic_ns(), {"frames": self._frames, "why": why})
            self.sync()
        finally:
            for file in (self._old_film, self._film, self._lines):
                if file is not None:
                    file.close()


class SessionReader:
    """Reads a session, also one that was cut off, or that is still being written.

    Opening reads the head only. Only what the chain and the pictures' hashes vouch for is given.
    Frames are given as they were seen: calibrated, where a site profile did it.

    Args:
        folder: of the session.

    Attributes:
        head: what session.json says.
        site: what calibrates its frames; None if they were seen as they are.

    Raises:
        OrappError: there is no session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._seed = read_head(self._folder)
        self.head: dict[str, Any] = json.loads(self._seed)
        picture = self.head.get("picture")
        self.site = None if picture is None else SiteMap(Picture.model_validate(picture))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between two calls; for the symmetry of it."""

    def _chain(self) -> ChainReader:
        return ChainReader(self._folder / "events.jsonl", self._seed, LineCheck())

    def lines(self) -> Iterator[Line]:
        """All verified lines in order, streaming; as dicts, without their chain."""
        yield from self._chain()

    @cached_property
    def events(self) -> list[Line]:
        """All verified lines in order. Of an hour this is large: `lines` streams."""
        return list(self.lines())

    @cached_property
    def _contents(self) -> Contents:
        found, chain = Contents(), self._chain()
        for line in chain:
            kind = line["kind"]
            found.kinds[kind] = found.kinds.get(kind, 0) + 1
            if kind == "frame":
                found.frames.append(FrameRow.of(line))
            elif kind == "gap":
                found.gaps.append(GapLine.model_validate(line))
            elif kind == "event":
                events = found.event_kinds
                events[line["event_kind"]] = events.get(line["event_kind"], 0) + 1
            elif kind == "engine":
                found.engine = line["engine"]
            found.end = EndLine.model_validate(line) if kind == "end" else None
        found.broken, found.cut = chain.broken, chain.cut
        return found

    @property
    def event_kinds(self) -> dict[str, int]:
        """How many events there are of each kind."""
        return dict(self._contents.event_kinds)

    @property
    def damage(self) -> str:
        """Where and why the chain does not hold; empty if it does, or was only cut off."""
        return self._contents.broken

    @property
    def gaps(self) -> list[tuple[int, int, str]]:
        """Frames that were not recorded: first and last index, why."""
        return [(gap.first, gap.last, gap.why) for gap in self._contents.gaps]

    @property
    def kinds(self) -> dict[str, int]:
        """How many verified lines there are of each kind."""
        return dict(self._contents.kinds)

    @property
    def engine(self) -> dict[str, Any] | None:
        """What computed, by the head or by a later line; None if it never came up."""
        return self.head["engine"] or self._contents.engine

    @property
    def rate_hz(self) -> float:
        """Frames per second, as the source stated it, or else as they came; 0 if unknown."""
        stated = self.head["source"]["rate_hz"]
        if stated and 0 < stated <= 1000:
            return float(stated)
        stamps = np.array([frame.captured_ns for frame in self._contents.frames], np.int64)
        apart_ns = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
        return 1e9 / apart_ns if apart_ns > 0 else 0.0

    @cached_property
    def frame_count(self) -> int:
        """Frames that must be there: the lines, less those whose pictures a mere cut cost."""
        found, at_end = self._contents, self._unpictured
        return len(found.frames) - (len(at_end) if may_be_cut(found.end, at_end) else 0)

    @property
    def lost_at_end(self) -> int:
        """How many of the last frames have no picture although no mere cut explains it."""
        return self.frame_count - len(self._contents.frames) + len(self._unpictured)

    @cached_property
    def _unpictured(self) -> list[FrameRow]:
        """The last frames for which the films hold no picture, newest first."""
        films = groupby(reversed(self._contents.frames), key=lambda row: row.segment)
        bare: list[FrameRow] = []
        for segment, rows in films:
            times = set(film_times(self._folder / film_name(segment)))
            for row, time_ms in reversed(list(timed(list(rows)[::-1]))):
                if time_ms in times:
                    return bare
                bare.append(row)
        return bare

    @property
    def rows(self) -> list[FrameRow]:
        """What the lines say of every frame, in order; not all of the pictures may be whole."""
        return list(self._contents.frames)

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Every whole frame as it was seen, in order, streaming: byte for byte.

        Args:
            first: number of the row in `rows` to begin with; what lies before is not decoded.
        """
        for line, pixels in self._pictures(first):
            if pixels is None:
                continue
            if self.site is None:
                yield line.frame(pixels)
            elif self.site.fits(pixels.shape):
                yield line.frame(self.site.apply(pixels), pixels)

    def _pictures(self, first: int = 0) -> Iterator[tuple[FrameRow, Gray | None]]:
        """Every frame's line with its picture; None if that is missing or not the one recorded."""
        for segment, rows in groupby(self._contents.frames, key=lambda line: line.segment):
            lines = list(rows)
            if len(lines) > first:
                yield from matched(lines, self._folder / film_name(segment), first)
            first = max(first - len(lines), 0)

    def segmentations(self) -> dict[int, Segmentation]:
        """What the engine saw, by the index of the frame; without the probability map."""
        return {
            line["frame_index"]: SegmentationLine.model_validate(line).segmentation()
            for line in self.lines()
            if line["kind"] == "segmentation"
        }

    def verify(self, progress: Callable[[], None] | None = None) -> Verdict:
        """Reads every picture and says what the session is worth.

        Args:
            progress: called after each frame.
        """
        found, missing = self._contents, []
        for line, pixels in self._pictures():
            if pixels is None:
                missing.append(line)
            if progress is not None:
                progress()
        return judge(found, missing)


def _clean(text: str) -> str:
    """Names of files may hold bytes that are no text; JSON has no place for them."""
    return text.encode("utf-8", "replace").decode()


def _told(write: Callable[[], Written]) -> Written:
    """Does it; what the disk says against it becomes one sentence."""
    try:
        return write()
    except (OSError, av.FFmpegError) as error:
        raise _unwritable(error) from None
    except ValueError as error:
        raise OrappError(str(error), "record another source") from None


def _unwritable(error: Exception) -> OrappError:
    why = (getattr(error, "strerror", None) or "unknown reason").lower()
    return OrappError(f"the recording can't be written ({why})", "choose another folder for it")
