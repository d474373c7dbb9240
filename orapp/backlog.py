"""What waits to be recorded: bounded in number, size and time, and never waited for."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from orapp.frames import Frame
from orapp.session_writer import SessionWriter

TOO_SLOW = "the disk or the machine is too slow"


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """What a recorder holds and needs.

    Attributes:
        frames, frame_bytes: that may wait to be written.
        behind_s: nor may a frame wait longer than this, as far as can be foreseen: what waits
            dies with the process, and that may be the last second at most (C5).
        lines: segmentations, events and stamps that may wait.
        low_bytes: the disk is low with less than this free.
        least_bytes: the recording stops with less than this free.
    """

    frames: int = 64
    frame_bytes: int = 256 * 2**20
    behind_s: float = 0.7
    lines: int = 4096
    low_bytes: int = 2_000_000_000
    least_bytes: int = 200_000_000


Write = Callable[[SessionWriter], None]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Writes the line of a gap."""

    first: int
    last: int

    def __call__(self, writer: SessionWriter) -> None:
        writer.gap(self.first, self.last, TOO_SLOW)


class Backlog:
    """What waits to be written. Never blocks.

    Drop policy: when full, or fuller than the disk turns out to be able to write in time, the
    newest frames are dropped, and their indexes go into a gap that is written in their place; of
    lines the newest is dropped, and counted.
    """

    def __init__(self, limits: RecordingLimits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._items: deque[Frame | Write] = deque()
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._begun_ns = self._frame_ns = 0
        self._gap: tuple[int, int] | None = None
        self._gap_end = -1
        self._closed = False
        self.dropped_frames = self.dropped_lines = 0

    def put_frame(self, frame: Frame) -> bool:
        """Puts a frame; False if it was dropped."""
        with self._changed:
            if self._closed:
                return True
            if self._is_full(frame):
                self.dropped_frames += 1
                first = self._gap[0] if self._gap else frame.index
                self._gap = first, frame.index
                return False
            self._end_gap()
            self._items.append(frame)
            self._frames.append(frame)
            self._bytes += frame.sent.nbytes
            self._changed.notify()
            return True

    def put(self, write: Write) -> None:
        """Puts what writes a line."""
        with self._changed:
            if self._closed:
                return
            if len(self._items) - len(self._frames) >= self._limits.lines:
                self.dropped_lines += 1
            else:
                self._items.append(write)
                self._changed.notify()

    def close(self) -> None:
        """Takes nothing more; what waits can still be taken out."""
        with self._changed:
            self._end_gap()
            self._closed = True
            self._changed.notify_all()

    def wait_for_frame(self) -> bool:
        """Waits until a frame is there; False if it was closed before one came."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._closed)
            return bool(self._frames)

    def first(self) -> Frame | Write | None:
        """The oldest item, left in its place until `done`; None once it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._begun_ns = time.monotonic_ns()
            return self._items[0] if self._items else None

    def done(self) -> None:
        """The oldest item was written."""
        with self._changed:
            if isinstance(self._items.popleft(), Frame):
                self._bytes -= self._frames.popleft().sent.nbytes
                took_ns = time.monotonic_ns() - self._begun_ns
                known_ns = self._frame_ns or took_ns
                self._frame_ns = known_ns + (took_ns - known_ns) // 4  # a hiccup is soon forgotten
                self._shed()

    def _shed(self) -> None:
        """Drops what came while the disk was thought to be quicker, back to the last gap."""
        frames = self._frames
        while frames and self._takes_long(len(frames)) and frames[-1].index > self._gap_end:
            frame = frames.pop()
            self._items = deque(item for item in self._items if item is not frame)
            self._bytes -= frame.sent.nbytes
            self.dropped_frames += 1
            self._gap = frame.index, self._gap[1] if self._gap else frame.index

    def _takes_long(self, frames: int) -> bool:
        return frames * self._frame_ns > self._limits.behind_s * 1e9

    def give_up(self) -> tuple[int, int] | None:
        """Drops everything; first and last index of the frames that will not be recorded."""
        with self._changed:
            self._closed = True
            waited = [frame.index for frame in self._frames]
            self.dropped_frames += len(waited)
            lost = waited + list(self._gap or ())
            for item in self._items:  # also the gaps whose own line could not be written
                if isinstance(item, _Gap):
                    lost += [item.first, item.last]
            self._items.clear()
            self._frames.clear()
            self._gap = None
            return (min(lost), max(lost)) if lost else None

    def _is_full(self, frame: Frame) -> bool:
        limits, waiting = self._limits, self._frames
        return bool(waiting) and (
            len(waiting) >= limits.frames
            or self._bytes + frame.sent.nbytes > limits.frame_bytes
            or frame.captured_ns - waiting[0].captured_ns > limits.behind_s * 1e9
            or self._takes_long(len(waiting) + 1)
        )

    def _end_gap(self) -> None:
        gap, self._gap = self._gap, None
        if gap is not None:
            self._gap_end = gap[1]
            self._items.append(_Gap(*gap))
