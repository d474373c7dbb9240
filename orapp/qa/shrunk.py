"""A session's small pictures as a source: what an engine would get of each frame, without FFV1."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np

from orapp.errors import OrappError
from orapp.film import read_film
from orapp.frames import Frame, Gray
from orapp.scene import image_area, same_exposure
from orapp.session import SessionReader
from orapp.session_lines import SMALL, FrameRow, film_name, small_name, timed
from orapp.shrink import shrink
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.session import format_of

CHECKED_EACH = 32
"""So often is a small picture compared with what the large one gives now."""
KEPT = 4
RIM = 2
"""Small pixels at the image area's edge, into which others go that lie beside it."""


class NotShrunk(OrappError):
    """The small pictures are not all there, or not those of this orapp: take the large ones."""

    def __init__(self, why: str) -> None:
        super().__init__(f"its small pictures can't be used ({why})", "read the large ones")


class ShrunkSession:
    """The small pictures of a session that is whole, as fast as they are decoded.

    The first of each film, and every 32nd, is compared with what this orapp makes of the large
    picture, which has to be the one that was recorded. So a release that shrinks or calibrates
    otherwise finds that it has to read the large ones.

    Args:
        path: the session's folder.
        size: (h, w) that an engine takes in.

    Attributes:
        frame_size: (H, W) of the frames that the pictures were shrunk from.

    Raises:
        NotShrunk: also of `read`: all frames have to be read again from the large pictures.
        OrappError: there is no session.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self.uri = f"session:{path}"
        self._path, self._reader = path, SessionReader(path)
        self._rows = self._reader.rows
        self._segments = [list(rows) for _, rows in groupby(self._rows, key=lambda r: r.segment)]
        if size != SMALL:
            raise NotShrunk(f"the engine takes in {size[1]}x{size[0]}")
        if self._reader.damage or not self._rows:
            raise NotShrunk("the session is damaged")
        if any(rows[0].segment not in self._reader.films for rows in self._segments):
            raise NotShrunk("it was not closed, or recorded by an older orapp")
        first = self._segments[0]
        self.frame_size = _size(self._large(*next(timed(first))))
        self._kept: dict[tuple[int, int], Gray] = {}
        self._pictures = self._read_all()

    def check_files(self, digests: Mapping[str, str]) -> None:
        """Raises NotShrunk unless the films are, byte for byte, those that were recorded.

        Args:
            digests: SHA-256 of each file of the session, by name.
        """
        for rows in self._segments:
            film = self._reader.films[rows[0].segment]
            told = {
                film_name(film.segment): film.sha256,
                small_name(film.segment): film.small_sha256,
            }
            if any(digests.get(name) != sha for name, sha in told.items()):
                raise NotShrunk("a film is not as it was recorded")

    def open(self) -> SourceFormat:
        """What the session is, as `SessionSource` says it."""
        self._pictures = self._read_all()
        return format_of(self._reader, self.frame_size)

    def read(self, timeout_ms: int) -> Picture | None:  # noqa: ARG002
        """The next small picture, at the time of its frame."""
        found = next(self._pictures, None)
        if found is None:
            raise EndOfSource
        row, small = found
        return Picture(small, (row.captured_ns - self._rows[0].captured_ns) / 1e6)

    def close(self) -> None:
        """Stops reading."""
        self._pictures = iter(())

    def same_exposure(self, one: Frame, other: Frame) -> bool:
        """What `same_exposure` says of the large pictures of two frames, by their small ones.

        Where the small ones differ well inside the image area, the large ones do.
        """
        before, after = (self._rows[frame.index] for frame in (one, other))
        if (before.segment, before.position) == (after.segment, after.position):
            return True
        a, b = (image_area(frame.pixels)[RIM:-RIM, RIM:-RIM] for frame in (one, other))
        if not np.array_equal(a, b):
            return False
        return same_exposure(self._large_at(before), self._large_at(after))

    def _read_all(self) -> Iterator[tuple[FrameRow, Gray]]:
        for rows in self._segments:
            film = read_film(self._path / small_name(rows[0].segment))
            small: Gray | None = None
            last_ms, number = -1, 0
            for row, time_ms in timed(rows):
                if time_ms != last_ms:
                    found_ms, small = next(film, (-1, None))
                    if found_ms != time_ms or small is None or small.shape != SMALL:
                        raise NotShrunk("one is missing or damaged")
                    if number % CHECKED_EACH == 0:
                        self._check(row, time_ms, small)
                    last_ms, number = time_ms, number + 1
                assert small is not None
                yield row, small

    def _check(self, row: FrameRow, time_ms: int, small: Gray) -> None:
        large = self._large(row, time_ms)
        if _size(large) != self.frame_size:
            raise NotShrunk("its frames are not all of one size")
        if not np.array_equal(shrink(large, SMALL), small):
            raise NotShrunk("this orapp shrinks otherwise")

    def _large_at(self, row: FrameRow) -> Gray:
        """The same, by the row alone; the last few are kept: a hold shows them again and again."""
        place = row.segment, row.position
        if place not in self._kept:
            rows = next(rows for rows in self._segments if rows[0].segment == row.segment)
            large = self._large(
                *next((r, ms) for r, ms in timed(rows) if r.position == row.position)
            )
            self._kept = dict(list(self._kept.items())[1 - KEPT :]) | {place: large}
        return self._kept[place]

    def _large(self, row: FrameRow, time_ms: int) -> Gray:
        """The large picture of a frame, calibrated; raises NotShrunk if it is not as recorded."""
        frame = self._reader.frame_at(row, time_ms)
        if frame is None:
            raise NotShrunk("a large one is missing or damaged")
        return frame.pixels


def _size(pixels: Gray) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]
