"""A spine that can be broken: projected layers of a real CT, put together anew for every seed.

Each vertebral body is a layer of its own (see spine_layers/ORIGIN.md), so a seed can compress one,
move its neighbours after it, and vary all of them. Everything here is a line integral in mm of
water on one canvas; no clock, no noise, no screen: those are the C-arm's (`carm.py`).
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

CANVAS = 720
"""Side of the canvas in pixels."""
CANVAS_MM = 0.3
"""Size of a canvas pixel at the isocentre, in mm."""
LAWS = ("wedge", "biconcave", "crush")


@dataclass(frozen=True, slots=True)
class Body:
    """One vertebral body as it was projected.

    Attributes:
        level: T8 … L2.
        density: (h, w) float32, mm of water over soft tissue.
        inside: (h, w) float32, 1 inside its outline, 0 outside.
        origin: (x, y) of the layer's first pixel on the canvas.
        corner, ahead, up: posterior inferior corner, and the vectors along the lower endplate to
            the front and along the rear wall upwards, all (2,) in canvas pixels.
    """

    level: str
    density: Plane
    inside: Plane
    origin: NDArray[np.float64]
    corner: NDArray[np.float64]
    ahead: NDArray[np.float64]
    up: NDArray[np.float64]

    @property
    def centre(self) -> NDArray[np.float64]:
        """Middle of the body, (2,) in canvas pixels."""
        return self.corner + (self.ahead + self.up) / 2


@dataclass(frozen=True, slots=True)
class Layers:
    """One position of the C-arm: background and bodies, from above to below."""

    soft: Plane
    bone: Plane
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Fracture:
    """How one body is broken.

    Attributes:
        level: the body.
        law: wedge (front), biconcave (middle of both endplates) or crush (all of it).
        loss: largest loss of height, as a fraction.
    """

    level: str
    law: str
    loss: float


@dataclass(frozen=True, slots=True)
class Spine:
    """What the C-arm looks through.

    Attributes:
        soft, bone: (CANVAS, CANVAS) float32, mm of water, background without the bodies.
        column: (CANVAS, CANVAS) float32, mm of water, the bodies.
        fractured: (CANVAS, CANVAS) float32, 1 inside the broken body.
        bodies: (CANVAS, CANVAS) float32, 1 inside any body.
        focus: (x, y) canvas pixels of the body that the surgeon works on (the broken one, if any).
        rear: unit vector from the focus to the patient's back, for the trocar.
        fracture: what is broken, or None.
    """

    soft: Plane
    bone: Plane
    column: Plane
    fractured: Plane
    bodies: Plane
    focus: NDArray[np.float64]
    rear: NDArray[np.float64]
    fracture: Fracture | None


def shipped_poses() -> list[Path]:
    """The layer files that ship, in a fixed order."""
    folder = Path(str(resources.files("orapp.sources"))) / "spine_layers"
    return sorted(folder.glob("*.npz"))


def load_layers(path: Path) -> Layers:
    """Reads one layer file (uint16, 1 is 0.01 mm; written by tools/project_ct.py)."""
    with np.load(path, allow_pickle=False) as stored:
        plane = {k: stored[k].astype(np.float32) / 100 for k in stored if not k.endswith("origin")}
        origins = {k[:-7]: stored[k] for k in stored if k.endswith("_origin")}
    size = (CANVAS, CANVAS)
    bodies = [
        _body(level, plane[f"{level}_density"], plane[f"{level}_thickness"], at)
        for level, at in origins.items()
    ]
    bodies.sort(key=lambda body: float(body.centre[1]))
    return Layers(
        cv2.resize(plane["soft"], size, interpolation=cv2.INTER_CUBIC).astype(np.float32),
        cv2.resize(plane["bone"], size, interpolation=cv2.INTER_CUBIC).astype(np.float32),
        tuple(bodies),
    )


def _body(level: str, density: Plane, thickness: Plane, origin: NDArray[np.int32]) -> Body:
    inside = (thickness > 0.3 * thickness.max()).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    box = cv2.boxPoints(cv2.minAreaRect(max(contours, key=cv2.contourArea))).astype(np.float64)
    box += origin
    by_height = box[np.argsort(box[:, 1])]
    top = by_height[:2][np.argsort(by_height[:2, 0])]
    low = by_height[2:][np.argsort(by_height[2:, 0])]
    corner, ahead, up = low[1], low[0] - low[1], top[1] - low[1]
    soft_edge = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.8)
    return Body(level, density, soft_edge, origin.astype(np.float64), corner, ahead, up)


def draw_fracture(layers: Layers, rng: np.random.Generator, severe: bool = True) -> Fracture:
    """A random fracture of a body that has neighbours in view; severe is 35 to 55 % of height."""
    inner = [b.level for b in _inner(layers)]
    low, high = (0.35, 0.55) if severe else (0.2, 0.55)
    level, law = inner[rng.integers(len(inner))], LAWS[rng.integers(len(LAWS))]
    return Fracture(level, law, float(rng.uniform(low, high)))


def _inner(layers: Layers) -> list[Body]:
    """Bodies that have a neighbour on both sides and lie well on the canvas."""
    edge = 25 / CANVAS_MM
    return [
        b
        for b in layers.bodies[1:-1]
        if bool(np.all((b.centre > edge) & (b.centre < CANVAS - edge)))
    ]


def build(
    layers: Layers,
    fracture: Fracture | None,
    rng: np.random.Generator,
    focus_on: str | None = None,
) -> Spine:
    """Puts a spine together: the fracture, if any, and the variation of everything else.

    Args:
        layers: one position of the C-arm.
        fracture: what is broken, or None for a healthy spine.
        rng: what varies; the same state gives a fractured spine its healthy twin.
        focus_on: level that the surgeon works on where nothing is broken; any if None.
    """
    blank = np.zeros((CANVAS, CANVAS), np.float32)
    column, fractured, outlines = blank.copy(), blank.copy(), blank.copy()
    inner = _inner(layers)
    any_level = inner[rng.integers(len(inner))].level
    chosen = fracture.level if fracture else focus_on or any_level
    index = [b.level for b in layers.bodies].index(chosen)
    shapes = [
        _Shape(fracture if b.level == chosen else None, own)
        for b, own in zip(layers.bodies, rng.spawn(len(layers.bodies)), strict=True)
    ]
    moves = _moves(layers.bodies, shapes, index, rng)
    strength = rng.uniform(0.75, 1.25)
    for body, shape, move in zip(layers.bodies, shapes, moves, strict=True):
        density, inside, window = shape.draw(body, move)
        column[window] += density * float(strength * rng.uniform(0.9, 1.1))
        np.maximum(outlines[window], inside, out=outlines[window])
        if shape.broken:
            fractured[window] = inside
    focus_body = layers.bodies[index]
    focus = _apply(moves[index], focus_body.centre)
    rear = -focus_body.ahead / np.linalg.norm(focus_body.ahead)
    return Spine(layers.soft, layers.bone, column, fractured, outlines, focus, rear, fracture)


class _Shape:
    """Loss of height along one body, from above and from below, as fractions of its height."""

    def __init__(self, fracture: Fracture | None, rng: np.random.Generator) -> None:
        self.broken = fracture is not None
        self.widen = 1.0 + (rng.uniform(0.01, 0.06) if fracture else 0.0)
        self.above = rng.uniform(0, 0.04, 3)
        self.below = rng.uniform(0, 0.03, 3)
        if fracture is not None:
            self._break(fracture, rng)

    def _break(self, fracture: Fracture, rng: np.random.Generator) -> None:
        """Loss at the rear, the middle and the front; a parabola runs through the three."""
        loss = fracture.loss
        if fracture.law == "wedge":
            self.above = loss * np.array([rng.uniform(0.0, 0.2), rng.uniform(0.5, 0.75), 1.0])
        elif fracture.law == "crush":
            self.above = loss * rng.uniform(0.7, 1.0, 3)
        else:
            share = rng.uniform(0.45, 0.75)
            rim = rng.uniform(0.05, 0.25, 2)
            self.above = loss * share * np.array([rim[0], 1.0, rim[1]])
            self.below = loss * (1 - share) * np.array([rim[1], 1.0, rim[0]])

    @staticmethod
    def _along(three: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        u = np.clip(u, 0, 1)
        rear, middle, front = three
        bend = 2 * (rear - 2 * middle + front)
        return np.asarray(rear + (front - rear - bend) * u + bend * u * u)

    def draw(
        self, body: Body, move: NDArray[np.float64]
    ) -> tuple[Plane, Plane, tuple[slice, slice]]:
        """Density and inside of the deformed, moved body, and where they belong on the canvas."""
        h, w = body.density.shape
        corners = body.origin + np.array([[0, 0], [w, 0], [0, h], [w, h]], float)
        placed = np.array([_apply(move, c) for c in corners])
        x0, y0 = np.clip(placed.min(0).astype(int) - 4, 0, CANVAS - 1)
        x1, y1 = np.clip(placed.max(0).astype(int) + 5, 1, CANVAS)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        u, v = _local(body, move, np.mgrid[y0:y1, x0:x1][::-1].astype(float))
        u = 0.5 + (u - 0.5) / self.widen
        above, below = self._along(self.above, u), self._along(self.below, u)
        kept = 1 - above - below
        v = np.where(v < below, v - below, np.where(v > 1 - above, v + above, (v - below) / kept))
        spot = body.corner[:, None, None] + np.multiply.outer(body.ahead, u)
        spot = spot + np.multiply.outer(body.up, v) - body.origin[:, None, None]
        maps = spot[0].astype(np.float32), spot[1].astype(np.float32)
        packed = kept**-0.8
        density = _sample(body.density, *maps) * packed.astype(np.float32)
        inside = _sample(body.inside, *maps)
        return density, inside, (slice(y0, y1), slice(x0, x1))

    def endplate(self, body: Body, upper: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The endplate's line, rear to front, before and after, (2, 2) canvas pixels each."""
        loss = self.above if upper else -self.below
        rest = np.array([[0.0, 1.0], [1.0, 1.0]] if upper else [[0.0, 0.0], [1.0, 0.0]])
        now = rest - np.array([[0.0, loss[0]], [0.0, loss[2]]])
        axes = np.array([body.ahead, body.up])
        return body.corner + rest @ axes, body.corner + now @ axes


def _sample(plane: Plane, x: Plane, y: Plane) -> Plane:
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR), np.float32)


def _moves(
    bodies: tuple[Body, ...], shapes: list[_Shape], index: int, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """(2, 3) affine of every body: neighbours follow the deformed endplates, the spine bends."""
    bend, spread = np.radians(rng.uniform(-2.0, 2.0)), rng.uniform(-0.7, 1.0) / CANVAS_MM
    size = rng.uniform(0.94, 1.06)
    moves = []
    for k, body in enumerate(bodies):
        own = _similar(body.centre, np.radians(rng.uniform(-2, 2)), size, rng.normal(0, 1.2, 2))
        steps = k - index
        along = body.up / np.linalg.norm(body.up) * -steps * spread
        moves.append(_then(own, _similar(bodies[index].centre, -steps * bend, 1.0, along)))
    for upper, others in ((True, range(index)), (False, range(index + 1, len(bodies)))):
        before, after = shapes[index].endplate(bodies[index], upper)
        follow = _similar(
            before.mean(0), 0.6 * _turn(before, after), 1.0, after.mean(0) - before.mean(0)
        )
        for k in others:
            moves[k] = _then(moves[k], follow)
    return moves


def _turn(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    a, b = before[1] - before[0], after[1] - after[0]
    return float(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b))


def _similar(
    centre: NDArray[np.float64], angle: float, size: float, shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, centre - turn @ centre + shift])


def _then(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(
        [second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]]
    )


def _apply(move: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(move[:, :2] @ point + move[:, 2])


def _local(
    body: Body, move: NDArray[np.float64], xy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(u, v) of canvas points: u from rear to front, v from below to above, 0 to 1 in the body."""
    axes = move[:, :2] @ np.column_stack([body.ahead, body.up])
    away = xy - _apply(move, body.corner)[:, None, None]
    u, v = np.tensordot(np.linalg.inv(axes), away, 1)
    return u, v
