"""The active image area and the round field: where the picture changes with every exposure."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.findings import Box, Circle
from orapp.errors import OrappError

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
STILL = 0.15
"""Variance over time of a pixel that nothing changes, beside the grabber's noise."""
LEAST_AREA = 0.02
CUT = 0.34
"""Variance of noise whose lower half is cut off."""
MOST_NOISE = 2.5
"""Grey levels: no grabber is worse."""
ROUND = 0.4
"""So much of a circle's rim must be seen."""
LEAST_ROUND = 0.15
"""And so much of all of it, also where the frame cuts off the rest."""
HELD = 0.97
"""So much of what changes around its middle must lie in a round field; a second picture may not."""
DARK = 80
"""Screens are darker than this around the picture."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the image is.

    Attributes:
        area: of the image, raw pixels.
        circle: the round field, or None.
        field: (H, W) bool, what X-rays can reach.
        sure: whether every side was seen.
        why, circle_why: how they were found.
    """

    area: Box
    circle: Circle | None
    field: Mask
    sure: bool
    why: str
    circle_why: str


def find_area(mean: Plane, variance: Plane, noise: float) -> Place:
    """Finds it in (H, W) mean and variance over exposures.

    Raises:
        OrappError: nothing changes.
    """
    still = noise * noise
    alive = _alive(variance, still)
    if alive.mean() < LEAST_AREA:
        raise OrappError(
            "no part of the picture changes as X-ray does", "record 5 to 20 seconds with X-ray on"
        )
    circle, seen = _find_circle(alive, variance, still)
    height, width = mean.shape
    if circle is not None:
        c = circle
        x0, y0 = max(int(np.ceil(c.x - c.radius)), 0), max(int(np.ceil(c.y - c.radius)), 0)
        x1 = min(int(np.floor(c.x + c.radius)) + 1, width)
        y1 = min(int(np.floor(c.y + c.radius)) + 1, height)
        y, x = np.mgrid[:height, :width]
        field = np.asarray((x - c.x) ** 2 + (y - c.y) ** 2 <= c.radius**2)
        area = x0, y0, x1 - x0, y1 - y0
        why = "the round field's bounds"
        return Place(area, circle, field, True, why, f"{seen:.0%} of its rim was seen")
    area, grown = _rectangle(alive, mean, variance, still)
    x, y, w, h = area
    field = np.zeros(mean.shape, bool)
    field[y : y + h, x : x + w] = True
    why = "where the grey levels change over time"
    if grown:
        why += f"; and white up to the dark screen at {' and '.join(grown)}"
    return Place(area, None, field, True, why, "no round rim was seen")


def even_noise(mean: Plane, variance: Plane) -> float:
    """Standard deviation of noise that is the same all over the screen; 0 if there is none.

    Where the screen is black, half of the noise is cut off.
    """
    height, width = variance.shape
    size = max(width // 16, 1), max(height // 16, 1)
    blocks = cv2.resize(variance, size, interpolation=cv2.INTER_AREA)
    levels = cv2.resize(mean, size, interpolation=cv2.INTER_AREA)
    least, little = np.percentile(blocks, (4, 12))
    if not (STILL < least < MOST_NOISE**2 and little < 1.35 * least):
        return 0.0
    black = float(np.median(levels[blocks <= little])) < 1.5
    return float(np.sqrt(least / CUT if black else least))


def _alive(variance: Plane, still: float) -> Mask:
    """(H, W) bool: the parts that change, without single pixels, clocks and hold marks."""
    smooth = variance if still == 0 else cv2.boxFilter(variance, -1, (5, 5))
    mask = (smooth > 1.25 * still + STILL).astype(np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = np.flatnonzero(areas > max(0.08 * areas.max(), 1))
    return np.isin(labels, kept)


def _find_circle(alive: Mask, variance: Plane, still: float) -> tuple[Circle | None, float]:
    """A circle on the outline of what changes, and how much of its rim was seen."""
    contours, _ = cv2.findContours(alive.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([c[:, 0] for c in contours]).astype(float)
    height, width = alive.shape
    inner = (points > 1).all(1) & (points[:, 0] < width - 2) & (points[:, 1] < height - 2)
    points = points[inner]
    if len(points) < 60:
        return None, 0.0
    best, seen = _ransac(points, alive.shape)
    if best is None or seen < max(ROUND * _in_view(best, alive.shape), LEAST_ROUND):
        return None, seen
    if not _holds(best, alive):
        return None, seen
    return _edge(best, variance, still), seen


def _ransac(points: NDArray[np.float64], shape: tuple[int, int]) -> tuple[Circle | None, float]:
    rng = np.random.default_rng(0)
    some = points[:: max(len(points) // 3000, 1)]
    best, best_seen = None, 0.0
    for _ in range(400):
        circle = _through(some[rng.integers(len(some), size=3)])
        if circle is None or not 0.2 * min(shape) < circle.radius < 0.75 * max(shape):
            continue
        seen = _rim(some, circle)[0]
        if seen > best_seen:
            best, best_seen = circle, seen
    for _ in range(4):
        if best is not None:
            fitted = _fit(points[_rim(points, best)[1]])
            best = fitted if fitted is not None else best
    return best, _rim(points, best)[0] if best is not None else 0.0


def _rim(points: NDArray[np.float64], circle: Circle) -> tuple[float, Mask]:
    """How much of the rim has points on it, and which they are."""
    x, y = points[:, 0] - circle.x, points[:, 1] - circle.y
    on = np.abs(np.hypot(x, y) - circle.radius) < 2.0
    bins = np.unique((np.arctan2(y[on], x[on]) * 90 / np.pi).astype(int))
    return len(bins) / 180, on


def _through(three: NDArray[np.float64]) -> Circle | None:
    (ax, ay), (bx, by), (cx, cy) = three
    d = 2 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by))
    if abs(d) < 1e-3:
        return None
    a, b, c = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    x = (a * (by - cy) + b * (cy - ay) + c * (ay - by)) / d
    y = (a * (cx - bx) + b * (ax - cx) + c * (bx - ax)) / d
    return Circle(float(x), float(y), float(np.hypot(ax - x, ay - y)))


def _fit(points: NDArray[np.float64]) -> Circle | None:
    if len(points) < 10:
        return None
    x, y = points.T
    matrix = np.column_stack([x, y, np.ones(len(x))])
    (a, b, c), *_ = np.linalg.lstsq(matrix, x * x + y * y, rcond=None)
    return Circle(float(a / 2), float(b / 2), float(np.sqrt(max(c + (a * a + b * b) / 4, 1))))


def _in_view(circle: Circle, shape: tuple[int, int]) -> float:
    """How much of its rim lies in the frame."""
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    x, y = circle.x + circle.radius * np.cos(turn), circle.y + circle.radius * np.sin(turn)
    return float(((x > 1) & (y > 1) & (x < shape[1] - 2) & (y < shape[0] - 2)).mean())


def _holds(circle: Circle, alive: Mask) -> bool:
    """Whether it has its middle in the frame, and all of the part that changes most in it."""
    height, width = alive.shape
    if not (0 <= circle.x < width and 0 <= circle.y < height):
        return False
    y, x = np.ogrid[:height, :width]
    inside = (x - circle.x) ** 2 + (y - circle.y) ** 2 <= (circle.radius + 4) ** 2
    _, parts = cv2.connectedComponents(alive.astype(np.uint8))
    within, whole = np.bincount(parts[inside & alive]), np.bincount(parts[alive])
    if not len(within):
        return False
    most = int(within.argmax())
    return bool(within[most] >= HELD * whole[most])


def _edge(circle: Circle, variance: Plane, still: float) -> Circle:
    """The radius at which the change over time is half of that inside."""
    y, x = np.mgrid[: variance.shape[0], : variance.shape[1]]
    far = np.hypot(x - circle.x, y - circle.y) - circle.radius
    ring = np.abs(far) < 10
    step = np.clip(((far[ring] + 10) * 2).astype(int), 0, 39)
    levels = np.minimum(variance[ring], 4 * still + 4)
    profile = np.bincount(step, levels, 40) / np.maximum(np.bincount(step, minlength=40), 1)
    half = (profile[:12].mean() + profile[-6:].mean()) / 2
    below = np.flatnonzero(profile < half)
    if not len(below) or below[0] == 0:
        return circle
    k = int(below[0])
    part = (profile[k - 1] - half) / max(profile[k - 1] - profile[k], 1e-6)
    return Circle(circle.x, circle.y, float(circle.radius - 10 + (k - 1 + part + 0.5) / 2))


def _rectangle(alive: Mask, mean: Plane, variance: Plane, still: float) -> tuple[Box, list[str]]:
    """Bounds of what changes, and on up to the dark screen where the image is saturated."""
    rough = _bounds(np.asarray(alive.any(1)), np.asarray(alive.any(0)))
    y0, y1, x0, x1 = rough
    least = min(variance.shape)
    cap = 4 * still + 4
    capped = np.minimum(variance, cap)
    lift = 1.06 * still + (0.02 * (cap - still) if still else 0.04)
    reach = max(least // 50, 6)
    ya, yb = max(y0 - reach, 0), min(y1 + reach, variance.shape[0])
    xa, xb = max(x0 - reach, 0), min(x1 + reach, variance.shape[1])
    rows = capped[ya:yb, x0:x1].mean(1) > lift
    columns = capped[ya:yb, xa:xb][y0 - ya : y1 - ya].mean(0) > lift
    top, bottom = _outer(rows)
    left, right = _outer(columns)
    box = ya + top, ya + bottom, xa + left, xa + right
    return _grow(mean, box)


def _bounds(rows: Mask, columns: Mask) -> tuple[int, int, int, int]:
    y, x = np.flatnonzero(rows), np.flatnonzero(columns)
    return int(y[0]), int(y[-1]) + 1, int(x[0]), int(x[-1]) + 1


def _outer(active: Mask) -> tuple[int, int]:
    """First and one past the last of the longest stretch, small gaps closed."""
    at = np.flatnonzero(active)
    if not len(at):
        return 0, len(active)
    parts = np.split(at, np.flatnonzero(np.diff(at) > 6) + 1)
    longest = max(parts, key=len)
    return int(longest[0]), int(longest[-1]) + 1


def _grow(mean: Plane, box: tuple[int, int, int, int]) -> tuple[Box, list[str]]:
    """Takes in rows and columns beside the box that are brighter than any screen is."""
    y0, y1, x0, x1 = box
    height, width = mean.shape
    outside = np.ones(mean.shape, bool)
    outside[y0:y1, x0:x1] = False
    dark = mean[outside & (mean < DARK)]
    screen = float(np.median(dark)) if len(dark) > 500 else 0.0
    bright = mean > screen + 14
    grown = []

    def white(part: Mask) -> bool:
        return bool(part.mean() > 0.6)

    for name in ("left", "right", "top", "bottom"):
        before = y0, y1, x0, x1
        while name == "left" and x0 > 0 and white(bright[y0:y1, x0 - 1]):
            x0 -= 1
        while name == "right" and x1 < width and white(bright[y0:y1, x1]):
            x1 += 1
        while name == "top" and y0 > 0 and white(bright[y0 - 1, x0:x1]):
            y0 -= 1
        while name == "bottom" and y1 < height and white(bright[y1, x0:x1]):
            y1 += 1
        if (y0, y1, x0, x1) != before:
            grown.append(f"the {name}")
    return (x0, y0, x1 - x0, y1 - y0), grown
