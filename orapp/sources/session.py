"""A recorded session as a source: its pictures at the times at which they were captured."""

from collections.abc import Iterator
from pathlib import Path

from orapp.errors import OrappError
from orapp.frames import Frame
from orapp.session import SessionReader
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.pace import Pace


def format_of(reader: SessionReader, size: tuple[int, int]) -> SourceFormat:
    """What a session is whose frames begin with a size (H, W)."""
    height, width = size
    rate_hz = reader.rate_hz
    about = f"recorded session, {width}x{height}, {rate_hz:g} frames/s"
    return SourceFormat(width, height, rate_hz, about, finite=True, frames=reader.frame_count)


class SessionSource:
    """A session as a finite source.

    A gap in the recording is a time without pictures. A session that was cut off simply ends
    there; one that is damaged says so where it breaks.

    Args:
        path: the session's folder.
        paced: False delivers as fast as the pictures are decoded.
    """

    def __init__(self, path: str, paced: bool = True) -> None:
        self.uri = f"session:{path}"
        self._path, self._paced = Path(path), paced
        self._reader: SessionReader | None = None
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        self._first_ns = self._given = 0
        self._pace = Pace(paced)

    def open(self) -> SourceFormat:
        """Opens the session and decodes its first frame.

        Raises:
            OrappError: it is no session, or holds not one whole frame.
        """
        self.close()
        self._reader = reader = SessionReader(self._path)
        self._frames = reader.frames()
        self._next = first = next(self._frames, None)
        if first is None:
            raise OrappError(
                f"'{self._path.name}' holds not one whole frame", "give another session"
            )
        self._first_ns, self._given = first.captured_ns, 0
        self._pace = Pace(self._paced)
        return format_of(reader, (first.pixels.shape[0], first.pixels.shape[1]))

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture at its time.

        Raises:
            EndOfSource: after the last one, also where the session was cut off.
            OrappError: the session is damaged here or before; what came was right.
        """
        if self._next is None:
            self._next = next(self._frames, None)
            if self._next is None:
                self._end()
                raise EndOfSource
        time_ms = (self._next.captured_ns - self._first_ns) / 1e6
        if not self._pace.wait_until(time_ms, timeout_ms):
            return None
        frame, self._next = self._next, None
        self._given += 1
        return Picture(frame.pixels, time_ms, around=frame.raw)

    def close(self) -> None:
        """Closes the session."""
        self._frames, self._next = iter(()), None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _end(self) -> None:
        """Raises OrappError if the session does not really end here."""
        reader = self._reader
        if reader is not None and (reader.damage or self._given < reader.frame_count):
            raise OrappError(
                f"'{self._path.name}' is damaged: not all of its frames could be read",
                "run 'orapp session show' on it",
            )
