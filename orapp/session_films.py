"""The two films of a part of a session: its frames as they came, and small, as an engine sees them.

FFV1 takes longer to decode a frame of 1024x1024 than an engine to look at it. QA therefore reads
the small ones, once it has seen that they are what the large ones give (`qa/shrunk.py`).
"""

from pathlib import Path

from orapp.chain import Line
from orapp.film import FilmWriter
from orapp.frames import Frame
from orapp.session_lines import SMALL, film_name, small_name
from orapp.shrink import shrink


class Films:
    """Writes both; a frame is in the large one first.

    Args:
        folder: of the session.
        segment: number of the part.
        size: (H, W) of its raw frames.

    Raises:
        OSError, ValueError: as `FilmWriter`.
    """

    def __init__(self, folder: Path, segment: int, size: tuple[int, int]) -> None:
        self.size = size
        self._segment = segment
        self._large = FilmWriter(folder / film_name(segment), size)
        self._told = False
        try:
            self._small = FilmWriter(folder / small_name(segment), SMALL)
        except BaseException:
            self._large.close()
            raise

    @property
    def frames(self) -> int:
        """Pictures so far."""
        return self._large.frames

    def add(self, frame: Frame, time_ms: int) -> None:
        """Adds a frame's picture at its time from the films' start in ms."""
        self._large.add(frame.sent, time_ms)
        self._small.add(shrink(frame.pixels, SMALL), time_ms)

    def line(self) -> Line | None:
        """What to say of them when they end; None once it was said."""
        if self._told:
            return None
        self._told = True
        shas = {"sha256": self._large.sha256, "small_sha256": self._small.sha256}
        return {"segment": self._segment, **shas}

    def sync(self) -> None:
        """Has what was added on the disk; any thread may call it."""
        self._large.sync()
        self._small.sync()

    def close(self) -> None:
        """Closes both files; may be called twice."""
        try:
            self._large.close()
        finally:
            self._small.close()
