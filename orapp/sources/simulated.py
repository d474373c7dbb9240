"""A simulated C-arm run: a real CT's projections, moved, breathed, exposed, and broken by a seed.

`simulated:?scene=fracture&seed=3&rate=15&video=60&size=1024&seconds=20&fault=unplug@5s-7s`
Deterministic: every picture follows from the options and its number alone.
"""

import time
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp import barcode
from orapp.errors import SignalLost
from orapp.frames import Gray, read_only
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.carm import Camera, CArm, Chain
from orapp.sources.pace import Pace
from orapp.sources.phantoms import PHANTOMS, draw_phantom
from orapp.sources.setup import DeviceSetup, iris
from orapp.sources.simulated_options import Options as Options
from orapp.sources.simulated_options import parse_options as parse_options
from orapp.sources.spine import (
    CANVAS,
    CANVAS_MM,
    Fracture,
    Plane,
    build,
    draw_fracture,
    load_layers,
    shipped_poses,
)

XRAY_S, HOLD_S = 12.0, 2.0
"""The pedal: so long on, so long off, in turns."""
TROCAR_START_S, TROCAR_S, TROCAR_REST_S = 2.5, 9.0, 8.0


class SimulatedRun:
    """Every picture of a run by its number, without clock or faults, with the truth beside it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        rng = np.random.default_rng([options.seed, 77])
        poses = shipped_poses()
        layers = load_layers(poses[int(rng.integers(len(poses)))])
        broken = draw_fracture(layers, rng) if options.scene == "fracture" else None
        asked = options.scene, options.size, options.seed, options.plate
        self.phantom = draw_phantom(*asked) if options.scene in PHANTOMS else None
        self.spine = build(layers, broken, rng)
        self._rng_phase = rng.uniform(0, 2 * np.pi, 6)
        self._camera = aim(
            self.spine.focus, rng.uniform(120, 145), rng.uniform(-0.1, 0.1), rng, spread=0.22
        )
        self.arm = CArm(self.spine, Chain(), self._camera)
        side = options.size + 64
        self._noise = rng.standard_normal((side, side)).astype(np.float32)
        self._noise = cv2.GaussianBlur(self._noise, (0, 0), 0.6) * np.float32(2.0)
        self.device = device_of(options)
        self._seen = self.device.seen() if self.device else iris(options.size)

    @property
    def fracture(self) -> Fracture | None:
        """What is broken in this run."""
        return self.spine.fracture

    def exposure_at(self, time_s: float) -> int:
        """Number of the exposure that is on the screen at a time of the run."""
        pulse = int(time_s * self.options.rate + 1e-6)
        if not self.options.hold:
            return pulse
        on, cycle = round(XRAY_S * self.options.rate), round((XRAY_S + HOLD_S) * self.options.rate)
        return pulse // cycle * on + min(pulse % cycle, on - 1)

    def pulse_time(self, exposure: int) -> float:
        """Time of the run at which an exposure was made, in seconds."""
        if not self.options.hold:
            return exposure / self.options.rate
        on = round(XRAY_S * self.options.rate)
        held = exposure // on * round(HOLD_S * self.options.rate)
        return (exposure + held) / self.options.rate

    def camera(self, exposure: int) -> Camera:
        """Where the C-arm looks: it wanders by some mm and a degree."""
        t, phase = self.pulse_time(exposure), self._rng_phase
        wander = np.array([np.sin(t / 2.1 + phase[0]), np.sin(t / 2.9 + phase[1])]) * 2.5
        wander[1] += 0.8 * np.sin(2 * np.pi * t / 4.2 + phase[2])
        angle = self._camera.angle + 0.012 * np.sin(t / 3.7 + phase[3])
        return Camera(self._camera.centre + wander / CANVAS_MM, self._camera.field_mm, angle)

    def picture(self, exposure: int) -> Gray:
        """(size, size) uint8, the exposure without the burned-in clock."""
        size, t = self.options.size, self.pulse_time(exposure)
        rng = np.random.default_rng([self.options.seed, exposure])
        x, y = rng.integers(0, 64, 2)
        noise = self._noise[y : y + size, x : x + size]
        if self.phantom is not None:
            return self._collimated(self.phantom.air(noise))
        breath = 3.0 / CANVAS_MM * np.sin(2 * np.pi * t / 4.2 + self._rng_phase[2])
        camera = self.camera(exposure)
        metal = self._trocar(t, camera) if self.options.trocar else None
        shown = self.arm.picture(camera, size, noise, float(breath), metal)
        return self._collimated(shown)

    def _collimated(self, shown: Gray) -> Gray:
        if self.device is not None:
            return self.device.collimate(shown)
        return np.asarray(cv2.min(shown, self._seen), np.uint8)

    def truth(self, exposure: int, bodies: bool = False) -> Gray:
        """(size, size) uint8, 255 inside the broken body, seen in this exposure."""
        if self.phantom is not None:
            return np.zeros_like(self._seen)
        mask = self.arm.truth(self.camera(exposure), self.options.size, bodies)
        return np.asarray(np.where(self._seen > 128, mask, 0), np.uint8)

    def _trocar(self, t: float, camera: Camera) -> Plane | None:
        """Log attenuation of a needle on its way from the back into the body."""
        period = TROCAR_START_S + TROCAR_S + TROCAR_REST_S
        way = np.clip((t % period - TROCAR_START_S) / TROCAR_S, 0, 1)
        if way <= 0:
            return None
        return trocar(self.spine.focus, self.spine.rear, way, camera, self.options.size)


def device_of(options: Options) -> DeviceSetup | None:
    """The device between C-arm and grabber, timed as the options say; None if there is none."""
    if options.setup is None:
        return None
    device = DeviceSetup.random(options.setup, options.size)
    return replace(device, rate_hz=options.video or options.rate, pulse_hz=options.rate)


def aim(
    focus: NDArray[np.float64],
    field_mm: float,
    angle: float,
    rng: np.random.Generator,
    spread: float,
) -> Camera:
    """A camera that has the focus in view, up to `spread` of the field off its middle.

    It never looks beyond the canvas: the centre gives way.
    """
    off = rng.uniform(-spread, spread, 2) * field_mm / CANVAS_MM
    reach = field_mm / CANVAS_MM / 2 + 14
    centre = np.clip(focus + off, reach, CANVAS - 1 - reach)
    return Camera(centre, field_mm, angle)


def trocar(
    focus: NDArray[np.float64],
    rear: NDArray[np.float64],
    way: float,
    camera: Camera,
    size: int,
    slant: float = 0.35,
) -> Plane:
    """(size, size) float32 log attenuation of a 3 mm needle.

    Args:
        focus: middle of the body, canvas pixels.
        rear: unit vector to the patient's back.
        way: 0 is 55 mm behind the body's middle, 1 is 6 mm in front of it.
        camera: where the C-arm looks.
        size: side of the picture in pixels.
        slant: how far the needle comes from above, as the sine's part of its direction.
    """
    direction = rear + slant * np.array([0.0, -1.0])
    direction /= np.linalg.norm(direction)
    tip = focus + direction * ((1 - way) * 55.0 - 6.0) / CANVAS_MM
    affine = camera.affine(size)
    to_picture = np.linalg.inv(affine[:, :2])
    a = to_picture @ (tip - affine[:, 2])
    b = to_picture @ (tip + direction * 400 / CANVAS_MM - affine[:, 2])
    plane = np.zeros((size, size), np.uint8)
    width = max(round(3.0 / camera.field_mm * size), 1)
    ends = [tuple(int(v) for v in np.clip(p * 16, -(2**30), 2**30)) for p in (a, b)]
    cv2.line(plane, ends[0], ends[1], 255, width, cv2.LINE_AA, 4)
    return plane.astype(np.float32) * np.float32(1.1 / 255)


class SimulatedSource:
    """The simulated C-arm as a source; faults happen at their time of the run."""

    def __init__(self, uri: str, paced: bool = True) -> None:
        self.uri = uri
        self._options = parse_options(uri)
        self._paced = paced
        self._run: SimulatedRun | None = None
        self._rate = self._options.video or self._options.rate
        self._pace = Pace(paced)
        self._index = 0
        self._shown: tuple[int, Gray] | None = None
        self._last: Gray | None = None
        self._started_ns = 0
        self._ahead_ms = 0.0

    def open(self) -> SourceFormat:
        """Starts the run, or joins it again after an unplug; the run's clock never stops."""
        if self._run is None:
            self._run = SimulatedRun(self._options)
            self._prepare()
            self._pace.start()
            self._started_ns = time.monotonic_ns()
        elif self._fault("unplug", self._now_s()) and self._card() is None:
            raise SignalLost("the simulated C-arm is unplugged", "plug it in again")
        elif self._paced:
            self._index = int(self._now_s() * self._rate) + 1
        o = self._options
        what = self._run.fracture
        text = f"{what.law} fracture of {what.level}, {what.loss:.0%}" if what else o.scene
        about = f"simulated C-arm, seed {o.seed}, {text}, {o.rate:g} pulses/s, CT projections"
        if self._run.device is not None:
            about += f", seen through set-up {o.setup}"
        width, height = self._size
        return SourceFormat(width, height, self._rate, about, finite=False)

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture at its time; a stalled source gives None."""
        if self._run is None:
            raise SignalLost("the simulated C-arm is not open", "open it first")
        t = self._index / self._rate
        if self._options.seconds and t >= self._options.seconds:
            raise EndOfSource
        if not self._pace.wait_until(t * 1000 - self._ahead_ms, timeout_ms):
            return None
        picture = self._made(t)
        if not self._pace.wait_until(t * 1000, timeout_ms):
            return None
        if self._fault("unplug", t) and self._card() is None:
            raise SignalLost("the simulated C-arm is unplugged", "plug it in again")
        self._index += 1
        if self._fault("stall", t):
            return None
        self._last = picture
        return Picture(picture, t * 1000)

    def close(self) -> None:
        """Nothing to release; the run goes on, as a C-arm does behind a pulled cable."""

    def truth(self, exposure: int) -> Gray:
        """(size, size) uint8: 255 inside the broken body of that exposure; for tests."""
        if self._run is None:
            self._run = SimulatedRun(self._options)
        return self._run.truth(exposure)

    def _now_s(self) -> float:
        if self._paced:
            return (time.monotonic_ns() - self._started_ns) / 1e9
        self._index += 1
        return self._index / self._rate

    def _fault(self, kind: str, t: float) -> bool:
        return any(f.kind == kind and f.start_s <= t < f.end_s for f in self._options.faults)

    def _prepare(self) -> None:
        """The first picture before the clock starts, so that it is in time."""
        self._made(0)

    def _exposure(self, number: int) -> Gray:
        assert self._run is not None
        if self._shown is None or self._shown[0] != number:
            picture, device = self._run.picture(number), self._run.device
            self._shown = number, device.project(picture) if device else picture
        return self._shown[1]

    def _made(self, t: float) -> Gray:
        """The picture for a time, begun as late as it may: the engine has the last one now."""
        begun_ns = time.monotonic_ns()
        picture = self._picture(t)
        took_ms = (time.monotonic_ns() - begun_ns) / 1e6
        self._ahead_ms = max(1.5 * took_ms, 0.9 * self._ahead_ms)
        return picture

    def _picture(self, t: float) -> Gray:
        """What the video shows at a time of the run: made ahead, so that reading is prompt."""
        assert self._run is not None
        if self._fault("freeze", t) and self._last is not None:
            return self._last
        pixels = self._screen(t)
        if self._options.code:
            barcode.draw(pixels, self._index)
        if self._fault("resize", t):
            height, width = (side * 5 // 8 for side in pixels.shape)
            pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
        return read_only(pixels)

    def _screen(self, t: float) -> Gray:
        assert self._run is not None
        card, device = self._card(), self._run.device
        if card is not None and self._fault("unplug", t):
            return card
        if self._fault("black", t):
            width, height = self._size
            return np.zeros((height, width), np.uint8)
        shown = self._exposure(self._run.exposure_at(t))
        if device is not None:
            return device.finish(shown, t, self._held(t), self._index)
        pixels = shown.copy()
        self._burn(pixels, t)
        return pixels

    @property
    def _size(self) -> tuple[int, int]:
        """Width and height of the video."""
        assert self._run is not None
        device, side = self._run.device, self._options.size
        return (device.width, device.height) if device else (side, side)

    def _card(self) -> Gray | None:
        """What the grabber shows without a signal, if it shows anything."""
        device = self._run.device if self._run else None
        return device.no_signal(self._index) if device else None

    def _held(self, t: float) -> bool:
        return self._options.hold and t % (XRAY_S + HOLD_S) >= XRAY_S

    def _burn(self, pixels: Gray, t: float) -> None:
        """The C-arm's own text: what it is, a running clock, the hold mark."""
        scale, size = pixels.shape[0] / 1024, pixels.shape[0]
        clock = f"{int(t) // 60:02d}:{int(t) % 60:02d}.{int(t * 10) % 10}"
        lines = [("SIMULATED", 24, 40), (clock, 24, 76)]
        if self._held(t):
            lines.append(("LIH", size - round(90 * scale), 40))
        for text, x, y in lines:
            at = (x if x > 24 else round(24 * scale), round(y * scale))
            cv2.putText(
                pixels, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, 190, 1, cv2.LINE_AA
            )
