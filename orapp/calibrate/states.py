"""How a device shows last image hold, and what it shows without a signal."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.findings import Box, Hold
from orapp.frames import Gray

LONG_S = 0.5
SIDE = 16
STILL = 1.0
"""Grey levels by which a block without X-rays varies at most: a clock."""


class StateWatch:
    """Looks at stretches in which the picture stands still."""

    def __init__(self) -> None:
        self._images: deque[NDArray[np.float32]] = deque(maxlen=60)
        self._held: tuple[Gray, Gray] | None = None
        self.no_signal = ""
        self.no_signal_note = "the clip does not show what the device gives without a signal"

    def image(self, blocks: NDArray[np.float32]) -> None:
        """Takes the (18, 32) block means of an exposure."""
        self._images.append(blocks)

    def held(self, first: Gray, now: Gray, blocks: NDArray[np.float32], lasted_s: float) -> None:
        """Takes a frame that repeats `first` longer than pulses explain."""
        if lasted_s < LONG_S or len(self._images) < 8:
            return
        if not self._is_other_screen(blocks):
            self._held = first, now.copy()
        elif not self.no_signal:
            small = cv2.resize(now, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            self.no_signal = np.asarray(small, np.uint8).tobytes().hex()
            self.no_signal_note = "a still screen that is none of the C-arm's pictures"

    def _is_other_screen(self, blocks: NDArray[np.float32]) -> bool:
        """Whether the screen beside the picture is another, or the picture's part is flat."""
        images = np.stack(self._images)
        away, spread = np.abs(blocks - images.mean(0)), images.std(0)
        live = spread > STILL
        if live.sum() < 8:
            return False
        flat = np.percentile(blocks[live], 90) - np.percentile(blocks[live], 10) < 3
        beside = ~live & (away > 6)
        off = live & (away > 3 * spread + 10)
        other = beside.sum() > 0.5 * (~live).sum() if (~live).mean() > 0.05 else False
        return bool(flat or other or off.sum() > 0.5 * live.sum())

    def hold(self, text: tuple[Box, ...], noise: float) -> tuple[Hold | None, str]:
        """What appears while the device holds, clocks and other text left out."""
        if self._held is None:
            return None, "the clip has no last image hold"
        first, now = self._held
        differs = cv2.absdiff(first, now) > 20 + 6 * noise
        for x, y, w, h in text:
            differs[max(y - 4, 0) : y + h + 4, max(x - 4, 0) : x + w + 4] = False
        rows, columns = np.nonzero(differs)
        if len(rows) < 8:
            return Hold(None), "the picture stands still, without a mark"
        x0, x1 = int(columns.min()), int(columns.max()) + 1
        y0, y1 = int(rows.min()), int(rows.max()) + 1
        if (x1 - x0) * (y1 - y0) > 0.05 * first.size:
            return Hold(None), "the picture stands still; what changes is too large for a mark"
        part = now[y0:y1, x0:x1]
        small = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(int)
        bits = np.packbits(small > (small.min() + small.max()) / 2)
        return Hold((x0, y0, x1 - x0, y1 - y0), bits.tobytes().hex()), "a mark that appears"
