"""Five simulated centres: how their machines turn line integrals into pictures.

A and B are for training and validation, C, D and E are external. Attenuation is Beer-Lambert;
glare and quantum noise act on intensities, harmonisation and edge enhancement on their logarithm,
as in a C-arm's own processing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.simulate_fluoroscopy.ct import Vector
from tools.simulate_fluoroscopy.views import CANVAS, CANVAS_MM, Plane, Projected

Gray = NDArray[np.uint8]
Range = tuple[float, float]

WATER_PER_MM = 0.0195
"""Attenuation of water at about 70 keV, 1/mm (NIST XCOM)."""
SIZE = 512
"""Side of every picture in pixels."""
TRAVEL_MM = 35.0
"""How far behind its place a trocar begins."""
INSTRUMENTS = ("none", "trocar", "trocars", "balloon", "cement")


@dataclass(frozen=True, slots=True)
class Machine:
    """One centre's machine; each picture draws from the ranges.

    Attributes:
        bone: attenuation of bone mineral over water's, per mm of water: falls with kVp.
        field_mm: of view at the isocentre.
        photons: per pixel behind average tissue, in thousands.
        grain: correlation of the noise, standard deviation in pixels.
        blur_mm: focal spot, detector and motion.
        glare: veiling glare and scatter, as a part of the mean intensity.
        harmonise: part of the low frequencies that is taken away.
        sharpen: edge enhancement.
        window: percentile that becomes black and white.
        gamma: of the display curve.
        bright_bone: chance that bone is shown bright.
        shutter: round, square, or blades.
    """

    bone: Range
    field_mm: Range
    photons: Range
    grain: Range
    blur_mm: Range
    glare: Range
    harmonise: Range
    sharpen: Range
    window: Range
    gamma: Range
    bright_bone: float
    shutter: str


CENTRES = {
    "A": Machine(
        (2.0, 2.6), (140, 240), (3, 12), (0.4, 0.8), (0.2, 0.45), (0.02, 0.12), (0.55, 0.85),
        (0.1, 0.7), (0.5, 3), (0.8, 1.25), 0.5, "square",
    ),
    "B": Machine(
        (1.7, 2.4), (140, 220), (1, 6), (0.5, 1.1), (0.3, 0.6), (0.08, 0.25), (0.3, 0.75),
        (0.0, 0.4), (0.5, 4), (0.75, 1.4), 0.5, "round",
    ),
    "C": Machine(
        (1.8, 2.2), (150, 230), (4, 10), (0.3, 0.5), (0.15, 0.3), (0.02, 0.08), (0.8, 0.92),
        (0.8, 1.2), (0.2, 1), (0.9, 1.1), 0.5, "blades",
    ),
    "D": Machine(
        (1.6, 2.0), (140, 180), (0.7, 2), (0.8, 1.3), (0.45, 0.7), (0.2, 0.35), (0.35, 0.6),
        (0.0, 0.2), (1, 3), (0.7, 0.9), 0.0, "round",
    ),
    "E": Machine(
        (2.4, 2.9), (190, 240), (8, 20), (0.3, 0.6), (0.2, 0.4), (0.05, 0.15), (0.15, 0.4),
        (0.2, 0.5), (0.2, 0.8), (1.1, 1.5), 1.0, "blades",
    ),
}  # fmt: skip
TRAINING = ("A", "B")


@dataclass(frozen=True, slots=True)
class Look:
    """Where a machine looks: (2, 3), canvas pixels of picture pixels; field at the isocentre."""

    affine: NDArray[np.float64]
    field_mm: float


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of a run: what has changed since its first.

    Attributes:
        frame: 0, 1, …; the noise is its own.
        column, soft: where the machine looks, from the vertebrae and from the soft tissue.
        advance: how far the instrument has come, 0 to 1.
        smear: what moved during the exposure: length in pixels of the picture, direction in rad.
        dose: photons of a frame, as a part of a single picture's.
    """

    frame: int
    column: Look
    soft: Look
    advance: float
    smear: Range
    dose: float


def room(field_mm: float, floor: float) -> tuple[float, Vector]:
    """Least and largest x, y on the canvas of a field's middle, so that it shows the patient."""
    half = field_mm / CANVAS_MM / 2
    high = np.array([CANVAS - half, max(min(floor, CANVAS) - half, half)])
    return half, np.maximum(high, half)


def draw_look(
    machine: Machine, seen: Projected, floor: float, rng: np.random.Generator, scene: str
) -> Look:
    """The body in question lies anywhere in the view that the canvas leaves room for."""
    field = rng.uniform(*machine.field_mm)
    low, high = room(field, floor)
    at = np.clip(seen.focus - rng.uniform(-0.75, 0.75, 2) * low, low, high)
    angle = np.radians(rng.normal(0, 3 if scene == "preoperative" else 7))
    scale = field / CANVAS_MM / SIZE
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Look(np.column_stack([turn, at - turn @ np.full(2, (SIZE - 1) / 2)]), field)


def expose(
    machine: Machine,
    seen: Projected,
    look: Look,
    seed: int,
    scene: str,
    instrument: str = "none",
    moment: Moment | None = None,
) -> tuple[Gray, Gray, Gray]:
    """One picture, the mask of what is broken, and that of all bodies; (SIZE, SIZE) uint8 each.

    The same seed gives the fractured and the healthy twin the same machine and noise. With a
    `moment` it is that frame of a run: `look` is then the first frame's, where the machine
    measures brightness for the whole run; the same seed gives all frames the same machine, and
    each frame has noise of its own.
    """
    rng = np.random.default_rng(seed)
    bone = rng.uniform(*machine.bone)
    own, advance = (look, 1.0) if moment is None else (moment.column, moment.advance)
    log = _look_through(seen, bone, own, own if moment is None else moment.soft)
    log = log + _instruments(instrument, seen, own, rng, advance)
    pixel_mm = look.field_mm / SIZE
    log = cv2.GaussianBlur(log, (0, 0), max(rng.uniform(*machine.blur_mm) / pixel_mm, 0.3))
    if moment is not None:
        log = _smear(log, *moment.smear)
    elif scene == "intraoperative" and rng.uniform() < 0.3:
        log = _smear(log, int(rng.integers(3, 8)), rng.uniform(0, np.pi))
    log = _measure(log, machine, rng, seed, moment)
    broken, bodies = (_inside(m, own) for m in (seen.broken, seen.bodies))
    measured = bodies if moment is None else _inside(seen.bodies, look)
    shown = _process(log, machine, _measuring_field(measured, pixel_mm, rng), rng)
    if rng.uniform() < machine.bright_bone:
        shown = 255 - shown
    open_ = _shutter(machine.shutter, rng)
    picture = np.where(open_, shown, rng.integers(0, 12)).astype(np.uint8)
    _write(picture, rng)
    return picture, _mask(broken & open_), _mask(bodies & open_)


def _mask(inside: NDArray[np.bool_]) -> Gray:
    return np.where(inside, 255, 0).astype(np.uint8)


def _look_through(seen: Projected, bone: float, column: Look, soft: Look) -> Plane:
    """Log attenuation; once warped where nothing has moved, else soft tissue and bone apart."""
    hard = bone * (seen.bone + seen.column)
    if soft is column:
        return _warp(WATER_PER_MM * (seen.soft + hard), column, cv2.INTER_LINEAR)
    parts = _warp(seen.soft, soft, cv2.INTER_LINEAR) + _warp(hard, column, cv2.INTER_LINEAR)
    return np.asarray(np.float32(WATER_PER_MM) * parts, np.float32)


def _inside(mask: Gray, look: Look) -> NDArray[np.bool_]:
    return np.asarray(_warp(mask.astype(np.float32), look, cv2.INTER_LINEAR) > 0.5)


def _warp(plane: Plane, look: Look, how: int) -> Plane:
    flags = how | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(
            plane, look.affine, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REPLICATE
        ),
        np.float32,
    )


def _smear(log: Plane, length: float, angle: float) -> Plane:
    """Motion during the pulse; at most 8 pixels."""
    kernel = np.zeros((9, 9), np.float32)
    for t in np.linspace(-length / 2, length / 2, 25):
        kernel[round(4 + t * np.sin(angle)), round(4 + t * np.cos(angle))] = 1
    return np.asarray(cv2.filter2D(log, -1, kernel / kernel.sum()), np.float32)


def _measure(
    log: Plane, machine: Machine, rng: np.random.Generator, seed: int, moment: Moment | None
) -> Plane:
    """Glare and quantum noise on the intensity, and back to its logarithm."""
    intensity = np.exp(-(log - float(np.median(log))))
    small = cv2.resize(intensity, (64, 64), interpolation=cv2.INTER_AREA)
    spread = cv2.resize(cv2.GaussianBlur(small, (0, 0), 9), (SIZE, SIZE))
    intensity = intensity + rng.uniform(*machine.glare) * spread
    photons = 1000 * np.exp(rng.uniform(*np.log(machine.photons)))
    grain = rng.uniform(*machine.grain)
    drawn = rng.standard_normal((SIZE, SIZE), np.float32)
    if moment is not None:  # what is drawn after it stays the same in all frames
        own = np.random.default_rng([seed, moment.frame])
        drawn, photons = own.standard_normal((SIZE, SIZE), np.float32), photons * moment.dose
    strength = np.float32(max(2 * np.sqrt(np.pi) * grain, 1) ** 0.7)
    noise = cv2.GaussianBlur(drawn, (0, 0), grain) * strength
    counts = intensity + noise * np.sqrt(np.maximum(intensity, 1e-3) / photons)
    return np.asarray(-np.log(np.maximum(counts, 2e-3)), np.float32)


def _measuring_field(
    bodies: NDArray[np.bool_], pixel_mm: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """What the automatic exposure looks at: mostly the spine and 15 to 45 mm around it."""
    middle = np.zeros_like(bodies)
    middle[SIZE // 8 : -SIZE // 8, SIZE // 8 : -SIZE // 8] = True
    if rng.uniform() < 0.15 or bodies.mean() < 0.01:
        return middle
    away = cv2.distanceTransform((~bodies).astype(np.uint8), cv2.DIST_L2, 3) * pixel_mm
    return np.asarray(away < rng.uniform(15, 45))


def _process(
    log: Plane, machine: Machine, field: NDArray[np.bool_], rng: np.random.Generator
) -> Gray:
    """Harmonisation, edge enhancement, window, display curve."""
    small = cv2.resize(log, (64, 64), interpolation=cv2.INTER_AREA)
    low = cv2.resize(cv2.GaussianBlur(small, (0, 0), rng.uniform(4, 9)), (SIZE, SIZE))
    flat = log - rng.uniform(*machine.harmonise) * low
    fine = flat - cv2.GaussianBlur(flat, (0, 0), rng.uniform(1.5, 4))
    flat = flat + rng.uniform(*machine.sharpen) * fine
    cut = rng.uniform(*machine.window)
    black, white = np.percentile(flat[field], (100 - cut, cut))
    value = np.clip((black - flat) / max(float(black - white), 1e-3), 0, 1)
    return np.asarray(255 * value ** rng.uniform(*machine.gamma) + 0.5, np.uint8)


def _shutter(kind: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where X-rays came through: an image intensifier's circle, a panel, or blades."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    if kind == "round":
        return np.asarray(np.hypot(x, y) < SIZE * rng.uniform(0.47, 0.52))
    if kind == "blades" or rng.uniform() < 0.3:
        angle = rng.normal(0, 0.06)
        across = x * np.cos(angle) + y * np.sin(angle)
        left, right = rng.uniform(0.28, 0.55, 2) * SIZE
        return np.asarray((across > -left) & (across < right))
    return np.ones((SIZE, SIZE), bool)


def _write(picture: Gray, rng: np.random.Generator) -> None:
    """Burned-in text of no meaning, in a corner or two."""
    for _ in range(rng.integers(0, 4)):
        text = "".join(chr(c) for c in rng.integers(48, 91, rng.integers(1, 12)))
        at = int(rng.choice([10, SIZE - 110])), int(rng.choice([20, 40, SIZE - 20, SIZE - 40]))
        grey, size = int(rng.choice([0, 140, 255])), rng.uniform(0.35, 0.8)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, grey, 1, cv2.LINE_AA)


def _instruments(
    kind: str, seen: Projected, look: Look, rng: np.random.Generator, advance: float
) -> Plane:
    """Log attenuation of what the surgeon brings; drawn at 3 mm needles, 12-18 mm balloons.

    `advance` 1 is a trocar in its place, a balloon or cement of full size; less is on the way.
    """
    plane = np.zeros((SIZE, SIZE), np.float32)
    if kind == "none":
        return plane
    to_picture = np.linalg.inv(look.affine[:, :2])
    focus = to_picture @ (seen.focus - look.affine[:, 2])
    rear = to_picture @ seen.rear
    mm = SIZE / look.field_mm
    at = focus + rng.normal(0, 4, 2) * mm
    if kind in ("balloon", "cement"):
        plane += _blob(at, mm, rng, advance, ragged=kind == "cement")
    far = 0.0 if kind == "balloon" else (1 - advance) * TRAVEL_MM * mm
    for side in range(2 if kind == "trocars" else int(kind in ("trocar", "balloon"))):
        angle = np.arctan2(rear[1], rear[0]) + rng.normal(0, 0.25) + side * rng.uniform(0.1, 0.6)
        way = far * np.array([np.cos(angle), np.sin(angle)])
        tip = at + way + rng.normal(0, 3, 2) * mm
        _needle(plane, tip, angle, rng.uniform(2.5, 4.5) * mm, rng)
    return plane


def _needle(
    plane: Plane, tip: NDArray[np.float64], angle: float, width: float, rng: np.random.Generator
) -> None:
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    start = tip - np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(-60, 20)
    end = start + np.array([np.cos(angle), np.sin(angle)]) * 3 * SIZE
    a, b = (tuple(int(v * 16) for v in p) for p in (start, end))
    cv2.line(drawn, a, b, 255, max(round(width), 1), cv2.LINE_AA, 4)
    np.maximum(plane, drawn * np.float32(rng.uniform(1.0, 2.5) / 255), out=plane)


def _blob(
    at: NDArray[np.float64], mm: float, rng: np.random.Generator, advance: float, *, ragged: bool
) -> Plane:
    """A balloon full of contrast agent, or cement with its spikes; its volume has come so far."""
    grown = float(np.cbrt(advance))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = np.ones(40)
    for k in range(2, 9):
        radius += (0.12 if ragged else 0.02) * rng.normal() * np.cos(k * angles + rng.uniform(0, 6))
    radii = rng.uniform(5, 10, 2) * mm * grown
    points = at + np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] * radii
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(drawn, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(drawn, (0, 0), 1.5 * mm)
    return soft.astype(np.float32) * np.float32(grown * rng.uniform(0.5, 1.3) / 255)
