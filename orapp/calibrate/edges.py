"""How wide a steel ball or rod is in a picture, below a pixel: a model of its grey profile.

The chord through steel attenuates, focal spot and detector blur what comes through, and the C-arm
shows its logarithm. So an edge is not where the profile is steepest; the model says where it is.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.fitting import fit

Points = NDArray[np.float64]

STEEL_PER_MM, STEEL_SD = 0.57, 0.1
"""Attenuation at about 70 keV, 1/mm, and how far its logarithm may be off. Looser, the fit has a
second answer, 4 % off; so, it bears a beam that steel attenuates by 30 % more or less (2 % off)."""
FINE = 4
"""Model points per pixel."""
STARTS = (0.0, 0.0), (0.1, -0.4), (0.2, 0.0), (0.0, 0.4)
"""Radius and blur, logarithms, from which the best fit is looked for."""
FAINTEST = 1e-3
"""Of the light, that scatter brings behind the metal."""
BLUR_PX = 1.5
"""Of the edge, about: standard deviation."""
SAMPLED_PX = 0.5
"""Of the greys that are shown, standard deviation: linear interpolation spreads them by a triangle
(1/6 px^2), a scaler or the undistortion before it by about half of that. Without, a cannula of 15
px seemed 0.9 % too wide."""
DARKEST = 0.2
"""Part of the depth, from its bottom, where clipping has bent the profile: it may be anything lower
there. A mean of clipped frames does not reach black, so that nothing tells whether it was."""
REACH = 1.7
"""Half of the profile that is looked at, in radii."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A fit across a ball or a rod.

    Attributes:
        centre: px, on the profile's own axis.
        radius, sd: of the steel, px, and its standard deviation.
        misfit: root mean square that the model leaves, in parts of the profile's depth.
    """

    centre: float
    radius: float
    sd: float
    misfit: float


def fit_profile(
    x: Points, grey: Points, radius: float, radius_mm: float, *, symmetric: bool
) -> Profile:
    """Fits steel of a known size to a profile, dark on light.

    Args:
        x: (N,) px, increasing by equal steps.
        grey: (N,).
        radius: of the steel, about, px.
        radius_mm: its true one: how much steel there is tells how much it attenuates.
        symmetric: the centre is known to be at 0.
    """
    step = float(x[1] - x[0])
    cells = np.arange(x[0] - 3, x[-1] + 3, step / FINE)
    fine = (cells[1:] + cells[:-1]) / 2
    low, high = float(grey.min()), float(np.percentile(grey, 90))
    depth = max(high - low, 1.0)

    bound = np.array([radius, 0.7, 1.0, 2.5, 2.5, 1e4, 1e3])

    def model(theta: Points) -> Points:
        centre, size, steel, gain, blur, level, slope = np.clip(theta, -bound, bound)
        r = max(radius * float(np.exp(size)), 0.5)
        way = _half_chords(cells - centre, r) / r
        through = np.exp(-2 * STEEL_PER_MM * radius_mm * float(np.exp(steel)) * way)
        spread = BLUR_PX * float(np.exp(blur)) * FINE / step
        through = _spread(through, spread)
        contrast = 60 * float(np.exp(gain))
        shown = level + slope * fine / radius + contrast * np.log(through + FAINTEST)
        shown = _spread(shown, SAMPLED_PX * FINE / step)
        return np.asarray(np.interp(x, fine, shown))

    blackest = low + DARKEST * depth
    lost = grey < blackest

    def misses(theta: Points) -> Points:
        off = model(theta) - grey
        return np.asarray(np.where(lost, np.maximum(off - blackest + grey, 0), off))

    start = np.array([0.0, 0.0, 0.0, 0.0, 0.0, high, 0.0])
    loose = np.array([radius, 0.5, STEEL_SD, 0.7, 0.7, depth, depth])
    if symmetric:
        loose[[0, 6]] = 1e-3, 1e-3 * depth
    noise = max(0.01 * depth, 0.5)
    best, covariance, left = start, np.zeros((len(start),) * 2), np.inf
    for size, blur in STARTS:
        start[[1, 4]] = size, blur
        found, spread = fit(lambda t: misses(t) / noise, start, loose)
        rms = float(np.sqrt((misses(found) ** 2).mean()))
        if rms < left:
            best, covariance, left = found, spread, rms
    size = radius * float(np.exp(best[1]))
    scatter = max(left / noise, 0.2)
    sd = size * float(np.sqrt(max(covariance[1, 1], 0.0))) * scatter
    return Profile(float(best[0]), size, sd, left / depth)


def _spread(values: Points, deviation: float) -> Points:
    """Convolved with a Gaussian of so many samples."""
    seen = cv2.GaussianBlur(values[None], (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(seen[0], np.float64)


def _half_chords(cells: Points, r: float) -> Points:
    """Mean of sqrt(r^2 - x^2) between each two of the borders x: smooth in r, as samples aren't."""
    x = np.clip(cells / r, -1, 1)
    area = r * r / 2 * (x * np.sqrt(1 - x * x) + np.arcsin(x))
    return np.asarray(np.diff(area) / np.diff(cells))


def along(grey: NDArray[np.float32], start: Points, end: Points, x: Points) -> Points:
    """(M, N) profiles across the line from start to end, about one per px, at x px off it."""
    way = end - start
    length = float(np.hypot(*way))
    ahead = way / length
    across = np.array([-ahead[1], ahead[0]])
    places = start + np.outer(np.arange(0, length), ahead)
    return _sampled(grey, places[:, None] + x[:, None] * across)


def around(grey: NDArray[np.float32], centre: Points, x: Points, rays: int = 180) -> Points:
    """(rays, N) profiles from a centre outwards, at x px from it."""
    angle = np.arange(rays) * 2 * np.pi / rays
    ways = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _sampled(grey, centre + x[:, None] * ways[:, None])


def _sampled(grey: NDArray[np.float32], at: Points) -> Points:
    maps = at.astype(np.float32)
    seen = cv2.remap(
        grey, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(seen, np.float64)
