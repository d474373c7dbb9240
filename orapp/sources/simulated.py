"""A simulated C-arm run: a real CT's projections, moved, breathed, exposed, and broken by a seed.

`simulated:?scene=fracture&seed=3&rate=15&video=60&size=1024&seconds=20&fault=unplug@5s-7s`
Deterministic: every picture follows from the options and its number alone.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp import barcode
from orapp.errors import OrappError, SignalLost
from orapp.frames import Gray, read_only
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.carm import Camera, CArm, Chain
from orapp.sources.pace import Pace
from orapp.sources.phantoms import PHANTOMS, draw_phantom
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
from orapp.sources.values import number, switch, whole, word

FAULTS = {"unplug": 2.0, "freeze": 6.0, "black": 2.0, "stall": 2.0, "resize": 1e9}
"""Kinds of fault, and how many seconds each lasts unless `@START-END` says otherwise."""
XRAY_S, HOLD_S = 12.0, 2.0
"""The pedal: so long on, so long off, in turns."""
TROCAR_START_S, TROCAR_S, TROCAR_REST_S = 2.5, 9.0, 8.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the video: kind, from and until when in seconds of the run."""

    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Options:
    """What the URI asks for.

    Attributes:
        scene: `fracture` or `healthy`; or `plate`, `ruler`, `ball` (`phantoms.py`), no patient.
        seed: chooses pose, level, fracture, motion and noise.
        rate: X-ray pulses per second.
        video: video frames per second, a multiple of `rate`; 0 is one frame per pulse.
        size: side of the square picture in pixels.
        seconds: length of the run; 0 is endless.
        hold: False keeps the pedal down all the time.
        trocar: False leaves the instrument out.
        plate: `beads` or `grid`, where the scene is a plate.
        code: True draws the video frame's number into it (`barcode.py`).
    """

    scene: str = "fracture"
    seed: int = 1
    rate: float = 15.0
    video: float = 0.0
    size: int = 1024
    seconds: float = 0.0
    hold: bool = True
    trocar: bool = True
    plate: str = "beads"
    code: bool = False
    faults: tuple[Fault, ...] = field(default=())


def _faults(text: str) -> tuple[Fault, ...]:
    return tuple(_fault(one) for one in text.split(","))


def _fault(text: str) -> Fault:
    given = re.fullmatch(r"([a-z]+)@([0-9.]+)s?(?:-([0-9.]+)s?)?", text)
    try:
        if given is None or given[1] not in FAULTS:
            raise ValueError
        start = float(given[2])
        end = float(given[3]) if given[3] else start + FAULTS[given[1]]
        if end <= start:
            raise ValueError
    except ValueError:
        what = f"KIND@START or KIND@START-END in seconds, KIND one of {', '.join(FAULTS)}"
        raise ValueError(what) from None
    return Fault(given[1], start, end)


PARSERS: dict[str, Callable[[str], object]] = {
    "scene": word("fracture", "healthy", *PHANTOMS),
    "plate": word("beads", "grid"),
    "seed": whole(0, 2**31),
    "rate": number(0.5, 60),
    "video": number(0, 120),
    "size": whole(128, 2160),
    "seconds": number(0, 86400),
    "hold": switch,
    "trocar": switch,
    "code": switch,
    "fault": _faults,
}


def parse_options(uri: str) -> Options:
    """Options of a `simulated:` URI; raises OrappError with the option that is wrong."""
    given: dict[str, object] = {}
    for name, text in parse_qsl(uri.partition(":")[2].lstrip("?"), keep_blank_values=True):
        if name not in PARSERS:
            raise OrappError(
                f"'{name}' is not an option of simulated:", f"use one of {', '.join(PARSERS)}"
            )
        try:
            given["faults" if name == "fault" else name] = PARSERS[name](text)
        except ValueError as error:
            raise OrappError(f"'{name}={text}' can't be simulated", f"it takes {error}") from None
    options = Options(**given)  # type: ignore[arg-type]
    times = options.video / options.rate
    if options.video and (times < 1 or round(times, 6) % 1):
        raise OrappError(
            f"video={options.video:g} is not a multiple of rate={options.rate:g}",
            "choose one, such as video=60 with rate=15",
        )
    if options.code and options.size < barcode.LEAST_SIDE:
        raise OrappError(
            f"size={options.size} is too small for a code", f"choose {barcode.LEAST_SIDE} or more"
        )
    return options


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
        self._iris = self._collimator(options.size)

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
            return np.asarray(cv2.min(self.phantom.air(noise), self._iris), np.uint8)
        breath = 3.0 / CANVAS_MM * np.sin(2 * np.pi * t / 4.2 + self._rng_phase[2])
        camera = self.camera(exposure)
        metal = self._trocar(t, camera) if self.options.trocar else None
        shown = self.arm.picture(camera, size, noise, float(breath), metal)
        return np.asarray(cv2.min(shown, self._iris), np.uint8)

    def truth(self, exposure: int, bodies: bool = False) -> Gray:
        """(size, size) uint8, 255 inside the broken body, seen in this exposure."""
        if self.phantom is not None:
            return np.zeros_like(self._iris)
        mask = self.arm.truth(self.camera(exposure), self.options.size, bodies)
        return np.asarray(np.where(self._iris > 128, mask, 0), np.uint8)

    @staticmethod
    def _collimator(size: int) -> Gray:
        """The round field: 255 inside, dark outside."""
        iris = np.full((size, size), 8, np.uint8)
        middle = ((size - 1) * 8, (size - 1) * 8)
        cv2.circle(iris, middle, int(size * 0.497 * 16), 255, -1, cv2.LINE_AA, 4)
        return iris

    def _trocar(self, t: float, camera: Camera) -> Plane | None:
        """Log attenuation of a needle on its way from the back into the body."""
        period = TROCAR_START_S + TROCAR_S + TROCAR_REST_S
        way = np.clip((t % period - TROCAR_START_S) / TROCAR_S, 0, 1)
        if way <= 0:
            return None
        return trocar(self.spine.focus, self.spine.rear, way, camera, self.options.size)


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
        elif self._fault("unplug", self._now_s()):
            raise SignalLost("the simulated C-arm is unplugged", "plug it in again")
        elif self._paced:
            self._index = int(self._now_s() * self._rate) + 1
        o = self._options
        what = self._run.fracture
        text = f"{what.law} fracture of {what.level}, {what.loss:.0%}" if what else o.scene
        about = f"simulated C-arm, seed {o.seed}, {text}, {o.rate:g} pulses/s, CT projections"
        return SourceFormat(o.size, o.size, self._rate, about, finite=False)

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
        if self._fault("unplug", t):
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
            self._shown = number, self._run.picture(number)
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
        pixels = self._exposure(self._run.exposure_at(t)).copy()
        if self._fault("black", t):
            pixels[:] = 0
        else:
            self._burn(pixels, t)
        if self._options.code:
            barcode.draw(pixels, self._index)
        if self._fault("resize", t):
            side = self._options.size * 5 // 8
            pixels = np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))
        return read_only(pixels)

    def _burn(self, pixels: Gray, t: float) -> None:
        """The C-arm's own text: what it is, a running clock, the hold mark."""
        scale, size = pixels.shape[0] / 1024, pixels.shape[0]
        clock = f"{int(t) // 60:02d}:{int(t) % 60:02d}.{int(t * 10) % 10}"
        held = self._options.hold and t % (XRAY_S + HOLD_S) >= XRAY_S
        lines = [("SIMULATED", 24, 40), (clock, 24, 76)]
        if held:
            lines.append(("LIH", size - round(90 * scale), 40))
        for text, x, y in lines:
            at = (x if x > 24 else round(24 * scale), round(y * scale))
            cv2.putText(
                pixels, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, 190, 1, cv2.LINE_AA
            )
