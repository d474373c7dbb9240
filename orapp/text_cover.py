"""Burned-in text, painted over in what the engine sees: to a network it looks like bone."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""
Weights = NDArray[np.float32]
LEAST = 1e-6
"""Weight of a border pixel in which there is text, too; 1 elsewhere."""
MARGIN = 1
"""Pixels of the small picture around a box that text has part in, too."""


class TextCover:
    """Fills boxes of a small picture from the pixels around them.

    Each pixel becomes the mean of the four that lie straight above, below, left and right of it
    beyond the box, weighted by the inverse square of how far they are. The picture on the screen
    is left as it is.

    Args:
        boxes: of the text, in pixels of the frame.
        frame_size: (H, W).
        size: (h, w) of the small picture.
    """

    def __init__(
        self, boxes: Sequence[Box], frame_size: tuple[int, int], size: tuple[int, int]
    ) -> None:
        small = [_shrunk(box, frame_size, size) for box in boxes]
        text = np.zeros(size, bool)
        for x, y, width, height in small:
            text[y : y + height, x : x + width] = True
        patches = [_Patch(box, text) for box in small]
        self._patches = [patch for patch in patches if patch.fits]

    def cover(self, small: Gray) -> Gray:
        """The same picture without text, (h, w) uint8; itself if there is none."""
        if not self._patches:
            return small
        covered = np.array(small)
        for patch in self._patches:
            patch.fill(covered)
        return covered


@lru_cache(maxsize=8)
def text_cover(
    boxes: tuple[Box, ...], frame_size: tuple[int, int], size: tuple[int, int]
) -> TextCover:
    """The cover for frames of a size; the same object for the same values."""
    return TextCover(boxes, frame_size, size)


def _shrunk(box: Box, frame_size: tuple[int, int], size: tuple[int, int]) -> Box:
    """The pixels of the small picture that a box has part in, with a margin, cut at its sides."""
    x, y, width, height = box
    left, right = _along(x, width, frame_size[1], size[1])
    top, bottom = _along(y, height, frame_size[0], size[0])
    return left, top, right - left, bottom - top


def _along(first: int, length: int, full: int, short: int) -> tuple[int, int]:
    start = first * short // full - MARGIN
    end = -((first + length) * short // -full) + MARGIN
    return max(start, 0), min(end, short)


class _Patch:
    """One box of the small picture, and the weight of each side in it."""

    def __init__(self, box: Box, text: NDArray[np.bool_]) -> None:
        self._box, self._text = box, text

    @property
    def fits(self) -> bool:
        """False for a box that is empty, or all of the picture."""
        _, _, width, height = self._box
        return width > 0 and height > 0 and (height, width) != self._text.shape

    @cached_property
    def _sides(self) -> list[tuple[tuple[slice, slice], Weights]]:
        """Where each side's pixels lie, and its weights (height, width), one in sum.

        What lies in another text counts only where there is nothing else.
        """
        x, y, width, height = self._box
        down, right = np.mgrid[1 : height + 1, 1 : width + 1].astype(np.float32)
        rows, columns = slice(y, y + height), slice(x, x + width)
        above, below = slice(y - 1, y), slice(y + height, y + height + 1)
        before, behind = slice(x - 1, x), slice(x + width, x + width + 1)
        far = [
            ((above, columns), down, y > 0),
            ((below, columns), height + 1 - down, y + height < self._text.shape[0]),
            ((rows, before), right, x > 0),
            ((rows, behind), width + 1 - right, x + width < self._text.shape[1]),
        ]
        there = [
            (at, np.where(self._text[at], LEAST, 1) / (away * away))
            for at, away, inside in far
            if inside
        ]
        whole = sum(weight for _, weight in there)
        return [(at, np.asarray(weight / whole, np.float32)) for at, weight in there]

    def fill(self, picture: Gray) -> None:
        """Fills the box in place."""
        x, y, width, height = self._box
        filled = np.zeros((height, width), np.float32)
        for at, weight in self._sides:
            filled += weight * picture[at]
        picture[y : y + height, x : x + width] = np.rint(filled)
