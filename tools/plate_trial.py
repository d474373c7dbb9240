"""Tries plate, ruler, ball and cannula on seeds against the truth: `python -m tools.plate_trial`.

Exit code 1 if a plate's correction is off by more than 0.5 px (root mean square over the round
field, against the true map), or a spacing by more than 2 %.
"""

import argparse
import sys
from dataclasses import dataclass

import cv2
import numpy as np

from orapp.calibrate.plate import PlateFit, fit_plate
from orapp.calibrate.spacing import Spacing, from_ball, from_cannula, from_plate, from_ruler
from orapp.errors import OrappError
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.distorted import Intensifier, field_grid, left_over, undistorted

MOST_PX, MOST_SPACING = 0.5, 0.02
SIZES = (512, 640, 768)
FRAMES = 4


@dataclass(frozen=True)
class PlateTrial:
    """One plate: what is left against the truth, in px, and the spacing's error as a part of it."""

    seed: int
    kind: str
    size: int
    rms_px: float
    p95_px: float
    largest_px: float
    spacing_error: float
    fit: PlateFit


def try_plate(seed: int) -> PlateTrial:
    """A seed's plate through a seed's image intensifier (each fifth is a flat panel)."""
    size, kind = SIZES[seed % 3], ("beads", "grid")[seed % 2]
    run = _run("plate", seed, size, f"&plate={kind}")
    bend = Intensifier.random(seed, size) if seed % 5 else Intensifier.none(size)
    frames = [bend.bend(run.picture(exposure)) for exposure in range(FRAMES)]
    fit = fit_plate(np.mean(np.stack(frames).astype(np.float32), axis=0))
    clean = field_grid(size, 0.6)
    raw = bend.to_raw(clean)
    seen = np.hypot(*(raw - (size - 1) / 2).T) < 0.49 * size
    off, factor = left_over(clean[seen], undistorted(fit, raw[seen]))
    error = from_plate(fit).mm_per_px * factor / run.phantom.mm_per_px - 1
    rms, p95 = float(np.sqrt((off**2).mean())), float(np.percentile(off, 95))
    return PlateTrial(seed, kind, size, rms, p95, float(off.max()), float(error), fit)


def try_spacings(seed: int) -> dict[str, tuple[float, float] | str]:
    """By what: the spacing's error and its stated SD, as parts of it; or why there is none."""
    size = SIZES[seed % 3]
    ruler, ball = _run("ruler", seed, size), _run("ball", seed, size)
    shown = ball.picture(0)
    ways = {
        "ruler": (ruler, lambda: from_ruler(ruler.picture(0))),
        "ball": (ball, lambda: from_ball(shown, ball.phantom.ball_mm)),
        "cannula": (ball, lambda: from_cannula(shown, ball.phantom.cannula_mm)),
    }
    return {name: _tried(run.phantom.mm_per_px, way) for name, (run, way) in ways.items()}


def _tried(truth: float, way) -> tuple[float, float] | str:
    try:
        found: Spacing = way()
    except OrappError as error:
        return str(error)
    return found.mm_per_px / truth - 1, found.uncertainty / found.mm_per_px


def _run(scene: str, seed: int, size: int, more: str = "") -> SimulatedRun:
    return SimulatedRun(parse_options(f"simulated:?scene={scene}&seed={seed}&size={size}{more}"))


def _plates(seeds: range, picture: str | None) -> bool:
    done = []
    for seed in seeds:
        try:
            one = try_plate(seed)
        except OrappError as error:
            print(f"{seed}: {error}", flush=True)
            return False
        done.append(one)
        print(
            f"{seed} {one.kind} {one.size}: {one.rms_px:.2f} px, p95 {one.p95_px:.2f}, largest "
            f"{one.largest_px:.2f}; spacing {one.spacing_error:+.2%}; {one.fit.text}",
            flush=True,
        )
        if picture and seed == seeds[0]:
            crop = _run("plate", seed, one.size, f"&plate={one.kind}").picture(0)
            cv2.imwrite(picture, one.fit.picture(crop)[..., ::-1])
    for name in ("rms_px", "p95_px", "largest_px", "spacing_error"):
        values = np.abs([getattr(one, name) for one in done])
        print(f"{name}: p50 {np.median(values):.4f}, max {values.max():.4f}")
    return all(o.rms_px <= MOST_PX and abs(o.spacing_error) <= MOST_SPACING for o in done)


def _spacings(seeds: range) -> bool:
    done: dict[str, list[tuple[float, float]]] = {}
    good = True
    for seed in seeds:
        for name, said in try_spacings(seed).items():
            if isinstance(said, str):
                print(f"{seed} {name}: {said}", flush=True)
                good = False
                continue
            done.setdefault(name, []).append(said)
            good &= abs(said[0]) <= MOST_SPACING
    for name, pairs in done.items():
        error, sd = np.array(pairs).T
        print(
            f"{name}: {len(pairs)} of {len(seeds)} measured; error p50 {np.median(abs(error)):.2%},"
            f" max {abs(error).max():.2%}; stated SD p50 {np.median(sd):.2%}; within 2 SD "
            f"{(abs(error) < 2 * sd).mean():.0%}"
        )
    return good


def main() -> int:
    """Tries the seeds, and says whether all hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--only", choices=["plates", "spacings"])
    parser.add_argument("--picture", help="where the first plate's residual is drawn (PNG)")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    good = True
    if given.only != "spacings":
        good &= _plates(seeds, given.picture)
    if given.only != "plates":
        good &= _spacings(seeds)
    print("all hold" if good else "NOT all hold")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
