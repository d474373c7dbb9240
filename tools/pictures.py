"""Pictures with masks from an index: simulated ones, or a hospital's own radiographs and runs.

The index is a CSV. `image` and `mask` are needed: files relative to it, PNG or DICOM (the first
frame of each; a mask may be a DICOM SEG; an empty `mask` is a healthy control). May be there:
`bodies` (mask of all vertebral bodies), `patient`, `centre`, `split` (train, val, external),
`view`, `scene`, `kind` (`other` is no spine to treat), `occult`; and for the frames of a run
`run`, which names it among its patient's, and `frame`, 0, 1, …: both are empty or absent for single
pictures, and every frame is a line and a file of its own. Without `split`, one patient in
ten of every centre is for validation: by patient, never by picture.
"""

import csv
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.sources import EndOfSource, open_source
from orapp.stills import PngSource

Gray = NDArray[np.uint8]

STORED = 320
"""Side at which pictures wait in memory: augmentation crops and turns them to the network's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an index; paths are absolute, `mask` and `bodies` may be None.

    A single picture has an empty `run`, and `frame` 0.
    """

    image: Path
    mask: Path | None
    bodies: Path | None
    patient: str
    centre: str
    split: str
    view: str
    scene: str
    kind: str
    occult: bool
    run: str
    frame: int


def read_index(path: Path) -> list[Entry]:
    """All lines of an index; raises OrappError with the line that is wrong."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise OrappError(
            f"'{path.name}' can't be read: {error.strerror}", "check the path"
        ) from None
    entries = [_entry(path.parent, row, number) for number, row in enumerate(rows, 2)]
    _no_patient_twice(entries)
    _no_frame_twice(entries)
    return entries


def _entry(folder: Path, row: dict[str, str], number: int) -> Entry:
    if not row.get("image") or row.get("mask") is None:
        raise OrappError(f"line {number} of the index has no image or no mask", "fill both columns")
    patient, centre = row.get("patient") or row["image"], row.get("centre") or "own"
    held_out = zlib.crc32(f"{centre}/{patient}".encode()) % 10 == 0
    paths = [folder / row[k] if row.get(k) else None for k in ("image", "mask", "bodies")]
    for path in paths:
        if path is not None and not path.is_file():
            raise OrappError(
                f"line {number} of the index names '{path.name}', which does not exist",
                "correct it",
            )
    image, mask, bodies = paths
    assert image is not None
    return Entry(
        image,
        mask,
        bodies,
        patient,
        centre,
        row.get("split") or ("val" if held_out else "train"),
        row.get("view") or "",
        row.get("scene") or "",
        row.get("kind") or ("fracture" if mask else "healthy"),
        row.get("occult") == "1",
        row.get("run") or "",
        _frame(row, number),
    )


def _frame(row: dict[str, str], number: int) -> int:
    if not row.get("run"):
        return 0
    frame = row.get("frame") or ""
    if not (frame.isascii() and frame.isdigit()):
        raise OrappError(f"line {number} of the index has a run but no frame", "number its frames")
    return int(frame)


def _no_patient_twice(entries: Sequence[Entry]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for e in entries:
        other = seen.setdefault((e.centre, e.patient), e.split)
        if other != e.split:
            raise OrappError(
                f"patient {e.patient} of {e.centre} is in {other} and in {e.split}",
                "a patient belongs to one split",
            )


def _no_frame_twice(entries: Sequence[Entry]) -> None:
    for run in runs(entries):
        numbers = [entries[k].frame for k in run]
        if len(set(numbers)) < len(numbers):
            e = entries[run[0]]
            raise OrappError(
                f"run {e.run} of patient {e.patient} has a frame twice", "number its frames"
            )


def runs(entries: Sequence[Entry]) -> list[list[int]]:
    """The runs of an index: numbers of their lines, each in the order of its frames."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for k, e in enumerate(entries):
        if e.run:
            found.setdefault((e.centre, e.patient, e.run), []).append(k)
    return [sorted(run, key=lambda k: entries[k].frame) for run in found.values()]


def thinned(entries: Sequence[Entry], most: int) -> list[Entry]:
    """Single pictures, and of each run at most so many frames, evenly spread over it.

    Frames of a run are much alike: a few of them teach nearly all that the run does.
    """
    kept = {k for k, e in enumerate(entries) if not e.run}
    for run in runs(entries):
        at = np.linspace(0, len(run) - 1, min(most, len(run))).round().astype(int)
        kept |= {run[n] for n in at}
    return [e for k, e in enumerate(entries) if k in kept]


def read_picture(path: Path) -> Gray:
    """(H, W) uint8: a PNG, or the first frame of a DICOM run as its window shows it."""
    if path.suffix.lower() == ".png":
        source: PngSource | object = PngSource(path)
    else:
        source = open_source(f"dicom:{path}", as_fast_as_possible=True)
    source.open()  # type: ignore[union-attr]
    try:
        picture = source.read(0)  # type: ignore[union-attr]
    except EndOfSource:
        raise OrappError(f"'{path.name}' holds no picture", "give another file") from None
    finally:
        source.close()  # type: ignore[union-attr]
    return np.asarray(picture.pixels, np.uint8)


def read_mask(path: Path | None, shape: tuple[int, int]) -> Gray:
    """(H, W) uint8, 0 or 255; a DICOM SEG's segments together; zeros without a file."""
    if path is None:
        return np.zeros(shape, np.uint8)
    if path.suffix.lower() == ".png":
        mask = read_picture(path) > 127
    else:
        import pydicom

        stored = np.asarray(pydicom.dcmread(path).pixel_array) > 0
        mask = stored.any(axis=0) if stored.ndim == 3 else stored
    if mask.shape != shape:
        raise OrappError(f"'{path.name}' has not the size of its picture", "export it again")
    return np.where(mask, 255, 0).astype(np.uint8)


def load(entry: Entry, side: int) -> NDArray[np.uint8]:
    """(3, side, side) uint8: picture, mask of the fracture, mask of all bodies."""
    picture = read_picture(entry.image)
    shape = picture.shape[0], picture.shape[1]
    planes = [picture, read_mask(entry.mask, shape), read_mask(entry.bodies, shape)]
    small = [cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in planes]
    small[1:] = [np.where(p > 127, 255, 0).astype(np.uint8) for p in small[1:]]
    return np.stack(small)


def augment(
    stored: NDArray[np.uint8], side: int, rng: np.random.Generator, closest: float = 1.35
) -> NDArray[np.uint8]:
    """(3, side, side): another place, size, angle, polarity, curve, blur, noise, and holes.

    Ranges after SyntheX's domain randomisation (Gao et al. 2023), which carried over to real
    fluoroscopy: what differs between machines is drawn anew for every picture. `closest` is the
    largest scale: a whole chest is not brought so near that it becomes a view of the spine.
    """
    angle, scale = rng.normal(0, 7), np.exp(rng.uniform(np.log(0.8), np.log(closest)))
    middle = (STORED - 1) / 2
    affine = cv2.getRotationMatrix2D((middle, middle), angle, scale * side / STORED)
    affine[:, 2] += (side - STORED) / 2 + rng.uniform(-0.15, 0.15, 2) * side
    if rng.uniform() < 0.5:
        affine[0] = [0, 0, side - 1] - affine[0]
    border = int(rng.choice([0, int(stored[0].mean())]))
    planes = [
        cv2.warpAffine(p, affine, (side, side), flags=how, borderValue=value)
        for p, how, value in zip(
            stored, (cv2.INTER_LINEAR,) + (cv2.INTER_NEAREST,) * 2, (border, 0, 0), strict=True
        )
    ]
    planes[0] = develop(planes[0], rng)
    return np.stack(planes)


def develop(picture: Gray, rng: np.random.Generator) -> Gray:
    """Another machine's polarity, display curve, sharpness and noise; now and then a hole."""
    x = picture.astype(np.float32) / 255
    if rng.uniform() < 0.5:
        x = 1 - x
    x = x ** np.exp(rng.uniform(-0.45, 0.45)) * rng.uniform(0.6, 1.15) + rng.uniform(-0.1, 0.15)
    kind = rng.uniform()
    if kind < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.4))
    elif kind < 0.4:
        x += rng.uniform(0.3, 1.2) * (x - cv2.GaussianBlur(x, (0, 0), rng.uniform(1, 3)))
    if rng.uniform() < 0.6:
        noise = rng.standard_normal(x.shape, np.float32) * np.float32(rng.uniform(0.005, 0.06))
        x += cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.3, 1.0)) if kind > 0.5 else noise
    for _ in range(int(rng.integers(0, 4)) if rng.uniform() < 0.25 else 0):
        y0, x0 = rng.integers(0, x.shape[0], 2)
        h, w = rng.integers(6, 40, 2)
        x[y0 : y0 + h, x0 : x0 + w] = rng.uniform()
    return np.asarray(np.clip(x * 255, 0, 255), np.uint8)


def without_spine(stored: NDArray[np.uint8], side: int, rng: np.random.Generator) -> Gray | None:
    """A part of a picture that shows no vertebral body, or None if there is none large enough."""
    picture, _, bodies = stored
    for _ in range(8):
        width = int(rng.integers(STORED // 4, STORED // 2))
        y, x = rng.integers(0, STORED - width, 2)
        part = picture[y : y + width, x : x + width]
        if not bodies[y : y + width, x : x + width].any() and part.std() > 8:
            grown = cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)
            return develop(np.asarray(grown, np.uint8), rng)
    return None


def batches(entries: Sequence[Entry], count: int) -> Iterator[Sequence[Entry]]:
    """The entries in portions."""
    for start in range(0, len(entries), count):
        yield entries[start : start + count]
