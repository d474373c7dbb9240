"""What a calibrated set-up costs in Dice: the shipped engine on frames as made, and as calibrated.

    python -m tools.calibration_dice --seeds 500000-500049

The same exposures of the simulated C-arm go through the Segmenter three times: as the C-arm makes
them; through a random set-up and the profile that was found for it (its area, grey range, polarity,
orientation, and distortion by a plate); and through the same with the true area, range and
polarity, which tells what the way itself costs (fewer pixels, text, noise) from what calibrating
it wrongly would. Outlines go back to the C-arm's picture and are compared with the same truth.
Where no marker told the orientation, it is set as a person would set it.
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from orapp.calibrate.findings import Findings
from orapp.calibrate.geometry import measured_plate
from orapp.calibrate.plate import NoPlate
from orapp.engines import Engine, EngineSpec, open_engine
from orapp.frames import Frame, Gray, Segmentation
from orapp.segment import Segmenter
from orapp.settings import Picture
from orapp.site import SiteMap
from orapp.sources.phantoms import draw_plate
from orapp.sources.setup import DeviceSetup
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.calibration_trial import clip_findings, seeds
from tools.evaluate_demo import dice

TIMES_S = (0.4, 3.0, 6.0, 9.0)
NAMES = ("made", "seen", "true")


@dataclass(frozen=True, slots=True)
class Dices:
    """Dice of one exposure: as the C-arm made it, as calibrated, and with the true profile."""

    made: float
    seen: float
    true: float


def truth_of(device: DeviceSetup) -> Any:
    """What a perfect calibration would find."""
    names = ["width", "height", "area", "circle", "text", "black", "white", "inverted"]
    names += ["rotate", "mirror"]
    return SimpleNamespace(**{name: getattr(device, name) for name in names})


def profile_picture(found: Any, device: DeviceSetup) -> Picture:
    """`[picture]` of what was found (`Findings`), with the distortion that a plate shows."""
    x, y, width, height = found.area
    circle = found.circle
    fields: dict[str, Any] = {
        "width": found.width,
        "height": found.height,
        "area": {"x": x, "y": y, "width": width, "height": height},
        "text": [dict(zip(("x", "y", "width", "height"), t, strict=True)) for t in found.text],
        "black": found.black,
        "white": found.white,
        "inverted": found.inverted,
        "rotate": device.rotate if found.rotate is None else found.rotate,
        "mirror": device.mirror if found.mirror is None else found.mirror,
    }
    if circle is not None:
        fields["circle"] = {"x": circle.x, "y": circle.y, "radius": circle.radius}
    rng = np.random.default_rng(device.seed)
    plate = draw_plate(device.size, rng).air(
        rng.standard_normal((device.size, device.size)).astype(np.float32)
    )
    raw = device.spoil(device.collimate(plate))
    with suppress(NoPlate):
        fields["distortion"] = measured_plate(raw.astype(np.float32), found).distortion()
    return Picture.model_validate(fields)


def dices(seed: int, found: Findings, engine: Engine) -> list[Dices]:
    """Some exposures of one run, each with its three Dice."""
    run = SimulatedRun(parse_options(f"simulated:?seed={seed + 1}&setup={seed}"))
    device = run.device
    assert device is not None
    sites = [SiteMap(profile_picture(one, device)) for one in (found, truth_of(device))]
    got = []
    for number, time_s in enumerate(TIMES_S):
        picture = run.picture(run.exposure_at(time_s))
        truth = run.truth(run.exposure_at(time_s)) > 127
        raw = device.spoil(picture, time_s, False, number)
        made = _drawn(Segmenter(engine).segment(_frame(picture, number)), truth.shape, lambda p: p)
        scores = [dice(made, truth)]
        for site in sites:
            seen = Segmenter(engine, site.boxes()).segment(_frame(site.apply(raw), number))
            scores.append(dice(_drawn(seen, truth.shape, partial(_back, device, site)), truth))
        got.append(Dices(*scores))
    return got


def _back(device: DeviceSetup, site: SiteMap, points: NDArray[np.float32]) -> NDArray[np.float64]:
    return device.to_picture(site.to_raw(points.astype(float)))


def _frame(pixels: Gray, number: int) -> Frame:
    return Frame(number, pixels, 0, number)


def _drawn(seen: Segmentation, shape: tuple[int, ...], place: Any) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    for outline in seen.outlines:
        cv2.fillPoly(mask, [np.round(place(outline.points)).astype(np.int32)], 1)
    return mask > 0


def compare(chosen: Sequence[int], seconds: float) -> tuple[float, float]:
    """Prints a line a seed; the mean Dice as made and as seen."""
    console, means = Console(highlight=False, soft_wrap=True), []
    with open_engine(EngineSpec("pfnet-lite", "openvino")) as engine:
        for seed in chosen:
            found = clip_findings(seed, seconds)
            got = dices(seed, found, engine)
            made, seen, true = (float(np.mean([getattr(d, k) for d in got])) for k in NAMES)
            means.append((made, seen, true))
            console.print(
                f"{seed}  as made {made:.4f}  calibrated {seen:.4f} ({seen - made:+.4f})  "
                f"with the true profile {true:.4f} ({true - made:+.4f})"
            )
    made, seen, true = (float(v) for v in np.mean(means, axis=0))
    lost = np.array(means)[:, 1] - np.array(means)[:, 0]
    rng = np.random.default_rng(0)
    again = lost[rng.integers(0, len(lost), (4000, len(lost)))].mean(axis=1)
    low, high = np.percentile(again, (2.5, 97.5))
    console.print(
        f"Dice as made {made:.4f}, calibrated {seen:.4f}: {seen - made:+.4f} "
        f"({low:+.4f} to {high:+.4f}, 95 %, over set-ups); with the true profile "
        f"{true - made:+.4f}; within 0.01 on {(abs(lost) <= 0.01).sum()} of {len(lost)}"
    )
    return made, seen


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=seeds, default="0-9", help="FIRST-LAST")
    arguments.add_argument("--seconds", type=float, default=5.0, help="length of each clip")
    given = arguments.parse_args()
    compare(given.seeds, given.seconds)


if __name__ == "__main__":
    main()
