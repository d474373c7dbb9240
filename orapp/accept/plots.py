"""What was measured, as inline SVG."""

from collections.abc import Sequence

import numpy as np

from orapp.qa.page import Node, node

WIDTH, HEIGHT = 560, 210
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 12, 40
BINS, MOST_POINTS = 48, 600
BLUE, ORANGE, FAULT, AXIS = "#0072b2", "#c86400", "#a8201a", "#8a949c"
Points = Sequence[tuple[float, float]]


class _Axes:
    """Maps values to places, and draws the frame with its ticks."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._x, self._y = x, y

    def x(self, value: float) -> float:
        low, high = self._x
        return LEFT + (value - low) / max(high - low, 1e-9) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return HEIGHT - BOTTOM - (value - low) / max(high - low, 1e-9) * (HEIGHT - TOP - BOTTOM)

    def frame(self, across: str, up: str) -> list[Node]:
        floor = HEIGHT - BOTTOM
        parts = [node("line", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, stroke=AXIS)]
        for share in (0, 0.25, 0.5, 0.75, 1):
            value = self._x[0] + share * (self._x[1] - self._x[0])
            at = f"{self.x(value):.1f}"
            parts.append(node("text", _tick(value), x=at, y=floor + 15, text_anchor="middle"))
        for share in (0, 0.5, 1):
            value = self._y[0] + share * (self._y[1] - self._y[0])
            at = f"{self.y(value) + 4:.1f}"
            text = f"{_tick(value)} {up}" if share == 1 else _tick(value)
            parts.append(node("text", text, x=LEFT - 6, y=at, text_anchor="end"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(node("text", across, x=middle, y=HEIGHT - 6, text_anchor="middle"))
        return parts

    def limit(self, value: float, *, upright: bool) -> list[Node]:
        if upright:
            x = f"{self.x(value):.1f}"
            ends = {"x1": x, "x2": x, "y1": TOP, "y2": HEIGHT - BOTTOM}
            text = node("text", "limit p99", x=x, y=TOP + 2, text_anchor="end")
        else:
            y = f"{self.y(value):.1f}"
            ends = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": y, "y2": y}
            text = node("text", "limit p99", x=LEFT + 4, y=f"{self.y(value) - 3:.1f}")
        return [node("line", stroke=FAULT, stroke_dasharray="5 4", **ends), text]


def _tick(value: float) -> str:
    """Three digits, or all before the point: never as a power of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _figure(title: str, parts: list[Node]) -> Node:
    box = f"0 0 {WIDTH} {HEIGHT}"
    drawn = node("svg", *parts, viewBox=box, role="img", aria_label=title)
    return node("figure", node("figcaption", title), drawn)


def histogram(title: str, samples: Points, limit: float, colour: str = BLUE) -> Node | None:
    """How often each latency occurred; None where nothing was measured."""
    if not samples:
        return None
    values = np.array([ms for _, ms in samples])
    top = max(float(values.max()), limit) * 1.05
    counts, edges = np.histogram(values, BINS, (0, top))
    axes = _Axes((0, top), (0, max(int(counts.max()), 1)))
    bars = [
        node(
            "rect",
            x=f"{axes.x(edges[k]) + 0.5:.1f}",
            width=f"{axes.x(edges[k + 1]) - axes.x(edges[k]) - 1:.1f}",
            y=f"{min(axes.y(count), HEIGHT - BOTTOM - 2):.1f}",
            height=f"{max(HEIGHT - BOTTOM - axes.y(count), 2):.1f}",
            fill=colour,
        )
        for k, count in enumerate(counts.tolist())
        if count
    ]
    return _figure(title, [*axes.frame("ms", ""), *bars, *axes.limit(limit, upright=True)])


def timeline(title: str, samples: Points, limit: float, colour: str = BLUE) -> Node | None:
    """Each latency at its time; of many, the longest of each stretch."""
    if not samples:
        return None
    kept = _longest(samples)
    top = max(max(ms for _, ms in kept), limit) * 1.05
    axes = _Axes((0, max(s for s, _ in kept)), (0, top))
    dots = [
        node("circle", cx=f"{axes.x(s):.1f}", cy=f"{axes.y(ms):.1f}", r=1.6, fill=colour)
        for s, ms in kept
    ]
    return _figure(title, [*axes.frame("s", "ms"), *dots, *axes.limit(limit, upright=False)])


def line(title: str, samples: Points, unit: str, colour: str = BLUE) -> Node | None:
    """A value over time, from 0 up."""
    if not samples:
        return None
    values = [value for _, value in samples]
    axes = _Axes((0, max(s for s, _ in samples)), (0, max(values) * 1.1 or 1))
    path = "M" + "L".join(f"{axes.x(s):.1f},{axes.y(v):.1f}" for s, v in samples)
    drawn = node("path", d=path, fill="none", stroke=colour, stroke_width=2)
    return _figure(title, [*axes.frame("s", unit), drawn])


def _longest(samples: Points) -> list[tuple[float, float]]:
    step = -(-len(samples) // MOST_POINTS)
    parts = [samples[k : k + step] for k in range(0, len(samples), step)]
    return [max(part, key=lambda one: one[1]) for part in parts]
