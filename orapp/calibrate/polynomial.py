"""The polynomial of a profile's `[picture.distortion]`: its terms, in its order, and their fit."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def exponents(degree: int) -> list[tuple[int, int]]:
    """(i, j) of every u^i v^j, by i + j, then by j."""
    return [(n - j, j) for n in range(degree + 1) for j in range(n + 1)]


def terms(points: Points, degree: int) -> Points:
    """(N, 2) points u, v to (N, T): the value of every term."""
    u, v = np.asarray(points, np.float64).T
    return np.stack([u**i * v**j for i, j in exponents(degree)], axis=1)


def fit_terms(points: Points, wanted: Points, degree: int, weights: Points | None = None) -> Points:
    """(T, 2) coefficients that bring points (N, 2) to where they are wanted (N, 2)."""
    basis = terms(points, degree)
    if weights is not None:
        basis, wanted = basis * weights[:, None], wanted * weights[:, None]
    return np.asarray(np.linalg.lstsq(basis, wanted, rcond=None)[0])


def slopes(points: Points, coefficients: Points) -> Points:
    """(N, 2, 2): how the result, second axis, changes with u and v, third axis."""
    degree = degree_of(len(coefficients))
    u, v = np.asarray(points, np.float64).T
    du = [i * u ** max(i - 1, 0) * v**j for i, j in exponents(degree)]
    dv = [j * u**i * v ** max(j - 1, 0) for i, j in exponents(degree)]
    along = np.stack([np.stack(du, axis=1), np.stack(dv, axis=1)], axis=-1)
    return np.asarray(np.einsum("ntk,tc->nck", along, coefficients))


def degree_of(count: int) -> int:
    """Degree of the polynomial in two variables that has so many terms."""
    degree = 0
    while (degree + 1) * (degree + 2) // 2 < count:
        degree += 1
    return degree
