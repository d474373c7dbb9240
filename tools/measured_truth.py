"""Simulated lateral pictures with what is true of their broken body's heights.

The set of tools/simulate_fluoroscopy is deterministic: a patient's habitus, fracture, view and
fields come again from its seed and number. So the broken body and its healthy twin are projected
once more, each alone and in the same view, and the law of the fracture says how much height was
lost at the front, in the middle and at the rear of the mid-plane.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import itk
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Gray, Outline
from orapp.measure import Side
from orapp.outline import find_outlines
from tools.pictures import read_picture
from tools.simulate_fluoroscopy.ct import BREAKABLE, Anatomy
from tools.simulate_fluoroscopy.dataset import _camera, _draw_centre, _draw_split
from tools.simulate_fluoroscopy.machines import CENTRES, SIZE
from tools.simulate_fluoroscopy.patients import (
    LAWS,
    Fracture,
    Patient,
    _loss,
    draw_fractures,
    draw_habitus,
)
from tools.simulate_fluoroscopy.views import CANVAS_MM, Eye, draw_view

SEED = 2
"""Of the set, as docs/evaluation/README.md makes it."""
WHOLE = 0.97
"""A picture whose mask has less than this part of the body's area shows it cut, or behind."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture, the mask of the broken body, and a pixel's size at the isocentre in mm."""

    picture: Gray
    mask: Gray
    mm: float


@dataclass(frozen=True, slots=True)
class Truth:
    """One patient's broken body on a lateral view.

    Attributes:
        patient: number.
        split: val or external.
        kind: wedge, biconcave or crush.
        lost: (3,) per cent of height lost in front, in the middle, at the rear, by the law, in
            the mid-plane.
        anterior: side of the front in the picture.
        healthy, broken: outlines of the body before and after, in canvas pixels.
        mm: size of a canvas pixel at the isocentre.
        shots: the pictures in which all of it is seen.
    """

    patient: int
    split: str
    kind: str
    lost: NDArray[np.float64]
    anterior: Side
    healthy: Outline
    broken: Outline
    mm: float
    shots: tuple[Shot, ...]


def truths(index: Path, anatomy: Anatomy, split: str, most: int) -> Iterator[Truth]:
    """Patients of a split with one broken body that is not occult, in the index's order."""
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
    with index.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["view"] == "lateral" and r["split"] == split]
    single = [r for r in rows if not r.get("run")]
    chosen = [r for r in single if r["kind"] in LAWS and r["occult"] == "0"]
    numbers = list(dict.fromkeys(int(r["patient"]) for r in chosen))
    for number in numbers[:most]:
        own = [r for r in chosen if int(r["patient"]) == number]
        yield _truth(index.parent, anatomy, number, own)


def _truth(folder: Path, anatomy: Anatomy, number: int, rows: list[dict[str, str]]) -> Truth:
    """Draws in the order of `dataset.simulate`, so that the same comes out; checks that it did."""
    rng = np.random.default_rng([SEED, number])
    centre = _draw_centre(rng)
    patient = Patient(anatomy, draw_habitus(rng, len(anatomy.bodies)))
    level = BREAKABLE[rng.integers(len(BREAKABLE))]
    (fracture,) = draw_fractures(rng, level)
    said = rows[0]["centre"], rows[0]["level"], rows[0]["kind"], float(rows[0]["loss"])
    if said != (centre, level, fracture.law, round(fracture.loss, 3)):
        raise SystemExit(f"patient {number} is not of a set with seed {SEED}")
    whole, broken = patient.bodies(()), patient.bodies((fracture,))
    middle = next(b.centre for b in whole if b.level == level)
    split = _draw_split(rng, centre)
    eye = Eye(patient, draw_view(rng, "lateral", middle))
    looks = [_camera(rng)["look"] for _ in "abcd"]
    fields = [np.random.default_rng(look).uniform(*CENTRES[centre].field_mm) for look in looks]
    ahead = np.diff(eye.spots(middle + np.array([[0, 0, 0], [0, 30.0, 0]])), axis=0)[0]
    inside = eye.inside(broken, level)
    shots = [_shot(folder, row, fields) for row in rows]
    area = float(inside.sum()) * CANVAS_MM**2
    return Truth(
        number,
        split,
        fracture.law,
        _lost(fracture),
        "right" if ahead[0] > 0 else "left",
        _outline(eye.inside(whole, level)),
        _outline(inside),
        CANVAS_MM,
        tuple(s for s in shots if (s.mask > 127).sum() * s.mm**2 > WHOLE * area),
    )


def _shot(folder: Path, row: dict[str, str], fields: list[float]) -> Shot:
    name = Path(row["image"]).stem
    field = fields["abcd".index(name[-1])]
    return Shot(
        read_picture(folder / row["image"]), read_picture(folder / row["mask"]), field / SIZE
    )


def _lost(fracture: Fracture) -> NDArray[np.float64]:
    """Per cent of height lost at the front's end, in the middle and at the rear's, mid-plane."""
    ends = np.array([1.0, 0.0, -1.0], np.float32)
    return 100 * np.clip(_loss(fracture, ends, np.zeros(3, np.float32)), 0, 0.75).astype(float)


def _outline(inside: NDArray[np.bool_]) -> Outline:
    mask = np.where(inside, 255, 0).astype(np.uint8)
    return find_outlines(mask, 0.5, 0.0003, (mask.shape[0], mask.shape[1]))[0]


def overlap(outline: Outline, mask: Gray) -> float:
    """Intersection over union of an outline and a mask."""
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(drawn, [np.round(outline.points).astype(np.int32)], 1)
    both = int(((mask > 127) & (drawn > 0)).sum())
    return both / max(int(((mask > 127) | (drawn > 0)).sum()), 1)
