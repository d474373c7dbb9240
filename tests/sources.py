"""A paced source for the tests: a bright square whose place follows from the exposure."""

import time

import cv2
import numpy as np

from orapp.errors import SignalLost
from orapp.frames import Gray, read_only
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.pace import Pace


def square_at(
    exposure: int, size: tuple[int, int] = (256, 256), side: int = 64
) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of the square in an exposure, x1 and y1 outside; (H, W) is the size.

    It jumps by much from one exposure to the next, so that a wrong pairing is plain to see.
    """
    height, width = size
    x = 16 + (exposure * 67) % (width - side - 32)
    y = 16 + (exposure * 41) % (height - side - 32)
    return x, y, x + side, y + side


class SquareSource:
    """Noise of 60 +- 10 and a square of 255 on it.

    Args:
        rate: exposures per second.
        repeats: how often each exposure is delivered.
        size: (H, W).
        side: of the square.
        end_after: number of pictures after which the source ends; None is never.
        unplug_at, replug_at: picture numbers from and until which the device is gone.
        resize_at: picture number from which the picture is half as large.
        hold_at, hold_until: picture numbers between which the last exposure is held.
        clock: a small burned-in mark that changes with every picture.
        paced: False delivers at once.
    """

    uri = "square:"

    def __init__(
        self,
        rate: float = 15.0,
        *,
        repeats: int = 1,
        size: tuple[int, int] = (256, 256),
        side: int = 64,
        end_after: int | None = None,
        unplug_at: int | None = None,
        replug_at: int = 0,
        resize_at: int | None = None,
        hold_at: int | None = None,
        hold_until: int = 0,
        clock: bool = False,
        paced: bool = True,
    ) -> None:
        self.rate, self.repeats, self.size, self.side = rate * repeats, repeats, size, side
        self.end_after, self.resize_at, self.clock = end_after, resize_at, clock
        self.unplug_at, self.replug_at = unplug_at, replug_at
        self.hold_at, self.hold_until = hold_at, hold_until
        self.opened = self.closed = 0
        self._pace, self._number, self._start_ns = Pace(paced), 0, 0
        self._backgrounds = [
            np.random.default_rng(seed).integers(50, 71, size, dtype=np.uint8) for seed in range(7)
        ]

    def open(self) -> SourceFormat:
        if self.opened == 0:
            self._start_ns = time.monotonic_ns()
            self._pace.start()
        elif self._gone(now := self._due()):
            raise SignalLost("the test device is unplugged", "plug it in")
        else:
            self._number = now
        self.opened += 1
        height, width = self._size_now()
        finite = self.end_after is not None
        return SourceFormat(width, height, self.rate, "a bright square", finite)

    def _due(self) -> int:
        return int((time.monotonic_ns() - self._start_ns) / 1e9 * self.rate) + 1

    def _gone(self, number: int) -> bool:
        return self.unplug_at is not None and self.unplug_at <= number < self.replug_at

    def _size_now(self) -> tuple[int, int]:
        if self.resize_at is not None and self._number >= self.resize_at:
            return self.size[0] // 2, self.size[1] // 2
        return self.size

    def read(self, timeout_ms: int) -> Picture | None:
        if self.end_after is not None and self._number >= self.end_after:
            raise EndOfSource
        if not self._pace.wait_until(self._number * 1000 / self.rate, timeout_ms):
            return None
        if self._gone(self._number):
            raise SignalLost("the test device is unplugged", "plug it in")
        number = self._number
        self._number += 1
        return Picture(self.picture(number), number * 1000 / self.rate)

    def picture(self, number: int) -> Gray:
        held = self.hold_at is not None and self.hold_at <= number < self.hold_until
        exposure = (self.hold_at - 1 if held and self.hold_at else number) // self.repeats
        pixels = self._backgrounds[exposure % len(self._backgrounds)].copy()
        x0, y0, x1, y1 = square_at(exposure, self.size, self.side)
        pixels[y0:y1, x0:x1] = 255
        if self.clock:
            pixels[2:6, 2:6] = number % 100
        if self.resize_at is not None and number >= self.resize_at:
            pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return read_only(pixels)

    def close(self) -> None:
        self.closed += 1
