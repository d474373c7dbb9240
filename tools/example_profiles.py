"""Makes the example profiles in calibration/examples: two common layouts, through `calibrate`.

    python -m tools.example_profiles

For each layout a simulated C-arm behind such a device is filmed (with a patient, a bead plate and
a ruler), and `orapp calibrate --batch` is run on the clips; what it assumes is drawn beside it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from orapp.calibrate.clip import frames_of
from orapp.calibrate.drawing import assumed
from orapp.calibrate.geometry import source_of
from orapp.frames import Gray
from orapp.settings import load_profile
from orapp.sources.setup import IRIS, Circle, DeviceSetup, Marker
from orapp.sources.setup_screen import Block
from orapp.sources.simulated import SimulatedRun, parse_options

SCENES = ("fracture", "plate", "ruler")
SECONDS, SIDE = 10.0, 440
BARE = replace(
    DeviceSetup.random(1),
    background=0,
    blanked=False,
    noise=0.0,
    blades=None,
    inverted=False,
    rotate=0,
    mirror=False,
    pincushion=0.0,
    s_shape=0.0,
    card="black",
)
ROUND = replace(
    BARE,
    width=1280,
    height=1024,
    side=1000,
    left=140,
    top=12,
    pad=(0, 1280),
    circle=Circle(639.5, 511.5, IRIS * 1000),
    blocks=(
        Block(14, 60, ("kV 72", "mA 3.1", "PULSE 8"), 18, 230),
        Block(14, 990, ("FLUORO", "HH:MM:SS"), 18, 230, label=0),
        Block(1150, 60, ("LUMBAR", "MAG 1"), 18, 230),
        Block(1214, 960, (), 70, 180, logo=1),
    ),
    hold_mark=Block(1180, 860, ("LIH",), 24, 255, 2),
    black=0,
    white=255,
    pincushion=0.045,
    s_shape=0.02,
    rate_hz=60.0,
    pulse_hz=15.0,
    marker=Marker("R", 0.24, 0.3),
)
FLAT = replace(
    BARE,
    width=1920,
    height=1080,
    side=1080,
    left=420,
    top=0,
    pad=(0, 1920),
    circle=None,
    blocks=(
        Block(40, 120, ("SPINE LAT", "kV 68", "mA 12.4"), 24, 230),
        Block(40, 980, ("DAP 12.4 cGycm2",), 20, 200),
        Block(1560, 120, ("HH:MM:SS",), 24, 230, label=0),
        Block(1640, 960, (), 90, 190, logo=3),
    ),
    hold_mark=Block(1560, 260, ("LIH",), 28, 255, 2),
    black=16,
    white=235,
    rate_hz=60.0,
    pulse_hz=15.0,
    marker=Marker("R", 0.16, 0.2),
)
LAYOUTS = {
    "round-field-1280x1024": (ROUND, "Round image-intensifier field, text on both sides"),
    "flat-panel-1920x1080": (FLAT, "Square flat panel in 1080p, side panels, limited range"),
}


def film(path: Path, device: DeviceSetup, scene: str) -> Path:
    """An FFV1 clip of a scene behind the device; the pedal is let go for the last two seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=round(device.rate_hz))
        stream.width, stream.height, stream.pix_fmt = device.width, device.height, "gray"
        for picture in _pictures(device, scene):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        out.mux(stream.encode())
    return path


def _pictures(device: DeviceSetup, scene: str) -> Iterator[Gray]:
    options = parse_options(f"simulated:?seed=7&rate={device.pulse_hz:g}&hold=off&scene={scene}")
    run = SimulatedRun(options)
    run.device = device  # has its own collimator
    patient = scene == "fracture"
    seconds = SECONDS if patient else 1.0
    last, shown = -1, None
    for n in range(round(seconds * device.rate_hz)):
        t = n / device.rate_hz
        held = patient and t > SECONDS - 2
        exposure = int(min(t, SECONDS - 2) * device.pulse_hz + 1e-6)
        if exposure != last:
            last, shown = exposure, device.project(run.picture(exposure))
        assert shown is not None
        yield device.finish(shown, t, held, n)


def make(name: str, out: Path) -> Path:
    """The layout's profile and its picture; returns the profile's path."""
    device, _ = LAYOUTS[name]
    profile = out / f"{name}.toml"
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        clips = {s: film(where / f"{s}.mkv", device, s) for s in SCENES}
        command = [sys.executable, "-m", "orapp", "calibrate", "--batch", "--force"]
        command += ["--source", f"file:{clips['fracture']}", "--seconds", f"{SECONDS}"]
        command += ["--plate", str(clips["plate"]), "--ruler", str(clips["ruler"])]
        subprocess.run([*command, "--out", profile], check=True, env=os.environ)
        frames = [raw for raw, _ in frames_of(source_of(str(clips["fracture"])), 3.0)]
    profile.with_name(profile.name + ".bak").unlink(missing_ok=True)
    _draw(profile, frames[-1])
    return profile


def _draw(profile: Path, raw: Gray) -> None:
    """What it assumes, in a file of some kB: less noise, and fewer grey levels."""
    site = load_profile(profile)
    assert site.picture is not None
    a, calm = site.picture.area, raw.copy()
    part = calm[a.y : a.y + a.height, a.x : a.x + a.width]
    part[:] = cv2.medianBlur(part, 5)
    page = assumed(calm, site, SIDE)
    few = np.where(np.ptp(page, axis=2, keepdims=True) < 12, page >> 3 << 3, page)
    encoded = cv2.imencode(".png", few[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    profile.with_suffix(".png").write_bytes(encoded.tobytes())


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("calibration/examples"))
    arguments.add_argument("--only", choices=sorted(LAYOUTS))
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in [given.only] if given.only else LAYOUTS:
        print(make(name, given.out))


if __name__ == "__main__":
    main()
