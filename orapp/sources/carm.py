"""The simulated C-arm's image chain: line integrals in, 8-bit pictures out.

Attenuation is Beer-Lambert in the log domain, so harmonisation (a part of the low frequencies is
taken away, as flat-panel C-arms do) and edge enhancement are linear and done once per spine; each
frame is then two warps, quantum noise and the collimator.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray
from orapp.sources.spine import CANVAS, CANVAS_MM, Plane, Spine

WATER_PER_MM = 0.0195
"""Attenuation of water at about 70 keV, 1/mm (NIST XCOM: 0.193 to 0.197 1/cm)."""


@dataclass(frozen=True, slots=True)
class Chain:
    """How this C-arm makes a picture.

    Attributes:
        bone: how much more bone attenuates per mm of water than water.
        harmonise: part of the low frequencies that is taken away, 0 to 1.
        sharpen: strength of edge enhancement.
        noise: standard deviation of quantum noise in grey levels, where attenuation is the mean.
        blur_mm: focal spot and motion, standard deviation.
    """

    bone: float = 2.2
    harmonise: float = 0.75
    sharpen: float = 0.4
    noise: float = 7.0
    blur_mm: float = 0.25


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the C-arm looks: canvas pixel in the picture's middle, field in mm, angle, mirror."""

    centre: NDArray[np.float64]
    field_mm: float
    angle: float = 0.0
    mirror: bool = False

    def affine(self, size: int) -> NDArray[np.float64]:
        """(2, 3): picture pixel -> canvas pixel, for a square picture of `size`."""
        scale = self.field_mm / CANVAS_MM / size
        flip = -1.0 if self.mirror else 1.0
        c, s = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[c * flip, -s], [s * flip, c]])
        middle = np.full(2, (size - 1) / 2)
        return np.column_stack([turn, self.centre - turn @ middle])


class CArm:
    """A spine in front of an image chain; `picture` is deterministic for its arguments.

    The two canvases (background, bodies) are grey values: darker is more attenuation. The window
    is set once, over the field that `camera` shows, so that pictures of a run don't flicker.
    """

    def __init__(self, spine: Spine, chain: Chain, camera: Camera) -> None:
        self.spine = spine
        self.chain = chain
        back: Plane = np.float32(WATER_PER_MM) * (spine.soft + np.float32(chain.bone) * spine.bone)
        column: Plane = np.float32(WATER_PER_MM * chain.bone) * spine.column
        thick = cv2.resize(back + column, (90, 90), interpolation=cv2.INTER_AREA)
        self._thick = np.asarray(thick, np.float32)
        self._back, self._column = self._process(back), self._process(column)
        shown = self._warp(self._back + self._column, camera, 128)
        low, high = np.percentile(shown[16:-16, 16:-16], (2, 98))
        self._gain = 190.0 / max(float(high - low), 1e-3)
        self._level = float(low + high) / 2

    def _process(self, plane: Plane) -> Plane:
        """Blur, edge enhancement and harmonisation of one log-attenuation canvas."""
        sharp = cv2.GaussianBlur(plane, (0, 0), max(self.chain.blur_mm / CANVAS_MM, 0.3))
        sharp = sharp + self.chain.sharpen * (sharp - cv2.GaussianBlur(sharp, (0, 0), 4))
        small = cv2.resize(plane, (90, 90), interpolation=cv2.INTER_AREA)
        low = cv2.resize(cv2.GaussianBlur(small, (0, 0), 6), (CANVAS, CANVAS))
        return np.asarray(sharp - self.chain.harmonise * low, np.float32)

    @staticmethod
    def _warp(plane: Plane, camera: Camera, size: int) -> Plane:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(
            plane, camera.affine(size), (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(moved, np.float32)

    def picture(
        self,
        camera: Camera,
        size: int,
        noise: Plane,
        breath_px: float = 0.0,
        metal: Plane | None = None,
    ) -> Gray:
        """One picture.

        Args:
            camera: where the C-arm looks.
            size: side of the square picture in pixels.
            noise: (size, size) float32, standard normal.
            breath_px: how far the background has moved down the canvas, in canvas pixels.
            metal: (size, size) float32 log attenuation of instruments, or None.

        Returns:
            (size, size) uint8; bone and metal are dark.
        """
        still = Camera(camera.centre - (0, breath_px), camera.field_mm, camera.angle, camera.mirror)
        log = self._warp(self._back, still, size) + self._warp(self._column, camera, size)
        log -= self._level
        if metal is not None:
            log += metal
        log *= -self._gain
        log += 128.0
        log += noise * self._noise_map(camera, size)
        return np.clip(log, 0, 255, out=log).astype(np.uint8)

    def _noise_map(self, camera: Camera, size: int) -> Plane:
        """Grey levels of noise: photons fall with attenuation, noise in the log domain rises."""
        side = max(size // 8, 8)
        scale = Camera(camera.centre / 8, camera.field_mm / 8, camera.angle, camera.mirror)
        thick = self._warp(self._thick, scale, side)
        relative = np.exp(np.clip(thick - float(thick.mean()), -2.0, 2.0) / 2)
        grown = cv2.resize((self.chain.noise * relative).astype(np.float32), (size, size))
        return np.asarray(grown, np.float32)

    def truth(self, camera: Camera, size: int, bodies: bool = False) -> Gray:
        """(size, size) uint8, 255 inside the broken body (or inside any body)."""
        plane = self.spine.bodies if bodies else self.spine.fractured
        return np.asarray(np.where(self._warp(plane, camera, size) > 0.5, 255, 0), np.uint8)
