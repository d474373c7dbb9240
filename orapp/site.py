"""The site's remap: crop, undistort, grey range, polarity, rotate, mirror. Pure; applied once."""

from collections import deque
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.frames import Gray, read_only
from orapp.picture import Box, Picture, Points, Signature

_NEWTON_STEPS = 12
STRIP = 64
"""Rows that are undistorted at a time: fewer follow a round field closer, more cost fewer calls."""
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


class SiteMap:
    """From the raw frames of one device to calibrated pictures, and back for points.

    Without distortion every pixel is one raw pixel; with it, a mean of its neighbours, and what
    lies outside the raw frame is black, whatever the polarity. So is what lies outside a round
    field and is no text, a fifth of the pixels, with distortion, and where the polarity is turned:
    it would be white otherwise.

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
        """Where each pixel of the area lies in the raw frame, each (H, W).

        In float32: as measured, OpenCV takes less time for that than for its fixed-point maps.
        """
        area, bend = self.picture.area, self.picture.distortion
        right, down = np.arange(float(area.width)), np.arange(float(area.height))
        assert bend is not None
        x, y = bend.grid(right, down)
        return (x + area.x).astype(np.float32), (y + area.y).astype(np.float32)

    @cached_property
    def _field(self) -> Gray | None:
        """(H, W) of the area: 0 outside a round field, but for text, else 255; None without one."""
        circle, radius, area = self.picture.circle, self.picture.black_beyond, self.picture.area
        if circle is None or radius is None:
            return None
        if self.picture.distortion is not None:
            x, y = self._maps
        else:
            y, x = np.ogrid[area.y : area.y + area.height, area.x : area.x + area.width]
        inside = radius - np.hypot(x - circle.x, y - circle.y)
        field = np.asarray(np.clip(inside * 255, 0, 255), np.uint8)
        for left, top, right, low in self._text:  # a clock tells a held picture from a frozen one
            field[top:low, left:right] = 255
        return field

    @cached_property
    def _strips(self) -> list[tuple[slice, slice]]:
        """Rows and columns of the area that are to be computed: those of a round field."""
        height, width = self._maps[0].shape
        if self._field is None:
            return [(slice(0, height), slice(0, width))]
        near, strips = self._field > 0, []
        for top in range(0, height, STRIP):
            columns = np.flatnonzero(near[top : top + STRIP].any(axis=0))
            if len(columns):
                strips.append((slice(top, top + STRIP), slice(columns[0], columns[-1] + 1)))
        return strips

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
        seen = self._grey(self._cut(raw))
        if self._field is not None:
            seen = np.asarray(cv2.min(seen, self._field), np.uint8)
        if self.picture.rotate:
            seen = np.asarray(cv2.rotate(seen, _TURNS[self.picture.rotate]), np.uint8)
        if self.picture.mirror:
            seen = np.asarray(cv2.flip(seen, 1), np.uint8)
        own = np.array(seen) if np.shares_memory(seen, raw) else seen
        return read_only(np.asarray(own, np.uint8))

    def _cut(self, raw: Gray) -> Gray:
        """The area, undistorted."""
        area = self.picture.area
        if self.picture.distortion is None:
            return raw[area.y : area.y + area.height, area.x : area.x + area.width]
        black = 255 if self.picture.inverted else 0  # it becomes black by the polarity
        (x, y), seen = self._maps, np.full((area.height, area.width), black, np.uint8)
        for at in self._strips:
            cv2.remap(
                raw, x[at], y[at], cv2.INTER_LINEAR, seen[at], cv2.BORDER_CONSTANT, black
            )  # it writes into the view
        return seen

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
        crop = np.asarray(points, np.float64).reshape(-1, 2) - self._corner
        return self._turned(self._straightened(crop))

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """The profile's text as x, y, width, height in the calibrated picture, where it is in it.

        With distortion, what surely holds the bent text.
        """
        found = []
        for left, top, right, low in self._text:
            ends = self._turned(np.array([[left, top], [right - 1, low - 1]], np.float64))
            (x0, y0), (x1, y1) = ends.min(0).astype(int), ends.max(0).astype(int)
            found.append((int(x0), int(y0), int(x1 - x0 + 1), int(y1 - y0 + 1)))
        return found

    @cached_property
    def _text(self) -> list[tuple[int, int, int, int]]:
        """Left, top, right, low of the profile's text in the area, before it is turned."""
        area, found = self.picture.area, []
        for box in self.picture.text:
            if self.picture.distortion is None:
                left, top = max(box.x - area.x, 0), max(box.y - area.y, 0)
                right = min(box.x + box.width - area.x, area.width)
                low = min(box.y + box.height - area.y, area.height)
            else:
                left, top, right, low = self._holding(box)
            if right > left and low > top:
                found.append((left, top, right, low))
        return found

    def _holding(self, box: Box) -> tuple[int, int, int, int]:
        """Left, top, right, low of all pixels of the area that a raw pixel of the box goes into."""
        x, y = self._maps
        inside = (x > box.x - 1) & (x < box.x + box.width) & (y > box.y - 1)
        down, right = np.nonzero(inside & (y < box.y + box.height))
        if not len(down):
            return 0, 0, 0, 0
        return int(right.min()), int(down.min()), int(right.max()) + 1, int(down.max()) + 1

    def _turned(self, points: Points) -> Points:
        """Points of the area where rotation and mirroring put them."""
        x, y = points.T
        width, height = self.picture.area.width, self.picture.area.height
        for _ in range(self.picture.rotate // 90):
            x, y, width, height = height - 1 - y, x, height, width
        if self.picture.mirror:
            x = width - 1 - x
        return np.stack([x, y], axis=1)

    def _bent(self, points: Points) -> Points:
        """Where undistorted points of the area lie in the raw one."""
        bend = self.picture.distortion
        return points if bend is None else bend.bent(points)

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


class NoSignalCard:
    """What a device shows when nothing is plugged into it: bars, a logo, "NO SIGNAL".

    Args:
        card: (16, 16) int16, the mean grey levels of its parts.
    """

    NEAR = 4.0
    """Grey levels by which the parts may differ, in the mean."""
    LEAST_CONTRAST = 12.0
    """A card with less is not told from a black picture."""

    def __init__(self, card: NDArray[np.int16]) -> None:
        self._card = card

    @classmethod
    def of(cls, signature: Signature) -> "NoSignalCard | None":
        """The signature's; None if it has none, or a uniform one."""
        card = np.frombuffer(bytes.fromhex(signature.no_signal), np.uint8).astype(np.int16)
        if card.size != 256 or card.std() < cls.LEAST_CONTRAST:
            return None
        return cls(card.reshape(16, 16))

    def is_shown(self, raw: Gray) -> bool:
        """Whether (H, W) raw pixels are the card; looks at every 4th pixel of every 4th row."""
        small = cv2.resize(raw[::4, ::4], (16, 16), interpolation=cv2.INTER_AREA)
        return float(np.abs(np.asarray(small, np.int16) - self._card).mean()) < self.NEAR


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
        boxes = [self._picture.area, *self._picture.text]
        circle, radius = self._picture.circle, self._picture.black_beyond
        if circle is not None and radius is not None:  # it is black around
            down, right = np.mgrid[:height, :width] * 2
            beside &= np.hypot(right - circle.x, down - circle.y) > radius + 8
            boxes = boxes[1:]
        for box in boxes:
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
