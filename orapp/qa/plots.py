"""Distributions as inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orapp.qa.page import Node, node

BINS = 24
WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 12, 34
LEAST_PX = 3.0
"""One run among a thousand is still seen."""
AXIS = {0.0: "start", 0.25: "middle", 0.5: "middle", 0.75: "middle", 1.0: "end"}
COLOURS = {"reference": "#0072b2", "candidate": "#e69f00"}


@dataclass(frozen=True, slots=True)
class Plot:
    """A histogram over the runs.

    Attributes:
        title: what is counted.
        candidate, reference: a figure of each run; the reference may be empty.
        limit: drawn as a line, if there is one.
        most: the axis reaches at least from `least` to here.
    """

    title: str
    candidate: Sequence[float]
    reference: Sequence[float] = ()
    limit: float | None = None
    least: float | None = None
    most: float | None = None


def histogram(plot: Plot) -> Node:
    """The plot: candidate filled, reference as a line above it."""
    edges = _edges(plot)
    counts = {
        "candidate": np.histogram(plot.candidate, edges)[0],
        "reference": np.histogram(plot.reference, edges)[0],
    }
    highest = max(1, *(int(c.max(initial=0)) for c in counts.values()))
    picture = node(
        "svg",
        *_axes(edges, highest),
        *_bars(counts["candidate"], highest),
        _stairs(counts["reference"], highest) if len(plot.reference) else None,
        *_limit(plot.limit, edges),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=plot.title,
    )
    return node("figure", node("figcaption", plot.title), picture)


def _edges(plot: Plot) -> np.ndarray:
    values = [*plot.candidate, *plot.reference]
    values += [v for v in (plot.limit, plot.least, plot.most) if v is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 1e-9:
        high = low + max(abs(low) * 0.1, 1e-3)
    return np.linspace(low, high, BINS + 1)


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(count: float, highest: int) -> float:
    height = count / highest * (HEIGHT - TOP - BOTTOM)
    return HEIGHT - BOTTOM - (max(height, LEAST_PX) if count else 0)


def _axes(edges: np.ndarray, highest: int) -> list[Node]:
    floor = HEIGHT - BOTTOM
    parts = [node("line", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, stroke="#8a949c")]
    for share, anchor in AXIS.items():
        value = edges[0] + share * (edges[-1] - edges[0])
        parts.append(node("text", f"{value:.3g}", x=_x(share), y=floor + 16, text_anchor=anchor))
    for count in {0, highest}:
        at = _y(count, highest)
        parts.append(node("text", str(count), x=LEFT - 6, y=at + 4, text_anchor="end"))
    parts.append(node("text", "runs", x=2, y=(floor + TOP) / 2))
    return parts


def _bars(counts: np.ndarray, highest: int) -> list[Node]:
    return [
        node(
            "rect",
            x=f"{_x(k / BINS) + 1:.1f}",
            width=f"{_x(1 / BINS) - LEFT - 2:.1f}",
            y=f"{_y(count, highest):.1f}",
            height=f"{HEIGHT - BOTTOM - _y(count, highest):.1f}",
            fill=COLOURS["candidate"],
        )
        for k, count in enumerate(counts.tolist())
        if count
    ]


def _stairs(counts: np.ndarray, highest: int) -> Node:
    steps = [f"M{LEFT},{HEIGHT - BOTTOM}"]
    for k, count in enumerate(counts.tolist()):
        y = _y(count, highest)
        steps.append(f"L{_x(k / BINS):.1f},{y:.1f}L{_x((k + 1) / BINS):.1f},{y:.1f}")
    steps.append(f"L{WIDTH - RIGHT},{HEIGHT - BOTTOM}")
    colour = COLOURS["reference"]
    return node("path", d="".join(steps), fill="none", stroke=colour, stroke_width=2)


def _limit(limit: float | None, edges: np.ndarray) -> list[Node]:
    if limit is None:
        return []
    x = _x(float((limit - edges[0]) / (edges[-1] - edges[0])))
    line = node(
        "line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, stroke="#a8201a", stroke_dasharray="5 4"
    )
    anchor = "start" if x < WIDTH / 2 else "end"
    text = node("text", "tolerance", x=x + (4 if x < WIDTH / 2 else -4), y=TOP + 8)
    text.set("text-anchor", anchor)
    return [line, text]
