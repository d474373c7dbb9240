"""Watches a clip frame by frame, and says what device it came through.

Memory does not grow with the clip: sums over exposures, the last exposure, and some numbers for
each of the last minutes' frames.
"""

from collections import deque
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.conclude import conclude
from orapp.calibrate.findings import Findings
from orapp.calibrate.states import StateWatch
from orapp.calibrate.sums import Sums
from orapp.calibrate.timing import HOLD_S, Threshold, threshold, timing
from orapp.errors import OrappError
from orapp.frames import Gray

ROWS = 135
"""About so many rows are compared from frame to frame."""
BLOCKS = (32, 18)
SAMPLE_S = 0.12
"""Exposures closer together than this are not all summed up."""
FRAMES_KEPT = 60 * 120
LEAST_SAMPLES = 8
LARGEST_SIDE = 8192
BETWEEN = 1.128
"""Mean difference between two draws of noise, in its standard deviations."""


class Watch:
    """Takes a clip's raw frames in order; `findings` may be asked at any time."""

    def __init__(self) -> None:
        self._start_over()
        self._note = ""

    def _start_over(self) -> None:
        self._thin: Gray | None = None
        self._times: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._changes: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._least: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._limit = Threshold(0.06, 0.0)
        self._pending: tuple[Gray, float] | None = None
        self._sums: Sums | None = None
        self._sampled_s = -1e9
        self._interval_s = 0.0
        self._states = StateWatch()
        self._size = (0, 0)

    def see(self, raw: Gray, time_s: float) -> None:
        """Takes the next frame.

        Args:
            raw: (H, W) uint8 as the source gave it.
            time_s: when it came; must not go back.

        Raises:
            OrappError: it is no picture that can be calibrated on.
        """
        if raw.ndim != 2 or raw.dtype != np.uint8 or min(raw.shape) < 64:
            raise OrappError("the picture is too small to calibrate on", "give the whole video")
        if max(raw.shape) > LARGEST_SIDE:
            raise OrappError("the picture is too large to calibrate on", "give the video as it is")
        if raw.shape != self._size:
            self._resized(raw, time_s)
        thin = _thin(raw)
        if self._thin is None:
            self._thin, self._pending = thin, (raw.copy(), time_s)
            self._times.append(time_s)
            self._changes.append(0.0)
            self._least.append(0.0)
            return
        blocks = _blocks(np.asarray(cv2.absdiff(thin, self._thin), np.uint8))
        change, least = (float(v) for v in np.percentile(blocks, (95, 5)))
        self._thin = thin
        self._times.append(time_s)
        self._changes.append(change)
        self._least.append(least)
        seen = len(self._changes)
        if seen % 30 == 0 or seen in (6, 10, 15, 20):
            self._limit = self._threshold()
        if change > self._limit.change:
            self._new_exposure(raw, time_s)
        elif self._pending is not None:
            self._repeat(raw, thin, time_s)

    def _resized(self, raw: Gray, time_s: float) -> None:
        height, width = self._size
        self._start_over()
        self._size = raw.shape[0], raw.shape[1]
        if height:
            self._note = (
                f"the picture changed from {width}x{height} to {raw.shape[1]}x{raw.shape[0]} "
                f"at {time_s:.1f} s; only what came after that was measured"
            )

    def _threshold(self) -> Threshold:
        return threshold(np.array(self._changes)[1:], np.array(self._least)[1:])

    def _new_exposure(self, raw: Gray, time_s: float) -> None:
        """Sums up the exposure before, unless it was held or no image at all."""
        if self._pending is not None:
            before, began_s = self._pending
            lasted = time_s - began_s
            if lasted <= self._held_after_s():
                self._interval_s = (
                    lasted if not self._interval_s else (0.8 * self._interval_s + 0.2 * lasted)
                )
                if began_s - self._sampled_s >= SAMPLE_S:
                    self._add(before)
                    self._sampled_s = began_s
        self._pending = raw.copy(), time_s

    def _held_after_s(self) -> float:
        return max(HOLD_S, 2.5 * self._interval_s)

    def _repeat(self, raw: Gray, thin: Gray, time_s: float) -> None:
        assert self._pending is not None
        first, began_s = self._pending
        if self._sums is not None and time_s - began_s > self._held_after_s():
            self._states.held(first, raw, _blocks(thin), time_s - began_s)

    def _add(self, raw: Gray) -> None:
        if self._sums is None:
            self._sums = Sums.of(raw)
        self._sums.add(raw)
        self._states.image(_blocks(_thin(raw)))

    @property
    def exposures(self) -> int:
        """How many exposures have been summed up so far."""
        return 0 if self._sums is None else int(self._sums.count)

    @property
    def ready(self) -> bool:
        """Whether `findings` has enough to go by."""
        return self.exposures >= 2 * LEAST_SAMPLES and len(self._times) >= 60

    def findings(self) -> Findings:
        """What the clip said so far.

        Raises:
            OrappError: it says too little: too short, no X-ray, or no picture at all.
        """
        sums, limit = self._enough(), self._threshold()
        when = timing(self._times, self._changes, limit)
        found = conclude(sums, when, limit.repeat / BETWEEN, self._states)
        if not self._note:
            return found
        return replace(found, notes=found.notes | {"size": self._note})

    def _enough(self) -> Sums:
        sums = self._sums
        if len(self._times) < 2:
            raise OrappError("the clip has no video", "record 5 to 20 seconds with X-ray on")
        if sums is None or sums.count < LEAST_SAMPLES:
            seen = 0 if sums is None else int(sums.count)
            raise OrappError(
                f"the clip shows only {seen} changing exposures",
                "record 5 to 20 seconds with X-ray on",
            )
        return sums


def _blocks(thin: Gray) -> NDArray[np.float32]:
    """(18, 32) float32 means of every 8th row's pixels."""
    small = cv2.resize(thin.astype(np.float32), BLOCKS, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _thin(raw: Gray) -> Gray:
    step = max(round(raw.shape[0] / ROWS), 1)
    return np.ascontiguousarray(raw[step // 2 :: step])
