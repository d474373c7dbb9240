"""Grey range and polarity."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.area import Place
from orapp.calibrate.sums import Plane, Sums
from orapp.frames import Gray

RANGES = ((0, 255), (16, 235), (30, 218))
"""Full; limited (16 to 235); limited twice, by the C-arm and by the grabber."""
FEW = 2e-4
"""Such a part of the pixels may be outliers: noise, compression."""


def find_range(sums: Sums) -> tuple[int, int, str]:
    """The narrowest of the three ranges that holds every grey level that was seen."""
    inside = ~padding(sums.most)
    low = _end(sums.least[:, inside], FEW)
    high = _end(sums.most[:, inside], 1 - FEW)
    below = 0 if low < 8 else 1 if low < 23 else 2
    above = 0 if high > 245 else 1 if high > 226 else 2
    black, white = RANGES[min(below, above)]
    name = ("full", "limited", "twice compressed")[min(below, above)]
    note = f"{name}: grey levels from {low} to {high} were seen"
    return black, white, note if below == above else note + ", so one end was not reached"


def padding(most: Gray) -> NDArray[np.bool_]:
    """(W,) bool: black columns at the frame's sides, which scalers add."""
    empty = most.max(0) <= 6
    left = np.cumprod(empty).astype(bool)
    right = np.cumprod(empty[::-1]).astype(bool)[::-1]
    sides = np.asarray(left | right)
    return sides if 0 < sides.sum() < 0.6 * len(sides) else np.zeros(len(empty), bool)


def _end(levels: Gray, share: float) -> int:
    counts = np.bincount(levels.ravel(), minlength=256)
    return int(np.searchsorted(np.cumsum(counts), share * levels.size, side="right"))


def noise_says(kept: list[Gray], place: Place, black: int, white: int) -> tuple[bool, str, bool]:
    """Whether it is inverted, how that was found, and whether that is sure.

    Where little passes the patient there are few quanta, and the noise is larger.
    """
    slope = noise_slope(kept, place, black, white)
    why = f"noise {'rises' if slope > 0 else 'falls'} with grey ({slope:+.2f})"
    return slope > 0, why, abs(slope) > 0.4


def corners_say(mean: Plane, place: Place, black: int, white: int) -> bool:
    """Whether it is bright outside the round field, where no X-rays are."""
    if place.circle is None:
        return False
    x, y, w, h = place.area
    outside = mean[y : y + h, x : x + w][~place.field[y : y + h, x : x + w]]
    return len(outside) > 200 and float(np.median(outside)) > (black + white) / 2


def noise_slope(kept: list[Gray], place: Place, black: int, white: int) -> float:
    """Rank correlation of local noise with local grey, over pictures; 0 if nothing can be said."""
    x, y, w, h = place.area
    cell = max(min(w, h) // 40, 8)
    levels, noises = [], []
    for raw in kept:
        part = raw[y : y + h, x : x + w].astype(np.float32)
        field = place.field[y : y + h, x : x + w].astype(np.float32)
        rough = np.abs(part - cv2.medianBlur(part, 3))
        edges = cv2.blur(np.abs(cv2.Laplacian(cv2.GaussianBlur(part, (0, 0), 3), -1)), (9, 9))
        span = white - black
        usable = (part > black + 0.12 * span) & (part < white - 0.12 * span) & (field > 0)
        usable &= edges < np.median(edges)
        size = w // cell, h // cell
        share = cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        level = cv2.resize(part * usable, size, interpolation=cv2.INTER_AREA)
        noise = cv2.resize(rough * usable, size, interpolation=cv2.INTER_AREA)
        good = share > 0.35
        levels.append(level[good] / share[good])
        noises.append(noise[good] / share[good])
    level, noise = np.concatenate(levels or [np.zeros(0)]), np.concatenate(noises or [np.zeros(0)])
    if len(level) < 100:
        return 0.0
    one, other = (np.argsort(np.argsort(v)).astype(float) for v in (level, noise))
    return float(np.corrcoef(one, other)[0, 1])
