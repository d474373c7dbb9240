"""What the video is, from its pixels: new exposure or repeat, hold, frozen, black. Pure."""

from collections import deque
from dataclasses import dataclass
from statistics import median

import cv2

from orapp.frames import Gray, Signal

REPEAT_SHARE = 0.005
"""A picture in which no more of the pixels changed repeats the exposure: a burned-in clock ticks,
a hold mark appears. A real exposure brings new noise everywhere. Without noise (a rendered file)
whatever moves more than 1/200 of the picture is a new exposure; less is a repeat, on which the
outline of the exposure before is still in place."""
HOLD_AFTER_NS = 350_000_000
HOLD_AFTER_PULSES = 2.5
"""Only repeats for so long, in ns and in pulses: the pedal is up."""
FROZEN_AFTER_NS = 3_000_000_000
"""Not one pixel changed for so long, not even a clock: what is shown may not be live."""
BLACK_DEVIATION = 2.0
BLACK_AFTER_NS = 100_000_000
"""A picture this flat, in grey levels, for so long, shows nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one picture turned out to be."""

    new_exposure: bool
    signal: Signal


class SceneWatch:
    """Looks at every picture of one connection in turn; times are given in, none is read."""

    def __init__(self) -> None:
        self._before: Gray | None = None
        self._pulses: deque[int] = deque(maxlen=9)
        self._exposed_ns = self._changed_ns = 0
        self._flat_since_ns: int | None = None

    def look(self, pixels: Gray, now_ns: int) -> Look:
        """Compares the picture (H, W) uint8 with the one before it; 0.5 ms at 1024x1024."""
        changed = self._share_changed(pixels)
        self._before = pixels
        if changed > 0:
            self._changed_ns = now_ns
        new = changed > REPEAT_SHARE
        if new:
            if self._exposed_ns:
                self._pulses.append(now_ns - self._exposed_ns)
            self._exposed_ns = now_ns
        return Look(new, self._signal(pixels, now_ns))

    def _share_changed(self, pixels: Gray) -> float:
        if self._before is None or self._before.shape != pixels.shape:
            return 1.0
        if pixels is self._before:
            return 0.0
        return cv2.countNonZero(cv2.absdiff(pixels, self._before)) / pixels.size

    def _signal(self, pixels: Gray, now_ns: int) -> Signal:
        if self._is_black(pixels, now_ns):
            return Signal.BLACK
        if now_ns - self._changed_ns > FROZEN_AFTER_NS:
            return Signal.FROZEN
        if now_ns - self._exposed_ns > self._hold_after_ns():
            return Signal.HOLD
        return Signal.XRAY_ON

    def _hold_after_ns(self) -> float:
        pulse_ns = median(self._pulses) if self._pulses else 0
        return max(HOLD_AFTER_NS, HOLD_AFTER_PULSES * pulse_ns)

    def _is_black(self, pixels: Gray, now_ns: int) -> bool:
        if float(pixels[::8, ::8].std()) >= BLACK_DEVIATION:
            self._flat_since_ns = None
            return False
        if self._flat_since_ns is None:
            self._flat_since_ns = now_ns
        return now_ns - self._flat_since_ns >= BLACK_AFTER_NS
