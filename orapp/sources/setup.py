"""A device between the simulated C-arm and orapp: what cable, scaler and grabber make of a picture.

`DeviceSetup` is the truth; `spoil` does it to a picture. Deterministic: all follows from the seed
and the number of the video frame. The way of a picture: mirrored and turned, rescaled, distorted
(image intensifiers), cropped into the canvas, inverted, text burned in, grey range compressed,
grabber's noise.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray
from orapp.sources.setup_screen import Block, Box, burn, ink_box

Points = NDArray[np.float64]
"""(N, 2), x then y; pixel centres lie at whole numbers."""
SURROUND = 8
"""Grey level outside the round field, as the simulated C-arm has it."""
IRIS = 0.497
"""Radius of the round field, in sides of the picture."""
LEAK, SCATTER = 0.25, 4
"""What comes through a collimator blade: a part of the picture, and grey levels on top."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A round field: middle and radius in raw pixels."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A lead letter on the detector: upright where the picture is shown as it should be.

    Attributes:
        letter: F or R.
        x, y: its middle, in sides of the picture.
        height: of the letter, in sides of the picture.
    """

    letter: str
    x: float
    y: float
    height: float = 0.09


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """One device, with all that calibration has to find out.

    Attributes:
        seed: that it was drawn from.
        size: side of the C-arm's square picture in pixels.
        width, height: of the raw video.
        side, left, top: the whole picture's square in raw pixels; it may reach out of the canvas.
        circle: the round field in raw pixels, or None.
        blades: lines of the collimator's blades: (angle, distance) from the picture's middle, in
            half sides; what lies beyond is behind a blade. None if there are none.
        background: grey level of the canvas around the picture.
        pad: (x, width) of the columns that the video itself covers; grabbers make the rest black.
        blocks: text and logos on the screen.
        hold_mark: what shows in last image hold, or None.
        black, white: raw grey levels that are black and white.
        inverted: the raw picture has the other polarity.
        blanked: outside the round field an inverted picture is black nevertheless.
        rotate, mirror: what undoes it: degrees clockwise, then left to right.
        pincushion, s_shape: of an image intensifier; both 0 for a flat panel.
        rate_hz, pulse_hz: video frames and X-ray pulses per second.
        noise: standard deviation of the grabber's noise in grey levels; 0 if it is digital.
        marker: in the picture, or None.
        card: what is shown without a signal: `lost` (no video at all), `black`, `grey`, `bars`,
            `text`.
    """

    seed: int
    size: int
    width: int
    height: int
    side: int
    left: int
    top: int
    circle: Circle | None
    blades: tuple[tuple[float, float], ...] | None
    background: int
    pad: tuple[int, int]
    blocks: tuple[Block, ...]
    hold_mark: Block | None
    black: int
    white: int
    inverted: bool
    blanked: bool
    rotate: int
    mirror: bool
    pincushion: float
    s_shape: float
    rate_hz: float
    pulse_hz: float
    noise: float
    marker: Marker | None
    card: str

    @staticmethod
    def random(seed: int, size: int = 1024) -> "DeviceSetup":
        """The device of a seed, for pictures of a size."""
        from orapp.sources.setup_random import draw

        return draw(seed, size)

    @property
    def repeats(self) -> int:
        """Video frames per pulse."""
        return round(self.rate_hz / self.pulse_hz)

    @property
    def area(self) -> Box:
        """The active image area, whole raw pixels: the least rectangle of all X-rays can reach."""
        x0, y0, x1, y1 = self.left, self.top, self.left + self.side, self.top + self.side
        if self.circle is not None:
            c = self.circle
            x0, x1 = int(np.ceil(c.x - c.radius)), int(np.floor(c.x + c.radius)) + 1
            y0, y1 = int(np.ceil(c.y - c.radius)), int(np.floor(c.y + c.radius)) + 1
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, self.width), min(y1, self.height)
        return x0, y0, x1 - x0, y1 - y0

    @property
    def text(self) -> tuple[Box, ...]:
        """Tight boxes around each block of text and each logo, raw pixels.

        A block is what is written together: its lines lie less than a letter's height apart, its
        words no more than that; blocks lie at least 2.5 heights apart. A clock's box holds all
        its figures. The hold mark is not among them.
        """
        return tuple(ink_box(block, (self.height, self.width)) for block in self.blocks)

    @property
    def open_field(self) -> Points | None:
        """Corners of what the blades leave open, raw pixels (N, 2); None without blades."""
        if self.blades is None:
            return None
        corners = self.to_raw(_open_field(self.blades, self.size))
        return np.asarray(np.clip(corners, 0, (self.width - 1, self.height - 1)))

    def collimate(self, picture: Gray) -> Gray:
        """The C-arm's own (size, size) picture as its detector and collimator let it be."""
        if self.marker is not None:
            letter = _letter(self.marker, self.size)
            shade = cv2.multiply(picture, letter, scale=-0.7 / 255, dtype=cv2.CV_16S)
            picture = np.asarray(cv2.add(shade, picture, dtype=cv2.CV_8U), np.uint8)
        if self.circle is not None:
            return np.asarray(cv2.min(picture, iris(self.size)), np.uint8)
        if self.blades is None:
            return picture
        light = _light(self.blades, self.size)
        behind = cv2.convertScaleAbs(picture, alpha=LEAK, beta=SCATTER)
        return np.asarray(cv2.blendLinear(picture, behind, light, np.float32(1) - light), np.uint8)

    def seen(self) -> Gray:
        """(size, size) uint8: 255 where X-rays come through, in the C-arm's own picture."""
        if self.circle is not None:
            return np.where(iris(self.size) > 128, 255, 0).astype(np.uint8)
        if self.blades is None:
            return np.full((self.size, self.size), 255, np.uint8)
        return np.where(_light(self.blades, self.size) > 0.5, 255, 0).astype(np.uint8)

    def spoil(self, picture: Gray, time_s: float = 0.0, held: bool = False, index: int = 0) -> Gray:
        """What the grabber gives for a picture: (height, width) uint8.

        Args:
            picture: (size, size) uint8, collimated (as `SimulatedRun` gives it).
            time_s: of the video, for its clock.
            held: last image hold is on.
            index: number of the video frame, for the grabber's noise.
        """
        return self.finish(self.project(picture), time_s, held, index)

    def project(self, picture: Gray) -> Gray:
        """The first part of `spoil`, the same for every repeat: all but clock, range and noise."""
        turned: Gray = np.rot90(picture[:, ::-1] if self.mirror else picture, self.rotate // 90)
        if self.inverted:
            turned = np.asarray(cv2.bitwise_not(turned), np.uint8)
            if self.blanked and self.circle is not None:
                turned = np.asarray(cv2.min(turned, iris(self.size)), np.uint8)
        smaller = cv2.INTER_AREA if self.side < self.size else cv2.INTER_CUBIC
        image = cv2.resize(turned, (self.side, self.side), interpolation=smaller)
        if self.pincushion or self.s_shape:
            maps = _maps(self.side, self.pincushion, self.s_shape)
            image = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        canvas = np.full((self.height, self.width), self.background, np.uint8)
        x0, y0 = max(self.left, 0), max(self.top, 0)
        x1, y1 = min(self.left + self.side, self.width), min(self.top + self.side, self.height)
        part = image[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left]
        canvas[y0:y1, x0:x1] = np.asarray(part, np.uint8)
        for block in self.blocks:
            burn(canvas, block, None)
        return canvas

    def finish(self, projected: Gray, time_s: float, held: bool, index: int) -> Gray:
        """The rest of `spoil`: what differs between repeats of an exposure."""
        canvas = projected.copy()
        for block in self.blocks:
            if block.clock:
                burn(canvas, block, time_s)
        if held and self.hold_mark is not None:
            burn(canvas, self.hold_mark, None)
        return self.grabbed(canvas, index)

    def grabbed(self, canvas: Gray, index: int = 0) -> Gray:
        """A (height, width) screen as the grabber gives it: range, padding, noise."""
        raw = np.asarray(cv2.LUT(canvas, _levels(self.black, self.white)), np.uint8)
        x, width = self.pad
        raw[:, :x] = 0
        raw[:, x + width :] = 0
        if not self.noise:
            return raw
        more, less = _grain(self.noise, raw.shape)
        dx, dy = np.random.default_rng([self.seed, index, 5]).integers(0, 64, 2)
        at = slice(dy, dy + self.height), slice(dx, dx + self.width)
        return np.asarray(cv2.subtract(cv2.add(raw, more[at]), less[at]), np.uint8)

    def no_signal(self, index: int = 0) -> Gray | None:
        """What the grabber gives while the C-arm's cable is out; None if nothing at all."""
        if self.card == "lost":
            return None
        canvas = np.full((self.height, self.width), 41 if self.card == "grey" else 0, np.uint8)
        if self.card == "bars":
            canvas[:] = np.repeat(np.linspace(235, 20, 8), -(-self.width // 8))[: self.width]
        if self.card == "text":
            at = self.width // 3, self.height // 2
            cv2.putText(canvas, "NO SIGNAL", at, cv2.FONT_HERSHEY_SIMPLEX, 2, 200, 3, cv2.LINE_AA)
        return self.grabbed(canvas, index)

    def to_raw(self, points: Points) -> Points:
        """Points (N, 2) of the C-arm's own picture, where the raw frame shows them."""
        x, y = np.asarray(points, float).T
        last = self.size - 1
        if self.mirror:
            x = last - x
        for _ in range(self.rotate // 90):
            x, y = y, last - x
        unit, middle = self.side / 2, (self.side - 1) / 2
        u, v = ((p + 0.5) * self.side / self.size - 0.5 - middle for p in (x, y))
        u, v = _distort(u / unit, v / unit, self.pincushion, self.s_shape)
        return np.stack([u * unit + middle + self.left, v * unit + middle + self.top], 1)

    def to_picture(self, points: Points) -> Points:
        """Points (N, 2) of the raw frame, where the C-arm's own picture has them."""
        unit, middle = self.side / 2, (self.side - 1) / 2
        u, v = ((np.asarray(points, float) - (self.left, self.top) - middle) / unit).T
        u, v = _undistort(u, v, self.pincushion, self.s_shape)
        x, y = ((p * unit + middle + 0.5) * self.size / self.side - 0.5 for p in (u, v))
        last = self.size - 1
        for _ in range(self.rotate // 90):
            x, y = last - y, x
        if self.mirror:
            x = last - x
        return np.stack([x, y], 1)


def _distort(u: Points, v: Points, k: float, s: float) -> tuple[Points, Points]:
    """Pincushion k and S shape s (radians at the rim); the unit circle stays in its place."""
    square = u * u + v * v
    grown, turn = (1 + k * square) / (1 + k), s * square
    c, d = grown * np.cos(turn), grown * np.sin(turn)
    return c * u - d * v, d * u + c * v


def _undistort(u: Points, v: Points, k: float, s: float) -> tuple[Points, Points]:
    """The inverse: Newton on the radius, then the turn back."""
    far = np.hypot(u, v) * (1 + k)
    radius = far / (1 + k)
    for _ in range(12):
        radius -= (radius + k * radius**3 - far) / (1 + 3 * k * radius**2)
    square = radius * radius
    shrunk, turn = (1 + k) / (1 + k * square), -s * square
    c, d = shrunk * np.cos(turn), shrunk * np.sin(turn)
    return c * u - d * v, d * u + c * v


@lru_cache(maxsize=2)
def _maps(side: int, k: float, s: float) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Fixed-point maps for cv2.remap: where each distorted pixel comes from."""
    unit, middle = side / 2, (side - 1) / 2
    v, u = (np.mgrid[:side, :side] - middle) / unit
    x, y = (np.asarray(p * unit + middle, np.float32) for p in _undistort(u, v, k, s))
    whole, part = cv2.convertMaps(x, y, cv2.CV_16SC2)
    return np.asarray(whole, np.int16), np.asarray(part, np.uint16)


@lru_cache(maxsize=4)
def iris(size: int) -> Gray:
    """(size, size) uint8: the round field, 255 inside, dark outside."""
    mask = np.full((size, size), SURROUND, np.uint8)
    middle = ((size - 1) * 8, (size - 1) * 8)
    cv2.circle(mask, middle, int(size * IRIS * 16), 255, -1, cv2.LINE_AA, 4)
    return mask


def _open_field(blades: tuple[tuple[float, float], ...], size: int) -> Points:
    """Corners of the open field in the C-arm's picture: the square, cut by every blade's line."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    for angle, distance in blades:
        normal = np.array([np.cos(angle), np.sin(angle)])
        kept: list[Points] = []
        for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
            one, other = distance - a @ normal, distance - b @ normal
            if one >= 0:
                kept.append(a)
            if (one >= 0) != (other >= 0):
                kept.append(a + (b - a) * one / (one - other))
        corners = np.array(kept)
    return np.asarray(corners * size / 2 + (size - 1) / 2)


@lru_cache(maxsize=2)
def _light(blades: tuple[tuple[float, float], ...], size: int) -> NDArray[np.float32]:
    """(size, size) float32: 1 in the open field, 0 behind the blades."""
    field = np.zeros((size, size), np.uint8)
    corners = np.round(_open_field(blades, size) * 16).astype(np.int32)
    cv2.fillConvexPoly(field, corners, 255, cv2.LINE_AA, 4)
    return field.astype(np.float32) / np.float32(255)


@lru_cache(maxsize=2)
def _letter(marker: Marker, size: int) -> Gray:
    """(size, size) uint8: 255 in the letter."""
    plane = np.zeros((size, size), np.uint8)
    font, height = cv2.FONT_HERSHEY_SIMPLEX, marker.height * size
    thick = max(round(height * 0.17), 1)
    scale = height / 21
    wide = cv2.getTextSize(marker.letter, font, scale, thick)[0][0]
    at = round(marker.x * size - wide / 2), round(marker.y * size + height / 2)
    cv2.putText(plane, marker.letter, at, font, scale, 255, thick, cv2.LINE_AA)
    return plane


@lru_cache(maxsize=4)
def _levels(black: int, white: int) -> Gray:
    """(256,) uint8: the raw level of every grey; twice compressed is twice rounded."""
    once = 16 + np.arange(256) * 219 / 255
    levels = {(0, 255): np.arange(256), (16, 235): once, (30, 218): 16 + once.round() * 219 / 255}
    return np.asarray(levels[black, white].round(), np.uint8)


@lru_cache(maxsize=1)
def _grain(deviation: float, shape: tuple[int, int]) -> tuple[Gray, Gray]:
    """What noise adds and takes away, 64 pixels larger than a frame: a frame is any part."""
    rng = np.random.default_rng(11)
    noise = rng.normal(0, deviation, (shape[0] + 64, shape[1] + 64)).round()
    return np.maximum(noise, 0).astype(np.uint8), np.maximum(-noise, 0).astype(np.uint8)
