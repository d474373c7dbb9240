"""What a C-arm's screen has written beside and over its picture: text, a clock, logos."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray

Box = tuple[int, int, int, int]
"""x, y, width, height in whole raw pixels."""
LETTER = 21
"""Height of a capital in OpenCV's fonts at scale 1, in pixels."""
PITCH = 1.75
"""From line to line, in heights of a capital."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, or a logo.

    Attributes:
        x, y: left end of the first line's base, or a logo's middle, raw pixels.
        lines: what is written; `HH:MM:SS` and `HH:MM:SS.T` run.
        height: of a capital, or of a logo, in pixels.
        grey: of the ink.
        thickness: of the strokes.
        font: OpenCV's number.
        label: grey level of a filled rectangle behind it; None if there is none.
        logo: 0 for text; else which logo.
        halo: the letters have a black rim, so that they can be read on any picture.
    """

    x: int
    y: int
    lines: tuple[str, ...]
    height: int
    grey: int
    thickness: int = 1
    font: int = cv2.FONT_HERSHEY_SIMPLEX
    label: int | None = None
    logo: int = 0
    halo: bool = False

    @property
    def clock(self) -> bool:
        """Whether it changes by itself."""
        return any("HH" in line for line in self.lines)


def burn(canvas: Gray, block: Block, time_s: float | None) -> None:
    """Draws a block into a (H, W) canvas, in place.

    Args:
        canvas: (H, W) uint8.
        block: what to draw.
        time_s: what its clock says; None leaves lines with a clock out.
    """
    x, y, width, height = ink_box(block, canvas.shape)
    part = canvas[y : y + height, x : x + width]
    if block.label is not None and not (block.clock and time_s is not None):
        part[:] = block.label
    ink = np.zeros(part.shape, np.uint8)
    for k, line in enumerate(block.lines):
        if ("HH" in line) == (time_s is not None):
            _write(ink, block, k, _told(line, time_s), (x, y))
    if block.logo and time_s is None:
        _draw_logo(ink, block, (x, y))
    if block.halo:
        rim = cv2.dilate(ink, np.ones((3, 3), np.uint8)).astype(np.float32) / np.float32(255)
        part[:] = (part * (1 - rim) + np.float32(0.5)).astype(np.uint8)
    share = ink.astype(np.float32) / np.float32(255)
    part[:] = (part + (np.float32(block.grey) - part) * share + np.float32(0.5)).astype(np.uint8)


def _told(line: str, time_s: float | None) -> str:
    if time_s is None:
        return line
    t = 9 * 3600 + 41 * 60 + 30 + time_s
    clock = f"{int(t) // 3600:02d}:{int(t) // 60 % 60:02d}:{int(t) % 60:02d}"
    return line.replace("HH:MM:SS.T", f"{clock}.{int(t * 10) % 10}").replace("HH:MM:SS", clock)


def _write(
    ink: NDArray[np.uint8], block: Block, row: int, text: str, origin: tuple[int, int]
) -> None:
    at = block.x - origin[0], block.y + round(row * PITCH * block.height) - origin[1]
    scale = block.height / LETTER
    cv2.putText(ink, text, at, block.font, scale, 255, block.thickness, cv2.LINE_AA)


def _draw_logo(ink: NDArray[np.uint8], block: Block, origin: tuple[int, int]) -> None:
    x, y, r = block.x - origin[0], block.y - origin[1], block.height // 2
    if block.logo == 1:  # a ring with a disc in it
        cv2.circle(ink, (x, y), r - 2, 255, max(r // 6, 2), cv2.LINE_AA)
        cv2.circle(ink, (x, y), r // 2, 255, -1, cv2.LINE_AA)
    elif block.logo == 2:  # a triangle on a bar
        points = np.array([[x, y - r], [x - r, y + r // 2], [x + r, y + r // 2]], np.int32)
        cv2.fillConvexPoly(ink, points, 255, cv2.LINE_AA)
        cv2.rectangle(ink, (x - r, y + r // 2 + 4), (x + r, y + r), 255, -1)
    else:  # a diamond beside a plate
        points = np.array([[x - r, y], [x, y - r], [x + r, y], [x, y + r]], np.int32)
        cv2.fillConvexPoly(ink, points, 255, cv2.LINE_AA)
        cv2.rectangle(ink, (x + r + 4, y - r // 2), (x + 3 * r, y + r // 2), 255, -1)


@lru_cache(maxsize=256)
def ink_box(block: Block, size: tuple[int, int]) -> Box:
    """The tight box of a block in a canvas of a size (H, W): pixels with a quarter of its ink.

    A clock's box holds all its figures; with a label it is the label's rectangle.
    """
    ink = np.zeros(size, np.uint8)
    for k, line in enumerate(block.lines):
        ahead = np.zeros(size, np.uint8)
        for figure in "0123456789" if "HH" in line else " ":
            text = line.replace("SS.T", f"{figure * 2}.{figure}").replace("SS", figure * 2)
            _write(ahead, block, k, text.replace("HH:MM", "09:41"), (0, 0))
            ink = np.maximum(ink, ahead)
    if block.logo:
        _draw_logo(ink, block, (0, 0))
    if block.halo:
        ink = np.asarray(cv2.dilate(ink, np.ones((3, 3), np.uint8)), np.uint8)
    y, x = np.nonzero(ink > 64)
    if not len(x):
        return 0, 0, 1, 1
    edge = 0 if block.label is None else max(min(block.height, 30) // 3, 2)
    x0, y0 = max(int(x.min()) - edge, 0), max(int(y.min()) - edge, 0)
    x1, y1 = min(int(x.max()) + edge + 1, size[1]), min(int(y.max()) + edge + 1, size[0])
    return x0, y0, x1 - x0, y1 - y0
