"""A real source for tests: noise, a bright square whose place follows from the exposure, faults."""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import SignalLost
from orapp.frames import Gray, read_only
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.pace import Pace

BITS = 24
NOISES = 7
MARK = 150
"""Grey level of a set bit: brighter than the noise, darker than the square's 255 and than 200."""


def number_of(pixels: Gray) -> int:
    """Number of the picture that the pixels carry (row 0)."""
    return _decode(pixels[0, :BITS])


def exposure_of(pixels: Gray) -> int:
    """The source's number of the exposure that the pixels carry (row 1)."""
    return _decode(pixels[1, :BITS])


def _decode(row: NDArray[np.uint8]) -> int:
    return sum(1 << bit for bit, value in enumerate(row) if value > MARK // 2)


def _encode(number: int) -> NDArray[np.uint8]:
    return np.array([MARK if number >> bit & 1 else 0 for bit in range(BITS)], np.uint8)


class SquareSource:
    """A moving bright square (255) on noise (60 +- 10, 150 at most).

    Every picture carries its own number, which ticks like a burned-in clock, and its exposure's.
    All `..._at` and `..._until` are numbers of pictures; picture n is due n / rate_hz s after the
    first open. The clock runs on while it is unplugged, so pictures are missed then. Unpaced,
    each try to open it passes for one picture.

    Args:
        rate_hz: pictures per second.
        size: (width, height).
        side: of the square.
        repeats: pictures per exposure.
        paced: False delivers at once.
        finite: what the format says; with `end_after` it is True.
        seed: of the noise.
        end_after: number of pictures.
        unplug_at, replug_at: `read` and `open` raise SignalLost in between.
        stall_at, stall_until: pictures are missing without an error in between.
        hold_at, hold_until: the exposure is held in between (for ever if only the first is given).
        clock: False leaves the picture's number at its exposure's first, so that a hold is frozen.
        black_at, black_until: all pixels are 0 in between.
        resize_at, resize_to: from then on this (width, height).
    """

    def __init__(
        self,
        rate_hz: float = 15,
        size: tuple[int, int] = (320, 240),
        side: int = 60,
        *,
        repeats: int = 1,
        paced: bool = True,
        finite: bool = False,
        seed: int = 0,
        end_after: int | None = None,
        unplug_at: int | None = None,
        replug_at: int | None = None,
        stall_at: int | None = None,
        stall_until: int | None = None,
        hold_at: int | None = None,
        hold_until: int | None = None,
        clock: bool = True,
        black_at: int | None = None,
        black_until: int | None = None,
        resize_at: int | None = None,
        resize_to: tuple[int, int] = (200, 160),
    ) -> None:
        self.uri = "square:"
        self.rate_hz, self.side, self.repeats = rate_hz, side, repeats
        self._size, self._resize_at, self._resize_to = size, resize_at, resize_to
        self._end_after = end_after
        self._finite = finite or end_after is not None
        self._clock = clock
        self._unplug = unplug_at, replug_at
        self._stall = stall_at, stall_until
        self._hold = hold_at, hold_until
        self._black = black_at, black_until
        self._paced = paced
        self._pace = Pace(paced)
        self._next = 0
        self._was_open = self._open = False
        self._bank: dict[tuple[int, int], Gray] = {}
        self._seed = seed
        self._made: tuple[int, Gray] | None = None
        self.opens = self.closes = 0

    def fault(self, chance: random.Random) -> None:
        """From the next picture on: unplugged, silent, held, black or of another size, for a bit.

        May be called from any thread; every fault ends by itself.
        """
        at, length = self._next + 1, chance.randrange(1, 40)
        fault = chance.randrange(6)
        if fault == 0:
            self._unplug = at, at + length
        elif fault == 1:
            self._stall = at, at + length
        elif fault == 2:
            self._black = at, at + length
        elif fault == 3:
            self._hold = at, at + 2 * length
        elif fault == 4:
            self._resize_at, self._resize_to = at, chance.choice([(200, 160), (320, 240)])
        else:
            self.mend()

    def mend(self) -> None:
        """No fault any more."""
        self._unplug = self._stall = self._black = self._hold = (None, None)

    def size_at(self, number: int) -> tuple[int, int]:
        """(width, height) of a picture."""
        resized = self._resize_at is not None and number >= self._resize_at
        return self._resize_to if resized else self._size

    def exposure_at(self, number: int) -> int:
        """The source's number of the exposure that a picture shows."""
        start, end = self._hold
        if start is not None and number >= start:
            end = number + 1 if end is None else min(end, number + 1)
            number -= end - start
        return number // self.repeats

    def square_at(self, exposure: int, size: tuple[int, int] | None = None) -> tuple[int, ...]:
        """(x0, y0, x1, y1) of the square of an exposure, x1 and y1 exclusive."""
        width, height = size or self._size
        x = 2 + exposure * 37 % (width - self.side - 4)
        y = 4 + exposure * 23 % (height - self.side - 6)
        return x, y, x + self.side, y + self.side

    def picture(self, number: int) -> Gray:
        """(H, W) uint8 of a picture, without waiting."""
        size, exposure = self.size_at(number), self.exposure_at(number)
        if _within(self._black, number):
            return read_only(np.zeros(size[::-1], np.uint8))
        pixels = self._noise(size, exposure)
        x0, y0, x1, y1 = self.square_at(exposure, size)
        pixels[y0:y1, x0:x1] = 255
        pixels[0, :BITS] = _encode(number if self._clock else exposure * self.repeats)
        pixels[1, :BITS] = _encode(exposure)
        return read_only(pixels)

    def open(self) -> SourceFormat:
        self.opens += 1
        if not self._was_open:
            self._pace.start()
            self._was_open = True
        elif not self._paced:
            self._next += 1
        else:
            while self._pace.wait_until(self._next * 1000 / self.rate_hz, 0):
                self._next += 1
        if _within(self._unplug, self._next):
            raise SignalLost("the square source is unplugged", "plug it in again")
        self._open = True
        width, height = self.size_at(self._next)
        return SourceFormat(width, height, self.rate_hz, "a square", self._finite)

    def read(self, timeout_ms: int) -> Picture | None:
        if not self._open:
            raise SignalLost("the square source is closed", "open it")
        number = self._next
        if self._end_after is not None and number >= self._end_after:
            raise EndOfSource
        if self._made is None or self._made[0] != number:
            self._made = number, self.picture(number)
        time_ms = number * 1000 / self.rate_hz
        if not self._pace.wait_until(time_ms, timeout_ms):
            return None
        if _within(self._unplug, number):
            raise SignalLost("the square source is unplugged", "plug it in again")
        self._next += 1
        return None if _within(self._stall, number) else Picture(self._made[1], time_ms)

    def close(self) -> None:
        self.closes += 1
        self._open = False

    def _noise(self, size: tuple[int, int], exposure: int) -> Gray:
        """One of some noises over a ground that stands still, so that the view does not move."""
        width, height = size
        if size not in self._bank:
            rng = np.random.default_rng(self._seed)
            noise = rng.normal(60, 8, (NOISES, height, width)).astype(np.float32)
            noise += cv2.GaussianBlur(rng.normal(0, 60, (height, width)), (0, 0), 3)  # stands still
            self._bank[size] = np.clip(np.rint(noise), 1, 140).astype(np.uint8)
        return self._bank[size][exposure % NOISES].copy()


def _within(window: tuple[int | None, int | None], number: int) -> bool:
    start, end = window
    return start is not None and start <= number and (end is None or number < end)
