"""From a plate's places in a picture to the picture's distortion.

A plate that is held askew looks a little like a distorted one. What tells them apart: an image
intensifier's pincushion and S-shape are odd about a middle of their own, perspective is not. So
first a model of few parameters finds how the plate lies; then a polynomial takes all that is left.
All lengths here are in units of half the picture's longer side, around its middle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.fitting import fit
from orapp.calibrate.polynomial import degree_of, fit_terms, slopes, terms

Points = NDArray[np.float64]

MOST_DEGREE = 5
GRID = 15
"""Places along each side where the polynomial is also held to the model, against wild corners."""
GRID_WEIGHT = 0.04
BETTER = 0.97
"""A higher degree must bring the residual below this part of a lower one's."""
# turn and size, shift | lean | aspect | middle | pincushion | S-shape
_SD = [np.inf] * 4 + [0.0004] * 2 + [0.05] + [0.2] * 2 + [0.3, 0.1] * 2
_FLAT = _SD[:6] + [1e-9] * 7
NODES_AWAY = 100.0
"""From the source to the plate, in pitches: 1000 mm of 10 mm. Only a tilt's foreshortening needs
it, which is small."""


@dataclass(frozen=True, slots=True)
class Warp:
    """How a plate's nodes come into the picture.

    Attributes:
        flat: nodes to the undistorted picture, parameters of `_laid`, normalised so that both
            pictures agree in the middle: place, size and turn.
        coefficients: (T, 2), undistorted to distorted; None where nothing is distorted.
    """

    flat: Points
    coefficients: Points | None

    def undistorted(self, nodes: Points) -> Points:
        """(N, 2) nodes to where they are without distortion."""
        theta, move = self.flat[:13], self.flat[13:].reshape(2, 3)
        laid = _laid(nodes, theta)
        return np.asarray(laid @ move[:, :2].T + move[:, 2])

    def distorted(self, points: Points) -> Points:
        """(N, 2) undistorted to distorted."""
        if self.coefficients is None:
            return points
        degree = degree_of(len(self.coefficients))
        return np.asarray(terms(points, degree) @ self.coefficients)

    def seen(self, nodes: Points) -> Points:
        """(N, 2) nodes to where they are in the picture."""
        return self.distorted(self.undistorted(nodes))

    @property
    def pitch(self) -> float:
        """From one node to the next, undistorted, in the picture's middle."""
        at = np.zeros((1, 2))
        for _ in range(8):  # the node that is in the middle
            at = at - np.linalg.solve(self._slope(at), self.undistorted(at)[0])
        return float(np.sqrt(abs(np.linalg.det(self._slope(at)))))

    def _slope(self, at: Points) -> Points:
        steps = 1e-4 * np.eye(2)
        ends = self.undistorted(np.concatenate([at + steps, at - steps]))
        return np.asarray((ends[:2] - ends[2:]).T / 2e-4)

    @property
    def tilt_deg(self) -> float:
        """How far the plate leans against the detector."""
        return float(np.degrees(np.arcsin(min(np.hypot(*self.flat[4:6]) * NODES_AWAY, 1.0))))

    def is_one_to_one(self) -> bool:
        """Whether the polynomial has an inverse all over the picture."""
        if self.coefficients is None:
            return True
        around = _grid(41, 1.0)
        return bool((np.linalg.det(slopes(around, self.coefficients)) > 0.05).all())


def plain(nodes: Points, seen: Points, sd: float) -> Warp:
    """The warp (N, 2) nodes to (N, 2) seen without any distortion: laid flat or a little askew."""
    return Warp(_centred(_model(nodes, seen, sd, _FLAT)), None)


def bent(nodes: Points, seen: Points, sd: float) -> dict[int, Warp]:
    """Warps with a polynomial, by its degree: 1 to `MOST_DEGREE`.

    Args:
        nodes: (N, 2), columns and rows.
        seen: (N, 2), where they are.
        sd: of those.
    """
    theta = _model(nodes, seen, sd, _SD)
    flat = _centred(theta)
    whole = Warp(flat, None)
    around = _grid(GRID, 1.0)
    back = np.linalg.inv(flat[13:].reshape(2, 3)[:, :2])
    modelled = _bent((around - flat[13:].reshape(2, 3)[:, 2]) @ back.T, theta)
    points = np.concatenate([whole.undistorted(nodes), around])
    wanted = np.concatenate([seen, modelled])
    weights = np.concatenate([np.ones(len(nodes)), np.full(len(around), GRID_WEIGHT)])
    return {
        degree: Warp(flat, fit_terms(points, wanted, degree, weights))
        for degree in range(1, MOST_DEGREE + 1)
    }


def _model(nodes: Points, seen: Points, sd: float, prior: list[float]) -> Points:
    """(13,) parameters of the plate's place and of an image intensifier's distortion."""
    linear = np.column_stack([np.ones(len(nodes)), nodes])
    shift, along, across = np.linalg.lstsq(linear, seen, rcond=None)[0]
    turn = (along + np.array([across[1], -across[0]])) / 2
    start = np.concatenate([turn, shift, np.zeros(9)])

    def misses(theta: Points) -> Points:
        return ((_bent(_laid(nodes, theta), theta) - seen) / sd).ravel()

    return fit(misses, start, np.array(prior))[0]


def _laid(nodes: Points, theta: Points) -> Points:
    """Nodes on the plate to the undistorted picture, but for its place in it."""
    a, b, x, y, *lean = theta[:6]
    w = np.array(lean)
    leaning = float(np.hypot(*w))
    plate = np.asarray(nodes, np.float64)
    if leaning > 1e-12:
        away = w / leaning
        short = np.sqrt(max(1 - (leaning * NODES_AWAY) ** 2, 0.5)) - 1
        plate = plate + np.outer(plate @ away, away) * short
    turned = plate @ np.array([[a, b], [-b, a]])
    return np.asarray((turned + np.array([x, y])) / (1 + plate @ w)[:, None])


def _bent(laid: Points, theta: Points) -> Points:
    """The undistorted picture as an image intensifier and a grabber show it."""
    aspect, cx, cy, k1, k2, s1, s2 = theta[6:13]
    r = laid - [cx, cy]
    square = (r * r).sum(axis=1)[:, None]
    out = laid + r * (k1 * square + k2 * square**2)
    out = out + np.column_stack([-r[:, 1], r[:, 0]]) * (s1 * square + s2 * square**2)
    return np.asarray(out * [1 + aspect, 1 - aspect])


def _centred(theta: Points) -> Points:
    """(19,): the parameters, and the move (2, 3) after which the middle is left as it is."""
    at = np.zeros(2)
    step = 1e-5 * np.eye(2)
    for _ in range(20):
        ends = _bent(np.concatenate([at[None], at + step, at - step]), theta)
        slope = (ends[1:3] - ends[3:]).T / 2e-5
        at = at - np.linalg.solve(slope, ends[0])
    angle = np.arctan2(slope[1, 0] - slope[0, 1], slope[0, 0] + slope[1, 1])
    size = np.sqrt(abs(np.linalg.det(slope)))
    c, s = size * np.cos(angle), size * np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return np.concatenate([theta, np.column_stack([turn, -turn @ at]).ravel()])


def _grid(count: int, reach: float) -> Points:
    line = np.linspace(-reach, reach, count)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
