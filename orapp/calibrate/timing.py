"""Video rate, pulse rate and repeats, from how much each video frame differs from the one before.

With a digital grabber repeats are identical; with an analogue one they differ by its noise, which
is the same for every repeat and less than what a new exposure brings.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 0.03
"""Grey levels; smaller differences than this are none."""
APART = 1.6
"""New exposures differ at least so many times as much as repeats do."""
UNEVEN = 1.6
"""Without X-rays the grabber's noise is the same everywhere to this factor."""
STANDARD_HZ = (15, 24, 25, 30, 50, 59.94, 60, 29.97, 75, 100, 120)
PULSES_HZ = (1, 2, 3, 3.75, 4, 5, 6, 6.25, 7.5, 8, 10, 12, 12.5, 15, 20, 24, 25, 30, 50, 60)
HOLD_S = 0.35


@dataclass(frozen=True, slots=True)
class Threshold:
    """Above `change` a frame starts an exposure; `repeat` is what repeats differ by."""

    change: float
    repeat: float


@dataclass(frozen=True, slots=True)
class Timing:
    """What the differences say; rates in Hz, 0 if unknown; `sure` and why."""

    rate_hz: float
    measured_hz: float
    pulse_hz: float
    repeats: int
    sure: bool
    why: str


def threshold(changes: NDArray[np.float64], least: NDArray[np.float64]) -> Threshold:
    """Where repeats end and new exposures begin.

    Args:
        changes: (N,) how much each frame differs from the one before, where it differs most.
        least: (N,) the same where it differs least.
    """
    if len(changes) < 3:
        return Threshold(LEAST * 2, 0.0)
    ordered = np.sort(np.maximum(changes, LEAST))
    few = max(2, round(0.012 * len(ordered)))
    steps = np.diff(np.log(ordered))
    inner = steps[few - 1 : len(steps) - few + 1]
    if len(inner) and inner.max() > np.log(APART):
        k = few - 1 + int(np.argmax(inner))
        return Threshold(float(np.sqrt(ordered[k] * ordered[k + 1])), _level(ordered[: k + 1]))
    middle = float(np.median(changes))
    even = middle < UNEVEN * max(float(np.median(least)), LEAST)
    if middle <= LEAST * 2 or even:
        return Threshold(max(middle * APART, LEAST * 2), middle)
    return Threshold(LEAST * 2, 0.0)


def _level(differences: NDArray[np.float64]) -> float:
    middle = float(np.median(differences))
    return 0.0 if middle <= LEAST else middle


def timing(times_s: Sequence[float], changes: Sequence[float], limit: Threshold) -> Timing:
    """Rates and repeats of a stretch of video.

    Args:
        times_s: (N,) when each frame came.
        changes: (N,) as `threshold` takes them.
        limit: what it gave.
    """
    times = np.asarray(times_s, float)
    steps = np.diff(times)
    steps = steps[steps > 0]
    if len(steps) < 8:
        return Timing(0.0, 0.0, 0.0, 0, False, "too few frames")
    number, measured = _count(times, float(np.median(steps)))
    rate = _nearest(measured, STANDARD_HZ, 0.004)
    starts = number[np.asarray(changes) > limit.change]
    runs = np.diff(starts)
    runs = runs[(runs > 0) & (runs <= max(HOLD_S * measured, 2.5 * _median(runs)))]
    if len(runs) < 4:
        return Timing(rate, measured, 0.0, 0, False, "fewer than five exposures")
    often, times_seen = Counter(runs.tolist()).most_common(1)[0]
    share = times_seen / len(runs)
    if share >= 0.8:
        pulse = _nearest(rate / often, PULSES_HZ, 0.004)
        why = f"{share:.0%} of {len(runs)} exposures lasted {often} video frames"
        return Timing(rate, measured, pulse, int(often), share >= 0.95, why)
    pulse = _nearest(measured / float(runs.mean()), PULSES_HZ, 0.02)
    seen = ", ".join(str(run) for run in sorted(set(runs.tolist()))[:4])
    return Timing(rate, measured, pulse, 0, False, f"exposures lasted {seen} video frames")


def _count(times: NDArray[np.float64], step: float) -> tuple[NDArray[np.int64], float]:
    """The number of each frame, lost ones counted, and the frames per second."""
    for _ in range(3):
        number = np.concatenate([[0], np.cumsum(np.maximum(np.round(np.diff(times) / step), 0))])
        if number[-1] > 0:
            step = float(np.polyfit(number, times, 1)[0])
    return number.astype(np.int64), 1 / step if step > 0 else 0.0


def _median(values: NDArray[np.int64]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _nearest(value: float, standard: Sequence[float], tolerance: float) -> float:
    best = min(standard, key=lambda one: abs(one - value))
    return float(best) if abs(best - value) <= tolerance * best else round(value, 2)
