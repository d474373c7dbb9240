"""Rectangles and circles that a person drags: where their handles lie, and what a drag makes."""

from orapp.calibrate.findings import Box, Circle

SIDES = ("nw", "n", "ne", "e", "se", "s", "sw", "w")
LEAST = 4
"""Smallest side of a rectangle in pixels."""


def box_handles(box: Box) -> dict[str, tuple[float, float]]:
    """Where each handle lies, in pixels (edges of pixels are half way between their centres)."""
    x, y, w, h = box
    xs = {"w": x - 0.5, "e": x + w - 0.5}
    ys = {"n": y - 0.5, "s": y + h - 0.5}
    middle = x + w / 2 - 0.5, y + h / 2 - 0.5
    found = {}
    for name in SIDES:
        u = next((xs[c] for c in name if c in xs), middle[0])
        v = next((ys[c] for c in name if c in ys), middle[1])
        found[name] = (u, v)
    return found


def dragged_box(box: Box, handle: str, by: tuple[float, float], size: tuple[int, int]) -> Box:
    """The rectangle after a drag of a handle, or of its inside (`move`).

    Args:
        box: before.
        handle: one of `SIDES`, or `move`.
        by: how far, in pixels.
        size: (width, height) of the picture; the rectangle stays in it.
    """
    x0, y0, w, h = box
    dx, dy = round(by[0]), round(by[1])
    if handle == "move":
        x = min(max(x0 + dx, 0), size[0] - w)
        y = min(max(y0 + dy, 0), size[1] - h)
        return x, y, w, h
    x1, y1 = x0 + w, y0 + h
    if "w" in handle:
        x0 = min(max(x0 + dx, 0), x1 - LEAST)
    if "e" in handle:
        x1 = max(min(x1 + dx, size[0]), x0 + LEAST)
    if "n" in handle:
        y0 = min(max(y0 + dy, 0), y1 - LEAST)
    if "s" in handle:
        y1 = max(min(y1 + dy, size[1]), y0 + LEAST)
    return x0, y0, x1 - x0, y1 - y0


def holds(box: Box, at: tuple[float, float], margin: float = 0.0) -> bool:
    """Whether a point lies in the rectangle, or less than `margin` beside it."""
    x, y, w, h = box
    across = x - 0.5 - margin <= at[0] <= x + w - 0.5 + margin
    return across and y - 0.5 - margin <= at[1] <= y + h - 0.5 + margin


def circle_handles(circle: Circle) -> dict[str, tuple[float, float]]:
    """The middle, and four places of the rim."""
    c = circle
    return {
        "middle": (c.x, c.y),
        "e": (c.x + c.radius, c.y),
        "w": (c.x - c.radius, c.y),
        "n": (c.x, c.y - c.radius),
        "s": (c.x, c.y + c.radius),
    }


def dragged_circle(circle: Circle, handle: str, by: tuple[float, float]) -> Circle:
    """The circle after a drag of its middle, or of a place of the rim: the other side stays."""
    if handle == "middle":
        return Circle(circle.x + by[0], circle.y + by[1], circle.radius)
    outward = {"e": by[0], "w": -by[0], "n": -by[1], "s": by[1]}[handle]
    grown = max(outward / 2, 16 - circle.radius)
    dx = {"e": grown, "w": -grown}.get(handle, 0.0)
    dy = {"s": grown, "n": -grown}.get(handle, 0.0)
    return Circle(circle.x + dx, circle.y + dy, circle.radius + grown)


def boxed(a: tuple[float, float], b: tuple[float, float], size: tuple[int, int]) -> Box:
    """The rectangle that is drawn from one point to another, in a picture of a size (w, h)."""
    xs = [min(max(round(v), 0), size[0] - 1) for v in (a[0], b[0])]
    ys = [min(max(round(v), 0), size[1] - 1) for v in (a[1], b[1])]
    return min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1
