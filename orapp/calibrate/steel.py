"""Finds a ball and a cannula in a picture: where they are, and about how wide."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.edges import REACH, along, around
from orapp.errors import OrappError

Points = NDArray[np.float64]
Plane = NDArray[np.float32]

LEVELS = (0.3, 0.5, 0.65)
"""Of the way from black to the picture's middle grey: what is darker may be steel."""
ROUND = 0.93
LEAST_RADIUS_PX = 6.0
LEAST_ASPECT = 4.0
NARROW, WIDE = 3.0, 90.0
"""Width of a cannula in px."""
LIT = 40.0
"""Grey level that only the field has."""
DEEP = 25.0
"""Grey levels that steel is darker than what is around it, at least."""


class NoFiducial(OrappError):
    """The picture does not show what it should be measured by."""


def round_thing(grey: Plane, near: tuple[float, float] | None) -> tuple[Points, float]:
    """Centre (2,) and radius in px, about, of the largest dark disc, or of the one at `near`.

    Raises:
        NoFiducial: there is none.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)
    middle = float(np.median(smooth))
    best: tuple[float, Points, float] | None = None
    for level in LEVELS:
        dark = (smooth < level * middle).astype(np.uint8)
        count, labels, stats, centres = cv2.connectedComponentsWithStats(dark)
        for k in range(1, count):
            x, y, w, h, area = (int(v) for v in stats[k])
            touches = x == 0 or y == 0 or x + w == grey.shape[1] or y + h == grey.shape[0]
            if touches or min(w, h) < 2 * LEAST_RADIUS_PX or max(w, h) > 1.15 * min(w, h):
                continue
            if abs(area / (np.pi / 4 * w * h) - 1) > 1 - ROUND:
                continue
            if near is not None and not _holds(np.asarray(labels), k, near):
                continue
            if best is None or area > 1.2 * best[0]:
                best = float(area), np.asarray(centres[k], np.float64), float(np.sqrt(area / np.pi))
    if best is None:
        raise NoFiducial(
            "no whole steel ball is in the picture",
            "show it apart from other metal",
        )
    return best[1], best[2]


def _holds(labels: NDArray[Any], label: int, near: tuple[float, float]) -> bool:
    x, y = (round(v) for v in near)
    inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    return inside and int(labels[y, x]) == label


def round_edge(grey: Plane, centre: Points, radius: float) -> tuple[Points, float]:
    """A disc's centre and radius anew, by its edge at half the depth on each ray."""
    x = np.arange(0.0, REACH * radius, 0.5)
    rays = around(grey, centre, x)
    edge = np.array([_crossing(x, ray, radius) for ray in rays])
    angle = np.arange(len(rays)) * 2 * np.pi / len(rays)
    points = edge[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    known = points[np.isfinite(edge)]
    for _ in range(4):
        if len(known) < len(rays) // 2:
            raise NoFiducial("the ball's edge is hidden", "show it apart from other metal")
        basis = np.column_stack([2 * known, np.ones(len(known))])
        a, b, c = np.linalg.lstsq(basis, (known**2).sum(axis=1), rcond=None)[0]
        size = float(np.sqrt(max(c + a * a + b * b, 1e-6)))
        off = abs(np.hypot(*(known - [a, b]).T) - size)
        known = known[off <= max(3 * 1.4826 * float(np.median(off)), 0.5)]
    return centre + np.array([a, b]), size


def _crossing(x: Points, grey: Points, radius: float) -> float:
    """Where a profile from a disc's middle outwards passes half of its depth; NaN if nowhere."""
    inside = float(np.median(grey[x < 0.7 * radius]))
    outside = float(np.median(grey[x > 1.2 * radius]))
    if outside - inside < DEEP:
        return np.nan
    above = np.nonzero((grey > (inside + outside) / 2) & (x > 0.6 * radius))[0]
    return _between(x, grey, int(above[0]), (inside + outside) / 2) if len(above) else np.nan


def _between(x: Points, grey: Points, k: int, level: float) -> float:
    """Where the level lies between samples k - 1 and k."""
    if k == 0 or grey[k] == grey[k - 1]:
        return float(x[k])
    part = (level - grey[k - 1]) / (grey[k] - grey[k - 1])
    return float(x[k - 1] + part * (x[k] - x[k - 1]))


def bar(grey: Plane) -> Points:
    """Ends (2, 2), px, of the middle of the longest straight dark bar, somewhat shortened.

    Raises:
        NoFiducial: there is none.
    """
    side = 2 * round(min(grey.shape) * 0.05) + 1
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    deep = cv2.morphologyEx(smooth, cv2.MORPH_BLACKHAT, shape)
    deep = np.where(_well_inside(np.asarray(smooth, np.float32), side // 3), deep, 0)
    best: tuple[float, Points] | None = None
    for level in (30.0, 50.0, 75.0):
        dark = (deep > level).astype(np.uint8)
        dark = np.asarray(cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((7, 7))), np.uint8)
        outlines, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            if len(outline) < 80:
                continue
            (x, y), (w, h), turn = cv2.minAreaRect(outline)
            long, wide = max(w, h), min(w, h)
            filled = cv2.contourArea(outline) / max(w * h, 1.0)
            if not (NARROW <= wide <= WIDE and long > LEAST_ASPECT * wide and filled > 0.75):
                continue
            if best is None or long * wide > best[0]:
                way = np.radians(turn if w >= h else turn + 90)
                half = np.array([np.cos(way), np.sin(way)]) * (long / 2 - 1.2 * wide)
                best = long * wide, np.array([np.array([x, y]) - half, np.array([x, y]) + half])
    if best is None:
        raise NoFiducial("no cannula is in the picture", "show it, or point at two places on it")
    return best[1]


def _well_inside(smooth: Plane, margin: int) -> NDArray[np.bool_]:
    """Where the field is, but for its rim: within the hull of all that is lit."""
    lit = cv2.findNonZero((smooth > LIT).astype(np.uint8))
    field = np.zeros(smooth.shape, np.uint8)
    if lit is not None:
        cv2.fillConvexPoly(field, cv2.convexHull(lit), 1)
    field = np.pad(field[1:-1, 1:-1], 1)
    return np.asarray(cv2.erode(field, np.ones((2 * margin + 1,) * 2)) > 0)


def half_width(grey: Plane, ends: Points) -> float:
    """Half the width, px, about, of the bar between the ends.

    Raises:
        NoFiducial: there is no bar.
    """
    x = np.arange(-WIDE, WIDE + 0.5, 0.5)
    profile = np.median(along(grey, ends[0], ends[1], x), axis=0)
    low = float(profile[abs(x) < 6].min())
    for reach in (12.0, 24.0, 48.0, WIDE):
        beside = profile[(abs(x) < reach) & (abs(x) > 0.6 * reach)]
        level = (low + float(np.median(beside))) / 2
        light = x[profile > level]
        left, right = light[light < 0], light[light > 0]
        if level - low < DEEP / 2 or len(left) == 0 or len(right) == 0:
            continue
        width = float(right.min() - left.max())
        if width / 2 < 0.55 * reach and width / 2 >= NARROW / 2:
            return width / 2
    raise NoFiducial("no cannula lies there", "point at two places on its middle")


def straightened(grey: Plane, ends: Points, radius: float) -> tuple[Points, float]:
    """The ends anew, on the bar's middle, and half its width, by its edges at half the depth.

    Raises:
        NoFiducial: the edges are lost.
    """
    x = np.arange(-REACH * radius, REACH * radius, 0.5)
    rows = along(grey, ends[0], ends[1], x)
    found = []
    for at in range(0, len(rows) - 4, 5):
        row = rows[at : at + 5].mean(axis=0)
        left = _crossing_in(-x[::-1], row[::-1])
        right = _crossing_in(x, row)
        found.append([at + 2.0, (right - left) / 2, (right + left) / 2])
    places = np.array(found).reshape(-1, 3)
    places = places[np.isfinite(places).all(axis=1)]
    if len(places) < 4:
        raise NoFiducial("the cannula's edges can't be seen", "point at two places on its middle")
    near = abs(places[:, 2] - np.median(places[:, 2])) < 0.3 * radius + 0.5
    slope, off = np.polyfit(places[near, 0], places[near, 1], 1)
    ahead = (ends[1] - ends[0]) / float(np.hypot(*(ends[1] - ends[0])))
    side = np.array([-ahead[1], ahead[0]])
    moved = [ends[0] + off * side, ends[1] + (off + slope * (len(rows) - 1)) * side]
    return np.array(moved), float(np.median(places[near, 2]))


def _crossing_in(x: Points, grey: Points) -> float:
    """Where a profile, from its right end, first falls to half of its depth; NaN if nowhere."""
    far = float(np.median(grey[x > 0.85 * x[-1]]))
    low = float(grey[x > 0].min())
    if far - low < DEEP:
        return np.nan
    below = np.nonzero((grey < (far + low) / 2) & (x > 0))[0]
    k = int(below[-1]) + 1 if len(below) else len(x)
    return _between(x, grey, k, (far + low) / 2) if k < len(x) else np.nan
