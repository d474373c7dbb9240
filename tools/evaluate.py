"""Compares trained networks on the same pictures: tables, ROC curves, learning curves.

    python -m tools.evaluate --data build/simulated/index.csv --out docs/evaluation \
        --weights pfnet-lite=build/train/weights.safetensors unet=build/unet/weights.safetensors

What each figure is: Dice, IoU and HD95 (95th percentile of the Hausdorff distance, in pixels of
the network's map) are of the fracture's mask on pictures that show a fracture which is not occult;
pixel accuracy counts all pixels of all pictures; sensitivity, specificity, accuracy and AUC are
per picture, from the network's judgement, at the threshold that is best on validation (Youden).
Intervals are 95 %, from 1000 bootstrap samples of patients. An index with runs gets a second
table, of how steady the outline is from frame to frame (run_figures.py). Where the index has no
pictures for validation, the thresholds are those beside the weights: `thresholds.json` (of
tools.calibrate_judge) or `manifest.toml` (of a model).
"""

import argparse
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file

from orapp.errors import OrappError
from orapp.outline import find_outlines
from orapp.pfnet.export import standardise
from tools.bootstrap import interval
from tools.comparators import NETWORKS, default_device, forward, giga_macs
from tools.curves import draw_curves
from tools.others import draw_other
from tools.pictures import Entry, load, read_index
from tools.run_figures import run_table, steadiness
from tools.speed import speed
from tools.train import ellipse

mpl.use("Agg")
from matplotlib import pyplot as plt

SIDE = 256
LEAST_AREA = 0.002
"""Smallest outline, as a part of the picture's area: the shipped model's."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one network said about every picture.

    Attributes:
        name: of the network.
        gmac: its cost on one picture, 1e9 multiplications and additions.
        dice, iou, hd95: per picture; NaN where nothing is broken, HD95 also where nothing is found.
        pixels: part of the pixels that are right.
        bodies: Dice of all vertebral bodies.
        score: judgement that a body is broken, 0 to 1.
        spine: judgement that it is a spine, 0 to 1.
        drawn: the map holds an object that is large enough to be outlined.
    """

    name: str
    gmac: float
    dice: NDArray[np.float64]
    iou: NDArray[np.float64]
    hd95: NDArray[np.float64]
    pixels: NDArray[np.float64]
    bodies: NDArray[np.float64]
    score: NDArray[np.float64]
    spine: NDArray[np.float64]
    drawn: Flags


def see(name: str, weights: Path, stored: NDArray[np.uint8]) -> Seen:
    """Runs a trained network on (N, 3, SIDE, SIDE) uint8."""
    torch.backends.cudnn.allow_tf32 = False  # a GPU's figures are those of a CPU
    device = default_device()
    network = NETWORKS[name]().to(device)
    cost = giga_macs(network)
    network.load_state_dict(load_file(weights))
    network.eval()
    rows = []
    with torch.no_grad():
        for planes in track(stored, name):
            image = torch.from_numpy(planes[None, :1]).to(device)
            outputs, judged = forward(network, standardise(image))
            found = outputs[-1][0].cpu().numpy() > 0
            shown = find_outlines(np.uint8(255) * found[0], 0.5, LEAST_AREA, found[0].shape)
            judgement = torch.sigmoid(judged[0]).tolist()
            rows.append((*_compare(found, planes[1:] > 127), *judgement, bool(shown)))
    *columns, drawn = np.array(rows, float).T
    return Seen(name, cost, *columns, drawn > 0)


def _compare(found: Flags, truth: Flags) -> tuple[float, float, float, float, float]:
    """Dice, IoU, HD95 of the fracture; pixel accuracy; Dice of all bodies."""
    both, either = (found[0] & truth[0]).sum(), (found[0] | truth[0]).sum()
    broken = truth[0].any()
    dice = 2 * both / (both + either) if broken else np.nan
    hd95 = np.nan
    if broken and found[0].any():
        planes = (torch.from_numpy(p[0])[None, None].float() for p in (found, truth))
        hd95 = float(compute_hausdorff_distance(*planes, include_background=True, percentile=95))
    bodies = 2 * (found[1] & truth[1]).sum() / max(found[1].sum() + truth[1].sum(), 1)
    return (
        dice,
        both / either if broken else np.nan,
        hd95,
        float((found[0] == truth[0]).mean()),
        float(bodies),
    )


def auc(score: NDArray[np.float64], broken: Flags) -> float:
    """Area under the ROC curve, as the Mann-Whitney statistic."""
    positive, negative = score[broken][:, None], score[~broken][None]
    return float((positive > negative).mean() + 0.5 * (positive == negative).mean())


def roc(score: NDArray[np.float64], broken: Flags) -> tuple[NDArray[np.float64], ...]:
    """False positive rate, true positive rate and threshold, from strict to lax."""
    order = np.argsort(-score)
    hits = np.cumsum(broken[order]) / max(broken.sum(), 1)
    alarms = np.cumsum(~broken[order]) / max((~broken).sum(), 1)
    return np.r_[0, alarms], np.r_[0, hits], np.r_[np.inf, score[order]]


def best_threshold(score: NDArray[np.float64], broken: Flags) -> float:
    """Where sensitivity + specificity is highest (Youden 1950)."""
    alarms, hits, thresholds = roc(score, broken)
    return float(thresholds[int(np.argmax(hits - alarms))])


def least_spine(spine: NDArray[np.float64]) -> float:
    """The judgement that 99 of 100 spines reach: below it, a view is not supported."""
    return float(np.percentile(spine, 1))


def figures(
    seen: Seen, entries: Sequence[Entry], chosen: Flags, threshold: float
) -> dict[str, list[float]]:
    """Each figure with its interval, on the chosen pictures: [value, low, high]."""
    at = np.flatnonzero(chosen)
    patients = [f"{entries[k].centre}/{entries[k].patient}" for k in at]
    broken = np.array([entries[k].kind != "healthy" for k in at])
    shown = broken & np.array([not entries[k].occult for k in at]) & ~np.isnan(seen.dice[at])
    score, alarm = seen.score[at], seen.score[at] >= threshold

    def mean_of(values: NDArray[np.float64], over: Flags) -> Callable[[NDArray[np.int_]], float]:
        return lambda k: float(np.nanmean(values[at][k][over[k]])) if over[k].any() else np.nan

    everything = np.ones_like(broken)
    judged = shown | ~broken
    statistics: dict[str, Callable[[NDArray[np.int_]], float]] = {
        "dice": mean_of(seen.dice, shown),
        "iou": mean_of(seen.iou, shown),
        "hd95_px": mean_of(seen.hd95, shown),
        "pixel_accuracy": mean_of(seen.pixels, everything),
        "bodies_dice": mean_of(seen.bodies, everything),
        "sensitivity": lambda k: float(alarm[k][shown[k]].mean()) if shown[k].any() else np.nan,
        "specificity": lambda k: float((~alarm[k][~broken[k]]).mean()),
        "accuracy": lambda k: float((alarm[k] == broken[k])[judged[k]].mean()),
        "auc": lambda k: auc(score[k][judged[k]], broken[k][judged[k]]),
    }
    every = np.arange(len(at))
    return {
        name: [value(every), *interval(value, patients)] for name, value in statistics.items()
    } | {"pictures": [float(len(at))] * 3, "fractured_shown": [float(shown.sum())] * 3}


def groups(entries: Sequence[Entry]) -> dict[str, Flags]:
    """The groups of pictures that get a row each; all of spines."""
    split = np.array([e.split if e.kind != "other" else "" for e in entries])
    out = {"validation": split == "val"} if (split == "val").any() else {}
    out["external"] = split == "external"
    external = split == "external"
    for key in ("centre", "view", "scene"):
        values = np.array([getattr(e, key) for e in entries])
        for value in sorted(set(values[external])):
            out[f"external, {key} {value}"] = external & (values == value)
    return out


def table(name: str, rows: dict[str, dict[str, list[float]]], fixed: dict[str, float]) -> str:
    """Markdown: a row per group, value and interval in each cell."""
    columns = list(next(iter(rows.values())))
    shown = [c for c in columns if c not in ("pictures", "fractured_shown")]
    lines = [
        f"### {name}",
        "",
        "| | pictures | " + " | ".join(shown) + " | dice of a central ellipse |",
        "|---" * (len(shown) + 3) + "|",
    ]
    for group, row in rows.items():
        cells = [f"{row[c][0]:.3f} ({row[c][1]:.3f}-{row[c][2]:.3f})" for c in shown]
        lines.append(
            f"| {group} | {row['pictures'][0]:.0f} | "
            + " | ".join(cells)
            + f" | {fixed[group]:.3f} |"
        )
    return "\n".join(lines) + "\n"


def draw_roc(all_seen: Sequence[Seen], entries: Sequence[Entry], out: Path) -> None:
    """One panel for all external centres, one for each."""
    external = {k: v for k, v in groups(entries).items() if k == "external" or "centre" in k}
    figure, axes = plt.subplots(1, len(external), figsize=(3.6 * len(external), 3.8), squeeze=False)
    for axis, (name, chosen) in zip(axes[0], external.items(), strict=True):
        judged = chosen & np.array([e.kind == "healthy" or not e.occult for e in entries])
        broken = np.array([e.kind != "healthy" for e in entries])[judged]
        for seen in all_seen:
            alarms, hits, _ = roc(seen.score[judged], broken)
            area = auc(seen.score[judged], broken)
            axis.plot(alarms, hits, label=f"{seen.name} {area:.3f}")
        axis.plot([0, 1], [0, 1], ":", color="grey")
        axis.set(title=name, xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
        axis.legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(out / "roc.png", dpi=110)
    plt.close(figure)


def thresholds(seen: Seen, entries: Sequence[Entry], weights: Path) -> tuple[float, float]:
    """From which judgements on a body is broken, and a view is supported."""
    validation = np.array([e.split == "val" and e.kind != "other" for e in entries])
    broken = np.array([e.kind != "healthy" for e in entries])
    told = validation & ~(broken & np.array([e.occult for e in entries]))
    if (told & broken).any() and (told & ~broken).any():
        best = best_threshold(seen.score[told], broken[told])
        return best, least_spine(seen.spine[validation])
    for name, read in (("thresholds.json", json.loads), ("manifest.toml", tomllib.loads)):
        if (file := weights.with_name(name)).is_file():
            found = read(file.read_text())
            return float(found["least_broken"]), float(found["least_spine"])
    raise OrappError(
        "the index has no pictures for validation, and no thresholds lie beside the weights",
        "add some with split 'val', or run tools.calibrate_judge",
    )


def spine_table(
    seen: Seen, entries: Sequence[Entry], weights: Path, least: float
) -> tuple[str, dict]:
    """How often spines are supported, and pictures of no spine are not."""
    other = np.array([e.kind == "other" for e in entries])
    split = np.array([e.split for e in entries])
    drawn = see(seen.name, weights, drawn_others()).spine
    external = split == "external"
    kinds = {"external spines": seen.spine[external & ~other], "drawn, of no spine": drawn}
    for view in sorted({e.view for e in entries if e.kind == "other"}):
        chosen = other & np.array([e.view == view for e in entries])
        kinds[f"the same CT, {view}"] = seen.spine[chosen & (split != "train")]
    rows = {k: [len(v), float((v >= least).mean())] for k, v in kinds.items() if len(v)}
    nothing = np.concatenate([v for k, v in kinds.items() if k != "external spines"])
    both = np.concatenate([kinds["external spines"], nothing])
    area = auc(both, np.arange(len(both)) < len(kinds["external spines"]))
    lines = [
        f"### {seen.name}: is it a spine?",
        "",
        f"AUC {area:.3f}; a view is supported from {least:.3f} on (99 of 100 validation spines).",
        "",
        "| pictures | | supported |",
        "|---|---|---|",
        *(f"| {name} | {count} | {part:.3f} |" for name, (count, part) in rows.items()),
    ]
    return "\n".join(lines) + "\n", {"auc": area, "least_spine": least, "supported": rows}


def drawn_others(count: int = 300, seed: int = 7) -> NDArray[np.uint8]:
    """(count, 3, SIDE, SIDE): drawn pictures of no spine; the masks are empty."""
    rng = np.random.default_rng(seed)
    planes = np.zeros((count, 3, SIDE, SIDE), np.uint8)
    for p in planes:
        p[0] = draw_other(SIDE, rng)
    return planes


def main() -> None:
    """Writes table.md, figures.json, roc.png and learning.png; --speed prints times."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, help="index.csv")
    arguments.add_argument("--out", type=Path, default=Path("docs/evaluation"))
    arguments.add_argument("--weights", nargs="+", metavar="NETWORK=FILE")
    arguments.add_argument("--speed", action="store_true", help="times pfnet-lite against PFNet")
    given = arguments.parse_args()
    if given.speed:
        print(speed())
    if given.data is not None and given.weights:
        try:
            evaluate(given)
        except OrappError as error:
            arguments.exit(2, f"{error}\n")
    elif not given.speed:
        arguments.error("give --data and --weights, or --speed")


def evaluate(given: argparse.Namespace) -> None:
    """Everything that needs pictures."""
    given.out.mkdir(parents=True, exist_ok=True)
    entries = [e for e in read_index(given.data) if e.split != "train"]
    stored = np.stack([load(e, SIDE) for e in track(entries, "reading")])
    files = {name: Path(file) for name, file in (w.split("=", 1) for w in given.weights)}
    all_seen = [see(name, file, stored) for name, file in files.items()]
    broken = np.array([e.kind not in ("healthy", "other") for e in entries])
    shown = broken & np.array([not e.occult for e in entries])
    central = ellipse(SIDE)
    fixed = np.array([_compare(np.stack([central] * 2), p[1:] > 127)[0] for p in stored])
    chosen = groups(entries)
    ellipses = {name: float(np.nanmean(fixed[where & shown])) for name, where in chosen.items()}
    report, text = {}, ""
    for seen in all_seen:
        threshold, least = thresholds(seen, entries, files[seen.name])
        rows = {g: figures(seen, entries, where, threshold) for g, where in chosen.items()}
        spines, spine_figures = spine_table(seen, entries, files[seen.name], least)
        report[seen.name] = {
            "gmac": seen.gmac,
            "threshold": threshold,
            "groups": rows,
            "spine": spine_figures,
        }
        text += table(f"{seen.name} ({seen.gmac:.2f} GMAC)", rows, ellipses) + "\n"
        text += spines + "\n"
        outlined = seen.drawn & (seen.score >= threshold) & (seen.spine >= least)
        outside = np.flatnonzero(chosen["external"])
        there = [entries[k] for k in outside]
        if steady := steadiness(there, outlined[outside], seen.dice[outside]):
            run_text, report[seen.name]["runs"] = run_table(seen.name, steady)
            text += run_text + "\n"
    (given.out / "table.md").write_text(text)
    (given.out / "figures.json").write_text(json.dumps(report, indent=1) + "\n")
    draw_roc(all_seen, entries, given.out)
    logs = {n: log for n, f in files.items() if (log := f.with_name("log.jsonl")).exists()}
    if logs:
        draw_curves(logs, given.out / "learning.png")
    print(text)


if __name__ == "__main__":
    main()
