"""Beads, or crossings of wires, in a picture, and which place of a square lattice each one has."""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.polynomial import fit_terms, terms

Points = NDArray[np.float64]
Plane = NDArray[np.float32]
Nodes = NDArray[np.int64]

SIGMAS = (1.5, 2.1, 3.0, 4.2, 6.0, 8.5)
"""Widths of what is looked for, standard deviation in pixels."""
MOST = 1200
"""Spots, the strongest."""
LEAST_SIDE, LEAST_NODES = 4, 20
"""Of a lattice: rows and columns, and nodes in all."""
MOSTLY = 0.7
"""Part of the spots on one lattice, from which no other is looked for: every second node of a
square lattice is a square lattice too, and has half of them."""
NEAR = 0.2
"""A node is where its neighbours want it, within this part of the pitch."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Places of a lattice, in order.

    Attributes:
        points: (N, 2) pixels.
        nodes: (N, 2) column and row of each, from an arbitrary one; their axes turn as those of
            the picture do.
        sigma: width at which they were found, in pixels.
        dark: whether they are darker than what is around them.
        spread_px: how far they lie from a smooth lattice, standard deviation.
    """

    points: Points
    nodes: Nodes
    sigma: float
    dark: bool
    spread_px: float

    @property
    def pitch_px(self) -> float:
        """From one node to the next, about, in the middle."""
        linear = np.column_stack([np.ones(len(self.nodes)), self.nodes])
        found = np.linalg.lstsq(linear, self.points, rcond=None)[0][1:]
        return float(np.sqrt(abs(np.linalg.det(found))))


def find_lattice(grey: Plane) -> Lattice | None:
    """The largest lattice in a picture (H, W), of whichever width and polarity; None if none."""
    found: list[Lattice] = []
    for dark in (True, False):
        seen = grey if dark else 255 - grey
        for sigma in SIGMAS:
            indexed = index_spots(find_spots(seen, sigma))
            if indexed is not None:
                found.append(Lattice(indexed[0], indexed[1], sigma, dark, indexed[2]))
    most = max((len(one.nodes) for one in found), default=0)
    whole = [one for one in found if len(one.nodes) >= 0.93 * most]
    return min(whole, key=lambda one: one.spread_px, default=None)


def find_spots(grey: Plane, sigma: float) -> Points:
    """(N, 2) sub-pixel places where the picture (H, W) is darkest, both along x and along y.

    By the determinant of the Hessian: beads and crossings have it, edges and lines don't. Those
    that are lit from one side only, as at the field's edge or beside an instrument, are left out.
    """
    smooth = np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.float32)
    gx, gy = _slope(smooth, 1, 0), _slope(smooth, 0, 1)
    xx, xy, yy = _slope(gx, 1, 0), _slope(gx, 0, 1), _slope(gy, 0, 1)
    curved = xx * yy - xy * xy
    strength = np.where(xx + yy > 0, np.sqrt(np.maximum(curved, 0)), 0) * np.float32(sigma**2)
    side = 2 * round(1.5 * sigma) + 1
    peak = (strength >= cv2.dilate(strength, np.ones((side, side)))) & (strength > 0)
    some = strength[strength > 0]
    if len(some) == 0:
        return np.zeros((0, 2))
    margin = round(2 * sigma) + 1
    peak[:margin] = peak[-margin:] = False
    peak[:, :margin] = peak[:, -margin:] = False
    peak &= strength > 4 * np.median(some)
    y, x = np.nonzero(peak)
    order = np.argsort(-strength[y, x])[:MOST]
    if len(order) == 0:
        return np.zeros((0, 2))
    found = _sharpened(np.stack([x, y], axis=1)[order].astype(np.float64), (gx, gy, xx, xy, yy))
    return found[_is_even(smooth, found, 3 * sigma)] if len(found) else found


def _slope(plane: Plane, x: int, y: int) -> Plane:
    return np.asarray(cv2.Sobel(plane, cv2.CV_32F, x, y, ksize=3, scale=0.125), np.float32)


def _sharpened(points: Points, slopes: tuple[Plane, ...]) -> Points:
    """Newton's steps to where the gradient is none; what walks away is left out."""
    now = points.copy()
    for _ in range(5):
        gx, gy, xx, xy, yy = (_sampled(plane, now) for plane in slopes)
        det = xx * yy - xy * xy
        det = np.where(det > 1e-9, det, np.inf)
        step = np.stack([yy * gx - xy * gy, xx * gy - xy * gx], axis=1) / det[:, None]
        now -= np.clip(step, -1, 1)
    return np.asarray(now[np.hypot(*(now - points).T) < 2.0])


def _is_even(smooth: Plane, points: Points, radius: float) -> NDArray[np.bool_]:
    """Whether what is around each point is as light on one side as on the other."""
    angles = np.arange(8) * np.pi / 4
    ring = points[:, None] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    around = _sampled(smooth, ring.reshape(-1, 2)).reshape(-1, 8)
    deep = np.median(around, axis=1) - _sampled(smooth, points)
    return np.asarray(abs(around[:, :4] - around[:, 4:]).max(axis=1) < 0.6 * deep)


def _sampled(plane: Plane, points: Points) -> Points:
    at = points.astype(np.float32)
    maps = np.ascontiguousarray(at[:, :1]), np.ascontiguousarray(at[:, 1:])
    seen = cv2.remap(plane, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return seen[:, 0].astype(np.float64)


def index_spots(spots: Points) -> tuple[Points, Nodes, float] | None:
    """The spots (N, 2) that lie on one lattice, their nodes, and their spread; None if none do."""
    if len(spots) < LEAST_NODES:
        return None
    middle = np.median(spots, axis=0)
    best: dict[tuple[int, int], int] = {}
    tried = 0
    for seed in np.argsort(np.hypot(*(spots - middle).T))[:80]:
        if seed in best.values():
            continue
        basis = _basis(spots, int(seed))
        if basis is None:
            continue
        tried += 1
        grown = _grown(spots, int(seed), basis)
        if len(grown) > len(best):
            best = grown
        if tried >= 8 or len(best) > MOSTLY * len(spots):
            break
    return _completed(spots, best) if len(best) >= 9 else None


def _basis(spots: Points, seed: int) -> Points | None:
    """(2, 2) steps to the neighbours right and below, if there are four in a cross."""
    away = spots - spots[seed]
    order = np.argsort(np.hypot(*away.T))[1:13]
    for k in order:
        step = away[k]
        wanted = np.array([-step, [-step[1], step[0]], [step[1], -step[0]]])
        gaps = np.hypot(*(away[None] - wanted[:, None]).transpose(2, 0, 1))
        near = gaps.argmin(axis=1)
        if np.all(gaps[np.arange(3), near] < 0.2 * np.hypot(*step)):
            across = (away[near[1]] - away[near[2]]) / 2
            return np.array([(step - away[near[0]]) / 2, across])
    return None


def _grown(spots: Points, seed: int, basis: Points) -> dict[tuple[int, int], int]:
    """Places by walking from neighbour to neighbour, each step as the last ones were."""
    placed = {(0, 0): seed}
    taken = {seed}
    queue = deque([((0, 0), basis)])
    while queue:
        node, steps = queue.popleft()
        here = spots[placed[node]]
        for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
            other = (node[0] + sign * (axis == 0), node[1] + sign * (axis == 1))
            if other in placed:
                continue
            gaps = np.hypot(*(spots - (here + sign * steps[axis])).T)
            near = int(gaps.argmin())
            if near in taken or gaps[near] > NEAR * np.hypot(*steps[axis]):
                continue
            placed[other] = near
            taken.add(near)
            fresh = steps.copy()
            fresh[axis] = (steps[axis] + sign * (spots[near] - here)) / 2
            queue.append((other, fresh))
    return placed


def _completed(
    spots: Points, placed: dict[tuple[int, int], int]
) -> tuple[Points, Nodes, float] | None:
    """More nodes beyond gaps, fewer that lie wrong; None if what is left is no lattice."""
    nodes = np.array(list(placed), np.int64)
    points = spots[list(placed.values())]
    for degree in (2, 3, 3, 5):
        if not _is_lattice(nodes) and degree > 2:
            return None
        degree = min(degree, 5 if len(nodes) > 60 else 3 if len(nodes) > 30 else 2)
        low, high = nodes.min(axis=0) - 2, nodes.max(axis=0) + 2
        middle, half = (low + high) / 2, float((high - low).max()) / 2
        x = fit_terms((nodes - middle) / half, points, degree)
        whole = np.stack(np.meshgrid(*map(np.arange, low, high + 1)), axis=-1).reshape(-1, 2)
        wanted = terms((whole - middle) / half, degree) @ x
        gaps = np.hypot(*(spots[None] - wanted[:, None]).transpose(2, 0, 1))
        near = gaps.argmin(axis=1)
        missed = gaps[np.arange(len(whole)), near]
        mine = gaps.argmin(axis=0)[near] == np.arange(len(whole))
        pitch = float(np.median(np.hypot(*np.diff(points[np.lexsort(nodes.T)], axis=0).T)))
        good = mine & (missed < (0.12 if degree > 2 else NEAR) * pitch)
        nodes, points = whole[good], spots[near[good]]
    spread = 1.4826 * float(np.median(missed[good])) if good.any() else np.inf
    keep = missed[good] < max(5 * spread, 0.3)
    nodes, points = nodes[keep], points[keep]
    regular = spread < 0.03 * pitch + 0.15
    if not regular or not _is_lattice(nodes) or _is_every_second(spots, points, nodes):
        return None
    return points, nodes, spread


def _is_every_second(spots: Points, points: Points, nodes: Nodes) -> bool:
    """Whether there are as many spots between the nodes, so that the pitch would be wrong."""
    middle, half = nodes.mean(axis=0), float(np.ptp(nodes, axis=0).max()) / 2
    found = fit_terms((nodes - middle) / half, points, 3)
    pitch = float(np.sqrt(abs(np.linalg.det(found[1:3])))) / half
    for between in ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5)):
        wanted = terms((nodes + between - middle) / half, 3) @ found
        gaps = np.hypot(*(spots[None] - wanted[:, None]).transpose(2, 0, 1)).min(axis=1)
        if (gaps < 0.1 * pitch).mean() > 0.25:
            return True
    return False


def _is_lattice(nodes: Nodes) -> bool:
    """Enough nodes, in both directions, and not too many missing between them."""
    if len(nodes) < LEAST_NODES:
        return False
    sides = np.ptp(nodes, axis=0) + 1
    return bool(sides.min() >= LEAST_SIDE and len(nodes) > 0.35 * sides.prod())
