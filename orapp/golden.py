"""Golden frames: pictures that ship with a model, and what torch in float32 says about them."""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.frames import Gray

MAX_FRAMES = 64


@dataclass(frozen=True, slots=True)
class Golden:
    """Pictures at the network's size with the reference's answers.

    Attributes:
        images: (N, h, w) uint8.
        probability: (N, h, w) uint8.
        judged: (N, 2) float32: broken, spine.
    """

    images: Gray
    probability: Gray
    judged: NDArray[np.float32]


def read_golden(data: bytes, size: tuple[int, int]) -> Golden:
    """Reads golden frames of a network's size (h, w); raises OrappError if they are none."""
    broken = OrappError("the model's golden frames are damaged", "install the model again")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            golden = Golden(stored["images"], stored["probability"], stored["judged"])
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise broken from None
    shape = len(golden.images), *size
    right = golden.images.shape == golden.probability.shape == shape
    right &= golden.judged.shape == (shape[0], 2) and 0 < shape[0] <= MAX_FRAMES
    if not right or golden.images.dtype != np.uint8 or golden.probability.dtype != np.uint8:
        raise broken
    return golden


def write_golden(path: Path, golden: Golden) -> None:
    """Writes them, without the time of day: the same frames give the same bytes."""
    stored = {
        "images": golden.images,
        "probability": golden.probability,
        "judged": golden.judged.astype(np.float32),
    }
    with path.open("wb") as stream:
        np.savez_compressed(stream, **stored)  # type: ignore[arg-type]
