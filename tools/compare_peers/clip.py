"""The clip that all peers see: a simulated run, rendered once."""

from pathlib import Path

import numpy as np

from orapp.files import replace_file
from orapp.sources import open_source

FRAMES = 150
SIDE = 1024


def make_clip(folder: Path, side: int = SIDE) -> Path:
    """A .npy file in the folder, (`FRAMES`, side, side) uint8, X-ray on throughout; made once."""
    path = folder / f"clip-{FRAMES}-{side}.npy"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"simulated:?hold=off&size={side}"
    source = open_source(uri, as_fast_as_possible=True)
    source.open()
    pictures = [source.read(1000) for _ in range(FRAMES)]
    source.close()
    clip = np.stack([p.pixels for p in pictures if p is not None])
    replace_file(path, lambda part: _save(part, clip))
    return path


def _save(path: Path, clip: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, clip)
