"""What is kept of a clip's exposures: sums, extremes, and some of them."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray

MOST_SAMPLES = 240
KEPT = 12
Plane = NDArray[np.float32]


@dataclass(slots=True)
class Sums:
    """Sums over exposures; (H, W) each.

    Attributes:
        total, square: float32 sums of the grey levels and of their squares.
        least, most: uint8.
        count: how many exposures; it stops growing, and older ones count less and less.
        kept: some of the exposures, spread over the clip.
    """

    total: Plane
    square: Plane
    least: Gray
    most: Gray
    count: float = 0.0
    kept: list[Gray] = field(default_factory=list)
    _skip: int = 0
    _step: int = 1

    @staticmethod
    def of(raw: Gray) -> "Sums":
        """Empty ones for frames such as `raw`."""
        zero = np.zeros(raw.shape, np.float32)
        return Sums(zero, zero.copy(), raw.copy(), raw.copy())

    def add(self, raw: Gray) -> None:
        """Takes one more exposure, (H, W) uint8; it may be kept, so it must not be written to."""
        if self.count >= MOST_SAMPLES:
            self.count /= 2
            self.total *= np.float32(0.5)
            self.square *= np.float32(0.5)
        cv2.accumulate(raw, self.total)
        cv2.accumulateSquare(raw, self.square)
        cv2.min(self.least, raw, self.least)
        cv2.max(self.most, raw, self.most)
        self.count += 1
        if self._skip <= 0:
            self.kept.append(raw)
            self._skip = self._step
            if len(self.kept) > KEPT:
                del self.kept[1::2]
                self._step *= 2
        self._skip -= 1

    @property
    def mean(self) -> Plane:
        """(H, W) float32."""
        return np.asarray(self.total / np.float32(self.count), np.float32)

    @property
    def variance(self) -> Plane:
        """(H, W) float32, over time; never negative."""
        mean = self.mean
        return np.maximum(self.square / np.float32(self.count) - mean * mean, np.float32(0))
