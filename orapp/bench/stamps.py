"""Every stamp of every frame, kept as the path gives them; parts and drops are made of these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orapp.frames import Frame, Overlay, OverlayStyle, Segmentation
from orapp.latency import LatencyLog

LIMIT = 500_000
"""Rows that are kept of each kind: 35 minutes at 60 frames/s. Drop policy: the oldest go."""
_ANSWER = "index exposure captured handed started inferred finished received outlines"
_PAINTING = "index exposure repeat captured began presented overlay_exposure aged"
ANSWER = np.dtype([(name, np.int64) for name in _ANSWER.split()])
"""One segmentation: `inferred` is a duration in ns, the others of its times are stamps."""
PAINTING = np.dtype([(name, np.int64) for name in _PAINTING.split()])
"""One painting of a frame; `overlay_exposure` is -1 if there was no outline."""

Rows = NDArray[np.void]


class Ring:
    """The last `limit` rows of a kind; one thread writes, and nobody reads before the end."""

    def __init__(self, kind: np.dtype[np.void], limit: int = LIMIT) -> None:
        self._rows = np.zeros(limit, kind)
        self.count = 0

    def add(self, row: tuple[int, ...]) -> None:
        """Adds one row; past the limit the oldest goes."""
        self._rows[self.count % len(self._rows)] = row
        self.count += 1

    @property
    def newest(self) -> np.void:
        """The newest row itself, to be amended."""
        row: np.void = self._rows[(self.count - 1) % len(self._rows)]
        return row

    def all(self) -> Rows:
        """A copy, oldest first."""
        size = len(self._rows)
        if self.count <= size:
            return self._rows[: self.count].copy()
        return np.roll(self._rows, -(self.count % size))


@dataclass(frozen=True, slots=True)
class Window:
    """What is measured: frames captured from `start_ns` until `end_ns`."""

    start_ns: int
    end_ns: int

    def of(self, rows: Rows) -> Rows:
        """The rows whose frame was captured in it."""
        captured = rows["captured"]
        return rows[(captured >= self.start_ns) & (captured < self.end_ns)]


class StampedLog(LatencyLog):
    """The live path's log that keeps every stamp."""

    def __init__(self) -> None:
        super().__init__()
        self.answers, self.paintings = Ring(ANSWER), Ring(PAINTING)

    def segmented(
        self, segmentation: Segmentation, received_ns: int, handed_ns: int | None = None
    ) -> None:
        """See `LatencyLog.segmented`."""
        super().segmented(segmentation, received_ns, handed_ns)
        s = segmentation
        handed_ns = s.captured_ns if handed_ns is None else handed_ns
        times = (s.captured_ns, handed_ns, s.started_ns, s.inferred_ns, s.finished_ns, received_ns)
        self.answers.add((s.frame_index, s.exposure, *times, len(s.outlines)))

    def shown(self, frame: Frame, presented_ns: int, overlay: Overlay | None) -> None:
        """See `LatencyLog.shown`."""
        super().shown(frame, presented_ns, overlay)
        drawn = (-1, 0)
        if overlay is not None:
            drawn = overlay.exposure, int(overlay.style is OverlayStyle.AGED)
        times = frame.captured_ns, presented_ns, presented_ns
        self.paintings.add((frame.index, frame.exposure, int(frame.repeat), *times, *drawn))

    def painted(self, took_ns: int) -> None:
        """See `LatencyLog.painted`: it follows `shown`."""
        super().painted(took_ns)
        if self.paintings.count:
            row = self.paintings.newest
            row["began"] = row["presented"] - took_ns
