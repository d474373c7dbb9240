"""What a `simulated:` URI asks for."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from orapp import barcode
from orapp.errors import OrappError
from orapp.sources.phantoms import PHANTOMS
from orapp.sources.setup import DeviceSetup
from orapp.sources.values import number, switch, whole, word

FAULTS = {"unplug": 2.0, "freeze": 6.0, "black": 2.0, "stall": 2.0, "resize": 1e9}
"""Kinds of fault, and how many seconds each lasts unless `@START-END` says otherwise."""


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
        setup: seed of the device between C-arm and grabber (`DeviceSetup`); None is none. It says
            `rate` and `video` too, where the URI doesn't.
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
    setup: int | None = None
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
    "setup": whole(0, 2**31),
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
    if options.setup is not None and not given.keys() & {"rate", "video"}:
        device = DeviceSetup.random(options.setup, options.size)
        options = replace(options, rate=device.pulse_hz, video=device.rate_hz)
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
