"""How far two results of one case are apart, in figures."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from orapp.frames import Polygon
from orapp.outline import dense
from orapp.qa.results import FrameResult, Summary, read_frames
from orapp.qa.tolerances import Tolerances

MOST_POINTS = 1500
"""Of the outlines of one frame; longer ones are sampled more coarsely."""
LIMITS = (
    "dice_mean",
    "dice_min",
    "one_sided",
    "distance_mean_px",
    "distance_p95_px",
    "detection_change",
    "flicker_change",
)
AT_LEAST = frozenset({"dice_mean", "dice_min"})
WORDS = {
    "dice_mean": "mean Dice",
    "dice_min": "smallest Dice",
    "one_sided": "share of frames outlined by one side only",
    "distance_mean_px": "mean outline distance, px",
    "distance_p95_px": "95th percentile of the outline distance, px",
    "detection_change": "change of detection rate",
    "flicker_change": "change of flicker",
}


class Figures(BaseModel):
    """How far two results of one case are apart; see `calibration/qa-tolerances.toml`.

    Attributes:
        dice_mean: None where neither outlines anything.
        dice_min, distance_mean_px, distance_p95_px: None where no frame is outlined by both.
        outlined: frames that either side outlines.
        worst_frame: the frame that is furthest apart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    dice_mean: float | None
    dice_min: float | None
    one_sided: float
    distance_mean_px: float | None
    distance_p95_px: float | None
    detection_change: float
    flicker_change: float
    outlined: int
    worst_frame: int

    def beyond(self, limits: Tolerances) -> list[str]:
        """Every tolerance that does not hold, in words, with its figures."""
        return [
            f"{WORDS[name]} {value:.4g} {'<' if name in AT_LEAST else '>'} {limit:g}"
            for name in LIMITS
            if (value := getattr(self, name)) is not None
            and not _holds(name, value, limit := getattr(limits, name))
        ]


def _holds(name: str, value: float, limit: float) -> bool:
    return value >= limit if name in AT_LEAST else value <= limit


def identical_figures(summary: Summary) -> Figures:
    """The figures where all masks are the same, byte for byte."""
    some = summary.outlined > 0
    return Figures(
        dice_mean=1.0 if some else None,
        dice_min=1.0 if some else None,
        one_sided=0.0,
        distance_mean_px=0.0 if some else None,
        distance_p95_px=0.0 if some else None,
        detection_change=0.0,
        flicker_change=0.0,
        outlined=summary.outlined,
        worst_frame=0,
    )


def figures_of(folders: tuple[Path, Path], summaries: tuple[Summary, Summary]) -> Figures:
    """Frame by frame, as far as both sides have frames: unequal lengths fail elsewhere.

    Args:
        folders: of the case, the reference's first.
        summaries: of the same.

    Raises:
        OrappError: a file is damaged.
    """
    dices, both, apart, one_sided, frames = [], [], [], 0, 0
    worst = (2.0, 0.0, 0)
    for one, two in zip_longest(*map(read_frames, folders)):
        if one is None or two is None:
            break
        frames += 1
        if not one.outlines and not two.outlines:
            continue
        dice, mean_px, p95_px = _frame(one, two)
        dices.append(dice)
        if mean_px is None or p95_px is None:
            one_sided += 1
        else:
            both.append(dice)
            apart.append((mean_px, p95_px))
        worst = min(worst, (dice, -(p95_px or 0.0), two.frame))
    one_run, other = summaries[0].flicker, summaries[1].flicker
    return Figures(
        dice_mean=float(np.mean(dices)) if dices else None,
        dice_min=min(both, default=None),
        one_sided=one_sided / max(frames, 1),
        distance_mean_px=float(np.mean([mean for mean, _ in apart])) if apart else None,
        distance_p95_px=max((p95 for _, p95 in apart), default=None),
        detection_change=abs(summaries[1].detection_rate - summaries[0].detection_rate),
        flicker_change=max(
            abs(other.appearing - one_run.appearing), abs(other.change - one_run.change)
        ),
        outlined=len(dices),
        worst_frame=worst[2],
    )


def _frame(one: FrameResult, two: FrameResult) -> tuple[float, float | None, float | None]:
    """Dice of one frame, and mean and 95th percentile of the outline distance in px.

    No distance where only one side outlines: there is none.
    """
    if not one.outlines or not two.outlines:
        return 0.0, None, None
    if one.mask == two.mask:
        return 1.0, 0.0, 0.0
    if one.size != two.size:
        return 0.0, float(max(one.size)), float(max(one.size))
    p, q = one.drawn(), two.drawn()
    area = cv2.countNonZero(p) + cv2.countNonZero(q)
    dice = 2 * cv2.countNonZero(cv2.bitwise_and(p, q)) / area if area else 1.0
    return dice, *outline_distance(one.polygons(), two.polygons())


def outline_distance(one: Sequence[Polygon], two: Sequence[Polygon]) -> tuple[float, float]:
    """Symmetric distance between two sets of closed outlines, none of them empty.

    From points a pixel apart on each side, the distance to the other side's line.

    Returns:
        Mean, and 95th percentile, over the points of both sides, in pixels.
    """
    apart = np.concatenate([_to_line(one, two), _to_line(two, one)])
    return float(apart.mean()), float(np.percentile(apart, 95))


def _to_line(one: Sequence[Polygon], two: Sequence[Polygon]) -> NDArray[np.float64]:
    """Distance of each point of one side to the nearest line between two points of the other."""
    length = sum(cv2.arcLength(points, closed=True) for points in one)
    step = max(1.0, length / MOST_POINTS)
    points = np.concatenate([dense(outline, step) for outline in one]).astype(np.float64)
    nearest = np.full(len(points), np.inf)
    for outline in two:
        start = outline.astype(np.float64)
        for a, b in zip(start, np.roll(start, -1, axis=0), strict=True):
            way = b - a
            share = np.clip((points - a) @ way / max(way @ way, 1e-12), 0, 1)
            away = points - a - share[:, None] * way
            np.minimum(nearest, (away**2).sum(1), out=nearest)
    return np.asarray(np.sqrt(nearest), np.float64)
