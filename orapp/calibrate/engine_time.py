"""How long the engine takes on this machine, and what outline mode follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from orapp.engines import EngineSpec
from orapp.frames import Frame, Gray
from orapp.segment import Segmenter
from orapp.verify import open_verified

LEAST_RUNS = 40
ROOM = 0.8
"""A paired outline must be there in so much of the time that its exposure stays."""
MOST_AGE_MS, USUAL_AGE_MS = 500.0, 200.0


@dataclass(frozen=True, slots=True)
class EngineTime:
    """What `Segmenter.segment` took, resize and outline included.

    Attributes:
        p50_ms, p95_ms: of the runs.
        runs: how many.
        engine: the model and what computed it.
    """

    p50_ms: float
    p95_ms: float
    runs: int
    engine: str

    @staticmethod
    def of(times_ms: Sequence[float], engine: str) -> "EngineTime":
        """From each run's time."""
        p50, p95 = (float(v) for v in np.percentile(times_ms, (50, 95)))
        return EngineTime(round(p50, 1), round(p95, 1), len(times_ms), engine)


def time_engine(pictures: Sequence[Gray], spec: EngineSpec) -> EngineTime:
    """Segments calibrated (H, W) uint8 pictures until there are enough runs.

    Raises:
        OrappError: the engine can't be opened, or is not what its model is.
    """
    with open_verified(spec) as engine:
        segmenter, identity = Segmenter(engine), engine.identity
        times = []
        for n in range(max(LEAST_RUNS, len(pictures))):
            seen = segmenter.segment(Frame(n, pictures[n % len(pictures)], 0, n))
            times.append((seen.finished_ns - seen.started_ns) / 1e6)
    return EngineTime.of(times[2:], f"{identity.name} on {identity.backend}")


@dataclass(frozen=True, slots=True)
class ModeAdvice:
    """The outline's mode, its greatest age in ms, and why, in a sentence."""

    mode: Literal["paired", "live"]
    max_age_ms: float
    why: str


def advise(time: EngineTime, pulse_hz: float, rate_hz: float) -> ModeAdvice:
    """`paired` where the engine answers before the next exposure, else `live` with an age.

    Args:
        time: as measured here.
        pulse_hz: X-ray pulses per second; 0 is unknown, then every video frame counts as one.
        rate_hz: video frames per second.
    """
    hz = pulse_hz or rate_hz or 30.0
    interval = 1000 / hz
    took = f"95 of 100 answers within {time.p95_ms:g} ms ({time.engine})"
    what = "exposures" if pulse_hz else "video frames"
    come = f"{what} come every {interval:.0f} ms"
    if time.p95_ms <= ROOM * interval:
        return ModeAdvice("paired", USUAL_AGE_MS, f"{took}; {come}: fast enough")
    oldest = np.ceil((time.p95_ms + max(time.p95_ms, interval)) / 10) * 10
    if oldest > MOST_AGE_MS:
        why = f"{took}; {come}: too slow for live outlines too, 'AI late' will be shown"
        return ModeAdvice("paired", USUAL_AGE_MS, why)
    why = f"{took}; {come}: too slow for paired outlines"
    return ModeAdvice("live", max(float(oldest), USUAL_AGE_MS), why)
