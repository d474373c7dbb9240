"""Training and test images of the simulated C-arm: twins that differ in the fracture alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.sources.carm import Camera, CArm, Chain
from orapp.sources.simulated import aim, trocar
from orapp.sources.spine import Layers, Plane, build, draw_fracture, load_layers

RENDER = 512
"""Side at which pictures are made before they are resized to the network, as in the app."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with its truth.

    Attributes:
        image: (h, h) uint8.
        masks: (2, h, h) uint8 0 or 255: the broken body, all bodies.
        law: wedge, biconcave, crush, or healthy.
        level: the body in focus.
        loss: loss of height, 0 if healthy.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    law: str
    level: str
    loss: float


class Samples:
    """Endless pairs (fractured, healthy) from some layer files; deterministic by seed."""

    def __init__(self, files: list[Path], seed: int, size: int, broad: bool = True) -> None:
        self._layers = [load_layers(path) for path in files]
        self._seed, self._size, self._broad = seed, size, broad
        rng = np.random.default_rng(seed)
        self._noise = rng.standard_normal((RENDER * 2, RENDER * 2)).astype(np.float32)

    def __iter__(self) -> Iterator[Sample]:
        number = 0
        while True:
            yield from self.pairs(number)
            number += 1

    def pairs(self, number: int) -> Iterator[Sample]:
        """Two spines, one broken, each seen by the same cameras: 2 x 3 pictures."""
        rng = np.random.default_rng([self._seed, number])
        layers = self._layers[int(rng.integers(len(self._layers)))]
        fracture = draw_fracture(layers, rng)
        shape, eyes = int(rng.integers(2**31)), int(rng.integers(2**31))
        for broken in (fracture, None):
            yield from self._seen(layers, broken, fracture.level, shape, eyes)

    def _seen(
        self, layers: Layers, broken: object, level: str, shape: int, eyes: int
    ) -> Iterator[Sample]:
        spine = build(layers, broken, np.random.default_rng(shape), focus_on=level)  # type: ignore[arg-type]
        rng = np.random.default_rng(eyes)
        chain = self._chain(rng)
        middle = next(b.centre for b in layers.bodies if b.level == level)
        first = self._camera(middle, rng)
        arm = CArm(spine, chain, first)
        law = spine.fracture.law if spine.fracture else "healthy"
        loss = spine.fracture.loss if spine.fracture else 0.0
        for camera in (first, self._camera(middle, rng), self._camera(middle, rng)):
            image, masks = self._expose(arm, camera, rng)
            yield Sample(image, masks, law, level, loss)

    def _chain(self, rng: np.random.Generator) -> Chain:
        if not self._broad:
            return replace(Chain(), noise=4.0)
        return Chain(
            bone=rng.uniform(1.8, 2.7),
            harmonise=rng.uniform(0.65, 0.85),
            sharpen=rng.uniform(0.1, 0.8),
            noise=rng.uniform(2.0, 9.0),
            blur_mm=rng.uniform(0.15, 0.45),
        )

    def _camera(self, middle: NDArray[np.float64], rng: np.random.Generator) -> Camera:
        field = rng.uniform(115, 150) if self._broad else rng.uniform(120, 145)
        spread = rng.uniform(0.05, 0.36)
        return aim(middle, field, rng.uniform(-0.13, 0.13), rng, spread)

    def _expose(
        self, arm: CArm, camera: Camera, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        x, y = rng.integers(0, RENDER, 2)
        noise = self._noise[y : y + RENDER, x : x + RENDER]
        breath = rng.uniform(-10, 10)
        image = arm.picture(camera, RENDER, noise, breath, self._metal(arm, camera, rng))
        masks = [arm.truth(camera, RENDER), arm.truth(camera, RENDER, bodies=True)]
        if rng.uniform() < 0.75:
            self._burn_in(image, masks, rng)
        if self._broad:
            image = self._develop(image, rng)
        small = (self._size, self._size)
        planes = [cv2.resize(p, small, interpolation=cv2.INTER_AREA) for p in (image, *masks)]
        return planes[0], np.where(np.stack(planes[1:]) > 127, 255, 0).astype(np.uint8)

    @staticmethod
    def _metal(arm: CArm, camera: Camera, rng: np.random.Generator) -> Plane | None:
        kind = rng.uniform()
        if kind < 0.35:
            return None
        at = arm.spine.focus + rng.normal(0, 12, 2)
        return trocar(at, arm.spine.rear, rng.uniform(0, 1), camera, RENDER, rng.uniform(-0.3, 0.6))

    @staticmethod
    def _burn_in(
        image: NDArray[np.uint8], masks: list[NDArray[np.uint8]], rng: np.random.Generator
    ) -> None:
        iris = np.zeros((RENDER, RENDER), np.uint8)
        radius = int(RENDER * rng.uniform(0.46, 0.55))
        cv2.circle(iris, (RENDER // 2, RENDER // 2), radius, 255, -1)
        for plane in (image, *masks):
            plane[iris == 0] = 0
        for row in range(2):
            text = "".join(chr(c) for c in rng.integers(48, 90, 8))
            cv2.putText(image, text, (10, 20 + 18 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 190, 1)

    @staticmethod
    def _develop(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        gamma, gain, lift = rng.uniform(0.75, 1.35), rng.uniform(0.75, 1.2), rng.uniform(-20, 20)
        table = 255 * (np.arange(256) / 255) ** gamma
        table = np.clip((table - 128) * gain + 128 + lift, 0, 255).astype(np.uint8)
        shown = cv2.LUT(image, table)
        if rng.uniform() < 0.3:
            shown = cv2.GaussianBlur(shown, (0, 0), rng.uniform(0.5, 1.5))
        return np.asarray(shown, np.uint8)


def ellipse(size: int) -> NDArray[np.bool_]:
    """The fixed central ellipse that every Dice is printed beside: a body's mean size."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    return (x / 0.13) ** 2 + (y / 0.085) ** 2 <= 1
