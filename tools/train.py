"""Trains pfnet-lite on the simulated C-arm; resumable, deterministic but for thread timing.

    python -m tools.train --layers build/layers_train --out build/train --minutes 60

Prints, at each check, Dice on fractured pictures beside that of a fixed central ellipse, the
image-level AUC, and how many healthy pictures would be outlined, all on seeds and C-arm poses that
training never sees. The checkpoint is safetensors.
"""

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from orapp.pfnet.export import standardise
from orapp.pfnet.losses import pfnet_loss
from orapp.pfnet.network import PFNet
from orapp.pfnet.variants import NETWORKS
from orapp.sources.spine import shipped_poses
from tools.samples import Samples, ellipse

BODIES_WEIGHT = 0.5
"""Of the second map's loss, all vertebral bodies, beside the fracture's."""


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Samples as tensors, without end; a worker's own seed keeps workers apart."""

    def __init__(self, files: list[Path], seed: int, size: int) -> None:
        self.files, self.seed, self.size = files, seed, size

    def __iter__(self):
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        worker = info.id if info else 0
        for s in Samples(self.files, self.seed + 1000 * worker, self.size):
            yield torch.from_numpy(s.image)[None], torch.from_numpy(s.masks)


def check(network: PFNet, size: int, pairs: int = 40) -> dict[str, float]:
    """Metrics on the shipped poses, seeds of their own."""
    network.eval()
    test = list(islice(Samples(shipped_poses(), 900_000, size, broad=False), pairs * 6))
    maps = []
    with torch.no_grad():
        for i in range(0, len(test), 24):
            batch = torch.stack([torch.from_numpy(s.image)[None] for s in test[i : i + 24]])
            maps.append(torch.sigmoid(network(standardise(batch))[-1]).numpy())
    network.train()
    probability = np.concatenate(maps)
    broken = np.array([s.law != "healthy" for s in test])
    truth = np.stack([s.masks for s in test]) > 127
    dice = [
        _dice(p > 0.5, t) for p, t in zip(probability[broken, 0], truth[broken, 0], strict=True)
    ]
    fixed = [_dice(ellipse(size), t) for t in truth[broken, 0]]
    area = (probability[:, 0] > 0.5).mean((1, 2))
    score = np.sort(probability[:, 0].reshape(len(test), -1), 1)[:, -400:].mean(1)
    return {
        "dice": float(np.mean(dice)),
        "dice_p10": float(np.percentile(dice, 10)),
        "ellipse": float(np.mean(fixed)),
        "auc": _auc(score[broken], score[~broken]),
        "healthy_outlined": float((area[~broken] > 0.002).mean()),
        "broken_outlined": float((area[broken] > 0.002).mean()),
        "bodies": float(
            np.mean(
                [_dice(p > 0.5, t) for p, t in zip(probability[:, 1], truth[:, 1], strict=True)]
            )
        ),
    }


def _dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))


def _auc(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    """Mann-Whitney U as a fraction: the area under the ROC curve."""
    more = (positive[:, None] > negative[None]).mean()
    return float(more + 0.5 * (positive[:, None] == negative[None]).mean())


def train(given: argparse.Namespace) -> None:
    """Trains for the given minutes, checks and saves on the way."""
    torch.manual_seed(given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    network = NETWORKS["pfnet-lite"]()
    checkpoint = given.out / "weights.safetensors"
    if given.resume and checkpoint.exists():
        network.load_state_dict(load_file(checkpoint))
    optimiser = torch.optim.AdamW(network.parameters(), lr=given.rate, weight_decay=1e-3)
    stream = Stream(sorted(given.layers.glob("*.npz")), given.seed, given.size)
    start = last = time.monotonic()
    seen, losses = 0, []
    loader = DataLoader(
        stream, batch_size=given.batch, num_workers=1, prefetch_factor=6, persistent_workers=True
    )
    for image, masks in _shuffled(loader, given.seed):
        done = (time.monotonic() - start) / 60 / given.minutes
        for group in optimiser.param_groups:
            group["lr"] = (
                given.rate * min(1.0, seen / 1500) * max(0.5 + 0.5 * np.cos(np.pi * done), 0.01)
            )
        losses.append(step(network, optimiser, image, masks))
        seen += len(image)
        if time.monotonic() - last > 60 * given.every or done >= 1:
            last = time.monotonic()
            row = {"minutes": (last - start) / 60, "seen": seen, "loss": float(np.mean(losses))}
            row |= check(network, given.size)
            losses.clear()
            print(json.dumps({k: round(v, 3) for k, v in row.items()}), flush=True)
            save_file(network.state_dict(), checkpoint)
        if done >= 1:
            return


def _shuffled(loader: DataLoader[tuple[Tensor, Tensor]], seed: int):
    """Batches mixed from the last 8, so that twins and their cameras spread over batches."""
    rng, pool = np.random.default_rng(seed), []
    for image, masks in loader:
        pool.append((image, masks))
        if len(pool) < 8:
            continue
        images, targets = (torch.cat([p[i] for p in pool]) for i in (0, 1))
        order = torch.from_numpy(rng.permutation(len(images)))
        for chunk in order.split(len(image)):
            yield images[chunk], targets[chunk]
        pool.clear()


def step(network: PFNet, optimiser: torch.optim.Optimizer, image: Tensor, masks: Tensor) -> float:
    """One step on one batch; returns the loss."""
    target = F.avg_pool2d(masks.float() / 255, 2).round()
    losses = pfnet_loss(network(standardise(image), shrink=2), target, window=15)
    loss = losses[0] + BODIES_WEIGHT * losses[1]
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return float(loss)


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--layers", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--every", type=float, default=4, help="minutes between checks")
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--size", type=int, default=256)
    arguments.add_argument("--rate", type=float, default=2e-3)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--resume", action="store_true")
    train(arguments.parse_args())


if __name__ == "__main__":
    main()
