"""Every frame's and outline's latency of a measured stretch, for percentiles and plots."""

import time

import numpy as np

from orapp.frames import Frame, Overlay, OverlayStyle, Segmentation
from orapp.latency import LatencyLog

MOST = 200_000
"""Samples that are kept; later ones are counted only."""
REMEMBERED = 256


class Stamps(LatencyLog):
    """A latency log that also keeps single values, from `begin` on.

    Attributes:
        pictures, outlines: (seconds since `begin`, ms): captured to painted; captured to its
            outline painted, or the age of an aged outline.
        painted_frames: frames that were painted since `begin`.
        missed: indexes between them that were not.
    """

    def __init__(self, keep: bool = True) -> None:
        super().__init__()
        self._keep = keep
        self._begun_ns = 0
        self._last_shown, self._last_outlined = -1, -1
        self._captured: dict[int, int] = {}
        self.pictures: list[tuple[float, float]] = []
        self.outlines: list[tuple[float, float]] = []
        self.painted_frames = self.missed = 0

    def begin(self) -> None:
        """What is painted from now on counts. In the display's thread."""
        self._last_shown = -1
        self._begun_ns = time.monotonic_ns()

    def segmented(
        self, segmentation: Segmentation, received_ns: int, handed_ns: int | None = None
    ) -> None:
        """See `LatencyLog.segmented`."""
        super().segmented(segmentation, received_ns, handed_ns)
        self._captured[segmentation.frame_index] = segmentation.captured_ns
        if len(self._captured) > REMEMBERED:
            del self._captured[min(self._captured)]

    def shown(self, frame: Frame, presented_ns: int, overlay: Overlay | None) -> None:
        """See `LatencyLog.shown`."""
        super().shown(frame, presented_ns, overlay)
        if not self._begun_ns:
            return
        if frame.index != self._last_shown:
            if self._last_shown >= 0:
                self.missed += frame.index - self._last_shown - 1
            self._last_shown = frame.index
            self.painted_frames += 1
            self._add(self.pictures, presented_ns, presented_ns - frame.captured_ns)
        if overlay is None:
            return
        if overlay.style is OverlayStyle.AGED:
            self._add(self.outlines, presented_ns, overlay.age_ms * 1e6)
        elif overlay.exposure != self._last_outlined:
            self._last_outlined = overlay.exposure
            captured_ns = self._captured.get(overlay.frame_index)
            if captured_ns is not None and captured_ns > self._begun_ns:
                self._add(self.outlines, presented_ns, presented_ns - captured_ns)

    def _add(self, to: list[tuple[float, float]], now_ns: int, took_ns: float) -> None:
        if self._keep and len(to) < MOST:
            to.append(((now_ns - self._begun_ns) / 1e9, took_ns / 1e6))


def percentile(samples: list[tuple[float, float]], percent: float) -> float | None:
    """Of the ms, a value that occurred; None where nothing was measured."""
    if not samples:
        return None
    values = np.array([ms for _, ms in samples])
    return float(np.percentile(values, percent, method="higher"))
