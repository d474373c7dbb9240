"""A session's small pictures as a source: what an engine would get of each frame.

The large ones take FFV1 longer to decode than an engine needs. Results are the same to a byte, as
long as a large picture decodes to what was encoded (`orapp session show` looks at every one, this
at every 32nd) and OpenCV rounds as it did on the machine that recorded.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np

from orapp.errors import OrappError
from orapp.film import read_film, skim_film
from orapp.frames import Frame, Gray
from orapp.scene import image_area, same_exposure
from orapp.session import SessionReader
from orapp.session_lines import SMALL, FilmLine, FrameRow, film_name, small_name, timed
from orapp.shrink import shrink
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.session import format_of

CHECKED_EACH = 32
"""So often is a small picture compared with what the large one gives now."""
RIM = 2
"""Small pixels at the image area's edge, into which others go that lie beside it."""
Skimmed = Generator[tuple[int, Callable[[], Gray | None]], None, None]
Pictures = Generator[tuple[FrameRow, Gray], None, None]
Timed = tuple[FrameRow, int]
"""A frame's row, and the time of its picture in its film in ms."""


class NotShrunk(OrappError):
    """The small pictures are not all there, or not those of this orapp: take the large ones."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"its small pictures can't be used ({why})", "read the large ones")


class ShrunkSession:
    """The small pictures of a session that is whole, as fast as they are decoded.

    The first of each film, and every 32nd, is compared with what this orapp makes of the large
    picture, which has to be the one that was recorded. So a release that shrinks or calibrates
    otherwise finds that it has to read the large ones. The end comes only if all films are, byte
    for byte, those that were recorded.

    Args:
        path: the session's folder.
        size: (h, w) that an engine takes in.
        digests: SHA-256 of each of the session's files, by name; awaited at the end.

    Attributes:
        frame_size: (H, W) of the frames that the pictures were shrunk from.

    Raises:
        NotShrunk: also of `read` and `same_exposure`: all frames have to be read again from the
            large pictures.
        OrappError: there is no session.
    """

    def __init__(self, path: Path, size: tuple[int, int], digests: Future[dict[str, str]]) -> None:
        self.uri = f"session:{path}"
        self._path, self._digests, self._reader = path, digests, SessionReader(path)
        if size != SMALL:
            raise NotShrunk(f"the engine takes in {size[1]}x{size[0]}")
        parts = groupby(self._reader.rows, key=lambda row: row.segment)
        self._rows = [pair for _, rows in parts for pair in timed(list(rows))]
        if self._reader.damage or not self._rows:
            raise NotShrunk("the session is damaged" if self._rows else "it holds no frame")
        told, here = self._reader.films, {row.segment for row, _ in self._rows}
        if not here <= set(told):
            raise NotShrunk("it was not closed, or recorded by an older orapp")
        self._films: list[FilmLine] = [told[segment] for segment in sorted(here)]
        self._checking, self._comparing = (_Large(path, self._reader) for _ in range(2))
        self._exposure: tuple[int, Gray] | None = None
        self._pictures: Pictures | None = None
        try:
            self.frame_size = _size(self._checking.at(self._rows[0]))
        except NotShrunk:
            self.close()
            raise
        self._inside = _inside(self.frame_size)

    def open(self) -> SourceFormat:
        """What the session is, as `SessionSource` says it."""
        self._pictures = self._read_all()
        return format_of(self._reader, self.frame_size)

    def read(self, timeout_ms: int) -> Picture | None:  # noqa: ARG002
        """The next small picture, at the time of its frame.

        Raises:
            EndOfSource: after the last one, if all files are as they were recorded.
            OSError: one of them can't be read.
        """
        assert self._pictures is not None
        found = next(self._pictures, None)
        if found is None:
            self._check_files()
            raise EndOfSource
        row, small = found
        return Picture(small, (row.captured_ns - self._rows[0][0].captured_ns) / 1e6)

    def close(self) -> None:
        """Stops reading and closes the films."""
        if self._pictures is not None:
            self._pictures.close()
        for large in (self._checking, self._comparing):
            large.close()

    def same_exposure(self, one: Frame, other: Frame) -> bool:
        """What `same_exposure` says of the large pictures of two frames, by their small ones.

        Where the small ones differ well inside the image area, the large ones do. Frames come in
        their order.
        """
        (before, _), (after, _) = (self._rows[frame.index] for frame in (one, other))
        if (before.segment, before.position) == (after.segment, after.position):
            return True
        if self._inside is not None:
            a, b = (frame.pixels[self._inside] for frame in (one, other))
            if not np.array_equal(a, b):
                return False
        if self._exposure is None or self._exposure[0] != one.index:
            self._exposure = one.index, self._comparing.at(self._rows[one.index])
        return same_exposure(self._exposure[1], self._comparing.at(self._rows[other.index]))

    def _read_all(self) -> Pictures:
        for segment, rows in groupby(self._rows, key=lambda pair: pair[0].segment):
            with closing(read_film(self._path / small_name(segment))) as film:
                yield from self._read_film(film, rows)

    def _read_film(
        self, film: Iterator[tuple[int, Gray | None]], rows: Iterable[Timed]
    ) -> Pictures:
        small: Gray | None = None
        last_ms, number = -1, 0
        for row, time_ms in rows:
            if time_ms != last_ms:
                found_ms, small = next(film, (-1, None))
                if found_ms != time_ms or small is None or small.shape != SMALL:
                    raise NotShrunk("one is missing or damaged")
                if number % CHECKED_EACH == 0:
                    self._check((row, time_ms), small)
                last_ms, number = time_ms, number + 1
            assert small is not None
            yield row, small

    def _check(self, pair: Timed, small: Gray) -> None:
        large = self._checking.at(pair)
        if _size(large) != self.frame_size:
            raise NotShrunk("its frames are not all of one size")
        if not np.array_equal(shrink(large, SMALL), small):
            raise NotShrunk("this orapp shrinks otherwise")

    def _check_files(self) -> None:
        digests = self._digests.result()
        for film in self._films:
            large, small = (name(film.segment) for name in (film_name, small_name))
            if (digests.get(large), digests.get(small)) != (film.sha256, film.small_sha256):
                raise NotShrunk("a film is not as it was recorded")


class _Large:
    """Large pictures of a session, some of them, in their order: what lies between is skipped."""

    def __init__(self, path: Path, reader: SessionReader) -> None:
        self._path, self._reader = path, reader
        self._segment, self._here = -1, (-1, -1)
        self._film: Skimmed | None = None
        self._last: Gray | None = None

    def at(self, pair: Timed) -> Gray:
        """The calibrated picture of a frame; raises NotShrunk if it is not as recorded."""
        row, time_ms = pair
        place = row.segment, time_ms
        if place == self._here and self._last is not None:
            return self._last
        if row.segment != self._segment or time_ms <= self._here[1]:
            self.close()
            self._segment = row.segment
            self._film = skim_film(self._path / film_name(row.segment))
        assert self._film is not None
        pixels = next((picture() for found_ms, picture in self._film if found_ms == time_ms), None)
        frame = self._reader.frame_of(row, pixels)
        if frame is None:
            raise NotShrunk("a large one is missing or damaged")
        self._here, self._last = place, frame.pixels
        return frame.pixels

    def close(self) -> None:
        """Closes the film; the next picture opens one again."""
        self._segment = -1
        if self._film is not None:
            self._film.close()


def _size(pixels: Gray) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]


def _inside(size: tuple[int, int]) -> tuple[slice, slice] | None:
    """Where small pixels come from the image area of frames (H, W) alone; None: nowhere surely."""
    if any(large < small for large, small in zip(size, SMALL, strict=True)):
        return None
    part = image_area(np.broadcast_to(np.uint8(0), size))
    ends = []
    for large, small, side in zip(size, SMALL, part.shape, strict=True):
        first = (large - side) // 2
        low = -(-first * small // large) + RIM
        high = (first + side) * small // large - RIM
        if low >= high:
            return None
        ends.append(slice(low, high))
    return ends[0], ends[1]
