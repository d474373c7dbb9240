"""Measures a model on simulated C-arm runs: poses and seeds that training never sees.

    python -m tools.evaluate_demo --seeds 60 --out docs/measurements/pfnet-lite.json

For each seed a fractured and a healthy run go through the same Segmenter as in the app, some
exposures each (before, while and after the trocar comes). Every Dice stands beside that of a fixed
central ellipse on the same pictures. What counts as outlined is what the surgeon would see.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from orapp.engines import EngineSpec, open_engine
from orapp.frames import Frame, Segmentation
from orapp.segment import Segmenter
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.train import ellipse

FIRST_SEED = 100_000
"""Seeds of the evaluation; the app's own are small numbers, training has layers of its own."""
EXPOSURES = (0, 60, 110, 170)


@dataclass(frozen=True, slots=True)
class Case:
    """One picture of one run: its Dice (None if healthy), the ellipse's, the score, outlined."""

    scene: str
    law: str
    dice: float | None
    fixed: float | None
    score: float
    outlined: bool


def cases(segmenter: Segmenter, seeds: int, size: int = 1024) -> Iterator[Case]:
    """Every picture of the evaluation."""
    fixed = ellipse(size)
    for seed in track(range(FIRST_SEED, FIRST_SEED + seeds), description="runs"):
        for scene in ("fracture", "healthy"):
            run = SimulatedRun(parse_options(f"simulated:?scene={scene}&seed={seed}&size={size}"))
            for exposure in EXPOSURES:
                frame = Frame(exposure, run.picture(exposure), 0, exposure)
                yield _case(scene, run, exposure, segmenter.segment(frame), fixed)


def _case(
    scene: str, run: SimulatedRun, exposure: int, seen: Segmentation, fixed: NDArray[np.bool_]
) -> Case:
    law = run.fracture.law if run.fracture else "healthy"
    if run.fracture is None:
        return Case(scene, law, None, None, seen.score, bool(seen.outlines))
    truth = run.truth(exposure) > 127
    drawn = np.zeros(truth.shape, np.uint8)
    for outline in seen.outlines:
        cv2.fillPoly(drawn, [np.round(outline.points).astype(np.int32)], 1)
    return Case(
        scene, law, dice(drawn > 0, truth), dice(fixed, truth), seen.score, bool(seen.outlines)
    )


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|), 1 if both are empty."""
    both = int(a.sum()) + int(b.sum())
    return 2 * float((a & b).sum()) / both if both else 1.0


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Area under the ROC curve, as the Mann-Whitney statistic."""
    more = (positive[:, None] > negative[None]).mean()
    return float(more + 0.5 * (positive[:, None] == negative[None]).mean())


def summary(rows: list[Case]) -> dict[str, float | int]:
    """The figures that go into the manifest and the card."""
    broken = [r for r in rows if r.scene == "fracture"]
    healthy = [r for r in rows if r.scene == "healthy"]
    found = np.array([r.dice for r in broken], float)
    by_law = {
        f"dice_{law}": float(np.mean([r.dice for r in broken if r.law == law]))
        for law in sorted({r.law for r in broken})
    }
    return {
        "pictures_fractured": len(broken),
        "pictures_healthy": len(healthy),
        "dice_mean": float(found.mean()),
        "dice_p10": float(np.percentile(found, 10)),
        **by_law,
        "dice_central_ellipse": float(np.mean([r.fixed for r in broken])),
        "fractured_outlined": float(np.mean([r.outlined for r in broken])),
        "healthy_outlined": float(np.mean([r.outlined for r in healthy])),
        "image_auc": auc(np.array([r.score for r in broken]), np.array([r.score for r in healthy])),
    }


def main() -> None:
    """Prints the figures, and writes them if asked to."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="pfnet-lite")
    arguments.add_argument("--engine", default="openvino")
    arguments.add_argument("--seeds", type=int, default=60)
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    with open_engine(EngineSpec(given.model, given.engine)) as engine:
        figures = summary(list(cases(Segmenter(engine), given.seeds)))
    text = json.dumps({k: round(v, 4) for k, v in figures.items()}, indent=2)
    print(text)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
