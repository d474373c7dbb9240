"""A session on its way to the disk: whole at every moment.

A folder with `session.json` (the head), `frames-0000.mkv` and on (FFV1, lossless), beside each the
same pictures small (`small-0000.mkv`), and `events.jsonl` (one hash-chained line for everything
that happened).
"""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from orapp.chain import ChainWriter, Line
from orapp.errors import OrappError
from orapp.film import sync_folder
from orapp.frames import Event, Frame, Gray, Segmentation
from orapp.session_films import Films
from orapp.session_lines import (
    check_head,
    next_ms,
    segmentation_fields,
    session_head,
    sha_of,
)

__all__ = ["SessionWriter", "new_session_folder", "session_head"]
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
        self._film: Films | None = None
        self._old_film: Films | None = None  # full, and perhaps not flushed: `sync` does it
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
            film.add(frame, self._last_ms)
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

    def _film_for(self, frame: Frame) -> Films:
        film = self._film
        long = frame.captured_ns - self._film_began_ns >= FILM_S * 1_000_000_000
        if film is not None and film.size == frame.sent.shape and not long:
            return film
        self._end_old_film()
        self._tell_of_film()
        height, width = frame.sent.shape
        new = Films(self._folder, self._films, (height, width))
        with self._lock:
            self._old_film, self._film, self._new_film = film, new, True
        self._films += 1
        self._film_began_ns, self._last_ms = frame.captured_ns, -1
        return new

    def _tell_of_film(self) -> None:
        """Says what the film holds that ends here, if there is one."""
        if self._film is not None and (line := self._film.line()) is not None:
            self._lines.add("film", time.monotonic_ns(), line)

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

    def close(self, why: str, complete: bool = True) -> None:
        """Says that it ends, and why, and closes the files whatever happens; once is enough.

        Args:
            why: in words.
            complete: whether it holds all that it was to hold.
        """
        said = {"frames": self._frames, "why": why, "complete": complete}
        try:
            _told(self._tell_of_film)
            self.line("end", time.monotonic_ns(), said)
            self.sync()
        finally:
            for file in (self._old_film, self._film, self._lines):
                if file is not None:
                    file.close()


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
