"""Looks at the X server's screen, whoever painted it, and says what can be seen there."""

import time
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QGuiApplication, QImage

from orapp import barcode
from orapp.display import theme

Pixels = NDArray[np.uint8]
SCREEN = (1920, 1080)
NEAR = 30
"""Grey levels that a colour may be off; anti-aliasing makes its edges so."""
BANNER_SHARE = 0.5
OUTLINE_SHARE = 2e-4
VEIL_LEVEL = 26.0
VEIL_TEXT_SHARE = 0.004
FAULT_SHARE = 5e-4


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the window showed.

    Attributes:
        time, until: wall time before and after the grab, s.
        banner: the band on top of the live picture has the banner's colour.
        veil: words over a darkened picture.
        outline: share of the live picture that has the outline's colour.
        fault: the top strip shows red.
        mark: of the picture's middle; another picture has another one.
        code: number in the picture's bar code; None if there is none to be read.
        pixels: (H, W, 4) uint8, blue green red x, of the window's left part.
        view: the same, of its live picture.
        settling: the window has just been resized, covered or hidden: it can't be judged.
    """

    time: float
    until: float
    banner: bool
    veil: bool
    outline: float
    fault: bool
    mark: int
    code: int | None
    pixels: Pixels
    view: Pixels
    settling: bool = False

    @property
    def outlined(self) -> bool:
        """Whether an outline is on the picture."""
        return self.outline > OUTLINE_SHARE


def grab(size: tuple[int, int] = SCREEN) -> Pixels:
    """(H, W, 4) uint8: the screen's upper left part of this size (w, h)."""
    screen = QGuiApplication.primaryScreen()
    image = screen.grabWindow(0, 0, 0, *size).toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return rows[:, : image.width()].copy()


def look(size: tuple[int, int] = SCREEN, *, settling: bool = False) -> Look:
    """Looks at a window of this size (w, h) in the screen's corner."""
    begin = time.time()
    pixels = grab((view_width(size) + 2, size[1]))
    return replace(seen(pixels, size), time=begin, until=time.time(), settling=settling)


def seen(pixels: Pixels, size: tuple[int, int] | None = None) -> Look:
    """What a window's pixels show; of a window of this size (w, h) perhaps only the left part."""
    size = size or (pixels.shape[1], pixels.shape[0])
    view = live_view(pixels, size)
    height, width = view.shape[:2]
    band = view[height // 100 : height // 24, width // 50 : -width // 50]
    veil = view[round(height * 0.43) : round(height * 0.58)]
    edges = np.concatenate([veil[:, : width // 20], veil[:, -width // 20 :]], axis=1)
    middle = veil[:, width // 3 : -width // 3]
    dark = max(float(np.median(edges[..., :3])), float(np.median(middle[..., :3]))) < VEIL_LEVEL
    words = _share(veil, theme.TEXT) > VEIL_TEXT_SHARE
    strip = pixels[: round(size[1] * 0.07), : size[0] // 2]
    core = view[height // 4 : -height // 4 : 3, width // 4 : -width // 4 : 3, 0]
    return Look(
        time=0.0,
        until=0.0,
        banner=_share(band, theme.CARE) > BANNER_SHARE,
        veil=dark and words,
        outline=_share(view[height // 16 : -height // 12], theme.OUTLINE),
        fault=_share(strip, theme.FAULT) > FAULT_SHARE,
        mark=zlib.crc32(np.ascontiguousarray(core)),
        code=read_code(view),
        pixels=pixels,
        view=view,
    )


def view_width(size: tuple[int, int]) -> int:
    """How wide the live picture's part is in a window of this size (w, h)."""
    width, height = size
    share = round(min(max(0.8 * height / width, 0.5), 0.64) * 1000) / 1000
    return round((width - 6) * share)


def live_view(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The part where the live picture is, by the layout of a window of this size (w, h)."""
    top, bottom = round(size[1] * 0.113), round(size[1] * 0.913)
    return pixels[top:bottom, : view_width(size)]


def picture_box(view: Pixels) -> tuple[int, int, int]:
    """Where the square picture lies in the live view: x, y, side."""
    height, width = view.shape[:2]
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def read_code(view: Pixels) -> int | None:
    """The frame number in the live view's pixels."""
    x, y, side = picture_box(view)
    grey = np.ascontiguousarray(view[..., 1])
    left, top, width, height = barcode.box((side, side))
    code = barcode.read_box(grey, (x + left, y + top, width, height))
    if code is not None:
        return code
    return barcode.find(np.ascontiguousarray(grey[y + round(top) - 30 :, x + round(left) - 30 :]))


def colour_mask(pixels: Pixels, colour: QColor) -> Pixels:
    """(H, W) uint8: 255 where the pixels have this colour, nearly."""
    wanted = np.array([colour.blue(), colour.green(), colour.red()], int)
    low = np.append(np.clip(wanted - NEAR, 0, 255), 0).astype(np.uint8)
    high = np.append(np.clip(wanted + NEAR, 0, 255), 255).astype(np.uint8)
    return np.asarray(cv2.inRange(np.ascontiguousarray(pixels), low, high), np.uint8)


def _share(pixels: Pixels, colour: QColor) -> float:
    mask = colour_mask(pixels, colour)
    return float(np.count_nonzero(mask)) / mask.size
