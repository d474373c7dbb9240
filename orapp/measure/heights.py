"""Heights, ratios, wedge and area of a vertebral body from its six points. Pure.

Every figure is a `Reading`: a value with the half width of its 95 % band. The bands were measured
on simulated pictures (docs/measures.md), not on patients.
"""

import json
import math
from dataclasses import dataclass, replace

import numpy as np

from orapp.errors import OrappError
from orapp.measure.points import SixPoints

MODEL_BAND = 0.25
"""95 of 100 heights from outlines of pfnet-lite lie this close to the truth; as a part of the
square root of the outline's area. Of simulated validation pictures (tools/measure_accuracy)."""
AREA_BAND = 0.20
"""95 of 100 areas by pfnet-lite differ from the true mask's by less than this part of it."""
THRESHOLDS = (20.0, 25.0, 40.0)
"""Per cent of height lost from which Genant's grades 1 and 2 begin, and over which 3 does."""
ENDS_BY_FRONT = ("anterior", "middle", "posterior")
ENDS_BY_SIDE = ("left", "middle", "right")


@dataclass(frozen=True, slots=True)
class Reading:
    """A measured value, and the half width of its 95 % band, in the same unit."""

    value: float
    band: float

    @property
    def low(self) -> float:
        """Lower end of the band."""
        return self.value - self.band

    @property
    def high(self) -> float:
        """Upper end of the band."""
        return self.value + self.band

    def times(self, factor: float) -> "Reading":
        """In another unit."""
        return Reading(self.value * factor, self.band * factor)


Three = tuple[Reading, Reading, Reading]


@dataclass(frozen=True, slots=True)
class Measures:
    """What the six points say about one body on a lateral view.

    Attributes:
        points: what it was measured from.
        heights: Ha, Hm, Hp in frame pixels: distances between the upper and the lower points; or
            the left end's, the middle's and the right end's if nobody said where the front is.
        end_ratio: Ha / Hp, the wedge ratio; without a front: the lower end over the higher one.
        middle_ratio: Hm / Hp, the biconcave ratio; without a front: over the higher end.
        wedge_deg: angle between the endplates, each the line through its ends, in degrees; more
            than 0 if the front is lower; without a front: its size alone.
        area_px: of the outline, square frame pixels.
        mm_per_px: calibration in the plane of the spine, or None: then nothing is in mm.
        mm_per_px_sd: its standard deviation; it is in the bands of what is in mm.
    """

    points: SixPoints
    heights: Three
    end_ratio: Reading
    middle_ratio: Reading
    wedge_deg: Reading
    area_px: Reading
    mm_per_px: float | None = None
    mm_per_px_sd: float = 0.0

    @property
    def corrected(self) -> bool:
        """Whether a person has dragged a point."""
        return bool(self.points.corrected)

    @property
    def names(self) -> tuple[str, str, str]:
        """What the three heights are called."""
        return ENDS_BY_SIDE if self.points.anterior is None else ENDS_BY_FRONT

    @property
    def heights_mm(self) -> Three | None:
        """The heights in mm; None without a calibration."""
        if self.mm_per_px is None:
            return None
        front, middle, rear = (self._in_mm(h, 1) for h in self.heights)
        return front, middle, rear

    @property
    def area_mm2(self) -> Reading | None:
        """The area in square mm; None without a calibration."""
        return None if self.mm_per_px is None else self._in_mm(self.area_px, 2)

    def _in_mm(self, reading: Reading, power: int) -> Reading:
        """A length or an area in mm, with the calibration's own uncertainty in its band."""
        known = self.mm_per_px or 1.0
        plain = reading.times(known**power)
        scale = power * 1.96 * self.mm_per_px_sd / known * abs(plain.value)
        return Reading(plain.value, math.hypot(plain.band, scale))

    def to_json(self, frame_index: int, exposure: int) -> str:
        """One line of JSON: the text of an event of kind `measure`."""
        heights, area = self.heights_mm or self.heights, self.area_mm2 or self.area_px
        said = {
            "frame_index": frame_index,
            "exposure": exposure,
            "units": "px" if self.mm_per_px is None else "mm",
            "mm_per_px": self.mm_per_px,
            "mm_per_px_sd": self.mm_per_px_sd,
            "heights": {n: _pair(h) for n, h in zip(self.names, heights, strict=True)},
            "ratio_over": "posterior" if self.points.anterior else "higher end",
            "end_ratio": _pair(self.end_ratio),
            "middle_ratio": _pair(self.middle_ratio),
            "wedge_deg": _pair(self.wedge_deg),
            "area": _pair(area),
            "corrected": self.corrected,
            "corrected_points": list(self.points.corrected),
            "points_px": np.round(self.points.points, 2).tolist(),
        }
        return json.dumps(said, allow_nan=False)


def measure(
    points: SixPoints,
    mm_per_px: float | None = None,
    share: float = MODEL_BAND,
    mm_per_px_sd: float = 0.0,
) -> Measures:
    """Measures a body.

    Formulas, with H the distances of the upper from the lower points: wedge ratio Ha / Hp,
    biconcave ratio Hm / Hp (quantitative morphometry; Chou and Vokes, J Clin Densitom 2015,
    doi:10.1016/j.jocd.2015.08.005); wedge angle between the lines through the ends of the
    endplates. Bands: a height's is `share` of the square root of the outline's area; ratios and
    angle follow from it as if the heights' errors were independent.

    Args:
        points: of `six_points`, dragged ones included: their band is not made smaller.
        mm_per_px: calibration, more than 0, or None.
        share: of other outlines than pfnet-lite's, measured as docs/measures.md says.
        mm_per_px_sd: standard deviation of the calibration.

    Raises:
        OrappError: points lie so close to each other that there is no height.
    """
    if mm_per_px is not None and not (math.isfinite(mm_per_px) and mm_per_px > 0):
        raise ValueError(f"mm_per_px is {mm_per_px}, and not more than 0")
    if not (math.isfinite(mm_per_px_sd) and mm_per_px_sd >= 0):
        raise ValueError(f"mm_per_px_sd is {mm_per_px_sd}, and not 0 or more")
    long = [float(v) for v in np.hypot(*(points.upper - points.lower).T)]
    if not all(1.0 <= v < math.inf for v in long):
        raise OrappError("two of the points lie on each other", "drag them apart")
    band = share * math.sqrt(max(points.area_px, 0.0))
    front, middle, rear = (Reading(value, band) for value in long)
    by, other = (rear, front) if points.anterior else _higher_first(rear, front)
    return Measures(
        points,
        (front, middle, rear),
        _over(other, by),
        _over(middle, by),
        _wedge(points, band),
        Reading(points.area_px, AREA_BAND * points.area_px),
        mm_per_px,
        mm_per_px_sd,
    )


def widened(measures: Measures, spread_px: tuple[float, float, float]) -> Measures:
    """With bands of the heights no smaller than these (px), such as their recent scatter."""
    front, middle, rear = (
        Reading(h.value, max(h.band, least))
        for h, least in zip(measures.heights, spread_px, strict=True)
    )
    by, other = (rear, front) if measures.points.anterior else _higher_first(rear, front)
    band = max(h.band for h in (front, middle, rear))
    return replace(
        measures,
        heights=(front, middle, rear),
        end_ratio=_over(other, by),
        middle_ratio=_over(middle, by),
        wedge_deg=_wedge(measures.points, band),
    )


@dataclass(frozen=True, slots=True)
class GenantRange:
    """Which of Genant's grades (0 to 3) the loss of height may have.

    Attributes:
        lowest, highest: grades at the ends of the loss's band; the same only where no threshold
            lies in the band.
        lost: largest loss of the three heights, in per cent.
        against: what the loss is counted from, in words.
    """

    lowest: int
    highest: int
    lost: Reading
    against: str

    @property
    def text(self) -> str:
        """Such as `Genant 1 to 3 (31 ± 9 % lost, against its own posterior height)`.

        Where every grade lies in the band, it says that none can be told.
        """
        grades = f"{self.lowest}" + (f" to {self.highest}" if self.highest > self.lowest else "")
        told = "Genant " + (grades if self.highest - self.lowest < 3 else "not told")
        lost = f"{self.lost.value:.0f} ± {self.lost.band:.0f} % lost"
        return f"{told} ({lost}, against {self.against})"


def genant(measures: Measures, reference: Measures | None = None) -> GenantRange:
    """The range of grades by the largest loss of height.

    Grades after Genant HK et al., J Bone Miner Res 1993;8:1137-48: 1 from 20, 2 from 25, 3 over
    40 % of height lost. Theirs is a reader's judgement by eye, beside the neighbours; this is no
    more than the same thresholds on a measured loss. No hard grade is given near a threshold.

    Args:
        measures: of the body.
        reference: of the same body when it was whole, or of a neighbour: each height's loss is
            1 - H / H_ref. Without a calibration of both, it must be of the same magnification.
            None: the body's own posterior height (without a front: its higher end) stands for all
            three, so a loss of that height, as in a crush fracture, is NOT seen.
    """
    lost = own_loss(measures) if reference is None else loss_against(measures, reference)
    own = "its own posterior height" if measures.points.anterior else "its own higher end"
    return GenantRange(
        grade_of(lost.low),
        grade_of(lost.high),
        lost,
        own if reference is None else "the reference's heights",
    )


def own_loss(measures: Measures) -> Reading:
    """Largest loss against the own posterior height (or higher end), in per cent."""
    least = min(measures.end_ratio, measures.middle_ratio, key=lambda r: r.value)
    return Reading(100 * (1 - least.value), 100 * least.band)


def loss_against(measures: Measures, reference: Measures) -> Reading:
    """Largest loss of the three heights against those of a reference, in per cent."""
    mine, theirs = in_one_unit(measures, reference)
    ratios = [_over(a, b) for a, b in zip(mine, theirs, strict=True)]
    least = min(ratios, key=lambda r: r.value)
    return Reading(100 * (1 - least.value), 100 * least.band)


def in_one_unit(a: Measures, b: Measures) -> tuple[Three, Three]:
    """Both heights, in mm if both are calibrated, in px if neither is.

    A calibration that both share is wrong for both by the same part: it is not in their bands.

    Raises:
        OrappError: only one has a calibration, or their points are named differently.
    """
    if a.names != b.names:
        raise OrappError("the front was named for one of the two only", "measure both again")
    if (a.mm_per_px is None) != (b.mm_per_px is None):
        raise OrappError("only one of the two has a calibration", "measure both again")
    if a.mm_per_px is not None and a.mm_per_px == b.mm_per_px:
        return _scaled(a.heights, a.mm_per_px), _scaled(b.heights, a.mm_per_px)
    return a.heights_mm or a.heights, b.heights_mm or b.heights


def _scaled(heights: Three, factor: float) -> Three:
    front, middle, rear = heights
    return front.times(factor), middle.times(factor), rear.times(factor)


def _over(a: Reading, b: Reading) -> Reading:
    """Their ratio, with errors that are independent."""
    ratio = a.value / b.value
    return Reading(ratio, math.hypot(a.band, ratio * b.band) / b.value)


def _higher_first(a: Reading, b: Reading) -> tuple[Reading, Reading]:
    return (a, b) if a.value >= b.value else (b, a)


def _wedge(points: SixPoints, band: float) -> Reading:
    upper, lower = points.upper[2] - points.upper[0], points.lower[2] - points.lower[0]
    cross = float(upper[0] * lower[1] - upper[1] * lower[0])
    angle = abs(math.degrees(math.atan2(cross, float(upper @ lower))))
    ends = np.hypot(*(points.upper - points.lower).T)[[0, 2]]
    sign = -1.0 if points.anterior is not None and ends[0] > ends[1] else 1.0
    depth = max(float(np.hypot(*(upper + lower))) / 2, 1.0)
    return Reading(sign * angle, math.degrees(math.atan(math.sqrt(2) * band / depth)))


def grade_of(lost: float) -> int:
    """Genant's grade (0 to 3) of a loss of height in per cent."""
    one, two, three = THRESHOLDS
    return 3 if lost > three else 2 if lost >= two else 1 if lost >= one else 0


def _pair(reading: Reading) -> dict[str, float]:
    return {"value": round(reading.value, 3), "band95": round(reading.band, 3)}
