"""The set on disk: pictures, masks and the index.

Every patient has one habitus, one or two broken bodies, and three views; each view gives four
pictures of the fractures, and of the healthy twin two, which share camera and noise with the first
two. A fluoroscopic picture is a run of frames (runs.py) with the columns `run` and `frame`; with
one frame per run it is a single picture and they are empty.
Centres A and B are split into train and val by patient; C, D and E are external.
"""

import csv
import multiprocessing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import itk
import numpy as np
from rich.progress import track

from orapp.errors import OrappError
from tools.simulate_fluoroscopy.ct import BREAKABLE, Anatomy, take_apart
from tools.simulate_fluoroscopy.machines import (
    CENTRES,
    TRAINING,
    Gray,
    Look,
    Machine,
    Moment,
    draw_look,
    expose,
)
from tools.simulate_fluoroscopy.patients import Fracture, Patient, draw_fractures, draw_habitus
from tools.simulate_fluoroscopy.runs import draw_run
from tools.simulate_fluoroscopy.views import (
    CANVAS,
    PLACES,
    Eye,
    Projected,
    draw_elsewhere,
    draw_view,
)

VIEWS = ("lateral", "ap", "oblique")
WHOLE_CHEST = (210.0, 275.0)
"""Field of a chest picture on its wide canvas: 34 to 44 cm, where nobody frames a spine so."""
RUN_FRAMES = 6
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
    run: str = ""
    frame: int | str = ""


def simulate(
    anatomy: Anatomy, seed: int, number: int, out: Path, run_frames: int = RUN_FRAMES
) -> list[Row]:
    """Writes all pictures of one patient; deterministic for its arguments."""
    rng = _start_of(seed, number)
    centre = _draw_centre(rng)
    patient = Patient(anatomy, draw_habitus(rng, len(anatomy.bodies)))
    level = BREAKABLE[rng.integers(len(BREAKABLE))]
    fractures = draw_fractures(rng, level)
    whole, broken = patient.bodies(()), patient.bodies(fractures)
    target = next(b.centre for b in whole if b.level == level)
    split = _draw_split(rng, centre)
    rows = []
    for view in VIEWS:
        eye = Eye(patient, draw_view(rng, view, target))
        healthy, ill = eye.see(whole, level), eye.see(broken, level)
        lost = 1 - eye.area(broken, level) / max(eye.area(whole, level), 1)
        for seen, fracture, camera, name in _pictures(healthy, ill, fractures, rng):
            scene = "preoperative" if camera["preoperative"] else "intraoperative"
            law = "+".join(f.law for f in fracture) or "healthy"
            about = (
                *(f"{number:05d}", centre, split, scene, view, level, law),
                round(fracture[0].loss, 3) if fracture else 0.0,
                int(bool(fracture) and lost < OCCULT),
            )
            drawn = np.random.default_rng(camera["look"])
            look = draw_look(CENTRES[centre], ill, eye.floor, drawn, scene)
            moments = []
            if scene == "intraoperative" and run_frames > 1:
                motion = np.random.default_rng([camera["look"], 1])
                moments = draw_run(look, eye.floor, run_frames, motion)
            stem = f"{number:05d}-{view}-{name}"
            for planes, frame in _shoot(CENTRES[centre], seen, look, camera, scene, moments):
                names = save(out, f"{stem}-{frame}" if moments else stem, planes)
                rows.append(Row(*names, *about, stem if moments else "", frame))
    return rows


def _shoot(
    machine: Machine, seen: Projected, look: Look, camera: dict, scene: str, run: list[Moment]
) -> Iterator[tuple[tuple[Gray, Gray, Gray], int | str]]:
    """A picture, or a run's frames with their numbers."""
    instrument = camera["instrument"] if scene == "intraoperative" else "none"
    if not run:
        yield expose(machine, seen, look, camera["noise"], scene, instrument), ""
    for moment in run:
        first = run[0].column
        planes = expose(machine, seen, first, camera["noise"], scene, instrument, moment)
        yield planes, moment.frame


def simulate_elsewhere(anatomy: Anatomy, seed: int, number: int, out: Path) -> list[Row]:
    """Writes pictures of one patient that show no spine to treat: chest, shoulder, flank."""
    rng = _start_of(seed, number, elsewhere=True)
    centre = _draw_centre(rng)
    patient = Patient(anatomy, draw_habitus(rng, len(anatomy.bodies)))
    bodies = patient.bodies(())
    split = _draw_split(rng, centre)
    rows = []
    for place in PLACES:
        level = "T7" if place == "chest" else "T5" if place == "shoulder" else "L1"
        middle = next(b.centre for b in bodies if b.level == level)
        eye = Eye(patient, draw_elsewhere(rng, place, middle))
        seen, machine = eye.see(bodies, level), CENTRES[centre]
        if place == "chest":
            machine = replace(machine, field_mm=WHOLE_CHEST)
        for name in "ab":
            look = draw_look(machine, seen, CANVAS, rng, "preoperative")
            noise = int(rng.integers(2**31))
            picture, none, inside = expose(machine, seen, look, noise, "preoperative")
            if place != "chest" and inside.any():
                continue  # a spine has come into view after all
            names = save(out, f"N{number:05d}-{place}-{name}", (picture, none, inside))
            about = f"N{number:05d}", centre, split, "preoperative", place, "", "other"
            rows.append(Row(*names, *about, 0.0, 0))
    return rows


def _draw_centre(rng: np.random.Generator) -> str:
    """Four in five patients are of the centres that are trained on."""
    return str(list(CENTRES)[rng.choice(5, p=[0.4, 0.4, 0.2 / 3, 0.2 / 3, 0.2 / 3])])


def _draw_split(rng: np.random.Generator, centre: str) -> str:
    validation = rng.uniform() < 0.1
    return ("val" if validation else "train") if centre in TRAINING else "external"


def _pictures(
    healthy: Projected, ill: Projected, fractures: tuple[Fracture, ...], rng: np.random.Generator
) -> Iterator[tuple[Projected, tuple[Fracture, ...], dict, str]]:
    """Four pictures of the fracture, and the healthy twins of the first two."""
    cameras = [_camera(rng) for _ in "abcd"]
    for camera, name in zip(cameras, "abcd", strict=True):
        yield ill, fractures, camera, name
    for camera, name in zip(cameras, "hi", strict=False):
        yield healthy, (), camera, name


def _camera(rng: np.random.Generator) -> dict:
    """What twins share: scene, place, noise and instrument."""
    instruments = ["none", "trocar", "trocars", "balloon", "cement"]
    return {
        "preoperative": rng.uniform() < 0.35,
        "look": int(rng.integers(2**31)),
        "noise": int(rng.integers(2**31)),
        "instrument": str(rng.choice(instruments, p=[0.4, 0.25, 0.15, 0.1, 0.1])),
    }


def save(out: Path, stem: str, pictures: tuple[Gray, Gray, Gray]) -> list[str]:
    """Writes picture, mask and bodies; returns their names relative to `out`."""
    names = [f"{kind}/{stem}.png" for kind in ("images", "masks", "bodies")]
    for name, picture in zip(names, pictures, strict=True):
        cv2.imwrite(str(out / name), picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return names


def make_folders(out: Path) -> Path:
    """Makes the set's folders; returns where its index is."""
    for folder in ("images", "masks", "bodies"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    return out / "index.csv"


@contextmanager
def go_on(index: Path) -> Iterator[Callable[[Iterable[Row]], None]]:
    """Begins an index or goes on with it; raises OrappError if it has other columns."""
    columns = list(Row.__dataclass_fields__)
    with index.open("a+", newline="") as file:
        file.seek(0)
        there = next(csv.reader(file), columns)
        if there != columns:
            raise OrappError(
                f"'{index.name}' has not the columns of this version", "give another --out"
            )
        table = csv.DictWriter(file, columns)
        if not file.seek(0, 2):
            table.writeheader()

        def add(rows: Iterable[Row]) -> None:
            table.writerows(asdict(row) for row in rows)
            file.flush()

        yield add


def of_centres(
    numbers: Iterable[int], seed: int, centres: Collection[str], *, elsewhere: bool = False
) -> list[int]:
    """Those of the patients who are seen at one of these centres."""
    return [n for n in numbers if _draw_centre(_start_of(seed, n, elsewhere=elsewhere)) in centres]


def _start_of(seed: int, number: int, *, elsewhere: bool = False) -> np.random.Generator:
    return np.random.default_rng([seed, number, 1] if elsewhere else [seed, number])


def write(
    data: Path,
    out: Path,
    numbers: Sequence[int],
    seed: int,
    workers: int,
    run_frames: int = RUN_FRAMES,
    *,
    elsewhere: bool = False,
) -> None:
    """Simulates these patients in parallel; the index lists them in their order.

    Args:
        data: folder of the CT.
        out: folder of the set.
        numbers: of the patients.
        seed: of everything.
        workers: processes.
        run_frames: frames of a fluoroscopy run; 1 makes it a single picture.
        elsewhere: pictures that show no spine to treat, in place of spines.
    """
    cache, index = out.parent / "anatomy.npz", make_folders(out)
    context = multiprocessing.get_context("spawn")
    with go_on(index) as table:
        take_apart(data, cache)
        jobs = [(seed, number, out, 0 if elsewhere else run_frames) for number in numbers]
        with ProcessPoolExecutor(workers, context, _start, (data, cache)) as pool:
            for rows in track(pool.map(_one, jobs), "patients", len(jobs)):
                table(rows)


_anatomy: Anatomy | None = None


def _start(data: Path, cache: Path) -> None:
    global _anatomy
    cv2.setNumThreads(1)
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)  # each worker has a core
    _anatomy = take_apart(data, cache)


def _one(job: tuple[int, int, Path, int]) -> list[Row]:
    assert _anatomy is not None
    seed, number, out, run_frames = job
    if not run_frames:
        return simulate_elsewhere(_anatomy, seed, number, out)
    return simulate(_anatomy, seed, number, out, run_frames)
