"""From a probability map to outlines in frame pixels, and from these to masks. Pure."""

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray, Outline, Polygon

MOST = 3
"""Outlines per picture; a surgeon works on one or two bodies."""
FINER = 4
"""The map is upsampled by this around an object before its contour is followed."""
EVEN_PX = 0.9
"""Blur before the contour is followed, network pixels: a steep map has the stairs of its grid."""
SMOOTH_PX = 0.08
"""Points that lie this close to the line between their neighbours are left out, network pixels."""
_RIGHT, _DOWN = np.array([-1, 0, 1] * 3), np.repeat([-1, 0, 1], 3)
_SOBEL = np.array([[-1, 0, 1, -2, 0, 2, -1, 0, 1], [-1, -2, -1, 0, 0, 0, 1, 2, 1]]).T / 8


def find_outlines(
    probability: Gray, threshold: float, min_area: float, frame_size: tuple[int, int]
) -> tuple[Outline, ...]:
    """Outlines of the objects in a probability map, at sub-pixel precision.

    Args:
        probability: (h, w) uint8, 255 is certain.
        threshold: 0 to 1; the outline is the line where the map has this value.
        min_area: smallest object, as a fraction of the map's area.
        frame_size: (H, W) of the frame that the outlines are for.

    Returns:
        At most `MOST`, largest first. Pixel centres lie at whole numbers, on the map as in the
        frame, so that x_frame = (x_map + 0.5) * W / w - 0.5, as cv2.INTER_AREA shrinks.
    """
    level = max(threshold * 255, 0.5)
    labels, stats = _pieces((probability >= math.ceil(level)).astype(np.uint8))
    sizes = stats[1:, cv2.CC_STAT_AREA]
    least = max(min_area * probability.size, 3.0)
    order = np.argsort(-sizes, kind="stable")[:MOST]
    found = [
        _outline(probability, labels, stats[k + 1], int(k) + 1, level, frame_size)
        for k in order
        if sizes[k] >= least
    ]
    return tuple(outline for outline in found if outline is not None)


def _pieces(inside: Gray) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Connected pieces of a mask: labels (h, w), and OpenCV's statistics, the ground's first.

    Looked for in the part of the mask that holds something: that is small, and the search is slow.
    """
    x, y, w, h = cv2.boundingRect(inside)
    labels = np.zeros(inside.shape, np.int32)
    if w == 0:
        return labels, np.zeros((1, 5), np.int32)
    part = slice(y, y + h), slice(x, x + w)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(inside[part], connectivity=8)
    labels[part] = pieces
    stats[:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]] += (x, y)
    return labels, np.asarray(stats, np.int32)


def mask_of(polygons: Iterable[Polygon], size: tuple[int, int]) -> Gray:
    """(H, W) uint8 mask of a frame's size, 255 inside any of the polygons, else 0."""
    mask = np.zeros(size, np.uint8)
    sixteenths = [np.round(points * 16).astype(np.int32) for points in polygons]
    cv2.fillPoly(mask, sixteenths, 255, cv2.LINE_8, 4)
    return mask


def dense(points: Polygon, step: float = 0.5) -> Polygon:
    """Points at most `step` pixels apart along a closed polygon, (M, 2) float32."""
    after = np.roll(points, -1, axis=0)
    steps = np.maximum(np.ceil(np.linalg.norm(after - points, axis=1) / step).astype(int), 1)
    parts = [
        a + (b - a) * np.linspace(0, 1, n, endpoint=False)[:, None]
        for a, b, n in zip(points, after, steps, strict=True)
    ]
    return np.asarray(np.concatenate(parts), np.float32)


def _outline(
    probability: Gray,
    labels: NDArray[np.integer],
    stats: NDArray[np.integer],
    label: int,
    level: float,
    frame_size: tuple[int, int],
) -> Outline | None:
    x, y, w, h, area = (int(v) for v in stats)
    window = slice(max(y - 2, 0), y + h + 2), slice(max(x - 2, 0), x + w + 2)
    near, own = probability[window], labels[window]
    patch = np.where((own == label) | (own == 0), near, 0).astype(np.float32)
    points = _follow(patch, level)
    if points is None:
        return None
    points += (window[1].start, window[0].start)
    scale = np.array([frame_size[1] / probability.shape[1], frame_size[0] / probability.shape[0]])
    in_frame = ((points + 0.5) * scale - 0.5).astype(np.float32)
    in_frame.flags.writeable = False
    mean = float(near[own == label].sum(dtype=np.int64)) / (255 * area)
    return Outline(in_frame, float(cv2.contourArea(in_frame)), mean)


def _follow(patch: Polygon, level: float) -> Polygon | None:
    """The outer line where the patch has the level, (N, 2) float64 in patch pixels."""
    even = cv2.GaussianBlur(patch, (0, 0), EVEN_PX, borderType=cv2.BORDER_REPLICATE)
    padded = cv2.copyMakeBorder(even, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    finer = cv2.resize(padded, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)
    fine = np.asarray(finer, np.float32)
    mask = (fine >= level).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    pixels = np.asarray(max(contours, key=len)[:, 0], np.int32)
    moved = pixels + _to_level(fine, pixels, level)
    short = cv2.approxPolyDP(moved.astype(np.float32)[:, None], SMOOTH_PX * FINER, closed=True)
    if len(short) < 3:
        return None
    return np.asarray((short[:, 0].astype(np.float64) + 0.5) / FINER - 1.5)


def _to_level(fine: Polygon, pixels: NDArray[np.integer], level: float) -> NDArray[np.float64]:
    """One Newton step from the contour's pixels, which lie inside, to the level itself.

    The patch has a border below the level, so that each of them has neighbours all around.
    """
    x, y = pixels[:, 0], pixels[:, 1]
    around = fine[y[:, None] + _DOWN, x[:, None] + _RIGHT].astype(np.float64)
    slope = around @ _SOBEL
    steep = np.maximum((slope**2).sum(1), 1e-6)
    step = slope * ((level - around[:, 4]) / steep)[:, None]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    return np.asarray(step / np.maximum(length, 1.0))
