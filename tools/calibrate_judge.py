r"""Calibrates the judgements of trained weights on validation, and finds the thresholds to ship.

    python -m tools.calibrate_judge --data build/simulated/index.csv \
        --weights build/train/weights.safetensors --out build/calibrated

Platt's method (1999): a logistic regression on each logit, both classes weighing the same. Writes
weights.safetensors, and thresholds.json for tools/export_onnx.py: a fracture is outlined from the
judgement on that is best on validation (Youden), a view is supported from the one on that 99 of
100 validation spines reach.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from orapp.pfnet.export import standardise
from tools.comparators import NETWORKS, forward
from tools.evaluate import SIDE, best_threshold, drawn_others, least_spine
from tools.pictures import load, read_index


def platt(logit: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Gain and shift that make sigmoid(gain * logit + shift) a probability, at even odds.

    Targets are Platt's, a little inside 0 and 1, so that classes that can be parted stay finite.
    """
    ill, well = int(positive.sum()), int((~positive).sum())
    x = torch.from_numpy(logit)
    t = torch.from_numpy(np.where(positive, (ill + 1) / (ill + 2), 1 / (well + 2)))
    weight = torch.from_numpy(np.where(positive, 0.5 / ill, 0.5 / well) * len(logit))
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        out = F.binary_cross_entropy_with_logits(line[0] * x + line[1], t, weight)
        out.backward()
        return out

    optimiser.step(loss)
    gain, shift = line.tolist()
    return gain, shift


def judge(name: str, weights: dict[str, torch.Tensor], stored: NDArray[np.uint8]) -> NDArray:
    """(N, 2) logits of (N, 3, SIDE, SIDE) uint8."""
    network = NETWORKS[name]()
    network.load_state_dict(weights)
    network.eval()
    with torch.no_grad():
        rows = [
            forward(network, standardise(torch.from_numpy(p[None, :1])))[1][0].double().numpy()
            for p in track(stored, "judging")
        ]
    return np.array(rows)


def calibrate(
    logits: NDArray[np.float64],
    broken: NDArray[np.bool_],
    healthy: NDArray[np.bool_],
    spine: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]:
    """Gain and shift of both judgements, and the thresholds on what they then say."""
    told = broken | healthy
    lines = np.array([platt(logits[told, 0], broken[told]), platt(logits[:, 1], spine)])
    said = 1 / (1 + np.exp(-(logits * lines[:, 0] + lines[:, 1])))
    thresholds = {
        "least_broken": round(best_threshold(said[told, 0], broken[told]), 4),
        "least_spine": round(least_spine(said[spine, 1]), 4),
    }
    return lines[:, 0], lines[:, 1], thresholds


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--network", default="pfnet-lite")
    arguments.add_argument("--out", type=Path, required=True)
    given = arguments.parse_args()
    entries = [e for e in read_index(given.data) if e.split == "val"]
    drawn = drawn_others(seed=11)
    stored = np.concatenate([np.stack([load(e, SIDE) for e in track(entries, "reading")]), drawn])
    kind = np.array([e.kind for e in entries] + ["other"] * len(drawn))
    occult = np.array([e.occult for e in entries] + [False] * len(drawn))
    spine = kind != "other"
    broken = spine & (kind != "healthy") & ~occult & stored[:, 1].any((1, 2))
    weights = load_file(given.weights)
    for name, value in (("gain", 1.0), ("shift", 0.0)):
        weights[f"judge.{name}"] = torch.full((2,), value)
    logits = judge(given.network, weights, stored)
    gain, shift, thresholds = calibrate(logits, broken, kind == "healthy", spine)
    weights["judge.gain"] = torch.from_numpy(gain).float()
    weights["judge.shift"] = torch.from_numpy(shift).float()
    given.out.mkdir(parents=True, exist_ok=True)
    save_file(weights, given.out / "weights.safetensors")
    (given.out / "thresholds.json").write_text(json.dumps(thresholds, indent=1) + "\n")
    print(f"gain {gain.round(3)}, shift {shift.round(3)}, {thresholds}")


if __name__ == "__main__":
    main()
