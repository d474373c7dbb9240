"""Fluoroscopy runs on the made-up anatomy of blocks: what moves, what stays, and what is new."""

import csv
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise

import cv2
import numpy as np
import pytest

if find_spec("itk") is None or find_spec("nibabel") is None:
    pytest.skip("itk-rtk and nibabel are not installed (extra train)", allow_module_level=True)

from tests.test_simulate_fluoroscopy import anatomy, read
from tools.pictures import read_index, runs
from tools.simulate_fluoroscopy.ct import write_anatomy
from tools.simulate_fluoroscopy.dataset import of_centres
from tools.simulate_fluoroscopy.machines import CENTRES, SIZE, Look, Moment, expose, room
from tools.simulate_fluoroscopy.runs import draw_run
from tools.simulate_fluoroscopy.views import CANVAS, CANVAS_MM, Projected

__all__ = ["anatomy"]
FRAMES = 3
FROM_THE_SIDE = """
import sys
from pathlib import Path
from tools.simulate_fluoroscopy import ct, dataset
out, frames = Path(sys.argv[1]), int(sys.argv[2])
dataset.VIEWS = ("lateral",)
anatomy = ct.take_apart(out, out / "anatomy.npz")
with dataset.go_on(dataset.make_folders(out)) as add:
    add(dataset.simulate(anatomy, 4, 3, out, frames))
"""
FLOOR = 650.0


@pytest.fixture(scope="module")
def filmed(anatomy, tmp_path_factory):
    """One patient from the side: the folder, the index's lines, and the runs as lists of lines."""
    out = tmp_path_factory.mktemp("filmed")
    write_anatomy(anatomy, out / "anatomy.npz")
    command = [sys.executable, "-c", FROM_THE_SIDE, str(out), str(FRAMES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    index = out / "index.csv"
    with index.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return out, rows, [[rows[k] for k in one] for one in runs(read_index(index))]


def test_fluoroscopy_is_runs_of_one_patient_and_radiographs_stay_single(filmed):
    _, rows, found = filmed
    assert found
    for one in found:
        assert [r["frame"] for r in one] == [str(k) for k in range(FRAMES)]
        same = ("patient", "centre", "split", "view", "kind", "loss", "occult")
        assert len({tuple(r[k] for k in same) for r in one}) == 1
    for r in rows:
        single = r["scene"] == "preoperative"
        assert single == (r["run"] == "") == (r["frame"] == "")
    assert len({(r["patient"], r["split"]) for r in rows}) == 1
    assert sum(r["run"] == "" for r in rows) + len(found) == 6


def centre_of(mask):
    m = cv2.moments(mask, binaryImage=True)
    return np.array([m["m10"], m["m01"]]) / m["m00"]


def test_the_spine_moves_from_frame_to_frame_but_never_far(filmed):
    out, _, found = filmed
    steps = []
    for one in found:
        bodies = [read(out, r["bodies"]) for r in one]
        moved = [cv2.absdiff(a, b).any() for a, b in pairwise(bodies)]
        assert any(moved), "a run in which nothing moves"
        masks = [read(out, r["mask"]) for r in one]
        whole = [m for m in masks if m.any() and not edges(m).any()]
        steps += [np.hypot(*(centre_of(a) - centre_of(b))) for a, b in pairwise(whole)]
    assert max(steps) > 1
    assert max(steps) < SIZE / 4


def edges(mask):
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def grain(out, row):
    picture = read(out, row["image"]).astype(np.float32)
    return picture - cv2.GaussianBlur(picture, (0, 0), 3)


def test_noise_is_new_in_every_frame_and_twins_share_it(filmed):
    """Away from spine and rim, grain of a frame is its twin's, and not that of the next frame."""
    out, _, found = filmed
    named = {one[0]["run"]: one for one in found}
    pairs = [
        (one, named[twin])
        for name, one in named.items()
        if (twin := name[:-1] + {"a": "h", "b": "i"}.get(name[-1], "?")) in named
    ]
    assert pairs
    for ill, well in pairs:
        spine = sum(read(out, r["bodies"]).astype(int) for r in ill + well) > 0
        away = cv2.dilate(spine.astype(np.uint8), np.ones((41, 41))) == 0
        away[:60] = away[-60:] = away[:, :60] = away[:, -60:] = False
        if away.sum() < 3000:
            continue
        first, second, twin = (grain(out, r)[away] for r in (ill[0], ill[1], well[0]))
        assert np.corrcoef(first, twin)[0, 1] > np.corrcoef(first, second)[0, 1] + 0.2


def look_of(field=160.0):
    scale = field / CANVAS_MM / SIZE
    return Look(np.array([[scale, 0, 150.0], [0, scale, 150.0]]), field)


def test_a_run_is_its_seed_s_and_stays_where_the_patient_is():
    for seed in range(30):
        first, again = (
            draw_run(look_of(), FLOOR, 20, np.random.default_rng(seed)) for _ in range(2)
        )
        assert [m.frame for m in first] == list(range(20))
        low, high = room(160.0, FLOOR)
        for a, b in zip(first, again, strict=True):
            assert np.array_equal(a.column.affine, b.column.affine)
            middle = a.column.affine @ [(SIZE - 1) / 2, (SIZE - 1) / 2, 1]
            breath = 3.0 / CANVAS_MM + 1
            assert (middle > low - breath).all()
            assert (middle < high + breath).all()
            assert 0 <= a.smear[0] <= 8
            assert 0.4 <= a.dose <= 0.8
        advances = [m.advance for m in first]
        assert advances == sorted(advances)
        assert 0 <= advances[0] <= 0.4 < 0.8 <= advances[-1] <= 1
    assert not np.array_equal(
        draw_run(look_of(), FLOOR, 3, np.random.default_rng(1))[2].column.affine,
        draw_run(look_of(), FLOOR, 3, np.random.default_rng(2))[2].column.affine,
    )


@pytest.mark.parametrize("kind", ["trocar", "balloon", "cement"])
def test_instruments_come_nearer_balloons_and_cement_grow(kind):
    flat, none = np.full((CANVAS, CANVAS), 200, np.float32), np.zeros((CANVAS, CANVAS), np.uint8)
    middle, rear = np.full(2, CANVAS / 2), np.array([1.0, 0.0])
    seen = Projected(flat, flat * 0, flat * 0, none, none, middle, rear)
    quiet = replace(CENTRES["A"], photons=(1e6, 1e6 + 1), window=(0.01, 0.02), bright_bone=1.0)
    look = look_of()

    def area(advance, seed):
        moment = Moment(0, look, look, advance, (0.0, 0.0), 1.0)
        with_it, without = (
            expose(quiet, seen, look, seed, "intraoperative", k, moment)[0].astype(int)
            for k in (kind, "none")
        )
        # windowed by percentiles, a picture of nothing but noise is grey; metal is at the end
        return int(((with_it > 200) & (np.abs(with_it - without) > 40)).sum())

    grew = [area(1.0, seed) > area(0.1, seed) for seed in range(5)]
    assert sum(grew) >= 4


def test_centres_can_be_chosen_and_patients_keep_their_centre(filmed):
    _, rows, _ = filmed
    centre = rows[0]["centre"]
    assert of_centres(range(3, 4), 4, [centre]) == [3]
    others = [c for c in CENTRES if c != centre]
    assert of_centres(range(3, 4), 4, others) == []
    external = of_centres(range(300), 4, ["C", "D", "E"])
    assert 30 < len(external) < 90


def refused(out, *arguments):
    command = [sys.executable, "-m", "tools.simulate_fluoroscopy", "--data", "none", "--patients"]
    command += ["1", "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_no_run_has_no_frames(tmp_path):
    assert "a number from 1 to" in refused(tmp_path, "--run-frames", "0")
    assert not list(tmp_path.iterdir())


def test_an_index_of_other_columns_is_not_gone_on_with(tmp_path):
    index = tmp_path / "set" / "index.csv"
    index.parent.mkdir()
    with index.open("w", newline="") as file:
        csv.writer(file).writerow(["image", "mask"])
    before = index.read_bytes()
    said = refused(index.parent)
    assert "'index.csv' has not the columns of this version; give another --out" in said
    assert index.read_bytes() == before
