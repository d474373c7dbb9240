"""Least squares with few parameters, weak priors and no library for it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
STEP = 1e-6


def fit(
    misses: Callable[[Vector], Vector], start: Vector, prior_sd: Vector, rounds: int = 40
) -> tuple[Vector, Vector]:
    """Levenberg-Marquardt with a Gaussian prior around the start.

    Args:
        misses: (P,) parameters to (M,) residuals, each in units of its standard deviation.
        start: (P,).
        prior_sd: (P,), how far each parameter may be from its start; infinite is free.
        rounds: at most.

    Returns:
        The parameters, (P,), and their covariance, (P, P).
    """
    pull = 1.0 / prior_sd

    def all_misses(at: Vector) -> Vector:
        return np.concatenate([misses(at), (at - start) * pull])

    now, damping = start.astype(np.float64), 1e-3
    missed = all_misses(now)
    for _ in range(rounds):
        slope = _slope(all_misses, now, missed)
        normal = slope.T @ slope
        weight = np.diag(normal).copy() + 1e-12
        step = -np.linalg.solve(normal + damping * np.diag(weight), slope.T @ missed)
        tried = all_misses(now + step)
        gain = float(missed @ missed - tried @ tried)
        if not gain >= 0:
            damping *= 8
            if damping > 1e8:
                break
            continue
        now, missed, damping = now + step, tried, max(damping / 8, 1e-9)
        if gain < 1e-9 * float(missed @ missed) + 1e-12:
            break
    slope = _slope(all_misses, now, missed)
    return now, np.asarray(np.linalg.pinv(slope.T @ slope), np.float64)


def _slope(misses: Callable[[Vector], Vector], at: Vector, missed: Vector) -> Vector:
    columns = []
    for k in range(len(at)):
        step = np.zeros_like(at)
        step[k] = STEP * max(1.0, abs(at[k]))
        columns.append((misses(at + step) - missed) / step[k])
    return np.stack(columns, axis=1)
