"""The collimator's blades: straight, still edges of the image area, dark beyond."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.area import Place

SMALL = 320
ANGLES = np.arange(-12, 12.1, 1.0)
LEAST_SHARE = 0.4
"""So much of a blade's edge must show."""
DARKER = 0.6
"""Beyond a blade it is darker than this part of what is before it."""
Points = NDArray[np.float64]
Plane = NDArray[np.float32]
Corners = tuple[tuple[float, float], ...]


def find_blades(
    mean: Plane, place: Place, black: int, white: int, inverted: bool
) -> tuple[Corners, float]:
    """Corners of what the blades leave open, raw pixels, and how much of their edges shows.

    Both are empty if there are none.

    Args:
        mean: (H, W) over exposures: anatomy is blurred in it, blades are not.
        place: where the image is.
        black: raw grey level that is black.
        white: the one that is white.
        inverted: whether the polarity is the other way round.
    """
    x, y, w, h = place.area
    light = (mean[y : y + h, x : x + w] - black) / (white - black)
    light = 1 - light if inverted else light
    scale = SMALL / max(w, h)
    size = max(round(w * scale), 8), max(round(h * scale), 8)
    small = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA), np.float32)
    corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], float)
    strength = 0.0
    for turns in range(4):
        line, share = _edge(np.ascontiguousarray(np.rot90(small, turns)))
        if line is not None:
            corners, strength = _cut(corners, _back(line, turns, size)), strength + share
    if not strength:
        return (), 0.0
    return tuple((float(px / scale + x), float(py / scale + y)) for px, py in corners), strength


def _edge(light: Plane) -> tuple[Points | None, float]:
    """Two points, (2, 2), on the edge of a blade that covers the left side; the first is above.

    And how much of it shows.
    """
    height, width = light.shape
    rise = cv2.Sobel(light, cv2.CV_32F, 1, 0, ksize=3) / 4
    sharp = (rise > 0.08).astype(np.float32)
    middle = width / 2, height / 2
    best, best_share = None, LEAST_SHARE
    for angle in ANGLES:
        turn = np.asarray(cv2.getRotationMatrix2D(middle, float(angle), 1.0), float)
        turned = cv2.warpAffine(sharp, turn, (width, height), flags=cv2.INTER_LINEAR)
        share = cv2.blur(turned[:, 3 : width // 2].mean(0)[None], (3, 1))[0] * 1.6
        column = int(np.argmax(share))
        if share[column] > best_share and _is_darker(light, turn, column + 3):
            best_share = float(share[column])
            back = cv2.invertAffineTransform(turn)
            ends = np.array([[column + 3.0, 0.0, 1.0], [column + 3.0, height, 1.0]])
            best = ends @ back.T
    return (None, 0.0) if best is None else (np.asarray(best, float), best_share)


def _is_darker(light: Plane, turn: Points, column: int) -> bool:
    height, width = light.shape
    turned = cv2.warpAffine(light, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    before = turned[:, column + 3 : column + 12].mean(1)
    beyond = turned[:, max(column - 12, 0) : max(column - 3, 1)].mean(1)
    lit = before > 0.25
    return bool(lit.mean() > 0.3 and np.median(beyond[lit] / before[lit]) < DARKER)


def _back(line: Points, turns: int, size: tuple[int, int]) -> Points:
    """The line in the picture that was turned counter-clockwise by quarter turns."""
    x, y = line.T
    sizes = [size, size[::-1], size, size[::-1]]
    for k in range(turns, 0, -1):
        high_before = sizes[k - 1]
        x, y = high_before[0] - y, x
    return np.stack([x, y], 1)


def _cut(corners: Points, line: Points) -> Points:
    """The part of a convex polygon on the side of a line on which the picture's middle lies."""
    (ax, ay), (bx, by) = line
    normal = np.array([by - ay, ax - bx])
    sides = (corners - line[0]) @ normal
    kept = []
    for k in range(len(corners)):
        a, b, one, other = corners[k - 1], corners[k], sides[k - 1], sides[k]
        if (one >= 0) != (other >= 0):
            kept.append(a + (b - a) * one / (one - other))
        if other >= 0:
            kept.append(b)
    return np.array(kept) if len(kept) > 2 else corners
