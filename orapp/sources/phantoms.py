"""What a physicist puts on the C-arm in place of a patient: a plate, a ruler, a ball and a cannula.

Everything is metal of known size, so that the truth is exact: where each bead is, how many mm a
pixel is. Steel is drawn as the chords of spheres, tubes and wires; focal spot and detector blur the
transmission, as they do in a real picture, and the logarithm comes after.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray
from orapp.sources.spine import Plane

Points = NDArray[np.float64]

PHANTOMS = ("plate", "ruler", "ball")
STEEL_PER_MM, LEAD_PER_MM = 0.57, 3.0
"""Attenuation at about 70 keV, 1/mm (NIST XCOM)."""
PITCH_MM = 10.0
BEAD_MM, MARK_MM = 2.0, 4.0
"""Diameters of the plate's beads, and of those that mark its centre and its axes."""
MARKS = ((0, 0), (2, 0), (0, 3))
"""Places of the marks on the lattice (column, row): the farther one says which axis is which."""
WIRE_MM = 0.8
CANNULA_MM = 4.2
BALLS_MM = (10.0, 15.0, 20.0, 25.4)
BLUR_MM = 0.2
SOURCE_MM = 1000.0
"""From the focal spot to the plate."""
MOST_SATURATED = 6.0
"""Log attenuation beyond which scatter fills what is behind the metal."""


@dataclass(frozen=True, slots=True)
class Phantom:
    """One object on the C-arm, and the truth about it.

    Attributes:
        kind: `plate`, `ruler` or `ball`.
        metal: (size, size) float32, log attenuation of the metal.
        mm_per_px: in the object's plane, in the middle of the picture.
        to_picture: (3, 3), mm on the object to pixels of the picture.
        nodes: (N, 2) whole numbers, column and row of each bead or crossing on the plate.
        ball_mm, cannula_mm: true diameters; 0 where there is none.
        ends: (2, 2), the ruler's first and last tick, or two places on the cannula's axis, px.
    """

    kind: str
    metal: Plane
    mm_per_px: float
    to_picture: Points
    nodes: NDArray[np.int64]
    ball_mm: float = 0.0
    cannula_mm: float = 0.0
    ends: Points | None = None

    def air(self, noise: Plane) -> Gray:
        """(size, size) uint8: the object alone on the C-arm, with noise (same size, SD 1)."""
        size = len(noise)
        v, u = np.mgrid[0:size, 0:size].astype(np.float32) / np.float32(size) - np.float32(0.5)
        lit = 178 + 14 * u - 60 * (u * u + v * v)  # heel effect, and darker to the rim
        grey = lit - 75 * self.metal + noise * 6 * np.exp(np.minimum(self.metal, 2) / 2)
        return np.asarray(np.rint(np.clip(grey, 0, 255)), np.uint8)

    @property
    def places(self) -> Points:
        """(N, 2) pixels of the nodes: the truth for `nodes`."""
        return through(self.to_picture, self.nodes.astype(np.float64) * PITCH_MM)


def draw_phantom(scene: str, size: int, seed: int, plate: str = "beads") -> Phantom:
    """The object of a scene (one of `PHANTOMS`) and a seed; `plate` is `beads` or `grid`."""
    rng = np.random.default_rng([seed, 21])
    if scene == "plate":
        return draw_plate(size, rng, plate)
    mm_per_px = rng.uniform(120, 160) / size
    return (draw_ruler if scene == "ruler" else draw_ball)(size, mm_per_px, rng)


def through(homography: Points, points: Points) -> Points:
    """(N, 2) points through a (3, 3) homography."""
    seen = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return np.asarray(seen[:, :2] / seen[:, 2:])


def draw_plate(size: int, rng: np.random.Generator, kind: str = "beads") -> Phantom:
    """A plate on the detector, 10 mm from bead to bead (or wire to wire), a little askew.

    Args:
        size: of the picture.
        rng: field, shift, turn, tilt, and which beads are missing.
        kind: `beads` or `grid`.
    """
    mm_per_px = rng.uniform(140, 230) / size
    turn, tilt = rng.uniform(-0.2, 0.2), np.radians(rng.uniform(-1.5, 1.5, 2))
    shift = rng.uniform(-0.5, 0.5, 2) * PITCH_MM
    to_picture = _placed(size, mm_per_px, turn, shift, tilt)
    x, y = _on_object(size, to_picture)
    column, row = np.rint(x / PITCH_MM), np.rint(y / PITCH_MM)
    dx, dy = x - column * np.float32(PITCH_MM), y - row * np.float32(PITCH_MM)
    half = 13
    if kind == "grid":
        metal = STEEL_PER_MM * (_chord(dx * dx, WIRE_MM) + _chord(dy * dy, WIRE_MM))
    else:
        wide = np.full(x.shape, BEAD_MM, np.float32)
        for at in MARKS:
            wide[(column == at[0]) & (row == at[1])] = MARK_MM
        for at in rng.integers(-half, half + 1, (12, 2)):
            if tuple(at) not in MARKS:
                wide[(column == at[0]) & (row == at[1])] = 0
        metal = STEEL_PER_MM * _chord(dx * dx + dy * dy, wide)
    metal[np.maximum(abs(column), abs(row)) > half] = 0
    nodes = np.stack(np.meshgrid(*[np.arange(-half, half + 1)] * 2), axis=-1).reshape(-1, 2)
    return Phantom("plate", _blurred(metal, size, mm_per_px), mm_per_px, to_picture, nodes)


def draw_ruler(size: int, mm_per_px: float, rng: np.random.Generator) -> Phantom:
    """A lead ruler of 100 mm: ticks of 0.3 mm each mm, longer each 5, longest each 10 mm."""
    turn = rng.uniform(-0.3, 0.3) + rng.integers(2) * np.pi / 2
    to_picture = _placed(size, mm_per_px, turn, rng.uniform(-12, 12, 2), np.zeros(2))
    x, y = _on_object(size, to_picture)
    x = x + np.float32(50)
    tick = np.clip(np.rint(x), 0, 100)
    long = np.where(tick % 10 == 0, 7.0, np.where(tick % 5 == 0, 5.0, 3.5))
    lead = (abs(x - tick) < 0.15) & (y > 0) & (y < long)
    metal = LEAD_PER_MM * 0.3 * lead.astype(np.float32)
    ends = through(to_picture, np.array([[-50.0, 0.0], [50.0, 0.0]]))
    none = np.zeros((0, 2), np.int64)
    metal = _blurred(metal, size, mm_per_px)
    return Phantom("ruler", metal, mm_per_px, to_picture, none, ends=ends)


def draw_ball(
    size: int, mm_per_px: float, rng: np.random.Generator, stylet: bool = True
) -> Phantom:
    """A steel ball, and beside it a cannula of 4.2 mm, with its stylet in it or not."""
    ball = float(rng.choice(BALLS_MM))
    turn, side = rng.uniform(-0.5, 0.5), rng.choice([-1.0, 1.0])
    shift = rng.uniform(-4, 4, 2)
    to_picture = _placed(size, mm_per_px, turn, shift, np.zeros(2))
    x, y = _on_object(size, to_picture)
    at = 22.0 * side
    metal = STEEL_PER_MM * _chord((x - np.float32(at)) ** 2 + y * y, ball)
    from_axis = (x + np.float32(at)) ** 2
    tube = _chord(from_axis, CANNULA_MM)
    if not stylet:
        tube = tube - _chord(from_axis, CANNULA_MM - 0.8)
    metal += STEEL_PER_MM * tube * (y > -25)
    axis = through(to_picture, np.array([[-at, -20.0], [-at, 25.0]]))
    none = np.zeros((0, 2), np.int64)
    metal = _blurred(metal, size, mm_per_px)
    return Phantom("ball", metal, mm_per_px, to_picture, none, ball, CANNULA_MM, axis)


def _placed(size: int, mm_per_px: float, turn: float, shift: Points, tilt: Points) -> Points:
    """Mm on the object to pixels; tilts in radians about its own two axes."""
    c, s = np.cos(turn), np.sin(turn)
    a, b = np.cos(tilt)
    lean = np.sin(tilt) / SOURCE_MM
    on_detector = np.array([[c * a, -s * b, shift[0]], [s * a, c * b, shift[1]], [*lean, 1.0]])
    middle = (size - 1) / 2
    scale = np.array([[1 / mm_per_px, 0, middle], [0, 1 / mm_per_px, middle], [0, 0, 1]])
    return np.asarray(scale @ on_detector)


def _on_object(size: int, to_picture: Points) -> tuple[Plane, Plane]:
    """Where on the object each half pixel of the picture lies, in mm, (2 * size, 2 * size)."""
    v, u = np.mgrid[0 : 2 * size, 0 : 2 * size].astype(np.float32) / 2 - np.float32(0.25)
    m = np.linalg.inv(to_picture)
    x, y, w = (np.float32(r[0]) * u + np.float32(r[1]) * v + np.float32(r[2]) for r in m)
    return x / w, y / w


def _chord(square: Plane, diameter: float | Plane) -> Plane:
    """Way through a sphere or wire, in mm, at a squared distance from its middle."""
    radius = np.float32(0.5) * np.asarray(diameter, np.float32)
    return np.asarray(2 * np.sqrt(np.maximum(radius * radius - square, 0)), np.float32)


def _blurred(metal: Plane, size: int, mm_per_px: float) -> Plane:
    seen = cv2.resize(np.exp(-metal), (size, size), interpolation=cv2.INTER_AREA)
    seen = cv2.GaussianBlur(seen, (0, 0), max(BLUR_MM / mm_per_px, 0.5))
    return np.asarray(-np.log(np.maximum(seen, np.exp(-MOST_SATURATED))), np.float32)
