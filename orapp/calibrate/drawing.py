"""What a profile assumes, drawn on the raw picture, with the calibrated one beside it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray
from orapp.settings import SiteProfile
from orapp.site import SiteMap

Rgb = NDArray[np.uint8]
AREA, CIRCLE, TEXT, HOLD = (86, 200, 255), (120, 230, 150), (240, 170, 60), (235, 120, 200)
GROUND, INK, QUIET = (22, 26, 30), (232, 236, 240), (150, 160, 170)
SIDE, STRIP = 900, 118
"""Height of each half, and of the words below."""
FONT = cv2.FONT_HERSHEY_SIMPLEX


def assumed(raw: Gray, profile: SiteProfile, side: int = SIDE) -> Rgb:
    """(side + strip, W, 3) uint8 RGB: the raw picture with what is assumed, and what comes out.

    Args:
        raw: (H, W) uint8, of the size that the profile is for.
        profile: with a `[picture]`.
        side: height of the two pictures.
    """
    assert profile.picture is not None
    left = _fitted(_marked(raw, profile), side)
    out = SiteMap(profile.picture).apply(raw)
    right = _fitted(np.repeat(out[..., None], 3, axis=2), side)
    unit = side / SIDE
    strip = round(STRIP * unit)
    wide = left.shape[1] + right.shape[1] + 6
    page = np.full((side + strip, wide, 3), GROUND, np.uint8)
    page[:side, : left.shape[1]] = left
    page[:side, wide - right.shape[1] :] = right
    _words(page, profile, (left.shape[1] + 6, side), unit)
    return page


def _marked(raw: Gray, profile: SiteProfile) -> Rgb:
    """The raw picture, dim where it is cut away, with all that was found in it."""
    picture = profile.picture
    assert picture is not None
    a = picture.area
    shown = np.repeat((raw // 2)[..., None], 3, axis=2)
    inside = raw[a.y : a.y + a.height, a.x : a.x + a.width]
    shown[a.y : a.y + a.height, a.x : a.x + a.width] = inside[..., None]
    thick = max(round(max(raw.shape) / 500), 2)
    _rectangle(shown, (a.x, a.y, a.width, a.height), AREA, thick)
    if picture.circle is not None:
        c = picture.circle
        middle = round(c.x * 16), round(c.y * 16)
        cv2.circle(shown, middle, round(c.radius * 16), CIRCLE, thick, cv2.LINE_AA, 4)
    for box in picture.text:
        _rectangle(shown, (box.x - 3, box.y - 3, box.width + 6, box.height + 6), TEXT, thick)
    hold = None if profile.signature is None else profile.signature.hold_box
    if hold is not None:
        _rectangle(shown, (hold.x - 3, hold.y - 3, hold.width + 6, hold.height + 6), HOLD, thick)
    return shown


def _rectangle(
    shown: Rgb, box: tuple[int, int, int, int], colour: tuple[int, int, int], thick: int
) -> None:
    x, y, w, h = box
    cv2.rectangle(shown, (x, y), (x + w - 1, y + h - 1), colour, thick)


def _fitted(shown: Rgb, side: int) -> Rgb:
    size = max(round(shown.shape[1] * side / shown.shape[0]), 1), side
    how = cv2.INTER_AREA if side < shown.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(shown, size, interpolation=how), np.uint8)


def _words(page: Rgb, profile: SiteProfile, at: tuple[int, int], unit: float) -> None:
    picture, device = profile.picture, profile.device
    assert picture is not None
    a = picture.area
    x, y = round(16 * unit), at[1]
    keys = [("image area", AREA), ("round field", CIRCLE), ("text", TEXT), ("hold mark", HOLD)]
    has_hold = profile.signature is not None and profile.signature.hold_box is not None
    there = [True, picture.circle is not None, bool(picture.text), has_hold]
    row = y + round(32 * unit)
    _write(page, "raw video:", (x, row), INK, unit)
    cursor = x + _long("raw video:  ", unit)
    for (word, colour), yes in zip(keys, there, strict=True):
        if yes:
            _write(page, word, (cursor, row), colour, unit)
            cursor += _long(word + "   ", unit)
    rates = "" if device is None else f", {device.rate_hz:g} frames/s, {device.pulse_hz:g} pulses/s"
    lines = [
        f"{picture.width}x{picture.height}{rates}",
        f"area {a.width}x{a.height} at {a.x},{a.y}; {len(picture.text)} blocks of text",
    ]
    for n, line in enumerate(lines, 1):
        _write(page, line, (x, row + round(32 * n * unit)), QUIET, unit)
    turned = f"turned {picture.rotate} clockwise" if picture.rotate else "not turned"
    lines = [
        "calibrated, as orapp sees it:",
        f"black {picture.black}, white {picture.white}, "
        + ("inverted" if picture.inverted else "polarity as it is"),
        f"{turned}, {'mirrored' if picture.mirror else 'not mirrored'}, "
        + ("undistorted" if picture.distortion is not None else "nothing undistorted"),
    ]
    for n, line in enumerate(lines):
        at_line = (at[0] + x, row + round(32 * n * unit))
        _write(page, line, at_line, INK if n == 0 else QUIET, unit)


def _write(
    page: Rgb, text: str, at: tuple[int, int], colour: tuple[int, int, int], unit: float
) -> None:
    cv2.putText(page, text, at, FONT, 0.72 * unit, colour, max(round(unit), 1), cv2.LINE_AA)


def _long(text: str, unit: float) -> int:
    return int(cv2.getTextSize(text, FONT, 0.72 * unit, 1)[0][0])
