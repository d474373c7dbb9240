"""The one way in which a picture is made smaller for whoever computes on it."""

import cv2
import numpy as np

from orapp.frames import Gray


def shrink(pixels: Gray, size: tuple[int, int]) -> Gray:
    """The picture at a size (h, w): by the mean of areas, or linearly where it must grow.

    It is halved as often as it can be, and then shrunk by what is left: OpenCV has vector code for
    halving alone, and 1024x1024 to 256x256 takes an eighth of the time of one step. A mean of
    means is rounded twice, so that a pixel may differ by one grey level from that of one step.
    """
    height, width = size
    while _can_be_halved(pixels.shape[0], height) and _can_be_halved(pixels.shape[1], width):
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    larger = height > pixels.shape[0] or width > pixels.shape[1]
    how = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)


def _can_be_halved(now: int, wanted: int) -> bool:
    return now % 2 == 0 and now >= 2 * wanted
