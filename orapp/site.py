"""The site's remap: crop, undistort, grey range, polarity, rotate, mirror. Pure; applied once."""

from collections import deque
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.frames import Gray, read_only
from orapp.picture import Box, Picture

Points = NDArray[np.float64]
_NEWTON_STEPS = 12
_ROWS = 64
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


class SiteMap:
    """From the raw frames of one device to calibrated pictures, and back for points.

    Without distortion every pixel is one raw pixel; with it, a mean of its neighbours, and what
    lies outside the raw frame is black.

    Args:
        picture: what the profile says.

    Attributes:
        picture: as given.
        size: (h, w) of the calibrated pictures.
    """

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        area = picture.area
        self._corner = np.array([area.x, area.y], np.float64)
        turned = picture.rotate % 180 == 90
        self.size = (area.width, area.height) if turned else (area.height, area.width)

    @cached_property
    def _maps(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where each pixel lies in the raw frame; made a few rows at a time, to bound the memory.

        In float32: as measured, OpenCV takes half the time of that for its fixed-point maps.
        """
        height, width = self.size
        maps = np.empty((2, height, width), np.float32)
        for top in range(0, height, _ROWS):
            down, right = np.mgrid[top : min(top + _ROWS, height), :width].astype(np.float64)
            raw = self.to_raw(np.stack([right.ravel(), down.ravel()], axis=1))
            maps[:, top : top + len(down)] = raw.T.reshape(2, *down.shape)
        return maps[0], maps[1]

    def fits(self, size: tuple[int, ...]) -> bool:
        """Whether raw frames of this size (H, W) are what it was made for."""
        return size == (self.picture.height, self.picture.width)

    def check_size(self, size: tuple[int, ...]) -> None:
        """Raises OrappError unless raw frames of this size (H, W) are what it was made for."""
        picture = self.picture
        if not self.fits(size):
            raise OrappError(
                f"the picture is {size[1]}x{size[0]}, the site profile was made for "
                f"{picture.width}x{picture.height}",
                "set the C-arm's output as it was, or calibrate again",
            )

    def apply(self, raw: Gray) -> Gray:
        """The calibrated picture of a raw frame, (h, w) uint8, read-only.

        Raises:
            OrappError: the raw frame has another size.
        """
        self.check_size(raw.shape)
        if self.picture.distortion is not None:
            seen = cv2.remap(raw, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            return read_only(self._grey(np.asarray(seen, np.uint8)))
        area = self.picture.area
        crop = raw[area.y : area.y + area.height, area.x : area.x + area.width]
        seen = self._grey(crop)
        if self.picture.rotate:
            seen = np.asarray(cv2.rotate(seen, _TURNS[self.picture.rotate]), np.uint8)
        if self.picture.mirror:
            seen = np.asarray(cv2.flip(seen, 1), np.uint8)
        own = np.array(seen) if np.shares_memory(seen, raw) else seen
        return read_only(np.asarray(own, np.uint8))

    def _grey(self, pixels: Gray) -> Gray:
        """Grey range and polarity: one vector operation, which rounds and stops at both ends."""
        picture = self.picture
        if (picture.black, picture.white, picture.inverted) == (0, 255, False):
            return pixels
        stretch = 255 / (picture.white - picture.black)
        zero = -picture.black * stretch
        if picture.inverted:
            stretch, zero = -stretch, 255 - zero
        return np.asarray(cv2.addWeighted(pixels, stretch, pixels, 0, zero), np.uint8)

    def to_raw(self, points: NDArray[np.floating]) -> Points:
        """Points (N, 2) of the calibrated picture in the raw frame."""
        height, width = self.size
        x, y = np.asarray(points, np.float64).reshape(-1, 2).T
        if self.picture.mirror:
            x = width - 1 - x
        for _ in range(self.picture.rotate // 90):  # back, anticlockwise
            x, y, width, height = y, width - 1 - x, height, width
        crop = self._bent(np.stack([x, y], axis=1))
        return crop + self._corner

    def to_site(self, points: NDArray[np.floating]) -> Points:
        """Points (N, 2) of the raw frame in the calibrated picture."""
        area = self.picture.area
        crop = np.asarray(points, np.float64).reshape(-1, 2) - self._corner
        x, y = self._straightened(crop).T
        width, height = area.width, area.height
        for _ in range(self.picture.rotate // 90):
            x, y, width, height = height - 1 - y, x, height, width
        if self.picture.mirror:
            x = width - 1 - x
        return np.stack([x, y], axis=1)

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """The profile's text as x, y, width, height in the calibrated picture, where it is in it.

        With distortion, what surely holds the bent text.
        """
        height, width = self.size
        more = 0 if self.picture.distortion is None else 1
        found = []
        for box in self.picture.text:
            edge = np.round(self.to_site(_border(box)) + 0.5, 6)
            left, top = np.clip(np.floor(edge.min(0) - more), 0, (width, height)).astype(int)
            right, low = np.clip(np.ceil(edge.max(0) + more), 0, (width, height)).astype(int)
            if right > left and low > top:
                found.append((int(left), int(top), int(right - left), int(low - top)))
        return found

    def _bent(self, points: Points) -> Points:
        """Where undistorted points of the area lie in the raw one."""
        bend = self.picture.distortion
        if bend is None:
            return points
        unit = (points - bend.centre) / bend.scale
        there = _terms(unit, bend.degree) @ np.array([bend.x, bend.y]).T
        return np.asarray(there * bend.scale + bend.centre)

    def _straightened(self, points: Points) -> Points:
        """The inverse of `_bent`, by Newton's method from the points themselves."""
        if self.picture.distortion is None:
            return points
        found, step = points.copy(), 0.5
        for _ in range(_NEWTON_STEPS):
            off = self._bent(found) - points
            ways = (np.array([step, 0.0]), np.array([0.0, step]))
            sides = [(self._bent(found + way) - self._bent(found - way)) for way in ways]
            slope = np.stack(sides, axis=2) / (2 * step)
            flat = np.abs(np.linalg.det(slope)) < 1e-6
            slope[flat] = np.eye(2)
            found -= np.linalg.solve(slope, off[:, :, None])[:, :, 0]
        return found


def _terms(points: Points, degree: int) -> Points:
    u, v = points.T
    pairs = [(n - j, j) for n in range(degree + 1) for j in range(n + 1)]
    return np.stack([u**i * v**j for i, j in pairs], axis=1)


def _border(box: Box) -> Points:
    """Points along a box's outer edge, closed."""
    along = np.linspace(-0.5, 0.5, 17)
    side = np.full(17, 0.5)
    around = np.concatenate(
        [np.stack(pair, axis=1) for pair in ((along, -side), (along, side), (-side, along))]
        + [np.stack([side, along], axis=1)]
    )
    middle = np.array([box.x + (box.width - 1) / 2, box.y + (box.height - 1) / 2])
    return np.asarray(around * (box.width, box.height) + middle)


class FitWatch:
    """Whether the video still is that of the device that a profile was made for.

    Looks at the first exposures after the source was opened: X-rays make every pixel of the image
    area flicker, and nothing outside it but text. Costs 0.2 ms an exposure, for `LOOKS` of them.

    Args:
        picture: what the profile says.
    """

    LOOKS = 10
    MOST_OUTSIDE = 0.02
    """Share of the pixels beside the area that may flicker."""
    FLICKER = 6
    """Grey levels; a grabber's own noise is less."""
    BEYOND = 0.01
    """Share of the area's pixels that may lie beyond black and white."""
    LEAST_CONTRAST = 12.0
    """Grey levels, standard deviation of a box with text."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._raw: deque[Gray] = deque(maxlen=self.LOOKS)
        self._done = False

    def see(self, raw: Gray) -> str | None:
        """Takes an exposure with X-ray on; None until it is sure.

        Returns:
            Empty if it fits, else what does not, for a sentence on the screen.
        """
        if self._done:
            return None
        self._raw.append(raw[::2, ::2].copy())
        if len(self._raw) < self.LOOKS:
            return None
        self._done = True
        return self._outside() or self._range() or self._text()

    def _beside(self) -> NDArray[np.bool_]:
        """Where neither picture nor text is, with a margin, at half the size."""
        height, width = self._raw[0].shape
        beside = np.ones((height, width), bool)
        for box in (self._picture.area, *self._picture.text):
            left, top = max(box.x // 2 - 4, 0), max(box.y // 2 - 4, 0)
            beside[top : (box.y + box.height) // 2 + 5, left : (box.x + box.width) // 2 + 5] = False
        return beside

    def _outside(self) -> str:
        beside = self._beside()
        if np.count_nonzero(beside) < 0.002 * beside.size:
            return ""
        stack = np.stack(self._raw)
        flicker = stack.max(0) - stack.min(0) > self.FLICKER
        if flicker[beside].mean() > self.MOST_OUTSIDE:
            return "there is X-ray picture beside its image area"
        return ""

    def _range(self) -> str:
        picture, area = self._picture, self._picture.area
        down = slice(area.y // 2, (area.y + area.height) // 2)
        right = slice(area.x // 2, (area.x + area.width) // 2)
        seen = np.stack([raw[down, right] for raw in self._raw])
        beyond = (seen < picture.black - 6) | (seen > picture.white + 6)
        if beyond.mean() > self.BEYOND:
            return f"it has grey levels beyond {picture.black} to {picture.white}"
        return ""

    def _text(self) -> str:
        """Text may be missing for a while, but not all of it."""
        last, boxes = self._raw[-1], self._picture.text
        found = [
            last[
                box.y // 2 : max((box.y + box.height) // 2, box.y // 2 + 1),
                box.x // 2 : max((box.x + box.width) // 2, box.x // 2 + 1),
            ].std()
            for box in boxes
        ]
        if len(boxes) >= 2 and max(found) < self.LEAST_CONTRAST:
            return "its burned-in text is not where it was"
        return ""
