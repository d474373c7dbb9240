"""Orientation, from a lead letter (F or R) that lies still in the picture."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.area import Place
from orapp.calibrate.findings import Box
from orapp.calibrate.sums import Sums

SMALL = 320
HEIGHTS = (17, 20, 23, 26, 29, 33, 38)
BAND = 0.5
"""What is smoother than this, in heights of the letter, is left out."""
LEAST_MATCH = 0.72
LEAST_CONTRAST = 3.0
"""Grey levels, standard deviation in the letter's box."""
IN_HALF = 0.65
"""So well it must match in each half of the clip."""
LEAST_LEAD = 0.04
"""The best way round must match better than any other by so much."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker that was found.

    Attributes:
        rotate, mirror: what makes it upright: degrees clockwise, then left to right.
        dark: it is darker than what is around it.
        box: raw pixels.
        why: one sentence.
    """

    rotate: int
    mirror: bool
    dark: bool
    box: Box
    why: str


def find_marker(sums: Sums, place: Place, text: tuple[Box, ...]) -> Mark | None:
    """Looks for the letter in all eight ways round in the mean over exposures.

    Where text is burned in it does not look. The letter must lie still: it is there in every half
    of the clip.
    """
    x, y, w, h = place.area
    shrink = SMALL / max(w, h)
    size = max(round(w * shrink), 1), max(round(h * shrink), 1)
    cut = slice(y, y + h), slice(x, x + w)
    free = place.field.astype(np.uint8)
    for tx, ty, tw, th in text:
        free[ty : ty + th, tx : tx + tw] = 0
    field = np.asarray(cv2.resize(free[cut], size, interpolation=cv2.INTER_NEAREST), np.uint8)
    part = _small(sums.mean[cut], size)
    found = sorted(
        (
            max(
                (_match(part, field, letter, height, rotate, mirror) for height in HEIGHTS),
                key=lambda one: one.score,
            )
            for letter in "FR"
            for rotate in (0, 90, 180, 270)
            for mirror in (False, True)
        ),
        key=lambda one: -one.score,
    )
    best = found[0]
    way = best.rotate, best.mirror
    second = next(one.score for one in found if (one.rotate, one.mirror) != way)
    if best.score < LEAST_MATCH or best.score - second < LEAST_LEAD:
        return None
    middle = len(sums.kept) // 2
    for half in (sums.kept[:middle], sums.kept[middle:]):
        if half and _again(np.mean([_small(raw[cut], size) for raw in half], 0), best) < IN_HALF:
            return None
    bx, by, bw, bh = (round(v / shrink) for v in best.box)
    why = f"a lead '{best.letter}' matches {best.score:.2f}, the next best way round {second:.2f}"
    return Mark(best.rotate, best.mirror, best.dark, (x + bx, y + by, bw, bh), why)


@dataclass(frozen=True, slots=True)
class _Match:
    """How well a letter fits, and where, in the small picture."""

    score: float
    letter: str
    height: int
    rotate: int
    mirror: bool
    dark: bool
    box: Box


def _small(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _fine(part: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    return np.asarray(part - cv2.GaussianBlur(part, (0, 0), BAND * height), np.float32)


def _again(part: NDArray[np.float32], best: _Match) -> float:
    """How well the letter fits another picture, within 2 pixels of its place."""
    x, y, w, h = best.box
    fine = _fine(np.asarray(part, np.float32), best.height)
    near = fine[max(y - 2, 0) : y + h + 2, max(x - 2, 0) : x + w + 2]
    template = _template(best.letter, best.height, best.rotate, best.mirror)
    match = cv2.matchTemplate(near, template, cv2.TM_CCOEFF_NORMED)
    return float((-match if best.dark else match).max())


def _match(
    part: NDArray[np.float32],
    field: NDArray[np.uint8],
    letter: str,
    height: int,
    rotate: int,
    mirror: bool,
) -> _Match:
    template = _template(letter, height, rotate, mirror)
    th, tw = template.shape
    if part.shape[0] <= th or part.shape[1] <= tw:
        return _Match(0.0, letter, height, rotate, mirror, True, (0, 0, 1, 1))
    fine = _fine(part, height)
    match = cv2.matchTemplate(fine, template, cv2.TM_CCOEFF_NORMED)
    middle = cv2.blur(fine * fine, (tw, th)) - cv2.blur(fine, (tw, th)) ** 2
    flat = middle[th // 2 :, tw // 2 :][: match.shape[0], : match.shape[1]] < LEAST_CONTRAST**2
    whole = cv2.erode(field, np.ones((th, tw), np.uint8), borderValue=0)
    inner = whole[th // 2 : th // 2 + match.shape[0], tw // 2 : tw // 2 + match.shape[1]]
    match = np.where((inner > 0) & np.isfinite(match) & ~flat, match, 0)
    y, x = (int(v) for v in np.unravel_index(int(np.argmax(np.abs(match))), match.shape))
    value = float(match[y, x])
    return _Match(abs(value), letter, height, rotate, mirror, value < 0, (x, y, tw, th))


@lru_cache(maxsize=256)
def _template(letter: str, height: int, rotate: int, mirror: bool) -> NDArray[np.float32]:
    """The letter as it looks before it is turned and mirrored upright; bright on dark."""
    side, fine = round(height * 1.35), 4
    plane = np.zeros((side * fine, side * fine), np.uint8)
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(round(height * fine * 0.17), 1)
    scale = height * fine / 21
    wide = cv2.getTextSize(letter, font, scale, thick)[0][0]
    at = round((side * fine - wide) / 2), round((side + height) * fine / 2)
    cv2.putText(plane, letter, at, font, scale, 255, thick, cv2.LINE_AA)
    small = cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA)
    turned = np.rot90(small[:, ::-1] if mirror else small, rotate // 90)
    return _fine(np.ascontiguousarray(turned).astype(np.float32), height)
