"""Acceptance: the budget is checked whole, the verdict follows from the checks, growth is seen."""

import os
import signal
import subprocess
import sys
import time
from xml.etree.ElementTree import tostring

import numpy as np
import psutil
import pytest

from orapp.accept.budget import LARGEST, Budget, Soak, load_budget, shipped_budget
from orapp.accept.checks import (
    at_least,
    at_most,
    failed,
    is_fit,
    not_checked,
    passed,
    verdict_words,
)
from orapp.accept.growth import Sample, slope
from orapp.accept.load import Load, parse_load
from orapp.accept.measured import growth_checks
from orapp.accept.plots import line
from orapp.errors import OrappError
from tests.models import write_bright_model


def orapp(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "orapp", "accept", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_the_budget_that_ships_is_what_orapp_does_by_itself():
    budget, digest = load_budget(None)
    assert budget == Budget()
    assert len(digest) == 64
    text = shipped_budget().read_text()
    for table, limits in Budget().model_dump().items():
        assert f"[{table}]" in text
        assert all(f"\n{name} = " in text for name in limits)


def test_the_limits_are_those_that_were_agreed():
    limits = Budget().latency
    assert (limits.picture_p99_ms, limits.outline_p99_ms) == (33, 100)
    assert (limits.missed_frames, limits.mispaired) == (0, 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[latency]\npicture_p99_ms = -1", r"wrong at latency\.picture_p99_ms: input should be"),
        (b"[latency]\npicture_p99_ms = nan", r"wrong at latency\.picture_p99_ms"),
        (b"[latency]\nmissed_frames = 0.5", r"wrong at latency\.missed_frames"),
        (b"[speed]\nfast = true", "wrong at speed: extra inputs are not permitted"),
        (b"latency = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"#" * (LARGEST + 1), "it is too large"),
    ],
)
def test_a_wrong_budget_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "budget.toml"
    path.write_bytes(text)
    with pytest.raises(OrappError, match=sentence):
        load_budget(path)


def test_a_part_of_a_budget_leaves_the_rest_as_it_is(tmp_path):
    path = tmp_path / "budget.toml"
    path.write_text("[latency]\npicture_p99_ms = 20\n")
    budget, _ = load_budget(path)
    assert budget.latency.picture_p99_ms == 20
    assert budget.latency.outline_p99_ms == 100
    assert budget.faults == Budget().faults


def test_the_verdict_follows_from_the_checks():
    good = [passed("engine", "in use", "x"), at_most("latency", "p99", 33, 33, "ms")]
    assert is_fit(good)
    assert verdict_words(good) == "FIT: 2 checks passed"
    left = [*good, not_checked("soak", "growth", "no --soak was given")]
    assert is_fit(left)
    assert verdict_words(left) == "FIT: 2 checks passed; not checked: soak"
    bad = [*left, at_most("latency", "picture p99", 33.01, 33, "ms")]
    assert not is_fit(bad)
    assert bad[-1].line == "latency: picture p99: 33.01 ms is more than 33 ms"
    assert verdict_words(bad) == "NOT FIT: 1 of 4 checks failed"


def test_nothing_seen_is_no_pass():
    assert not is_fit([])
    assert not is_fit([not_checked("soak", "growth", "x")])
    assert at_most("latency", "p99", None, 33).state == "failed"
    assert at_most("latency", "p99", float("nan"), 33).state == "failed"
    assert at_least("latency", "rate", float("nan"), 95).state == "failed"
    assert not is_fit([passed("a", "b", "c"), failed("d", "e", "f")])


def samples(memory=lambda _: 100.0, threads=lambda _: 20, files=lambda _: 60):
    return [Sample(s, memory(s), threads(s), files(s)) for s in range(60)]


def states(seen):
    return [check.state for check in growth_checks(seen, Soak())]


def test_growth_is_seen_and_hiccups_are_not():
    flat = ["passed"] * 3
    rng = np.random.default_rng(1)
    assert states(samples()) == flat
    assert states(samples(memory=lambda _: 300 + rng.normal(0, 8))) == flat
    assert states(samples(memory=lambda s: 900.0 if s in (7, 8, 30) else 300.0)) == flat
    assert states(samples(memory=lambda s: 400 - s)) == flat
    assert states(samples(memory=lambda s: 300 + s)) == ["failed", "passed", "passed"]
    assert states(samples(threads=lambda s: 20 + s // 10)) == ["passed", "failed", "passed"]
    assert states(samples(files=lambda s: 60 + s // 10)) == ["passed", "passed", "failed"]
    assert states(samples()[:5]) == ["failed"]
    assert slope([0, 1, 2], [5, 7, 9]) == 2


def test_gigabytes_are_written_out_on_the_axis():
    text = tostring(line("memory", [(0, 1800.0), (86_400, 2190.0)], "MB"), "unicode")
    assert "2409 MB" in text
    assert "86400" in text
    assert "e+" not in text


def test_the_load_runs_and_is_gone(tmp_path):
    with Load(("cpu", "disk"), tmp_path) as load:
        children = psutil.Process().children()
        ours = [c for c in children if "getppid" in " ".join(c.cmdline())]
        assert len(ours) >= 2
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size for path in tmp_path.rglob("load")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert load.held
        os.kill(ours[0].pid, signal.SIGKILL)
        ours[0].wait(10)
        assert not load.held
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OrappError, match="--load knows no 'gpu'; use cpu,disk"):
        parse_load("cpu,gpu")
    assert parse_load("none") == ()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--budget", "missing.toml"], "the budget 'missing.toml' can't be read"),
        (["--load", "gpu"], "--load knows no 'gpu'"),
        (["--only", "luck"], "--only knows no 'luck'; use some of engine, calibration"),
        (["--source", "cable:1"], "'cable:' is not a kind of source"),
        (["--model", "nobody"], "there is no model 'nobody'"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, arguments, sentence):
    done = orapp("--out", tmp_path / "out", "--headless", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_engine_is_not_fit(tmp_path):
    """A model whose answers are not its golden frames', and one that is not its manifest's."""
    other = write_bright_model(tmp_path / "other")
    text = (other / "manifest.toml").read_text()
    shifted = write_bright_model(tmp_path / "shifted", level=120)
    golden = (shifted / "golden.npz").read_bytes()
    digests = [
        next(line for line in folder.read_text().split("[golden]")[1].splitlines() if "sha" in line)
        for folder in (other / "manifest.toml", shifted / "manifest.toml")
    ]
    (other / "golden.npz").write_bytes(golden)
    (other / "manifest.toml").write_text(text.replace(*digests))
    out = tmp_path / "out"
    only = ("--out", out, "--headless", "--source", "simulated:?size=128")
    done = orapp(*only, "--model", other, "--only", "engine,latency")
    assert done.returncode == 1, done.stderr
    assert "engine: in use: the engine is not what its model is: max difference" in done.stdout
    assert "latency" not in done.stdout.partition("NOT FIT")[0].replace("left out", "")
    text = (out / "accept.html").read_text()
    assert "✕ FAILED" in text
    assert "Painted offscreen" in text
    (other / "model.onnx").write_bytes((other / "model.onnx").read_bytes() + b" ")
    done = orapp(*only, "--model", other, "--only", "engine")
    assert done.returncode == 1, done.stderr
    assert "is not the file that its manifest names (SHA-256 differs)" in done.stdout
