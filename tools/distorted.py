"""An image intensifier whose truth is known: pincushion, S-shape, a middle of its own."""

from dataclasses import dataclass

import cv2
import numpy as np

from orapp.calibrate.plate import PlateFit
from orapp.calibrate.polynomial import terms


@dataclass(frozen=True)
class Intensifier:
    """How it bends a square picture of `size` px; all else in units of half of that."""

    size: int
    pincushion: float
    s_shape: float
    fifth: float
    centre: np.ndarray

    @staticmethod
    def random(seed: int, size: int) -> "Intensifier":
        """The one of a seed."""
        rng = np.random.default_rng([seed, 3])
        return Intensifier(
            size,
            rng.uniform(0.02, 0.1),
            rng.uniform(-0.05, 0.05),
            rng.uniform(-0.02, 0.02),
            rng.uniform(-0.05, 0.05, 2),
        )

    @staticmethod
    def none(size: int) -> "Intensifier":
        """A flat panel."""
        return Intensifier(size, 0.0, 0.0, 0.0, np.zeros(2))

    def to_raw(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) undistorted pixels to distorted ones."""
        half = self.size / 2
        q = (points - (self.size - 1) / 2) / half - self.centre
        square = (q * q).sum(axis=1)[:, None]
        turned = np.stack([-q[:, 1], q[:, 0]], axis=1)
        out = q * (1 + self.pincushion * (square - 0.5) + self.fifth * square**2)
        out = out + self.s_shape * square * turned
        return (out + self.centre) * half + (self.size - 1) / 2

    def bend(self, picture: np.ndarray) -> np.ndarray:
        """The distorted picture of an undistorted one, (size, size)."""
        v, u = np.mgrid[0 : self.size, 0 : self.size].astype(float)
        raw = np.stack([u, v], axis=-1).reshape(-1, 2)
        q = raw.copy()
        for _ in range(25):
            q -= self.to_raw(q) - raw
        maps = q.reshape(self.size, self.size, 2).astype(np.float32)
        return cv2.remap(picture, maps[..., 0], maps[..., 1], cv2.INTER_CUBIC)


def undistorted(fit: PlateFit, raw: np.ndarray) -> np.ndarray:
    """Where raw points (N, 2) come to lie by a fit, found by going back and forth."""
    q = raw.copy()
    for _ in range(60 if fit.degree else 0):
        away = terms((q - fit.centre) / fit.scale, fit.degree) @ np.stack([fit.x, fit.y], axis=1)
        q -= away * fit.scale + fit.centre - raw
    return q


def left_over(clean: np.ndarray, corrected: np.ndarray) -> tuple[np.ndarray, float]:
    """Distances (N,) in px after the best turn, size, shift and mirroring, and that size."""
    best = None
    for mirrored in (False, True):
        a, b = (p[:, 0] + 1j * p[:, 1] for p in (clean, corrected))
        a, b = (np.conj(a) if mirrored else a), b
        a, b = a - a.mean(), b - b.mean()
        factor = (a.conj() @ b) / (a.conj() @ a)
        off = abs(b - factor * a)
        if best is None or off.max() < best[0].max():
            best = off, float(abs(factor))
    return best


def field_grid(size: int, reach: float = 0.49) -> np.ndarray:
    """(N, 2) places all over the round field."""
    line = np.linspace(0, size - 1, 41)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return grid[np.hypot(*(grid - (size - 1) / 2).T) < reach * size]
