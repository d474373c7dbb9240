"""Calibrates random simulated devices by the real command, and judges the profiles that it writes.

    python -m tools.batch_trial --seeds 800000-800049 --jobs 2

Each seed is a device between C-arm and grabber that was never seen before. `orapp calibrate
--batch` gets a clip of it, a plate where it is an image intensifier, and something to take the
spacing from: every second intensifier the plate itself, all other seeds cannula, ball and ruler in
turn. An object that can't be measured, since text, a blade or the marker lies over it, is shown
again elsewhere, as a person would. What was written is compared with the truth. Exit code 1 if a
profile is wrong.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from orapp.settings import SiteProfile, load_profile
from orapp.site import SiteMap
from orapp.sources.setup import DeviceSetup
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.calibration_trial import AREA_PX, IOU, iou, seeds
from tools.distorted import field_grid, left_over

MOST_PX, MOST_SPACING = 0.5, 0.02
THINGS = ("cannula", "ball", "ruler")
SCENES = {"cannula": "ball", "ball": "ball", "ruler": "ruler", "plate": "plate"}
WAIT_S = 600
SHOWINGS = 4
"""So often an object is shown."""


def thing_of(seed: int) -> str:
    """What the spacing of a seed's device is taken from."""
    return "plate" if seed % 4 == 0 else THINGS[seed // 2 % 3]


def uri(seed: int, scene: str = "", showing: int = 0) -> str:
    """A seed's C-arm through a seed's device."""
    shown = f"scene={scene}&" if scene else ""
    return f"simulated:?{shown}seed={seed + 1 + 1_000_000 * showing}&setup={seed}"


def calibrate(seed: int, out: Path, seconds: float, showing: int) -> str:
    """Runs the command; what it said against it, if anything."""
    words = ["--source", uri(seed), "--seconds", f"{seconds:g}", "--engine", "openvino"]
    if seed % 2 == 0:
        words += ["--plate", uri(seed, "plate")]
    thing = thing_of(seed)
    if thing != "plate":
        shown = uri(seed, SCENES[thing], showing)
        phantom = SimulatedRun(parse_options(shown)).phantom
        size_mm = {"cannula": phantom.cannula_mm, "ball": phantom.ball_mm}.get(thing)
        words += [f"--{thing}", shown]
        words += [] if size_mm is None else [f"--{thing}-mm", f"{size_mm:g}"]
    done = subprocess.run(
        [sys.executable, "-m", "orapp", "calibrate", "--batch", *words, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def judge(seed: int, profile: SiteProfile, showing: int) -> tuple[list[str], dict[str, float]]:
    """What is wrong, in words; and the figures: px of area, IoU, px of residual, spacing."""
    device, picture = DeviceSetup.random(seed), profile.picture
    assert picture is not None
    box = picture.area
    area = (box.x, box.y, box.x + box.width, box.y + box.height)
    x, y, w, h = device.area
    truth = x, y, x + w, y + h
    figures = {"area": float(max(abs(a - b) for a, b in zip(area, truth, strict=True)))}
    text = [(t.x, t.y, t.width, t.height) for t in picture.text]
    best = [max((iou(one, t) for t in text), default=0.0) for one in device.text]
    more = sum(max((iou(one, t) for one in device.text), default=0.0) < IOU for t in text)
    figures["text"] = min(best, default=1.0)
    about = profile.device
    checks = {
        "area": figures["area"] <= AREA_PX,
        "range": (picture.black, picture.white) == (device.black, device.white),
        "polarity": picture.inverted == device.inverted,
        "rate": (about.rate_hz, about.pulse_hz, about.repeats)
        == (device.rate_hz, device.pulse_hz, device.repeats),
        "text": figures["text"] >= IOU and not more,
    }
    checks |= _geometry(seed, device, profile, showing, figures)
    return [name for name, right in checks.items() if not right], figures


def _geometry(
    seed: int, device: DeviceSetup, profile: SiteProfile, showing: int, figures: dict[str, float]
) -> dict[str, bool]:
    """Distortion against the true map, and the spacing against the true one."""
    assert profile.picture is not None
    site, truth = SiteMap(profile.picture), field_grid(device.size)
    raw = device.to_raw(truth)
    inside = ((raw >= 0) & (raw <= (device.width - 1, device.height - 1))).all(axis=1)
    off, factor = left_over(truth[inside], site.to_site(raw[inside]))
    checks = {}
    if seed % 2 == 0:
        figures["residual"] = float(np.sqrt((off**2).mean()))
        checks["residual"] = figures["residual"] <= MOST_PX
    shown = uri(seed, SCENES[thing_of(seed)], showing if thing_of(seed) != "plate" else 0)
    mm = SimulatedRun(parse_options(shown)).phantom.mm_per_px
    told = profile.measures.mm_per_px
    figures["spacing"] = (told or 0.0) * factor / mm - 1
    return checks | {"spacing": abs(figures["spacing"]) <= MOST_SPACING}


def trial(seed: int, seconds: float) -> tuple[list[str], dict[str, float]]:
    """Calibrates and judges one seed; prints a line."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "site.toml"
        for showing in range(SHOWINGS):
            refused = calibrate(seed, out, seconds, showing)
            if not refused or thing_of(seed) == "plate":
                break
        wrong, figures = ([refused], {}) if refused else judge(seed, load_profile(out), showing)
    told = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
    told += f", shown {showing + 1} times" if showing else ""
    said = f"WRONG: {'; '.join(wrong)}" if wrong else "right"
    print(f"{seed}  {thing_of(seed):8}{told}  {said}", flush=True)
    return wrong, figures


def run(numbers: Iterable[int], seconds: float, jobs: int) -> bool:
    """All seeds, then the totals; whether all were right."""
    chosen = list(numbers)
    with ThreadPoolExecutor(jobs) as pool:
        done = list(pool.map(lambda seed: trial(seed, seconds), chosen))
    print(f"{sum(not wrong for wrong, _ in done)} of {len(done)} profiles are right")
    for name, unit in (("area", "px"), ("text", "IoU"), ("residual", "px"), ("spacing", "")):
        values = [abs(figures[name]) for _, figures in done if name in figures]
        if values:
            worst = min(values) if name == "text" else max(values)
            print(f"{name}: {len(values)} measured, p50 {np.median(values):.3g}, "
                  f"worst {worst:.3g} {unit}".rstrip())  # fmt: skip
    return not any(wrong for wrong, _ in done)


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=seeds, default="0-9", help="FIRST-LAST")
    arguments.add_argument("--seconds", type=float, default=8.0, help="length of each clip")
    arguments.add_argument("--jobs", type=int, default=1, help="commands at a time")
    given = arguments.parse_args()
    sys.exit(0 if run(given.seeds, given.seconds, given.jobs) else 1)


if __name__ == "__main__":
    main()
