"""A picture's number, drawn into it, and read back from what a screen or a camera shows of it.

The code lies in the picture's lower right corner, in units of 1/1024 of its shorter side: a white
panel of 112 x 80 with an ArUco marker, by which a camera finds it, and beside it 24 bits of number
and 16 of CRC in cells of 8 x 8. It is outside a round field of view and outside what `scene.py`
looks at for a new exposure, and less than half as large as a mark may be there: a repeat of an
exposure stays one though its number changes. What is torn, mixed or smeared reads as None.
"""

from binascii import crc_hqx
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray

BITS = 24
LEAST_SIDE = 256
"""Pixels of the shorter side; in smaller pictures the cells would have no middle."""
_UNITS = 1024
_CELL = 8
_COLUMNS, _ROWS = 14, 10
_MARKER_SIDE, _MARKER_ID = 6, 7
_MARKER_AT = (2, 1)
_DATA_AT = (1, 8)
_DATA = (8, 5)
_FROM_RIGHT, _FROM_BOTTOM = 4, 28
_WHITE, _BLACK = 215, 20
_LEAST_CONTRAST = 24.0
_SURE = 0.15
"""So far from grey a cell must be, as a fraction of the distance from black to white."""


def draw(pixels: Gray, index: int) -> None:
    """Draws a number into a picture, in place.

    Args:
        pixels: (H, W) uint8, writable.
        index: from 0; beyond 24 bits it starts again from 0.

    Raises:
        ValueError: the picture's shorter side is less than `LEAST_SIDE`.
    """
    if min(pixels.shape) < LEAST_SIDE:
        raise ValueError(f"a code needs pictures of {LEAST_SIDE} pixels and more")
    code = panel(index)
    left, top, width, height = (round(value) for value in box(pixels.shape))
    how = cv2.INTER_AREA if width < code.shape[1] else cv2.INTER_LINEAR
    pixels[top : top + height, left : left + width] = cv2.resize(
        code, (width, height), interpolation=how
    )


def panel(index: int) -> Gray:
    """(80, 112) uint8: a number's code by itself; beyond 24 bits it starts again from 0."""
    cells = _fixed().copy()
    cells[_data()] = _bits(index % 2**BITS).reshape(_DATA)
    grey = np.where(cells, _WHITE, _BLACK).astype(np.uint8)
    return np.ascontiguousarray(grey.repeat(_CELL, 0).repeat(_CELL, 1))


def box(size: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Where the code lies in a picture of a size (H, W): x, y, width, height in its pixels."""
    unit = min(size) / _UNITS
    width, height = _COLUMNS * _CELL, _ROWS * _CELL
    x = size[1] - (_FROM_RIGHT + width) * unit
    y = size[0] - (_FROM_BOTTOM + height) * unit
    return x, y, width * unit, height * unit


def read(picture: Gray) -> int | None:
    """The number in a whole picture, (H, W) uint8, at any scale at which its cells can be told.

    None where there is none, or one that is torn, mixed or smeared.
    """
    return None if min(picture.shape) < 1 else read_box(picture, box(picture.shape))


def read_box(pixels: Gray, at: tuple[float, float, float, float]) -> int | None:
    """The number in a code that lies at `at`: x, y, width, height in pixels, fractions allowed.

    Args:
        pixels: (H, W) uint8, such as the part of a screen around the code.
        at: as `box` gives it, scaled and moved; it may reach beyond the pixels by a little.
    """
    x, y, width, height = at
    across, down = _COLUMNS * _CELL / width, _ROWS * _CELL / height
    back = np.array([[1 / across, 0, x], [0, 1 / down, y]], np.float64)
    back[:, 2] += np.array([0.5 / across - 0.5, 0.5 / down - 0.5])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (_COLUMNS * _CELL, _ROWS * _CELL)
    edge = cv2.BORDER_REPLICATE
    panel = cv2.warpAffine(pixels, back, size, flags=flags, borderMode=edge)
    return _decode(np.asarray(panel, np.uint8))


def find(photo: Gray) -> int | None:
    """The number in a picture that shows the code somewhere; see `Finder`."""
    return Finder().read(photo)


class Finder:
    """Finds the code in pictures that show it somewhere, such as a camera's of the screen.

    It may be turned and seen from the side, not mirrored; a cell needs some 4 pixels. Finding
    takes some ms, reading it again at the same place a fraction of one.
    """

    def __init__(self) -> None:
        self._place: NDArray[np.float64] | None = None

    def read(self, photo: Gray) -> int | None:
        """The number in a photo, (H, W) uint8, or None."""
        if self._place is not None and (index := _read_there(photo, self._place)) is not None:
            return index
        corners, markers, _ = _detector().detectMarkers(photo)
        for where, marker in zip(corners, np.ravel(markers), strict=False):  # None if there is none
            if marker == _MARKER_ID:
                place = _place_beside(np.asarray(where, np.float32).reshape(4, 2))
                if (index := _read_there(photo, place)) is not None:
                    self._place = place
                    return index
        return None


def _place_beside(corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """From the panel to the photo, for a marker's corners from its upper left clockwise."""
    top, left = (place * _CELL - 0.5 for place in _MARKER_AT)
    far = _MARKER_SIDE * _CELL
    here = [(left, top), (left + far, top), (left + far, top + far), (left, top + far)]
    return np.asarray(cv2.getPerspectiveTransform(np.array(here, np.float32), corners))


def _read_there(photo: Gray, place: NDArray[np.float64]) -> int | None:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (_COLUMNS * _CELL, _ROWS * _CELL)
    return _decode(np.asarray(cv2.warpPerspective(photo, place, size, flags=flags), np.uint8))


def _decode(panel: Gray) -> int | None:
    """The number in a panel of the code's own size, (80, 112) uint8."""
    inside = panel.reshape(_ROWS, _CELL, _COLUMNS, _CELL)[:, 3:5, :, 3:5]
    cells = np.asarray(inside.mean((1, 3)), np.float32)
    fixed, known = _fixed(), _known()
    white, black = float(cells[known & fixed].mean()), float(cells[known & ~fixed].mean())
    if white - black < _LEAST_CONTRAST:
        return None
    level = (cells - black) / (white - black) - 0.5
    seen = level > 0
    if (np.abs(level) < _SURE).any() or (seen != fixed)[known].any():
        return None
    bits = seen[_data()].ravel()
    index = int(np.packbits(bits[:BITS]).tobytes().hex(), 16)
    return index if np.array_equal(bits, _bits(index)) else None


def _bits(index: int) -> NDArray[np.bool_]:
    """(40,) bool: the number, then its CRC."""
    number = index.to_bytes(BITS // 8, "big")
    code = number + crc_hqx(number, 0xFFFF).to_bytes(2, "big")
    return np.unpackbits(np.frombuffer(code, np.uint8)).astype(bool)


def _data() -> tuple[slice, slice]:
    """Where the data's cells are in the panel's."""
    (row, column), (rows, columns) = _DATA_AT, _DATA
    return slice(row, row + rows), slice(column, column + columns)


@cache
def _fixed() -> NDArray[np.bool_]:
    """(10, 14) bool: the panel's cells without data; True is white."""
    cells = np.ones((_ROWS, _COLUMNS), bool)
    marker = cv2.aruco.generateImageMarker(_dictionary(), _MARKER_ID, _MARKER_SIDE)
    top, left = _MARKER_AT
    cells[top : top + _MARKER_SIDE, left : left + _MARKER_SIDE] = marker > 0
    return cells


@cache
def _known() -> NDArray[np.bool_]:
    """(10, 14) bool: the cells that are the same in every code, its outermost ones left out."""
    known = np.zeros((_ROWS, _COLUMNS), bool)
    known[1:-1, 1:-1] = True
    known[_data()] = False
    return known


@cache
def _dictionary() -> "cv2.aruco.Dictionary":
    return cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)


@cache
def _detector() -> "cv2.aruco.ArucoDetector":
    options = cv2.aruco.DetectorParameters()
    options.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    return cv2.aruco.ArucoDetector(_dictionary(), options)
