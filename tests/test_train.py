"""A hospital's way, end to end on a tiny index: train, go on, calibrate, evaluate, export, use."""

import csv
import json
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.test_cli import orapp
from tools.simulate_fluoroscopy.dataset import make_folders, save
from tools.simulate_layers import pictures

SIDE = 64


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Pictures of the app's own C-arm as if they were a hospital's, and some of no spine."""
    from orapp.sources.spine import load_layers, shipped_poses
    from tools.others import draw_other

    folder = tmp_path_factory.mktemp("hospital")
    index = make_folders(folder)
    layers = load_layers(shipped_poses()[0])
    rng = np.random.default_rng(0)
    rows = []
    for patient in range(6):
        split = ("train", "train", "train", "val", "val", "external")[patient]
        about = {"patient": str(patient), "centre": "own", "split": split, "view": "lateral"}
        for name, broken, _, planes in pictures(layers, patient, 1):
            names = save(folder, f"{patient}-{name}", planes)
            kind = broken.law if broken else "healthy"
            rows.append(about | dict(zip(("image", "mask", "bodies"), names, strict=True)))
            rows[-1] |= {"kind": kind}
        cv2.imwrite(str(folder / "images" / f"{patient}-x.png"), draw_other(SIDE, rng))
        other = {"image": f"images/{patient}-x.png", "mask": "", "kind": "other", "view": "limb"}
        rows.append(about | other)
    with index.open("w", newline="") as file:
        table = csv.DictWriter(file, ["image", "mask", "bodies", "kind", *about])
        table.writeheader()
        table.writerows(rows)
    return index


def tool(name, *arguments):
    command = [sys.executable, "-m", f"tools.{name}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def trained(hospital, tmp_path_factory):
    out = tmp_path_factory.mktemp("train")
    short = ("--minutes", 0.05, "--every", 0.02, "--batch", 4, "--size", SIDE)
    tool("train", "--data", hospital, "--out", out, *short)
    tool("train", "--data", hospital, "--out", out, *short, "--resume")
    return out


def test_training_goes_on_where_it_was_and_draws_its_curves(trained):
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    seen = [row["seen"] for row in rows]
    assert seen == sorted(set(seen))
    minutes = [row["minutes"] for row in rows]
    assert any(b < a for a, b in pairwise(minutes)), "it never went on"
    assert {"auc", "dice", "ellipse", "bodies", "spine_auc"} <= set(rows[-1])
    assert cv2.imread(str(trained / "learning.png")).size > 0


def test_several_networks_see_the_same_pictures(hospital, tmp_path):
    names = ("pfnet-lite", "unet")
    few = ("--pictures", 16, "--batch", 4, "--size", SIDE, "--device", "cpu")
    tool("train", "--data", hospital, "--out", tmp_path, "--networks", *names, *few)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in names]
    seen = [[json.loads(line)["seen"] for line in log] for log in logs]
    assert seen[0] == seen[1]
    assert seen[0][-1] >= 16
    assert all((tmp_path / name / "weights.safetensors").exists() for name in names)


@pytest.mark.timeout(400)
def test_what_was_trained_is_calibrated_evaluated_exported_and_used(hospital, trained, tmp_path):
    weights, out = trained / "weights.safetensors", tmp_path / "calibrated"
    tool("calibrate_judge", "--data", hospital, "--weights", weights, "--out", out)
    thresholds = json.loads((out / "thresholds.json").read_text())
    assert set(thresholds) == {"least_broken", "least_spine"}
    weights, evaluation = out / "weights.safetensors", tmp_path / "evaluation"
    tool(
        *("evaluate", "--data", hospital, "--out", evaluation),
        *("--weights", f"pfnet-lite={weights}"),
    )
    table = (evaluation / "table.md").read_text()
    assert "| external, centre own | 4 |" in table
    assert "is it a spine?" in table
    assert (evaluation / "roc.png").exists()
    model, picture = tmp_path / "own-model", hospital.parent / "images" / "5-a.png"
    export = ("export_onnx", "--weights", weights, "--out", model, "--data", hospital)
    # seconds of training make no good network: it shall outline something, no matter what
    (out / "lax.json").write_text('{"least_broken": 0.0, "least_spine": 0.0}')
    tool(*export, "--thresholds", out / "lax.json", "--threshold", 0.02)
    done = orapp("segment", picture, "--model", model, "--out", tmp_path / "masks")
    assert done.returncode == 0, done.stderr
    tool("quantize", "--model", model)
    assert "[forms.int8]" in (model / "manifest.toml").read_text()
    (out / "strict.json").write_text('{"least_broken": 1.0, "least_spine": 0.0}')
    command = [sys.executable, "-m", "tools.export_onnx", *map(str, export[1:])]
    command += ["--thresholds", str(out / "strict.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 1
    assert "outlines nothing on its golden frames" in done.stderr
    assert "Traceback" not in done.stderr
