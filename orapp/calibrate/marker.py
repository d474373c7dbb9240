"""Orientation, from a lead letter (F or R) that lies still in the picture."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.area import Place
from orapp.calibrate.findings import Box

SMALL = 320
HEIGHTS = (17, 20, 23, 26, 29, 33, 38)
BAND = 0.5
"""What is smoother than this, in heights of the letter, is left out."""
LEAST_MATCH = 0.7
LEAST_CONTRAST = 3.0
"""Grey levels, standard deviation in the letter's box."""
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


def find_marker(mean: NDArray[np.float32], place: Place, text: tuple[Box, ...]) -> Mark | None:
    """Looks for the letter in all eight ways round in the (H, W) mean over exposures.

    Where text is burned in it does not look.
    """
    x, y, w, h = place.area
    shrink = SMALL / max(w, h)
    size = max(round(w * shrink), 1), max(round(h * shrink), 1)
    cut = slice(y, y + h), slice(x, x + w)
    part = np.asarray(cv2.resize(mean[cut], size, interpolation=cv2.INTER_AREA), np.float32)
    free = place.field.astype(np.uint8)
    for tx, ty, tw, th in text:
        free[ty : ty + th, tx : tx + tw] = 0
    field = np.asarray(cv2.resize(free[cut], size, interpolation=cv2.INTER_NEAREST), np.uint8)
    found = []
    for letter in "FR":
        for rotate in (0, 90, 180, 270):
            for mirror in (False, True):
                best = max(
                    (_match(part, field, letter, height, rotate, mirror) for height in HEIGHTS),
                    key=lambda one: one[0],
                )
                found.append((best[0], letter, rotate, mirror, best[1], best[2]))
    found.sort(key=lambda one: -one[0])
    score, letter, rotate, mirror, dark, small_box = found[0]
    second = next(one[0] for one in found if one[2:4] != (rotate, mirror))
    if score < LEAST_MATCH or score - second < LEAST_LEAD:
        return None
    bx, by, bw, bh = (round(v / shrink) for v in small_box)
    why = f"a lead '{letter}' matches {score:.2f}, the next best way round {second:.2f}"
    return Mark(rotate, mirror, dark, (x + bx, y + by, bw, bh), why)


def _match(
    part: NDArray[np.float32],
    field: NDArray[np.uint8],
    letter: str,
    height: int,
    rotate: int,
    mirror: bool,
) -> tuple[float, bool, Box]:
    template = _template(letter, height, rotate, mirror)
    th, tw = template.shape
    if part.shape[0] <= th or part.shape[1] <= tw:
        return 0.0, True, (0, 0, 1, 1)
    fine = part - cv2.GaussianBlur(part, (0, 0), BAND * height)
    match = cv2.matchTemplate(fine, template, cv2.TM_CCOEFF_NORMED)
    middle = cv2.blur(fine * fine, (tw, th)) - cv2.blur(fine, (tw, th)) ** 2
    flat = middle[th // 2 :, tw // 2 :][: match.shape[0], : match.shape[1]] < LEAST_CONTRAST**2
    whole = cv2.erode(field, np.ones((th, tw), np.uint8), borderValue=0)
    inner = whole[th // 2 : th // 2 + match.shape[0], tw // 2 : tw // 2 + match.shape[1]]
    match = np.where((inner > 0) & np.isfinite(match) & ~flat, match, 0)
    at = np.unravel_index(int(np.argmax(np.abs(match))), match.shape)
    value = float(match[at])
    return abs(value), value < 0, (int(at[1]), int(at[0]), tw, th)


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
    letter_plane = np.ascontiguousarray(turned).astype(np.float32)
    fine_plane = letter_plane - cv2.GaussianBlur(letter_plane, (0, 0), BAND * height)
    return np.asarray(fine_plane, np.float32)
