"""What moves in a fluoroscopy run: the C-arm, the breath, the instrument.

The patient is projected once per run; what moves between its frames is warped in the picture's
plane, so that a frame costs an exposure and no projection. What that leaves out: parallax (a C-arm
that moves by 10 mm shifts what lies 50 mm nearer to the source by 0.7 mm more), orbital turns of
the C-arm during a run, and ribs and pedicles that move otherwise than the vertebrae; soft tissue
moves with the breath as one layer. A body is not raised again as a balloon fills.
"""

from dataclasses import dataclass

import numpy as np

from tools.simulate_fluoroscopy.ct import Vector
from tools.simulate_fluoroscopy.machines import SIZE, Look, Moment, Range, room
from tools.simulate_fluoroscopy.views import CANVAS_MM

MARGIN_MM = 15.0
"""A run begins this far from the canvas's edge, where there is room for it."""
LONGEST_SMEAR = 8.0
"""Pixels."""


@dataclass(frozen=True, slots=True)
class Path:
    """How C-arm, patient and instrument move; lengths in mm at the isocentre, times in s.

    Attributes:
        sway, sway_s, phase: of each axis: two waves' size, period and phase; (2, 2).
        push, push_at: the C-arm is moved by so much, about then (within a second).
        turn, turn_s: size in rad and period of the turn in the picture's plane.
        breath, tissue: head-feet stroke of the spine and of the soft tissue.
        breath_s, breath_phase: of the breathing.
    """

    sway: Vector
    sway_s: Vector
    phase: Vector
    push: Vector
    push_at: float
    turn: float
    turn_s: float
    breath: float
    tissue: float
    breath_s: float
    breath_phase: float

    def arm(self, t: float) -> tuple[Vector, float]:
        """Shift (x, y) in mm and turn in rad of the C-arm since the run began."""
        waves = np.sin(2 * np.pi * t / self.sway_s + self.phase) - np.sin(self.phase)
        pushed = 1 / (1 + np.exp(-6 * (t - self.push_at))) - 1 / (1 + np.exp(6 * self.push_at))
        shift = (self.sway * waves).sum(1) + self.push * pushed
        return shift, self.turn * float(np.sin(2 * np.pi * t / self.turn_s))

    def breathing(self, t: float) -> float:
        """Part of the stroke, 0 to 1."""
        return float(0.5 - 0.5 * np.cos(2 * np.pi * t / self.breath_s + self.breath_phase))


def draw_path(rng: np.random.Generator, seconds: float) -> Path:
    """A random path; in one run of three the C-arm is pushed to another place."""
    pushed = rng.uniform() < 1 / 3
    return Path(
        sway=rng.uniform([[0.5, 0.2]] * 2, [[4.0, 1.0]] * 2),
        sway_s=rng.uniform([[4.0, 1.0]] * 2, [[9.0, 2.5]] * 2),
        phase=rng.uniform(0, 2 * np.pi, (2, 2)),
        push=rng.uniform(-22, 22, 2) * pushed,
        push_at=float(rng.uniform(0.2, 0.8) * seconds),
        turn=float(np.radians(rng.normal(0, 1.5))),
        turn_s=float(rng.uniform(4, 9)),
        breath=float(rng.uniform(0.5, 3.0)),
        tissue=float(rng.uniform(3.0, 10.0)),
        breath_s=float(rng.uniform(3.0, 5.0)),
        breath_phase=float(rng.uniform(0, 2 * np.pi)),
    )


def draw_run(look: Look, floor: float, frames: int, rng: np.random.Generator) -> list[Moment]:
    """The frames of a run that begins about where `look` looks.

    Frames are 0.3 to 0.8 s apart, as taps on the pedal are. The view stays on the canvas and above
    `floor`, its row below which there is no patient.
    """
    apart, open_s = rng.uniform(0.3, 0.8), rng.uniform(0.01, 0.08)
    path = draw_path(rng, apart * frames)
    begun, done = rng.uniform(0.0, 0.4), rng.uniform(0.8, 1.0)
    dose = float(rng.uniform(0.4, 0.8))
    look = _away_from_edges(look, floor)
    moments = []
    for frame in range(frames):
        t = frame * apart
        column, soft = _looks(look, floor, path, t)
        advance = float(begun + (done - begun) * frame / max(frames - 1, 1))
        smear = _smear(*(_looks(look, floor, path, t + s)[0] for s in (-open_s / 2, open_s / 2)))
        moments.append(Moment(frame, column, soft, advance, smear, dose))
    return moments


def _middle(look: Look) -> Vector:
    """Where the picture's middle lies on the canvas."""
    return look.affine @ np.array([(SIZE - 1) / 2, (SIZE - 1) / 2, 1.0])


def _at(look: Look, middle: Vector, turn: float = 0.0) -> Look:
    """The same machine, looking elsewhere."""
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = spin @ look.affine[:, :2]
    offset = middle - linear @ np.full(2, (SIZE - 1) / 2)
    return Look(np.column_stack([linear, offset]), look.field_mm)


def _away_from_edges(look: Look, floor: float) -> Look:
    low, high = room(look.field_mm, floor)
    margin = np.minimum(MARGIN_MM / CANVAS_MM, (high - low) / 2)
    return _at(look, np.clip(_middle(look), low + margin, high - margin))


def _looks(look: Look, floor: float, path: Path, t: float) -> tuple[Look, Look]:
    """Where the machine looks at a time, from the vertebrae and from the soft tissue."""
    shift, turn = path.arm(t)
    low, high = room(look.field_mm, floor)
    middle = np.clip(_middle(look) + shift / CANVAS_MM, low, high)
    down = path.breathing(t) * np.array([0.0, 1.0]) / CANVAS_MM
    column, soft = (_at(look, middle - down * mm, turn) for mm in (path.breath, path.tissue))
    return column, soft


def _smear(before: Look, after: Look) -> Range:
    """Length and direction in which the picture's middle has moved, in its pixels."""
    here = np.linalg.solve(after.affine[:, :2], _middle(before) - after.affine[:, 2])
    dx, dy = here - (SIZE - 1) / 2
    return min(float(np.hypot(dx, dy)), LONGEST_SMEAR), float(np.arctan2(dy, dx))
