"""`orapp engine` as a real process: build, list, verify, clear; and what refuses."""

import shutil

import pytest

from orapp.engines.gpu import find_gpu
from orapp.engines.trust import find_model
from tests.models import write_bright_model
from tests.test_cli import assert_one_sentence, orapp

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
without_gpu = pytest.mark.skipif(find_gpu() is not None, reason="a GPU is here: plans are ready")


def run(tmp_path, *arguments):
    return orapp("engine", *arguments, XDG_CACHE_HOME=str(tmp_path / "cache"), COLUMNS="200")


@without_gpu
def test_a_plan_is_built_listed_with_what_refuses_it_and_cleared(tmp_path):
    done = run(tmp_path, "build", "pfnet-lite", "--precision", "fp16", "--for", "sm86,sm89")
    assert done.returncode == 0, done.stderr
    assert "for sm86, sm89" in done.stdout
    assert "by tensorrt-rtx" in done.stdout
    listed = run(tmp_path, "list")
    assert listed.returncode == 0
    assert "refused: this machine has no NVIDIA GPU with a driver" in listed.stdout
    (plan,) = (tmp_path / "cache" / "orapp" / "plans").glob("*.plan")
    plan.write_bytes(plan.read_bytes()[:-1])
    assert "is cut" in run(tmp_path, "list").stdout
    assert run(tmp_path, "clear").stdout == "1 compiled engines removed\n"
    assert "no engine has been compiled" in run(tmp_path, "list").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("build", "resnet"), "there is no model 'resnet'"),
        (("build", "--for", "sm90"), "'sm90' is no target of TensorRT-RTX"),
        (("verify", "resnet"), "there is no model 'resnet'"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(tmp_path, arguments, sentence):
    assert_one_sentence(run(tmp_path, *arguments), sentence)


def test_verify_runs_what_there_is_and_says_what_there_is_not(tmp_path):
    done = run(tmp_path, "verify", "pfnet-lite")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as the reference") >= 3
    assert "openvino" in done.stdout
    assert "not run: no fp16 plan of pfnet-lite has been built" in done.stdout


@without_gpu
def test_verify_fails_where_an_engine_is_refused(tmp_path):
    run(tmp_path, "build", "pfnet-lite", "--for", "sm86")
    (plan,) = (tmp_path / "cache" / "orapp" / "plans").glob("*.plan")
    plan.write_bytes(plan.read_bytes()[:-1])
    done = run(tmp_path, "verify", "pfnet-lite")
    assert done.returncode == 2
    assert "refused: " in done.stdout
    assert "1 engines differ or are refused" in done.stderr


def spoilt(tmp_path):
    """The shipped model with other golden answers: as an engine would be that computes wrongly."""
    import hashlib

    import numpy as np

    from orapp.engines.trust import load_manifest
    from orapp.golden import Golden, write_golden
    from orapp.verify import load_golden

    folder = shutil.copytree(find_model("pfnet-lite"), tmp_path / "spoilt")
    manifest = load_manifest(folder)
    golden = load_golden(folder, manifest)
    moved = np.roll(golden.probability, 9, axis=2)
    write_golden(folder / "golden.npz", Golden(golden.images, moved, golden.judged))
    digest = hashlib.sha256((folder / "golden.npz").read_bytes()).hexdigest()
    text = (folder / "manifest.toml").read_text().replace(manifest.golden.sha256, digest)
    (folder / "manifest.toml").write_text(text)
    return folder


def test_an_engine_that_differs_fails_verification_and_outlines_nothing(tmp_path):
    folder = spoilt(tmp_path)
    done = run(tmp_path, "verify", str(folder))
    assert done.returncode == 2
    assert "engines differ or are refused" in done.stderr
    assert "outline px" in done.stdout
    live = orapp("live", "--model", str(folder), "--seconds", "4", "--headless")
    assert "on 0 frames" in live.stdout
    assert "never ready" in live.stdout
    still = orapp("segment", str(folder), "--model", str(folder), "--out", str(tmp_path / "out"))
    assert still.returncode == 2


def test_auto_says_which_engine_and_why(tmp_path):
    report = tmp_path / "report.json"
    model = write_bright_model(tmp_path / "bright")
    done = orapp(
        *("live", "--model", str(model), "--seconds", "3", "--headless", "--report", str(report)),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    text = report.read_text()
    assert "openvino" in text
    assert "no TensorRT: no plan of bright has been built" in text
