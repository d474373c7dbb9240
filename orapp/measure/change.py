"""What has changed since a baseline, and its trend over the exposures. Pure but for the trend."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from orapp.measure.heights import Measures, Reading, Three, in_one_unit

REPEAT_BAND = 0.25
"""95 of 100 heights of the same body on two pictures differ by less than this part of the square
root of its area, by pfnet-lite; of simulated validation pictures (tools/measure_accuracy)."""
LIMIT = 2000
"""Points of a trend."""
RECENT = 15
"""Exposures whose scatter is looked at."""
Maybe = tuple[Reading | None, Reading | None, Reading | None]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Measures that a person has kept as the start, with their exposure and stamp (monotonic)."""

    measures: Measures
    exposure: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Change:
    """Since the baseline; three figures each, in the order of the heights.

    Attributes:
        names: of the heights.
        height_percent: 100 * (H_now - H_before) / H_before.
        wedge_deg: wedge angle now minus before.
        restored_percent: 100 * (H_now - H_before) / (H_ref - H_before), None where no reference
            is given, or H_ref is not higher than H_before by more than the band.
        corrected: whether a person has dragged a point, now or before.
    """

    names: tuple[str, str, str]
    height_percent: Three
    wedge_deg: Reading
    restored_percent: Maybe
    corrected: bool

    @property
    def is_beyond_band(self) -> tuple[bool, bool, bool]:
        """Whether each height has changed by more than its band."""
        a, b, c = (abs(h.value) > h.band for h in self.height_percent)
        return a, b, c


def change_since(
    baseline: Baseline,
    now: Measures,
    reference: Measures | None = None,
    scatter_px: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Change:
    """The change since the baseline, with its band.

    The baseline is taken after prone positioning: posture alone restores some mm. Without a
    calibration, both must be of the same magnification; nobody can tell that from outlines, so set
    a new baseline when it changes. Restoration is the formula of kyphoplasty studies: 100 % is
    all of what was lost, against the reference.

    The bands are those of two outlines of the same body by the model (`REPEAT_BAND`), or the
    recent scatter, whichever is larger; errors that both outlines share are not in them.

    Args:
        baseline: before.
        now: now.
        reference: of the same body when it was whole, or of a neighbour.
        scatter_px: 95 % half widths of the recent exposures' heights, of `Trend.scatter_px`.

    Raises:
        OrappError: they can't be compared: calibration, or the front, is known for one only.
    """
    after, before = in_one_unit(now, baseline.measures)
    unit = now.mm_per_px or 1.0
    least = REPEAT_BAND * math.sqrt(now.points.area_px)
    steps = [
        Reading(n.value - h.value, unit * max(least, scatter))
        for n, h, scatter in zip(after, before, scatter_px, strict=True)
    ]
    whole = (None,) * 3 if reference is None else in_one_unit(now, reference)[1]
    a, b, c = (s.times(100 / h.value) for s, h in zip(steps, before, strict=True))
    x, y, z = (_restored(*three) for three in zip(steps, before, whole, strict=True))
    old, new = baseline.measures.wedge_deg, now.wedge_deg
    return Change(
        now.names,
        (a, b, c),
        Reading(new.value - old.value, math.hypot(new.band, old.band)),
        (x, y, z),
        now.corrected or baseline.measures.corrected,
    )


def _restored(step: Reading, before: Reading, whole: Reading | None) -> Reading | None:
    """Per cent of the lost height that came back; None where what was lost is within the band."""
    if whole is None:
        return None
    lost = Reading(whole.value - before.value, step.band)
    if lost.low <= 0:
        return None
    part = step.value / lost.value
    return Reading(100 * part, 100 * math.hypot(step.band, part * lost.band) / lost.value)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One exposure of a trend; stamp is monotonic ns."""

    time_ns: int
    exposure: int
    measures: Measures


class Trend:
    """The measures of a run, one point per exposure, at most `limit`. Used by one thread.

    Drop policy: when it is full, every second point goes, and from then on only as many new ones
    stay; so a long run is shown whole, evenly, but coarser. The newest is always there. What went
    is counted in `dropped`.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        if limit < 4:
            raise ValueError(f"a trend of {limit} points shows nothing: 4 or more")
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        """Forgets all points, as with a new baseline."""
        self._kept: list[TrendPoint] = []
        self._recent: deque[TrendPoint] = deque(maxlen=RECENT)
        self._seen, self._every = 0, 1
        self.dropped = 0

    def add(self, time_ns: int, exposure: int, measures: Measures) -> None:
        """Adds an exposure's measures; the same exposure again replaces its point."""
        point = TrendPoint(time_ns, exposure, measures)
        if self._recent and self._recent[-1].exposure == exposure:
            self._recent[-1] = point
            return
        if self._recent:
            self._keep(self._recent[-1])
        self._recent.append(point)

    def _keep(self, point: TrendPoint) -> None:
        if self._seen % self._every == 0:
            self._kept.append(point)
        else:
            self.dropped += 1
        self._seen += 1
        if len(self._kept) >= self._limit:
            before = len(self._kept)
            self._kept = self._kept[::2]
            self._every *= 2
            self.dropped += before - len(self._kept)

    @property
    def points(self) -> tuple[TrendPoint, ...]:
        """A copy, oldest first."""
        return (*self._kept, *list(self._recent)[-1:])

    def scatter_px(self) -> tuple[float, float, float]:
        """95 % half widths (1.96 SD) of the heights of the last `RECENT` exposures.

        0 with fewer than three. A body that is just being raised scatters too.
        """
        last = [[h.value for h in p.measures.heights] for p in self._recent]
        if len(last) < 3:
            return 0.0, 0.0, 0.0
        front, middle, rear = 1.96 * np.std(last, axis=0, ddof=1)
        return float(front), float(middle), float(rear)
