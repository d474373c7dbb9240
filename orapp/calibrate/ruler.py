"""Finds a ruler's ticks in a picture, and how far apart they are, to a thousandth."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.steel import NoFiducial

Points = NDArray[np.float64]
Plane = NDArray[np.float32]

SLOWEST, FASTEST = 1 / 40, 1 / 2.4
"""Ticks per px that are looked for."""
LEAST_PEAK = 8.0
"""How far the ticks' frequency stands out of the spectrum around it."""
LEAST_TICKS = 15
WIDEST = 0.25
"""Breadth of a row of ticks, as a part of its length: noise and bone make no long rows."""
STEP = 2.5
"""Grey levels per px, blurred by 6 px: a row of ticks is not so steep, an edge of 40 levels is."""
WAVES, APART = 8, 0.015
"""So many waves are tried, so far from each other in cycles per px."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """Equally spaced ticks in a row.

    Attributes:
        spacing_px, sd_px: from one tick to the next, and its standard deviation.
        ends: (2, 2) px, where the row begins and ends, about.
        count: how many there are, about.
    """

    spacing_px: float
    sd_px: float
    ends: Points
    count: int


LEAD_PART = 99.7
"""So many of 100 px are darker or brighter than what is around them by less than a tick is."""


def find_ticks(picture: NDArray[np.float32]) -> Ticks:
    """The longest row of equally spaced ticks in a picture (H, W).

    Raises:
        NoFiducial: there is none.
    """
    fine = _flattened(picture)
    for rate in _strongest(fine):
        ticks = _ticks_of(fine, rate)
        if ticks is not None:
            return ticks
    raise NoFiducial("no ruler is in the picture", "show one, or point at two of its ticks")


def _ticks_of(fine: Plane, rate: Points) -> Ticks | None:
    """The row of ticks that makes a wave of this rate; None if it is no row, or a short one."""
    wave = _demodulated(fine, rate)
    strip = _strip(wave, rate)
    v, u = np.nonzero(strip)
    rate, sd = _refined(np.stack([u, v], axis=1).astype(np.float64), wave[v, u], rate)
    ahead = rate / np.hypot(*rate)
    middle = np.array([u.mean(), v.mean()])
    far, off = ((np.stack([u, v], axis=1) - middle) @ np.stack([ahead, ahead[::-1] * [-1, 1]]).T).T
    low, high = np.percentile(far, (1, 99))
    count = float(high - low) * float(np.hypot(*rate))
    if count < LEAST_TICKS or off.std() > WIDEST * far.std():
        return None
    spacing = 1 / float(np.hypot(*rate))
    ends = np.array([middle + low * ahead, middle + high * ahead])
    return Ticks(spacing, spacing * spacing * sd, ends, round(count))


def _flattened(picture: NDArray[np.float32]) -> Plane:
    """Without what is wider than a tick, nothing of what is black all around, evened out.

    Nor of what is beside a collimator's blade: such a step is stronger than all ticks.
    """
    grey = np.ascontiguousarray(picture, np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 6)
    dark = (cv2.GaussianBlur(grey, (0, 0), 8) < 24).astype(np.uint8)
    fine[cv2.dilate(dark, np.ones((31, 31))) > 0] = 0
    fine[_beside_steps(grey)] = 0
    seen = abs(fine[fine != 0])  # where noise is little, ticks must not be cut down to it
    lead = 0.7 * float(np.percentile(seen, LEAD_PART)) if len(seen) else 0.0
    limit = max(4 * 1.4826 * float(np.median(abs(fine))), lead) + 1e-3
    return np.asarray(np.clip(fine, -limit, limit), np.float32)


def _beside_steps(grey: Plane) -> NDArray[np.bool_]:
    smooth = cv2.GaussianBlur(grey, (0, 0), 6)
    steep = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)) / 8
    return np.asarray(cv2.dilate((steep > STEP).astype(np.uint8), np.ones((15, 15))) > 0)


def _strongest(fine: Plane) -> Iterator[Points]:
    """(2,) cycles per px along x and y, of the strongest waves in the picture, to a bin."""
    high, wide = fine.shape
    power = abs(np.fft.rfft2(fine)) ** 2
    fy, fx = np.fft.fftfreq(high)[:, None], np.fft.rfftfreq(wide)[None]
    speed = np.hypot(fy, fx)
    power = np.asarray(cv2.GaussianBlur(power, (0, 0), 1.5), np.float64)
    rings = (speed * max(high, wide)).astype(int)
    usual = np.bincount(rings.ravel(), power.ravel()) / np.maximum(np.bincount(rings.ravel()), 1)
    ratio = power / np.maximum(usual[rings], 1e-12)
    ratio[(speed < SLOWEST) | (speed > FASTEST)] = 0
    strength = np.where(ratio > LEAST_PEAK, power, 0)
    for _ in range(WAVES):
        y, x = np.unravel_index(int(strength.argmax()), power.shape)
        if strength[y, x] <= 0:
            return
        rate = np.array([float(fx[0, x]), float(fy[y, 0])])
        near = np.hypot(fx - rate[0], fy - rate[1]), np.hypot(fx + rate[0], fy + rate[1])
        strength[np.minimum(*near) < APART] = 0
        yield rate


def _demodulated(fine: Plane, rate: Points) -> NDArray[np.complex128]:
    """How strong the wave is at each px, and its phase against a wave of exactly this rate."""
    v, u = np.mgrid[0 : fine.shape[0], 0 : fine.shape[1]]
    turned = fine * np.exp(-2j * np.pi * (rate[0] * u + rate[1] * v))
    blur = 1.5 / float(np.hypot(*rate))
    real, imaginary = (
        cv2.GaussianBlur(np.asarray(part, np.float32), (0, 0), blur)
        for part in (turned.real, turned.imag)
    )
    return np.asarray(real + 1j * imaginary, np.complex128)


def _strip(wave: NDArray[np.complex128], rate: Points) -> NDArray[np.bool_]:
    """Where the ticks are: the largest connected part in which the wave is strong."""
    size = abs(wave)
    strong = (size > 0.4 * np.percentile(size, 99.8)).astype(np.uint8)
    reach = round(2.5 / float(np.hypot(*rate)))
    joined = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones((2 * reach + 1,) * 2))
    count, labels, _, _ = cv2.connectedComponentsWithStats(np.asarray(joined, np.uint8))
    weights = np.bincount(labels.ravel(), (size * strong).ravel(), minlength=count)
    weights[0] = 0
    return np.asarray((labels == int(weights.argmax())) & (strong > 0))


def _refined(places: Points, wave: NDArray[np.complex128], rate: Points) -> tuple[Points, float]:
    """The rate by how the phase goes on along the ticks, and its standard deviation."""
    ahead = rate / np.hypot(*rate)
    middle = places.mean(axis=0)
    far = (places - middle) @ ahead
    off = (places - middle) @ np.array([-ahead[1], ahead[0]])
    tries = np.linspace(-1.5, 1.5, 121) / max(float(np.ptp(far)), 1.0)
    gains = [abs((wave * np.exp(-2j * np.pi * t * far)).sum()) for t in tries]
    along = float(tries[int(np.argmax(gains))])
    across = 0.0
    for _ in range(4):
        rest = wave * np.exp(-2j * np.pi * (along * far + across * off))
        phase = np.angle(rest / rest.sum() * abs(rest.sum())) / (2 * np.pi)
        weight = abs(wave)
        basis = np.column_stack([np.ones(len(far)), far, off])
        step = np.linalg.lstsq(basis * weight[:, None], phase * weight, rcond=None)[0]
        along, across = along + float(step[1]), across + float(step[2])
    left = phase - basis @ step
    spread = float(np.sqrt(np.average(left**2, weights=weight)))
    ticks = max(float(np.ptp(far)) * float(np.hypot(*rate)), 1.0)
    sd = spread / float(np.std(far)) / np.sqrt(ticks)
    side = np.array([-ahead[1], ahead[0]])
    return rate + along * ahead + across * side, float(sd)
