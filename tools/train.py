"""Trains a network on an index of pictures; resumable.

    python -m tools.train --data build/simulated/index.csv --out build/train --minutes 120

Every check prints, for the pictures of the validation split, Dice on fractures beside that of a
fixed central ellipse, the image-level AUC, and the Dice of all bodies; it saves the weights and
what it needs to go on (safetensors), and draws the learning curves. It takes the GPU where torch
finds one.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from orapp.errors import OrappError
from orapp.pfnet.export import standardise
from tools.comparators import NETWORKS, default_device, device_of, forward
from tools.curves import draw_curves
from tools.others import draw_other
from tools.pictures import STORED, Entry, augment, load, read_index, thinned, without_spine
from tools.steps import Steps

OTHERS = 0.15
"""Drawn pictures of no spine for each picture of the index."""


class Stream(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Augmented pictures without end: (1, h, h), masks (2, h, h), and (broken, spine).

    Pictures of the same patient and view follow each other and are augmented alike: a fractured
    spine and its healthy twin then differ in the fracture alone, in one batch.
    """

    def __init__(
        self, stored: NDArray[np.uint8], entries: Sequence[Entry], side: int, seed: int
    ) -> None:
        self.stored, self.side, self.seed = stored, side, seed
        self.entries = entries
        together: dict[tuple[str, str, str], list[int]] = {}
        for k, e in enumerate(entries):
            together.setdefault((e.centre, e.patient, e.view), []).append(k)
        elsewhere = [g for g in together.values() if entries[g[0]].kind == "other"]
        self.groups = [*together.values(), *elsewhere]  # twice as often

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        while True:
            for group in rng.permutation(len(self.groups)):
                alike = int(rng.integers(2**31))
                for k in self.groups[group]:
                    spine = self.entries[k].kind != "other"
                    same = np.random.default_rng(alike)
                    planes = augment(self.stored[k], self.side, same, 1.35 if spine else 1.0)
                    yield _tensors(planes, spine=spine)
                    if rng.uniform() < OTHERS:
                        yield _tensors(self._other(self.stored[k], rng), spine=False)

    def _other(self, stored: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        planes = np.zeros((3, self.side, self.side), np.uint8)
        part = without_spine(stored, self.side, rng) if rng.uniform() < 0.4 else None
        planes[0] = draw_other(self.side, rng) if part is None else part
        return planes


def _tensors(planes: NDArray[np.uint8], *, spine: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    truth = torch.tensor([float(planes[1].sum() > 255 * 40), float(spine)])
    return torch.from_numpy(planes[:1]), torch.from_numpy(planes[1:]), truth


def read_all(entries: Sequence[Entry], side: int) -> NDArray[np.uint8]:
    """(N, 3, side, side) uint8; the whole set in memory."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loaded = pool.map(lambda e: load(e, side), entries)
        return np.stack(list(track(loaded, "reading", len(entries))))


def check(
    network: nn.Module, entries: Sequence[Entry], stored: NDArray[np.uint8]
) -> dict[str, float]:
    """Figures on whole pictures without augmentation."""
    network.eval()
    maps, scores = [], []
    with torch.no_grad():
        for start in range(0, len(stored), 16):
            batch = torch.from_numpy(stored[start : start + 16, :1]).to(device_of(network))
            outputs, judged = forward(network, standardise(batch))
            maps.append(torch.sigmoid(outputs[-1]).cpu().numpy())
            scores.append(judged.cpu().numpy())
    network.train()
    probability, truth = np.concatenate(maps), stored[:, 1:] > 127
    shown = np.array([e.kind not in ("healthy", "other") and not e.occult for e in entries])
    other = np.array([e.kind == "other" for e in entries])
    shown &= truth[:, 0].sum((1, 2)) > 100
    healthy = np.array([e.kind == "healthy" for e in entries])
    score, spine = np.concatenate(scores).T
    figures = {"auc": _auc(score[shown], score[healthy])}
    if other.any():
        figures["spine_auc"] = _auc(spine[~other], spine[other])
    for view in ("lateral", "ap", "oblique"):
        chosen = shown & np.array([e.view == view for e in entries])
        if chosen.any():
            figures[f"dice_{view}"] = _mean_dice(probability[chosen, 0] > 0.5, truth[chosen, 0])
    fixed = np.broadcast_to(ellipse(stored.shape[-1]), truth[shown, 0].shape)
    area = (probability[:, 0] > 0.5).mean((1, 2))
    return figures | {
        "dice": _mean_dice(probability[shown, 0] > 0.5, truth[shown, 0]),
        "ellipse": _mean_dice(fixed, truth[shown, 0]),
        "bodies": _mean_dice(probability[~other, 1] > 0.5, truth[~other, 1]),
        "healthy_outlined": float((area[healthy] > 0.002).mean()),
        "broken_outlined": float((area[shown] > 0.002).mean()),
    }


def ellipse(size: int) -> NDArray[np.bool_]:
    """The fixed central ellipse that every Dice is printed beside: a body's mean size."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    return (x / 0.13) ** 2 + (y / 0.085) ** 2 <= 1


def _mean_dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    both = 2 * (found & truth).sum((1, 2))
    return float(np.mean(both / np.maximum(found.sum((1, 2)) + truth.sum((1, 2)), 1)))


def _auc(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    """Mann-Whitney U as a fraction: the area under the ROC curve."""
    more = (positive[:, None] > negative[None]).mean()
    return float(more + 0.5 * (positive[:, None] == negative[None]).mean())


class Trainee:
    """One of the networks that are trained on the same pictures, and its folder."""

    def __init__(self, given: argparse.Namespace, name: str) -> None:
        self.out = given.out / name if len(given.network) > 1 else given.out
        self.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(given.seed)
        self.network = NETWORKS[name]().to(given.device)
        self.step = Steps(self.network, given.rate, given.precision)
        self.seen = _start(given, self.out, self.network, self.step.optimiser)
        self._losses: list[Tensor] = []

    def learn(self, batch: tuple[Tensor, ...], rate: float) -> None:
        """One step."""
        self.step.set_rate(rate)
        self._losses.append(self.step(batch))
        self.seen += len(batch[0])

    def note(self, minutes: float, entries: Sequence[Entry], stored: NDArray[np.uint8]) -> None:
        """Checks on held-out pictures, and saves."""
        loss = float(torch.stack(self._losses).mean())
        row = {"minutes": minutes, "seen": self.seen, "loss": loss}
        _note(self.out, row | check(self.network, entries, stored))
        _save(self.out, self.network, self.step.optimiser, self.seen)
        self._losses.clear()


def train(given: argparse.Namespace) -> None:
    """Trains for the given pictures or minutes, checks and saves on the way."""
    torch.backends.cudnn.benchmark = True
    cv2.setNumThreads(
        1
    )  # here: in the loader's processes, which are forked, it would wait for ever
    entries = read_index(given.data)
    training = thinned([e for e in entries if e.split == "train"], given.frames)
    validation = thinned([e for e in entries if e.split == "val"], given.frames)
    stored = read_all(training, STORED)
    held_out = read_all(validation, given.size)
    trainees = [Trainee(given, name) for name in given.network]
    before = trainees[0].seen
    if any(one.seen != before for one in trainees):
        raise OrappError("the networks have not seen the same pictures", "resume them one by one")
    loader = DataLoader(
        Stream(stored, training, given.size, given.seed + before),
        batch_size=given.batch,
        num_workers=given.workers,
        prefetch_factor=6,
        persistent_workers=True,
    )
    begin = last = time.monotonic()
    for batch in mixed(loader, given.seed):
        spent, seen = (time.monotonic() - begin) / 60 / given.minutes, trainees[0].seen
        done = min((seen - before) / given.pictures if given.pictures else spent, 1.0)
        warm, falling = min(1.0, (seen + 1) / 1500), max(0.5 + 0.5 * np.cos(np.pi * done), 0.01)
        for one in trainees:
            one.learn(batch, given.rate * warm * falling)
        if time.monotonic() - last > 60 * given.every or done >= 1:
            last = time.monotonic()
            for one in trainees:
                one.note((last - begin) / 60, validation, held_out)
        if done >= 1:
            return


def mixed(loader: DataLoader[tuple[Tensor, ...]], seed: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches mixed from the last 4, so that a batch shows many patients, and still some twins."""
    rng, pool = np.random.default_rng(seed), []
    for batch in loader:
        pool.append(batch)
        if len(pool) < 4:
            continue
        planes = [torch.cat([p[k] for p in pool]) for k in range(len(batch))]
        order = torch.from_numpy(rng.permutation(len(planes[0])))
        for chosen in order.split(len(batch[0])):
            yield tuple(p[chosen] for p in planes)
        pool.clear()


def _start(
    given: argparse.Namespace, out: Path, network: nn.Module, optimiser: torch.optim.Optimizer
) -> int:
    """Goes on from a checkpoint or from other weights; returns how many pictures were seen."""
    state = out / "state.safetensors"
    if given.resume:
        if not state.exists():
            raise OrappError(f"'{out}' holds no training to go on with", "leave out --resume")
        network.load_state_dict(load_file(out / "weights.safetensors"))
        stored = load_file(state)
        for k, parameter in enumerate(network.parameters()):
            optimiser.state[parameter] = {
                name: stored[f"{k}.{name}"].to(parameter.device)
                for name in ("exp_avg", "exp_avg_sq", "step")
            }
        return int(stored["seen"])
    if given.weights is not None:
        missing, unknown = network.load_state_dict(load_file(given.weights), strict=False)
        print(f"weights taken over; new: {len(missing)}, not used: {len(unknown)}")
    return 0


def _save(out: Path, network: nn.Module, optimiser: torch.optim.Optimizer, seen: int) -> None:
    weights = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(weights, out / "weights.safetensors")
    state = {"seen": torch.tensor(seen)}
    for k, parameter in enumerate(network.parameters()):
        for name, value in optimiser.state[parameter].items():
            state[f"{k}.{name}"] = torch.as_tensor(value).clone()
    save_file(state, out / "state.safetensors")


def _note(out: Path, row: dict[str, float]) -> None:
    """One line of the log, and the curves."""
    line = json.dumps({k: round(v, 3) for k, v in row.items()})
    print(line, flush=True)
    with (out / "log.jsonl").open("a") as log:
        log.write(line + "\n")
    draw_curves({out.name: out / "log.jsonl"}, out / "learning.png")


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument(
        *("--network", "--networks"),
        choices=sorted(NETWORKS),
        nargs="+",
        default=["pfnet-lite"],
        help="several are trained on the same pictures, each into a folder of its name",
    )
    arguments.add_argument("--weights", type=Path, help="start from these weights")
    arguments.add_argument("--minutes", type=float, default=120)
    arguments.add_argument("--pictures", type=int, help="so many, in place of --minutes")
    arguments.add_argument("--every", type=float, default=4, help="minutes between checks")
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--size", type=int, default=256)
    arguments.add_argument("--rate", type=float, default=2e-3)
    arguments.add_argument(
        "--precision", choices=["f32", "bf16"], default="f32", help="bf16 where the CPU has it"
    )
    arguments.add_argument(
        "--device", choices=["cpu", "cuda"], default=default_device(), help="here: %(default)s"
    )
    arguments.add_argument(
        "--frames", type=int, default=2, help="pictures that are taken of a run (%(default)s)"
    )
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument(
        "--workers", type=int, default=1, help="processes that augment (%(default)s)"
    )
    arguments.add_argument("--resume", action="store_true")
    given = arguments.parse_args()
    if given.weights is not None and len(given.network) > 1:
        arguments.error("--weights is for one network")
    try:
        train(given)
    except OrappError as error:
        arguments.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
