"""QA over an archive, as its users call it: what is reported, kept, tried again, and never told."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orapp.engines import EngineSpec
from orapp.qa.cases import read_mapping
from orapp.qa.results import read_run, read_summary
from orapp.qa.run import Plan, run_qa
from tests.archives import run_of, simulated, write_archive, write_film, write_run_as
from tests.models import write_bright_model
from tests.test_importing import write_broken_run

LONG = os.environ.get("ORAPP_LONG") == "1"
RUNS, PLANTED = (1000, (3, 141, 142, 400, 613, 777, 999)) if LONG else (40, (3, 17, 39))
PATIENT = "Mustermann_O'Erika_19500101"
WAIT_S = 60


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models: they differ on runs with a rim, and agree on all others."""
    root = tmp_path_factory.mktemp("models")
    return [write_bright_model(root / str(k), level=k) for k in (200, 180)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "in", 4, planted=[1])


def qa(*arguments, timeout=100, **environment):
    return subprocess.run(
        [sys.executable, "-m", "orapp", "qa", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def run(paths, out, model, **more):
    paths = paths if isinstance(paths, list) else [paths]
    return run_qa(Plan(paths, out, EngineSpec(str(model), "openvino"), **more))


def label_of(out, name):
    return next(case.label for case in read_mapping(out) if Path(case.name).stem == name)


def comparison(out):
    return json.loads((out / "comparison.json").read_text())


@pytest.mark.timeout(3600 if LONG else 240)
def test_exactly_the_planted_changes_are_reported(tmp_path, models):
    archive = write_archive(tmp_path / "in", RUNS, PLANTED)
    begin = time.monotonic()
    first = qa("run", archive, "--out", tmp_path / "old", "--model", models[0], timeout=1800)
    assert (first.returncode, first.stderr) == (0, ""), first.stdout
    seconds = time.monotonic() - begin
    second = qa(
        "run", archive, "--out", tmp_path / "new", "--model", models[1],
        "--baseline", tmp_path / "old", timeout=1800,
    )  # fmt: skip
    print(f"{RUNS} runs in {seconds:.0f} s, with comparison {time.monotonic() - begin:.0f} s")
    assert (second.returncode, second.stderr) == (1, "")
    found = comparison(tmp_path / "new")
    names = {case.number: case.name for case in read_mapping(tmp_path / "new")}
    failed = {names[pair["number"]] for pair in found["pairs"] if pair["state"] == "failed"}
    assert failed == {f"day-{n // 100:02d}/run-of-{n:04d}.mkv" for n in PLANTED}
    assert [pair["state"] for pair in found["pairs"]].count("identical") == RUNS - len(PLANTED)
    assert f"Failed: {len(PLANTED)} of {RUNS} runs differ" in second.stdout
    for pair in found["pairs"]:
        if pair["state"] == "failed":
            assert any("Dice" in why for why in pair["broken"]), pair


@pytest.mark.timeout(300)
def test_masks_are_byte_identical_twice_and_with_1_2_and_4_workers(tmp_path):
    """With the model that ships, on the same pictures as video, DICOM and session."""
    pictures = simulated(3, 384, 12)
    for kind in ("dicom", "session", "video"):
        write_run_as(kind, tmp_path / "in", pictures)
    seen = set()
    for name, workers in (("a", 1), ("b", 1), ("c", 2), ("d", 4)):
        done = qa("run", tmp_path / "in", "--out", tmp_path / name, "--engine", "openvino",
                  "--workers", workers, "--no-pictures", timeout=200)  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert read_run(tmp_path / name).workers == workers
        for number in (1, 2, 3):
            folder = tmp_path / name / f"run-{number:04d}"
            summary = read_summary(folder)
            assert summary.frames == len(pictures)
            assert summary.outlined > 0
            lines = (folder / "outlines.jsonl").read_bytes()
            seen.add((lines, summary.masks_sha256, summary.probability_sha256))
    assert len(seen) == 1


def test_of_a_session_what_was_recorded_is_told(tmp_path, models):
    write_run_as("session", tmp_path / "in", run_of(1))
    done = qa("run", tmp_path / "in", "--out", tmp_path / "out", "--model", models[0])
    assert done.returncode == 0, done.stderr
    summary = read_summary(tmp_path / "out" / "run-0001")
    assert summary.states["recorded_frame"] == summary.states["exposures"] == 8
    assert "incomplete" not in summary.states
    assert "cut off" not in (tmp_path / "out" / "report.html").read_text()


def test_which_pictures_of_sessions_were_read_is_told_and_why(tmp_path, models):
    for name in ("a", "b"):
        write_run_as("session", tmp_path / "in" / name, run_of(1))
    (tmp_path / "in" / "b" / "session" / "small-0000.mkv").unlink()
    words = ["run", tmp_path / "in", "--out", tmp_path / "out"]
    done = qa(*words, "--no-pictures", "--engine", "openvino")  # which takes in 256x256
    assert (done.returncode, done.stderr) == (0, "")
    told = "sessions' pictures: 1 small; 1 large: one is missing or damaged"
    assert told in done.stdout
    record = read_run(tmp_path / "out")
    assert [case.pictures for case in record.cases] == ["small", "large: one is missing or damaged"]
    again = qa(*words, "--no-pictures", "--engine", "openvino")
    assert "sessions' pictures" not in again.stdout  # nothing was read
    other = qa("run", tmp_path / "in" / "a", "--out", tmp_path / "o", "--model", models[0])
    assert "sessions' pictures: 1 large: the engine takes in " in other.stdout


def test_a_session_whose_import_broke_off_is_no_whole_run(tmp_path, models):
    """Its frames count, and the table says that there were more."""
    path = write_broken_run(tmp_path / "x.dcm")
    imported = [sys.executable, "-m", "orapp", "import", str(path), str(tmp_path / "in")]
    assert subprocess.run(imported, capture_output=True, timeout=100).returncode == 2
    done = qa("run", tmp_path / "in", "--out", tmp_path / "out", "--model", models[0])
    assert done.returncode == 0, done.stderr
    summary = read_summary(tmp_path / "out" / "run-0001")
    assert (summary.frames, summary.states["incomplete"]) == (2, 1)
    assert "2, cut off" in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_of_single_dicom_frames_is_one_run(tmp_path, models):
    from tests.test_dicom_source import write

    (tmp_path / "in").mkdir()
    for number, pixels in enumerate(run_of(2), 1):
        write(tmp_path / "in" / f"{number}.dcm", pixels[None], 8, InstanceNumber=number)
    record = run(tmp_path / "in", tmp_path / "out", models[0])
    assert [(case.state, case.number) for case in record.cases] == [("done", 1)]
    assert read_summary(tmp_path / "out" / "run-0001").frames == 8


def test_folders_are_searched_and_names_may_be_anything(tmp_path, models):
    folder = tmp_path / "in" / "a b;c" / ("nam\udce9" + "\n" + "é" * 20)
    write_film(tmp_path / "a.mkv", run_of(1))
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "a.mkv", folder / 'b,".MKV')
    (folder / ".hidden.mkv").write_bytes(b"x")
    (folder / "cases.csv").write_text("of somebody else")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    record = run(tmp_path / "in", tmp_path / "out", models[0])
    assert [case.state for case in record.cases] == ["done"]
    (case,) = read_mapping(tmp_path / "out")
    assert case.path == folder.resolve() / 'b,".MKV'
    assert run(tmp_path / "in", tmp_path / "out", models[0]).speed.frames == 0


def test_figures_of_a_run_follow_from_its_pictures(tmp_path, models):
    """Frames: body, body, none, body, body moved by half its side; the third shown twice."""
    shown = run_of(7)
    body, empty = shown[0], shown[0].copy()
    empty[empty == 255] = 100
    moved = empty.copy()
    columns, lines = (body == 255).any(0).nonzero()[0], (body == 255).any(1).nonzero()[0]
    half = len(columns) // 2
    moved[lines[0] : lines[-1] + 1, columns[0] + half : columns[-1] + 1 + half] = 255
    pictures = [body, body, empty, empty, body, moved]
    write_film(tmp_path / "in" / "a.mkv", pictures)
    run(tmp_path / "in", tmp_path / "out", models[0])
    summary = read_summary(tmp_path / "out" / "run-0001")
    assert (summary.frames, summary.outlined) == (6, 4)
    assert summary.detection_rate == pytest.approx(4 / 6)
    assert summary.flicker.appearing == pytest.approx(2 / 5)
    assert summary.flicker.change == pytest.approx((0 + 2 / 3) / 2, abs=0.05)
    assert summary.states == {"exposures": 4, "repeats": 2, "view_not_supported": 0}


def test_what_is_done_is_kept_and_what_changed_is_not(tmp_path, models, archive):
    out = tmp_path / "out"
    run(archive, out, models[0])
    before = {p: p.stat().st_mtime_ns for p in out.glob("*/summary.json")}
    assert len(before) == 4
    again = run(archive, out, models[0])
    assert again.speed.frames == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before

    (out / "run-0002" / "outlines.jsonl").write_bytes(b"{}\n")
    (out / "run-0003" / "summary.json").write_bytes(b"{")
    assert run(archive, out, models[0]).speed.frames == 16
    assert run(archive, out, models[0], resume=False).speed.frames == 32
    assert run(archive, out, models[1]).speed.frames == 32


def test_new_runs_get_new_numbers_and_old_ones_keep_theirs(tmp_path, models):
    write_film(tmp_path / "in" / "m.mkv", run_of(1))
    run(tmp_path / "in", tmp_path / "out", models[0])
    write_film(tmp_path / "in" / "a.mkv", run_of(2))
    assert run(tmp_path / "in", tmp_path / "out", models[0]).speed.frames == 8
    names = {case.number: case.name for case in read_mapping(tmp_path / "out")}
    assert names == {1: "m.mkv", 2: "a.mkv"}


def test_a_broken_run_is_told_and_the_rest_goes_on_and_no_name_gets_out(tmp_path, models):
    folder = tmp_path / PATIENT
    good = write_film(folder / f"{PATIENT}_b.mkv", run_of(1))
    (folder / f"{PATIENT}_a.mkv").write_bytes(b"junk" * 99)
    (folder / f"{PATIENT}_c.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"junk" * 99)
    whole = good.read_bytes()
    (folder / f"{PATIENT}_d.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "notes.txt").write_text("no run")
    write_run_as("dicom", folder / "e", run_of(3))
    out = tmp_path / "out"
    done = qa("run", folder, "--out", out, "--model", models[0])
    assert done.returncode == 1
    assert "Failed: 3 of 5 runs could not be read" in done.stdout
    assert "run-0001 is not a video that can be read" in done.stdout
    assert "run-0004 ends in the middle of a frame" in done.stdout
    states = [case.state for case in read_run(out).cases]
    assert states == ["error", "done", "error", "error", "done"]
    told = [done.stdout.encode(), done.stderr.encode()]
    told += [p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != "cases.csv"]
    told += [str(p.relative_to(out)).encode() for p in out.rglob("*")]
    for part in ("Mustermann", "Erika", "19500101"):
        assert not any(part.encode() in text for text in told)
        assert part in (out / "cases.csv").read_text()


@pytest.mark.parametrize("rights", [0, 0o400], ids=["closed", "listed only"])
def test_a_folder_that_nobody_may_read_is_one_failed_run(tmp_path, models, rights):
    folder = tmp_path / PATIENT
    write_film(folder / "a.mkv", run_of(1))
    write_film(folder / "closed" / "b.mkv", run_of(1))
    (folder / "closed").chmod(rights)
    without = "--bounding-set=-dac_override,-dac_read_search"  # which let root read all the same
    as_anybody = ["setpriv", without] if os.geteuid() == 0 else []
    out = tmp_path / "out"
    words = [sys.executable, "-m", "orapp", "qa", "run", folder, "--out", out]
    done = subprocess.run(
        [*as_anybody, *words, "--model", models[0]], capture_output=True, text=True, timeout=100
    )
    (folder / "closed").chmod(0o700)
    assert done.returncode == 1, done.stderr
    assert "Failed: 1 of 2 runs could not be read" in done.stdout
    assert re.search(r"run-0002:? (it )?can't be read \(permission denied\)", done.stdout)
    assert [case.state for case in read_run(out).cases] == ["done", "error"]
    assert "closed" not in (out / "qa.json").read_text()


SLOW = """
import sys
from pathlib import Path
from orapp.engines import EngineSpec
from orapp.qa.run import Plan, run_qa
if __name__ == "__main__":
    paths, out, model, workers = [Path(sys.argv[1])], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    spec = EngineSpec(model, "openvino", delay_ms=int(sys.argv[5]))
    run_qa(Plan(paths, out, spec, workers=int(workers)))
"""


def start(tmp_path, *arguments):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, script, *map(str, arguments)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(what, process):
    deadline = time.monotonic() + WAIT_S
    while not (found := what()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return found


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path, models, archive):
    out = tmp_path / "out"
    process = start(tmp_path, archive, out, models[0], 1, 60)
    wait_for(lambda: list(out.glob("*/summary.json")), process)
    process.kill()
    process.communicate()
    done = list(out.glob("*/summary.json"))
    assert 1 <= len(done) < 4
    refused = qa("compare", out, archive, "--out", tmp_path / "x")
    assert refused.returncode == 2
    assert "holds no finished results of QA" in refused.stderr
    record = run(archive, out, models[0], resume=True)
    assert record.speed.frames == 8 * (4 - len(done))
    assert not list(out.rglob("*.part*"))
    run(archive, tmp_path / "whole", models[0])
    for number in range(1, 5):
        name = f"run-{number:04d}/outlines.jsonl"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def kill_worker_at(process, part):
    """Kills the worker process that is writing the file, as the system does when memory ends."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if str(part) in [file.path for file in child.open_files()]:
                child.kill()
                child.wait(WAIT_S)
                return True
        except psutil.Error:
            continue
    return False


@pytest.mark.timeout(300)
def test_a_worker_that_dies_is_replaced_and_its_run_tried_again(tmp_path, models, archive):
    out = tmp_path / "out"
    process = start(tmp_path, archive, out, models[0], 2, 100)
    part, *_ = wait_for(lambda: list(out.glob("*/.outlines.part.jsonl")), process)
    assert kill_worker_at(process, part)
    _, error = process.communicate(timeout=200)
    assert (process.returncode, error) == (0, "")
    assert [case.state for case in read_run(out).cases] == ["done"] * 4
    run(archive, tmp_path / "whole", models[0])
    for number in range(1, 5):
        name = f"run-{number:04d}/outlines.jsonl"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.timeout(300)
def test_a_run_that_kills_every_worker_is_told_after_three(tmp_path, models):
    write_film(tmp_path / "in" / "a.mkv", run_of(1))
    out = tmp_path / "out"
    process = start(tmp_path, tmp_path / "in", out, models[0], 2, 1500)
    part = out / "run-0001" / ".outlines.part.jsonl"
    for _ in range(3):
        wait_for(lambda: kill_worker_at(process, part), process)
    _, error = process.communicate(timeout=200)
    assert (process.returncode, error) == (0, "")
    (case,) = read_run(out).cases
    assert (case.state, case.error) == ("error", "run-0001 lost its worker process 3 times")


def test_workers_without_dask_are_one_sentence(tmp_path, models, archive):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['distributed'] = None\n")
    root = Path(__file__).parent.parent
    done = qa("run", archive, "--out", tmp_path / "out", "--model", models[0], "--workers", 2,
              PYTHONPATH=f"{tmp_path}:{root}")  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "orapp: several workers need Dask, which is not installed; "
        "run 'pip install orapp[qa]', or use --workers 1.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "none.mkv", "--out", "out"), "'none.mkv' does not exist"),
        (("run", "empty", "--out", "out"), "no session, video or DICOM run in 'empty'"),
        (("run", "a.mkv", "--out", "a.mkv"), "can't be written"),
        (("run", "a.mkv", "--out", "out", "--model", "none"), "there is no model 'none'"),
        (("run", "a.mkv", "--out", "out", "--baseline", "empty"), "holds no finished results"),
        (("run", "a.mkv", "--out", "out", "--tolerances", "bad.toml"), "wrong at dice_min"),
        (("run", "a.mkv", "--out", "out", "--tolerances", "a.mkv"), "are no TOML"),
        (("run", "a.mkv", "--out", "out", "--cluster", "tcp://127.0.0.1:9"), "no Dask cluster"),
        (("compare", "empty", "empty", "--out", "out"), "holds no finished results of QA"),
        (("report", "empty"), "holds no finished results of QA"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, monkeypatch, arguments, sentence):
    (tmp_path / "empty").mkdir()
    write_film(tmp_path / "a.mkv", run_of(1))
    shipped = Path(__file__).parent.parent / "calibration" / "qa-tolerances.toml"
    bad = shipped.read_text().replace("dice_min = 0.90", "dice_min = 1.5")
    (tmp_path / "bad.toml").write_text(bad)
    done = subprocess.run(
        [sys.executable, "-m", "orapp", "qa", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("orapp: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
