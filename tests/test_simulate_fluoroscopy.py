"""The generator on a made-up anatomy of blocks: its laws, its twins, its index; no CT is needed."""

import csv
import subprocess
import sys
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

if find_spec("itk") is None or find_spec("nibabel") is None:
    pytest.skip("itk-rtk and nibabel are not installed (extra train)", allow_module_level=True)

from tools.pictures import read_index
from tools.simulate_fluoroscopy.ct import COARSE, LEVELS, Anatomy, Body, write_anatomy
from tools.simulate_fluoroscopy.patients import Fracture, Habitus, Patient, draw_fracture

SINGLE = ("--seed", "4", "--first", "3", "--run-frames", "1")
FROM_THE_SIDE = """
import sys
from pathlib import Path
from tools.simulate_fluoroscopy import ct, dataset
out, seed = Path(sys.argv[1]), int(sys.argv[2])
dataset.VIEWS = ("lateral",)
anatomy = ct.take_apart(out, out / "anatomy.npz")
with dataset.go_on(dataset.make_folders(out)) as add:
    add(dataset.simulate(anatomy, seed, 3, out, 1))
"""
MM = 2.0
HEIGHT, DEPTH, WIDTH = 24.0, 30.0, 40.0


@pytest.fixture(scope="module")
def anatomy():
    """Fourteen blocks on top of each other in a cylinder of soft tissue."""
    shape = (260, 120, 120)
    bodies = []
    for k, level in enumerate(LEVELS):
        centre = np.array([245.0 - 16 * k, 50.0, 60.0])
        corner = centre - 16
        grid = (np.indices((33, 33, 33)) - 16) * MM
        half = np.array([HEIGHT, DEPTH, WIDTH])[:, None, None, None] / 2
        inside = (np.abs(grid) <= half).all(0).astype(np.float32)
        hu = np.where(inside > 0, 250, 40).astype(np.float32)
        up, front = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        size = np.array([HEIGHT, DEPTH, WIDTH])
        bodies.append(Body(level, inside, hu, centre, corner, up, front, size))
    rest = np.full([n // COARSE for n in shape], -1000, np.float32)
    y, x = (np.indices(rest.shape[1:]) - 30) / 26
    rest[:, np.hypot(y, x) < 1] = 40
    return Anatomy(rest, tuple(bodies), MM)


def straight(bodies):
    return Habitus(np.ones(3), 0.0, 0.0, 1.0, 1.0, np.zeros((bodies, 5)))


def height_at(body, part):
    """Height in mm of a placed body at a place along its depth: 0 is the rear, 1 the front."""
    inside = body.inside[:, :, body.inside.shape[2] // 2] > 0.5
    columns = np.flatnonzero(inside.any(0))
    column = columns[round(part * (len(columns) - 1))]
    return inside[:, column].sum() * MM


def heights(anatomy, law):
    """What is left of T12's height at its rear, middle and front, as fractions."""
    patient = Patient(anatomy, straight(len(anatomy.bodies)))
    broken = Fracture("T12", law, 0.5, 0.7, 0.0 if law == "wedge" else 0.7, 0.0, 1.0, 5)
    (body,) = (b for b in patient.bodies((broken,)) if b.level == "T12")
    assert body.broken
    return [height_at(body, part) / HEIGHT for part in (0.05, 0.5, 0.95)]


def test_each_law_takes_height_where_it_says(anatomy):
    rear, middle, front = heights(anatomy, "wedge")
    assert rear > 0.9
    assert rear > middle >= front
    rear, middle, front = heights(anatomy, "biconcave")
    assert middle < 0.67
    assert min(rear, front) > middle + 0.1
    assert max(heights(anatomy, "crush")) < 0.75


def test_what_lies_above_comes_down_and_forward_and_what_lies_below_stays(anatomy):
    patient = Patient(anatomy, straight(len(anatomy.bodies)))
    broken = Fracture("T12", "wedge", 0.5, 0.8, 0.1, 0.0, 1.0, 5)
    whole = {b.level: b.centre for b in patient.bodies(())}
    after = {b.level: b.centre for b in patient.bodies((broken,))}
    assert after["T11"][0] < whole["T11"][0] - 3
    assert after["T9"][1] > whole["T9"][1]
    assert np.array_equal(after["L1"], whole["L1"])


def test_fractures_lose_18_to_55_percent_by_all_three_laws():
    rng = np.random.default_rng(0)
    drawn = [draw_fracture(rng, "T12") for _ in range(300)]
    assert {f.law for f in drawn} == {"wedge", "biconcave", "crush"}
    assert all(0.18 <= f.loss <= 0.55 for f in drawn)


def run(anatomy, folder, *arguments):
    """The real command on the made-up anatomy, which it finds where it keeps the CT's."""
    write_anatomy(anatomy, folder / "anatomy.npz")
    command = [sys.executable, "-m", "tools.simulate_fluoroscopy", "--data", "no-ct-is-needed"]
    command += ["--out", str(folder / "set"), "--patients", "1", "--workers", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with (folder / "set" / "index.csv").open(newline="") as file:
        return folder / "set", list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(anatomy, tmp_path_factory):
    return run(anatomy, tmp_path_factory.mktemp("simulated"), *SINGLE)


def read(out, name):
    return cv2.imread(str(out / name), cv2.IMREAD_UNCHANGED)


def test_a_patient_has_three_views_and_a_third_of_them_is_healthy(written):
    out, rows = written
    assert [r["view"] for r in rows[::6]] == ["lateral", "ap", "oblique"]
    assert sum(r["kind"] == "healthy" for r in rows) * 3 == len(rows) == 18
    assert len({(r["patient"], r["centre"], r["split"]) for r in rows}) == 1
    for r in rows:
        picture, mask, bodies = (read(out, r[n]) for n in ("image", "mask", "bodies"))
        assert picture.shape == mask.shape == bodies.shape == (512, 512)
        assert set(np.unique(mask)) <= {0, 255}
        assert not mask[bodies == 0].any()
        assert (r["kind"] == "healthy") == (float(r["loss"]) == 0)
        if r["kind"] == "healthy":
            assert not mask.any()


def test_twins_share_camera_and_noise(written):
    """Far from the column, a fractured picture and its healthy twin look alike; others don't."""
    out, rows = written
    named = {r["image"].rsplit("-", 1)[1][0]: r for r in rows[:6]}
    ill, well, other = (read(out, named[k]["image"]).astype(float) for k in "ahb")
    spine = sum(read(out, named[k]["bodies"]).astype(int) for k in "ah") > 0
    away = cv2.dilate(spine.astype(np.uint8), np.ones((61, 61))) == 0
    assert away.sum() > 5000
    alike = np.corrcoef(ill[away], well[away])[0, 1]
    assert alike > 0.95
    assert np.corrcoef(ill[away], other[away])[0, 1] < alike


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(anatomy, written, tmp_path):
    out, rows = written
    again, same = run(anatomy, tmp_path, *SINGLE)
    assert same == rows
    for r in rows:
        assert (again / r["image"]).read_bytes() == (out / r["image"]).read_bytes()
    command = [sys.executable, "-c", FROM_THE_SIDE, str(tmp_path), "5"]
    subprocess.run(command, timeout=110, check=True)
    with (tmp_path / "index.csv").open(newline="") as file:
        other = list(csv.DictReader(file))
    assert [r["view"] for r in other] == ["lateral"] * 6
    assert other != rows[:6]


def test_pictures_of_no_spine_have_no_fracture_and_say_so(anatomy, tmp_path):
    out, rows = run(anatomy, tmp_path, "--elsewhere")
    assert {r["kind"] for r in rows} == {"other"}
    assert not any(read(out, r["mask"]).any() for r in rows)
    for r in rows:
        assert r["view"] == "chest" or not read(out, r["bodies"]).any()


def test_the_index_can_be_read_by_what_trains(written):
    out, rows = written
    entries = read_index(out / "index.csv")
    assert [e.kind for e in entries] == [r["kind"] for r in rows]
    assert {e.split for e in entries} == {rows[0]["split"]}
