"""Six points on the outline of a vertebral body, three on each endplate. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.frames import Outline, Polygon

Points = NDArray[np.float64]
Head = Literal["up", "right", "down", "left"]
Side = Literal["left", "right"]

STEPS = 720
"""Points to which an outline is resampled, evenly spaced."""
REFINED = 5
"""How often the corners are found again, by the quadrilateral that they made."""
BENT, ARM = 0.35, 58
"""A corner is bent, too: a right angle counts as much as this part of a side's length. The bend is
taken between the points that lie ARM before and after."""
LEAST_PX = 6.0
"""An outline with a shorter side than this can't be measured."""
FILL = (0.55, 1.5)
"""Least and most area of a body, as a part of the quadrilateral of its corners."""
LEAST_SOLID = 0.55
"""Least area of a body, as a part of its convex hull: a biconcave body that lost 60 % of its height
has 0.6. An outline that ran far out into its neighbours has less."""
MIDDLE = 0.08
"""The middle points are the mean of the outline over this part of the depth to either side."""
TURNS: dict[Head, tuple[int, int]] = {
    "up": (1, 0),
    "right": (0, -1),
    "down": (-1, 0),
    "left": (0, 1),
}
"""Cosine and sine of the turn that brings the head up, x to the right and y down."""
CUT, SMALL = "the picture's edge cuts the body", "the outline is too small to be measured"
REFUSALS = (CUT, SMALL)
NO_BODY = "the outline has not the shape of a vertebral body", "show all of it, from the side"


@dataclass(frozen=True, slots=True)
class SixPoints:
    """The six points of a vertebral body.

    Attributes:
        points: (6, 2) float64, x then y in frame pixels, read-only: the upper endplate's three,
            then the lower endplate's; each anterior, middle, posterior if `anterior` is known,
            else as they lie from left to right, seen with the head up.
        anterior: side on which the front lies, seen with the head up, or None if nobody said.
        area_px: area of the outline, square frame pixels; a dragged point doesn't change it.
        corrected: numbers (0 to 5) of the points that a person has dragged.
    """

    points: Points
    anterior: Side | None
    area_px: float
    corrected: tuple[int, ...] = ()

    @property
    def upper(self) -> Points:
        """(3, 2): on the upper endplate."""
        return self.points[:3]

    @property
    def lower(self) -> Points:
        """(3, 2): on the lower endplate."""
        return self.points[3:]


def six_points(
    outline: Outline,
    anterior: Side | None = None,
    head: Head = "up",
    frame_size: tuple[int, int] | None = None,
) -> SixPoints:
    """Fits the six points to the closed outline of one body on a lateral view.

    The corners are where the outline reaches furthest towards the corners of its own
    quadrilateral, and bends most; the quadrilateral starts as the smallest rectangle around it and
    is refined, so that neither a turned picture nor a wedge moves them. The middle points lie
    halfway between them. Corners and middles of the endplates are where quantitative morphometry
    puts its six points (reviewed by Chou and Vokes, J Clin Densitom 2015,
    doi:10.1016/j.jocd.2015.08.005).

    Neither which side is anterior nor that the view is lateral can be told from an outline: the
    user or the site profile says so. With None the points are named by the side of the picture,
    and nothing is claimed about the front.

    Args:
        outline: in frame pixels.
        anterior: side of the patient's front, seen with the head up, or None.
        head: where in the frame the patient's head is, to within 45 degrees.
        frame_size: (H, W) of the frame: refuses an outline that its edge cuts. A cut by the
            shutter is not seen.

    Raises:
        OrappError: the outline is too small, is cut, or has not the shape of a body.
    """
    if frame_size is not None and _is_cut(outline.points, frame_size):
        raise OrappError(CUT, "show all of it")
    turn = _turn(head)
    ring = _even(np.asarray(outline.points, np.float64) @ turn.T)
    corners = _corners(ring)
    _check(ring, corners)
    upper, lower = _middles(ring, corners)
    rows = np.array([[corners[0], upper, corners[1]], [corners[3], lower, corners[2]]])
    if anterior == "right":
        rows = rows[:, ::-1]
    return SixPoints(_frozen(rows.reshape(6, 2) @ turn), anterior, outline.area_px)


def corrected(points: SixPoints, which: int, x: float, y: float) -> SixPoints:
    """The same, with one point (0 to 5) where a person has dragged it; marked as corrected."""
    if not 0 <= which < 6:
        raise ValueError(f"there is no point {which}: they are 0 to 5")
    moved = points.points.copy()
    moved[which] = x, y
    dragged = tuple(sorted({*points.corrected, which}))
    return replace(points, points=_frozen(moved), corrected=dragged)


def _frozen(points: Points) -> Points:
    points = np.ascontiguousarray(points)
    points.flags.writeable = False
    return points


def _turn(head: Head) -> Points:
    """(2, 2): turns the frame so that the head is up; its inverse is its transpose."""
    cos, sin = TURNS[head]
    return np.array([[cos, -sin], [sin, cos]], np.float64)


def _even(points: Points) -> Points:
    """(STEPS, 2): points of the closed polygon at even distances."""
    closed = np.vstack([points, points[:1]])
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    at = np.linspace(0, along[-1], STEPS, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, k]) for k in (0, 1)], axis=1)


def _corners(ring: Points) -> Points:
    """(4, 2): upper left, upper right, lower right, lower left."""
    corners = _rectangle(ring)
    bend = np.zeros(STEPS)
    for _ in range(REFINED):
        towards = np.array([_outward(corners, k) for k in range(4)])
        corners = ring[np.argmax(ring @ towards.T + bend[:, None], axis=0)]
        bend = BENT * np.minimum(_bend(ring), 1.2)
    return corners


def _bend(ring: Points) -> Points:
    """(STEPS,): how much the outline turns at each point; 1 is a right angle to the inside."""
    before, after = ring - np.roll(ring, ARM, axis=0), np.roll(ring, -ARM, axis=0) - ring
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    x, y = ring.T
    way = np.sign(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    return np.asarray(np.arctan2(cross, (before * after).sum(1)) * way / (np.pi / 2))


def _rectangle(ring: Points) -> Points:
    """The smallest rectangle around it; its corners in the order of `_corners`."""
    box = cv2.boxPoints(cv2.minAreaRect(ring.astype(np.float32))).astype(np.float64)
    sides = box[1] - box[0], box[2] - box[1]
    flat = [abs(side[0]) / max(float(np.hypot(*side)), 1e-9) for side in sides]
    across, down = sides if flat[0] >= flat[1] else sides[::-1]
    across, down = across * np.sign(across[0] or 1.0), down * np.sign(down[1] or 1.0)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    return np.asarray(box.mean(0) + signs @ np.stack([across, down]))


def _outward(corners: Points, k: int) -> Points:
    """(2,): grows by one with the length of either side that ends in corner k."""
    sides = corners[k] - corners[[k - 1, (k + 1) % 4]]
    if abs(float(np.linalg.det(sides))) < 1e-6:
        return np.asarray(corners[k] - corners.mean(0))
    return np.asarray(np.linalg.solve(sides, np.ones(2)))


def _middles(ring: Points, corners: Points) -> tuple[Points, Points]:
    """Where the outline crosses the line between the middles of both endplates, and the other."""
    upper, lower = corners[:2].mean(0), corners[2:].mean(0)
    height = float(np.hypot(*(lower - upper)))
    down = (lower - upper) / height
    depth = float(np.hypot(*(corners[1] - corners[0] + corners[2] - corners[3]))) / 2
    away, along = (ring - upper) @ np.array([down[1], -down[0]]), (ring - upper) @ down
    near, above = np.abs(away) < MIDDLE * depth, along < height / 2
    if not (near & above).any() or not (near & ~above).any():
        raise OrappError(*NO_BODY)
    return upper + down * along[near & above].mean(), upper + down * along[near & ~above].mean()


def _is_cut(points: Polygon, frame_size: tuple[int, int]) -> bool:
    """Whether the outline comes within a pixel of the frame's edge."""
    last = np.array([frame_size[1] - 1, frame_size[0] - 1])
    return bool((points <= 1).any() or (points >= last - 1).any())


def _check(ring: Points, corners: Points) -> None:
    """Raises OrappError for what can't be measured."""
    sides = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    if not sides.min() >= LEAST_PX:
        raise OrappError(SMALL, "magnify it")
    inside, quad, hull = (
        float(cv2.contourArea(shape.astype(np.float32)))
        for shape in (ring, corners, cv2.convexHull(ring.astype(np.float32)))
    )
    convex = cv2.isContourConvex(corners.astype(np.float32))
    full = FILL[0] < inside / max(quad, 1e-9) < FILL[1] and inside > LEAST_SOLID * hull
    if not (convex and full):
        raise OrappError(*NO_BODY)
