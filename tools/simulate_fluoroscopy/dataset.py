"""The set on disk: pictures, masks and the index.

Every patient has one habitus, one or two broken bodies, and three views; each view gives two
pictures of the fractures and one of the healthy twin, which shares camera and noise with the first.
Centres A and B are split into train and val by patient; C, D and E are external.
"""

import csv
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from tools.simulate_fluoroscopy.ct import BREAKABLE, Anatomy, take_apart
from tools.simulate_fluoroscopy.machines import CENTRES, TRAINING, Gray, draw_look, expose
from tools.simulate_fluoroscopy.patients import Fracture, Patient, draw_fractures, draw_habitus
from tools.simulate_fluoroscopy.views import Eye, Projected, draw_view

VIEWS = ("lateral", "ap", "oblique")
OCCULT = 0.1
"""A fracture is occult if its outline lost less area than this part: nobody can tell it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the index; paths are relative to it."""

    image: str
    mask: str
    bodies: str
    patient: str
    centre: str
    split: str
    scene: str
    view: str
    level: str
    kind: str
    loss: float
    occult: int


def simulate(anatomy: Anatomy, seed: int, number: int, out: Path) -> list[Row]:
    """Writes all pictures of one patient; deterministic for its arguments."""
    rng = np.random.default_rng([seed, number])
    centre = str(list(CENTRES)[rng.choice(5, p=[0.4, 0.4, 0.2 / 3, 0.2 / 3, 0.2 / 3])])
    patient = Patient(anatomy, draw_habitus(rng, len(anatomy.bodies)))
    level = BREAKABLE[rng.integers(len(BREAKABLE))]
    fractures = draw_fractures(rng, level)
    whole, broken = patient.bodies(()), patient.bodies(fractures)
    target = next(b.centre for b in whole if b.level == level)
    validation = rng.uniform() < 0.1
    split = ("val" if validation else "train") if centre in TRAINING else "external"
    rows = []
    for view in VIEWS:
        eye = Eye(patient, draw_view(rng, view, target))
        healthy, ill = eye.see(whole, level), eye.see(broken, level)
        lost = 1 - eye.area(broken, level) / max(eye.area(whole, level), 1)
        for seen, fracture, camera, name in _pictures(healthy, ill, fractures, rng):
            scene = "preoperative" if camera["preoperative"] else "intraoperative"
            look = draw_look(
                CENTRES[centre], ill, eye.floor, np.random.default_rng(camera["look"]), scene
            )
            instrument = camera["instrument"] if scene == "intraoperative" else "none"
            pictures = expose(CENTRES[centre], seen, look, camera["noise"], scene, instrument)
            stem = f"{number:05d}-{view}-{name}"
            law = "+".join(f.law for f in fracture) or "healthy"
            rows.append(
                Row(
                    *_save(out, stem, pictures),
                    *(f"{number:05d}", centre, split, scene, view, level, law),
                    round(fracture[0].loss, 3) if fracture else 0.0,
                    int(bool(fracture) and lost < OCCULT),
                )
            )
    return rows


def _pictures(
    healthy: Projected, ill: Projected, fractures: tuple[Fracture, ...], rng: np.random.Generator
) -> Iterator[tuple[Projected, tuple[Fracture, ...], dict, str]]:
    """Two pictures of the fracture, and the healthy twin of the first."""
    first, second = (
        {
            "preoperative": rng.uniform() < 0.35,
            "look": int(rng.integers(2**31)),
            "noise": int(rng.integers(2**31)),
            "instrument": str(
                rng.choice(
                    ["none", "trocar", "trocars", "balloon", "cement"],
                    p=[0.4, 0.25, 0.15, 0.1, 0.1],
                )
            ),
        }
        for _ in range(2)
    )
    yield ill, fractures, first, "a"
    yield ill, fractures, second, "b"
    yield healthy, (), first, "h"


def _save(out: Path, stem: str, pictures: tuple[Gray, Gray, Gray]) -> list[str]:
    names = [f"{kind}/{stem}.png" for kind in ("images", "masks", "bodies")]
    for name, picture in zip(names, pictures, strict=True):
        cv2.imwrite(str(out / name), picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return names


def write(data: Path, out: Path, numbers: range, seed: int, workers: int) -> None:
    """Simulates these patients in parallel; the index lists them in their order."""
    for folder in ("images", "masks", "bodies"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    cache, index = out.parent / "anatomy.npz", out / "index.csv"
    take_apart(data, cache)
    new = not index.exists()
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, context, _start, (data, cache)) as pool,
        index.open("a", newline="") as file,
    ):
        table = csv.DictWriter(file, list(Row.__dataclass_fields__))
        if new:
            table.writeheader()
        jobs = [(seed, number, out) for number in numbers]
        for rows in track(pool.map(_one, jobs), "patients", len(jobs)):
            table.writerows(asdict(row) for row in rows)
            file.flush()


_anatomy: Anatomy | None = None


def _start(data: Path, cache: Path) -> None:
    global _anatomy
    cv2.setNumThreads(1)
    _anatomy = take_apart(data, cache)


def _one(job: tuple[int, int, Path]) -> list[Row]:
    assert _anatomy is not None
    seed, number, out = job
    return simulate(_anatomy, seed, number, out)
