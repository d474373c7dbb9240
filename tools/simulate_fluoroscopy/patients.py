"""One CT, many spines: bent, scaled, thinned, and broken, body by body, in three dimensions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.simulate_fluoroscopy.ct import BREAKABLE, Anatomy, Body, Vector, Volume

LAWS = ("wedge", "biconcave", "crush")
SHELL_HU, SHELL_MM = 600.0, 0.9
SOFT_HU = 40.0


@dataclass(frozen=True, slots=True)
class Fracture:
    """How one body is broken.

    Attributes:
        level: T9 … L2.
        law: wedge, biconcave or crush.
        loss: largest loss of height, as a fraction.
        above: part of the loss that is the upper endplate's.
        rear: loss at the rear wall, as a part of the largest (wedge, crush).
        bulge: how much wider the body gets, as a fraction.
        dense: rise of the density by impaction, as a part of what keeps the mass.
        seed: of its irregularities.
    """

    level: str
    law: str
    loss: float
    above: float
    rear: float
    bulge: float
    dense: float
    seed: int


@dataclass(frozen=True, slots=True)
class Habitus:
    """How a spine differs from the CT's.

    Attributes:
        scale: of height, depth, width.
        kyphosis, scoliosis: added curvature in degrees over 250 mm, to the front and to the side.
        marrow: density of the bodies' inside, 1 is the CT's.
        shell: density of their surface, likewise.
        jitter: (bodies, 5): per body, turns in degrees (sagittal, coronal), shifts in mm (up,
            front), size.
    """

    scale: Vector
    kyphosis: float
    scoliosis: float
    marrow: float
    shell: float
    jitter: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placed:
    """A body as it stands in the patient.

    Attributes:
        level: T4 … L5.
        density, inside: float32 volumes, mm of water over soft tissue and mm of body, per mm.
        corner: its first voxel's position in mm, (z, y, x), the CT's first voxel at 0.
        centre: likewise.
        broken: whether it is fractured.
    """

    level: str
    density: Volume
    inside: Volume
    corner: Vector
    centre: Vector
    broken: bool


def draw_habitus(rng: np.random.Generator, bodies: int) -> Habitus:
    """A random habitus, from a small straight to a large bent spine, healthy or osteoporotic."""
    size = rng.uniform(0.88, 1.12)
    jitter = rng.normal(0, 1, (bodies, 5)) * [1.5, 1.0, 0.5, 0.7, 0.025]
    return Habitus(
        size * rng.uniform(0.95, 1.05, 3),
        rng.uniform(-12, 18),
        rng.normal(0, 6),
        rng.uniform(0.55, 1.25),
        rng.uniform(0.6, 1.3),
        jitter,
    )


def draw_fractures(rng: np.random.Generator, level: str) -> tuple[Fracture, ...]:
    """One broken body at this level, or (one in seven) a second one, a neighbour or the next."""
    first = draw_fracture(rng, level)
    if rng.uniform() > 1 / 7:
        return (first,)
    k = BREAKABLE.index(level)
    others = [BREAKABLE[j] for j in (k - 2, k - 1, k + 1, k + 2) if 0 <= j < len(BREAKABLE)]
    return first, draw_fracture(rng, others[rng.integers(len(others))])


def draw_fracture(rng: np.random.Generator, level: str) -> Fracture:
    """A random fracture of this body; 18 to 55 % of height."""
    law = LAWS[rng.integers(3)]
    above = rng.uniform(0.35, 0.7) if law == "biconcave" else rng.uniform(0.6, 1.0)
    rear = rng.uniform(0.0, 0.35) if law == "wedge" else rng.uniform(0.6, 1.0)
    return Fracture(
        level,
        law,
        float(rng.uniform(0.18, 0.55)),
        float(above),
        float(rear),
        float(rng.uniform(0.0, 0.12)),
        float(rng.uniform(0.2, 1.0)),
        int(rng.integers(2**31)),
    )


class Patient:
    """The anatomy under a habitus; `bodies` places all of them, some broken."""

    def __init__(self, anatomy: Anatomy, habitus: Habitus) -> None:
        self.anatomy, self.habitus = anatomy, habitus
        self._whole: dict[str, Placed] = {}

    def bend(self, z_mm: NDArray[np.floating]) -> tuple[Vector, Vector]:
        """Shift in mm to the front and to the left at a height in the CT (before scaling)."""
        middle = self.anatomy.bodies[7].centre[0] * self.anatomy.mm
        away = (np.asarray(z_mm, float) - middle) / 125
        reach = 125 * np.tan(np.radians(1)) / 4
        side = np.sin(away * 1.8)
        return -self.habitus.kyphosis * reach * away**2, self.habitus.scoliosis * reach * 2 * side

    def bodies(self, fractures: tuple[Fracture, ...]) -> list[Placed]:
        """Every body in its place; those above a broken one come down and tilt after it."""
        broken = {f.level: f for f in fractures}
        placed = []
        down, tilt, front = 0.0, 0.0, 0.0
        for body, jitter in zip(self.anatomy.bodies[::-1], self.habitus.jitter, strict=True):
            fracture = broken.get(body.level)
            pose = jitter.copy()
            pose[0] += np.degrees(tilt)
            pose[2] -= down
            pose[3] += front
            fallen = down or tilt or front
            if fracture is None and not fallen:
                if body.level not in self._whole:
                    self._whole[body.level] = self._place(body, pose, None)
                placed.append(self._whole[body.level])
            else:
                placed.append(self._place(body, pose, fracture))
            if fracture is not None:
                ahead, behind = _mean_loss(fracture)
                height, depth = body.size[0], body.size[1]
                down += height * (ahead + behind) / 2
                turn = np.arctan2((ahead - behind) * height, depth) * 0.6
                front += height * np.sin(tilt + turn)
                tilt += turn
        return placed[::-1]

    def _place(self, body: Body, pose: Vector, fracture: Fracture | None) -> Placed:
        mm, habitus = self.anatomy.mm, self.habitus
        where = _source_of(body, pose, fracture, mm)
        inside = ndimage.map_coordinates(body.inside, where, order=1, mode="constant")
        texture = ndimage.map_coordinates(body.hu, where, order=1, mode="nearest")
        density = _fill(inside, texture, habitus, mm)
        if fracture is not None:
            density *= _impaction(fracture)
        z_mm = body.centre[0] * mm
        ahead, left = self.bend(np.array(z_mm))
        # the slope of the bend turns the body: a shear, which is the same for a few degrees
        shift = np.array([pose[2], pose[3] + ahead, left])
        return Placed(
            body.level,
            density,
            (inside > 0.5).astype(np.float32),
            (body.corner * mm + shift) * habitus.scale,
            (body.centre * mm + shift) * habitus.scale,
            fracture is not None,
        )


def _mean_loss(fracture: Fracture) -> tuple[float, float]:
    """Loss of height at the front and at the rear rim, as fractions."""
    if fracture.law == "biconcave":
        return 0.3 * fracture.loss, 0.15 * fracture.loss
    if fracture.law == "wedge":
        return fracture.loss, fracture.loss * fracture.rear
    return fracture.loss * 0.95, fracture.loss * fracture.rear


def _source_of(
    body: Body, pose: Vector, fracture: Fracture | None, mm: float
) -> NDArray[np.float32]:
    """(3, z, y, x): the voxel of the whole body that each voxel of the box now shows."""
    shape = body.inside.shape
    grid = np.indices(shape, np.float32)
    away = (grid - (body.centre - body.corner)[:, None, None, None].astype(np.float32)) * mm
    turn, lean = np.radians(pose[0]), np.radians(pose[1])
    axes = np.stack([body.up, body.front, [0.0, 0.0, 1.0]])
    spin = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    side = np.array([[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]])
    own = np.einsum("ij,jzyx->izyx", (spin @ side @ axes).astype(np.float32), away)
    own /= np.float32(1 + pose[4])
    if fracture is not None:
        own = _unbreak(own, fracture, body.size)
    back = np.einsum("ji,jzyx->izyx", axes.astype(np.float32), own) / mm
    return back + (body.centre - body.corner)[:, None, None, None].astype(np.float32)


def _unbreak(own: NDArray[np.float32], fracture: Fracture, size: Vector) -> NDArray[np.float32]:
    """Where in the whole body the broken one's points come from; (up, front, left) in mm."""
    up, front, left = own
    f = np.clip(front / (size[1] / 2), -1.2, 1.2) / (1 + fracture.bulge)
    s = np.clip(left / (size[2] / 2), -1.2, 1.2)
    loss = np.clip(_loss(fracture, f, s), 0.0, 0.75)
    height = size[0]
    top = height / 2 - height * loss * fracture.above
    low = -height / 2 + height * loss * (1 - fracture.above)
    # inside, the heights stretch back; beyond an endplate they keep their distance from it
    v = (up - low) / (top - low)
    source = np.where(
        v > 1,
        height / 2 + (up - top),
        np.where(v < 0, -height / 2 + (up - low), (v - 0.5) * height),
    )
    bulge = 1 + fracture.bulge * np.clip(1 - (v * 2 - 1) ** 2, 0, 1)
    return np.stack([source, front / bulge, left / (1 + (bulge - 1) / 2)]).astype(np.float32)


def _loss(
    fracture: Fracture, f: NDArray[np.float32], s: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Loss of height at f (-1 rear, 1 front) and s (-1 right, 1 left), as a fraction."""
    rng = np.random.default_rng(fracture.seed)
    power, skew = rng.uniform(0.8, 2.0), rng.normal(0, 0.12)
    if fracture.law == "wedge":
        shape = fracture.rear + (1 - fracture.rear) * np.clip((f + 1) / 2, 0, 1) ** power
    elif fracture.law == "crush":
        shape = fracture.rear + (1 - fracture.rear) * np.clip((f + 1) / 2, 0, 1)
        shape = np.maximum(shape, 0.75)
    else:
        at = rng.uniform(-0.25, 0.35)
        shape = np.clip(1 - ((f - at) / 1.05) ** 2, 0, 1) * np.clip(1 - (s / 1.25) ** 4, 0, 1)
        shape = 0.15 + 0.85 * shape
    phase, waves = rng.uniform(0, 2 * np.pi, 2), rng.uniform(2, 5, 2)
    uneven = 0.06 * np.sin(waves[0] * f + phase[0]) + 0.05 * np.sin(waves[1] * s + phase[1])
    return np.asarray(fracture.loss * (shape + uneven + skew * s), np.float32)


def _impaction(fracture: Fracture) -> np.float32:
    """The mass of a broken body stays, or some of it: it gets denser."""
    mean = fracture.loss * (0.55 if fracture.law != "crush" else 0.85)
    return np.float32(1 + fracture.dense * (1 / (1 - mean) - 1))


def _fill(inside: Volume, texture: Volume, habitus: Habitus, mm: float) -> Volume:
    """Density over soft tissue: marrow, and a thin shell that a 2.5 mm CT has blurred away."""
    solid = inside > 0.5
    depth = ndimage.distance_transform_edt(solid) * mm
    deep = depth > 2.0
    mean = float(texture[deep].mean()) if deep.any() else 150.0
    core = np.where(deep, texture, mean) * habitus.marrow
    weight = np.clip(1.5 - np.abs(depth - SHELL_MM / 2) / SHELL_MM, 0, 1)
    value = (1 - weight) * core + weight * SHELL_HU * habitus.shell
    return np.where(solid, np.maximum(value - SOFT_HU, 0) / 1000, 0).astype(np.float32)
