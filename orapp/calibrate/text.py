"""Burned-in text and logos: what stays where it is while the picture changes.

Beside the picture it is what differs from the screen's even grey. In the picture it is still
pixels with sharp, still edges: anatomy moves and is noisy, a lead marker is noisy, a saturated
part has no sharp edge that stands still. A clock's figures change, but only to other figures.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.area import STILL, Place
from orapp.calibrate.blades import Corners
from orapp.calibrate.findings import Box
from orapp.calibrate.grey import padding
from orapp.calibrate.sums import Sums

Mask = NDArray[np.bool_]
MARGIN = 7
"""Pixels on either side of the picture's rim that are not looked at."""
GAP = 1.2
"""Pieces closer than so many heights of a letter are one box."""
TALLEST = 30
LEAST_SIDE, LEAST_INK = 5, 24
MOST_PIECES = 2500
LINE = 3.5
"""Pixels: what is thinner on the whole is a line."""
LEAST_STILL, AROUND = 0.35, 4
"""Of text's edges so much is still, and so far around it, px: on simulated devices 0.5 and more."""
SHARP = 0.22
"""Of the grey range, from pixel to pixel, is an edge of a letter."""


def find_text(
    sums: Sums, place: Place, noise: float, span: int, blades: Corners = ()
) -> tuple[Box, ...]:
    """Tight boxes, from above to below.

    Args:
        sums: over exposures.
        place: where the image is.
        noise: of the grabber, grey levels.
        span: white minus black.
        blades: corners of the open field, whose edges stand still too.
    """
    mean, variance = sums.mean, sums.variance
    beside, corners, inside = _zones(place, padding(sums.most))
    boxes: list[Box] = []
    for zone in (beside, corners):
        if zone.sum() > 200:
            boxes += _on_even(sums, mean, zone, 14 + 5 * noise)
    rims = np.zeros(inside.shape, np.uint8)
    if blades:
        corners_px = np.round(blades).astype(np.int32)
        cv2.polylines(rims, [corners_px], True, 1, 2 * MARGIN - 1)
    boxes += _on_picture(mean, variance, inside, noise, SHARP * span, rims > 0)
    return tuple(sorted(boxes, key=lambda box: (box[1], box[0])))


def _zones(place: Place, padded: Mask) -> tuple[Mask, Mask, Mask]:
    """(H, W) each: beside the picture, its dark corners, its field; rims left out."""
    x, y, w, h = place.area
    beside = np.ones(place.field.shape, bool)
    beside[max(y - MARGIN, 0) : y + h + MARGIN, max(x - MARGIN, 0) : x + w + MARGIN] = False
    columns = np.flatnonzero(padded)
    beside[:, columns] = False
    kernel = np.ones((2 * MARGIN - 1, 2 * MARGIN - 1), np.uint8)
    field = place.field.astype(np.uint8)
    inside = cv2.erode(field, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    corners = np.zeros_like(beside)
    corners[y : y + h, x : x + w] = True
    corners &= cv2.dilate(field, kernel) == 0
    return beside, corners, inside


def _on_even(sums: Sums, mean: NDArray[np.float32], zone: Mask, tolerance: float) -> list[Box]:
    """Boxes of what differs from the zone's commonest grey, at any time."""
    common = int(np.bincount(mean[zone].round().astype(int), minlength=256).argmax())
    even = np.full_like(sums.most, common)
    off = np.maximum(cv2.absdiff(sums.most, even), cv2.absdiff(sums.least, even))
    off[~zone] = 0
    found = []
    for x, y, w, h in merge(_pieces(off > tolerance)):
        part = off[y : y + h, x : x + w]
        contrast = float(np.percentile(part[part > tolerance], 90))
        ys, xs = np.nonzero(part > max(tolerance, 0.25 * contrast))
        x0, y0 = int(xs.min()), int(ys.min())
        wide, high = int(xs.max()) + 1 - x0, int(ys.max()) + 1 - y0
        if len(xs) >= LEAST_INK and min(wide, high) >= LEAST_SIDE:
            found.append((x + x0, y + y0, wide, high))
    return found


def _on_picture(
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
    inside: Mask,
    noise: float,
    sharp: float,
    rims: Mask,
) -> list[Box]:
    """Boxes of still pixels at still, sharp edges; with their label, if they have one.

    A line on the rim of a blade is none, nor a still part of what else is not still there: a lead
    marker in the white.
    """
    still = inside & (variance < 1.6 * noise * noise + STILL)
    kernel = np.ones((3, 3), np.uint8)
    edges = cv2.morphologyEx(mean, cv2.MORPH_GRADIENT, kernel) > sharp
    boxes = [
        box
        for box in merge(_pieces(still & edges, rims))
        if min(box[2:]) >= LEAST_SIDE
        and box[2] * box[3] >= 2 * LEAST_INK
        and _still_share(box, still, edges & inside) > LEAST_STILL
    ]
    if not boxes:
        return []
    _, labels, stats, _ = cv2.connectedComponentsWithStats(still.astype(np.uint8), connectivity=4)
    return [_with_label(box, still & edges, np.asarray(labels), np.asarray(stats)) for box in boxes]


def _still_share(box: Box, still: Mask, edges: Mask) -> float:
    """Of the sharp edges in and around a box, the part that stands still."""
    x, y, w, h = box
    at = (slice(max(y - AROUND, 0), y + h + AROUND), slice(max(x - AROUND, 0), x + w + AROUND))
    return float((still & edges)[at].sum() / max(edges[at].sum(), 1))


def _with_label(box: Box, ink: Mask, labels: NDArray[np.int32], stats: NDArray[np.int32]) -> Box:
    """The filled rectangle that the text stands on, if it does."""
    x, y, w, h = box
    at = slice(y, y + h), slice(x, x + w)
    inside = labels[at][ink[at]]
    if not len(inside):
        return box
    name = int(np.bincount(inside).argmax())
    sx, sy, sw, sh, area = (int(v) for v in stats[name])
    holds = sx <= x + 1 and sy <= y + 1 and sx + sw >= x + w - 1 and sy + sh >= y + h - 1
    if holds and area > 0.85 * sw * sh and sw * sh < 5 * w * h:
        return sx, sy, sw, sh
    return box


def _pieces(ink: Mask, rims: Mask | None = None) -> list[Box]:
    """Boxes of connected ink; single pixels are none, nor are lines on the rims."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    rows, areas = stats[1:count], stats[1:count, cv2.CC_STAT_AREA]
    kept = areas >= 3
    if rims is not None and rims.any():
        on_rim = np.bincount(np.asarray(labels)[rims], minlength=count)[1:count]
        thin = areas <= LINE * rows[:, 2:4].max(1)
        kept &= ~(thin & (on_rim > 0.8 * areas))
    rows = rows[kept]
    if len(rows) > MOST_PIECES:
        rows = rows[np.argsort(-rows[:, cv2.CC_STAT_AREA])[:MOST_PIECES]]
    return [(int(r[0]), int(r[1]), int(r[2]), int(r[3])) for r in rows]


def merge(pieces: list[Box]) -> list[Box]:
    """Boxes of the pieces that lie within `GAP` heights of each other, across and down."""
    if not pieces:
        return []
    x, y, w, h = np.array(pieces).T
    tall = np.minimum(h, TALLEST)
    across = np.maximum(x[:, None], x) - np.minimum((x + w)[:, None], x + w)
    down = np.maximum(y[:, None], y) - np.minimum((y + h)[:, None], y + h)
    near = np.maximum(across, down) <= GAP * np.maximum(tall[:, None], tall)
    left, boxes = np.ones(len(pieces), bool), []
    while left.any():
        group = np.zeros(len(pieces), bool)
        new = np.flatnonzero(left)[:1]
        while len(new):
            group[new] = True
            new = np.flatnonzero(near[new].any(0) & ~group)
        left &= ~group
        x0, y0 = int(x[group].min()), int(y[group].min())
        x1, y1 = int((x + w)[group].max()), int((y + h)[group].max())
        boxes.append((x0, y0, x1 - x0, y1 - y0))
    return boxes
