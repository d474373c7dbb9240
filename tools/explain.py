r"""Grad-CAM of what the judgement looks at, on hits and misses: one picture for docs/evaluation.

    python -m tools.explain --data build/simulated/index.csv --out docs/evaluation/gradcam.jpg \
        --weights build/calibrated/weights.safetensors

Grad-CAM (Selvaraju et al. 2017) through monai, of the logit that a body is broken, on the features
at stride 16 of the backbone. Pictures are external ones: for each kind of answer (hit, miss, false
alarm, healthy and told so) those of the clearest judgement.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file

from orapp.pfnet.explain import grad_cam
from orapp.pfnet.export import standardise
from orapp.pfnet.network import PFNet
from orapp.pfnet.variants import pfnet_lite
from tools.comparators import forward
from tools.evaluate import SIDE, best_threshold
from tools.pictures import Entry, load, read_index

TRUTH, FOUND = (0, 120, 255), (255, 200, 0)
"""Orange, blue; BGR."""


def tile(network: PFNet, planes: NDArray[np.uint8], words: str) -> NDArray[np.uint8]:
    """(SIDE, 3 SIDE, 3) uint8: the picture, its outlines (truth, found), the heat map over it."""
    x = standardise(torch.from_numpy(planes[None, :1]))
    with torch.no_grad():
        found = (forward(network, x)[0][-1][0, 0].numpy() > 0).astype(np.uint8)
    plain = cv2.cvtColor(planes[0], cv2.COLOR_GRAY2BGR)
    drawn = plain.copy()
    for mask, colour in ((planes[1], TRUTH), (found, FOUND)):
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, colour, 1)
    level = grad_cam(network, planes[0])
    coloured = cv2.addWeighted(plain, 0.5, cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), 0.5, 0)
    at = (4, SIDE - 6)
    cv2.putText(drawn, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 220, 220), 1, cv2.LINE_AA)
    return np.asarray(np.hstack([plain, drawn, coloured]), np.uint8)


def clearest(
    entries: Sequence[Entry], score: NDArray[np.float64], threshold: float, count: int
) -> list[tuple[int, str]]:
    """Picture numbers and what the judgement was; one picture of a patient at most per kind."""
    broken = np.array([e.kind != "healthy" for e in entries])
    kinds = {
        "hit": (broken & (score >= threshold), -score),
        "miss": (broken & (score < threshold), score),
        "false alarm": (~broken & (score >= threshold), -score),
        "healthy": (~broken & (score < threshold), score),
    }
    chosen: list[tuple[int, str]] = []
    for kind, (those, order) in kinds.items():
        seen: set[str] = set()
        for k in np.argsort(order):
            if those[k] and entries[k].patient not in seen and len(seen) < count:
                seen.add(entries[k].patient)
                chosen.append((int(k), kind))
    return chosen


def main() -> None:
    """Writes the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--count", type=int, default=4, help="pictures of each kind")
    given = arguments.parse_args()
    entries = [
        e
        for e in read_index(given.data)
        if e.split in ("val", "external") and e.kind != "other" and not e.occult
    ]
    network = pfnet_lite(judges=True)
    network.load_state_dict(load_file(given.weights))
    network.eval()
    stored = [load(e, SIDE) for e in track(entries, "reading")]
    with torch.no_grad():
        batches = (torch.from_numpy(p[None, :1]) for p in stored)
        score = np.array([float(forward(network, standardise(b))[1][0, 0]) for b in batches])
    validation = np.array([e.split == "val" for e in entries])
    broken = np.array([e.kind != "healthy" for e in entries])
    threshold = best_threshold(score[validation], broken[validation])
    outside = np.flatnonzero(~validation)
    those = [entries[k] for k in outside]
    tiles = []
    for k, kind in clearest(those, score[outside], threshold, given.count):
        e = those[k]
        tiles.append(tile(network, stored[outside[k]], f"{kind}: {e.centre} {e.view} {e.kind}"))
    if len(tiles) % 2:
        tiles.append(np.zeros_like(tiles[0]))
    page = np.vstack([np.hstack(tiles[k : k + 2]) for k in range(0, len(tiles), 2)])
    given.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.out), page, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
