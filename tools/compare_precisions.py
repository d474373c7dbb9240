"""The forms of a model side by side in OpenVINO: what int8 costs and what it saves.

    python -m tools.compare_precisions --data build/simulated/index.csv

On the external pictures of an index: Dice on fractured ones that are not occult (of the map at its
threshold), AUC of the judgement, and the time of one inference; the forms take turns.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from orapp.engines.openvino import OpenVinoEngine
from orapp.engines.trust import find_model, load_manifest
from orapp.machine import describe_machine
from tools.evaluate import auc
from tools.evaluate_demo import dice
from tools.pictures import Entry, load, read_index

PRECISIONS = ("fp32", "int8")


def compare(folder: Path, entries: list[Entry]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Per form: Dice, score and milliseconds of every picture."""
    manifest = load_manifest(folder)
    engines = {p: OpenVinoEngine(folder, manifest, p) for p in PRECISIONS}
    rows: dict[str, list[tuple[float, float, float]]] = {p: [] for p in PRECISIONS}
    for entry in track(entries, "pictures"):
        picture, mask, _ = load(entry, manifest.input_height)
        for precision, engine in engines.items():
            begin = time.perf_counter()
            seen = engine.infer(picture)
            took = 1000 * (time.perf_counter() - begin)
            found = seen.probability >= manifest.threshold * 255
            rows[precision].append((dice(found, mask > 127), seen.broken, took))
    names = ("dice", "score", "ms")
    return {p: dict(zip(names, np.array(r, float).T, strict=True)) for p, r in rows.items()}


def main() -> None:
    """Prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--model", default="pfnet-lite")
    given = arguments.parse_args()
    entries = [
        e
        for e in read_index(given.data)
        if e.split == "external" and e.kind != "other" and not e.occult
    ]
    broken = np.array([e.kind != "healthy" for e in entries])
    print("| | Dice, fractured | AUC | ms, p50 | ms, p99 |")
    print("|---|---|---|---|---|")
    for precision, seen in compare(find_model(given.model), entries).items():
        p50, p99 = np.percentile(seen["ms"], (50, 99))
        area = auc(seen["score"], broken)
        mean = seen["dice"][broken].mean()
        print(f"| {precision} | {mean:.4f} | {area:.4f} | {p50:.2f} | {p99:.2f} |")
    about = describe_machine()
    print(f"{len(entries)} external pictures; {about['cores']} cores of {about['cpu']}")


if __name__ == "__main__":
    main()
