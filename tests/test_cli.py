"""The command line as a real process: one sentence and exit code 2 for what is wrong."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.sources import SquareSource

ENVIRONMENT = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


def orapp(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orapp", *map(str, arguments)],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=cwd,
    )


def write_clip(path: Path, frames: int = 30) -> Path:
    import av

    squares = SquareSource(size=(256, 192))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=15)
        stream.width, stream.height, stream.pix_fmt = 256, 192, "gray"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(squares.picture(number), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def assert_one_sentence(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("orapp: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nonsense", "'nonsense' is not a source; use one of simulated:"),
        ("ftp://x", "'ftp:' is not a kind of source"),
        ("v4l2:/dev/video99", "/dev/video99"),
        ("file:none.mkv", "'none.mkv'"),
        ("dicom:none.dcm", "'none.dcm'"),
        ("simulated:?speed=9", "'speed' is not an option of simulated:"),
    ],
)
def test_a_source_that_cannot_be_opened(source, sentence):
    assert_one_sentence(orapp("live", "--headless", "--source", source), sentence)


def test_files_that_are_broken_or_something_else(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv").read_bytes()
    files = {
        "file:junk.mkv": b"junk" * 1000,
        "dicom:junk.dcm": b"junk" * 1000,
        "dicom:empty.dcm": b"",
        "file:cut.mkv": clip[: len(clip) * 2 // 3],
    }
    for uri, data in files.items():
        kind, name = uri.split(":")
        (tmp_path / name).write_bytes(data)
        done = orapp("live", "--headless", "--source", f"{kind}:{tmp_path / name}")
        assert_one_sentence(done, f"'{name}'")


def test_a_model_that_is_not_there_or_not_itself(tmp_path, bright_model):
    done = orapp("live", "--headless", "--model", "resnet")
    assert_one_sentence(done, "there is no model 'resnet'")
    folder = tmp_path / "bad"
    folder.mkdir()
    for file in bright_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "manifest.toml").write_text("name = 1")
    done = orapp("live", "--headless", "--model", folder, "--seconds", "2")
    assert_one_sentence(done, "manifest.toml of bad")
    (folder / "manifest.toml").write_text((bright_model / "manifest.toml").read_text())
    with (folder / "model.onnx").open("ab") as model:
        model.write(b"x")
    done = orapp("live", "--headless", "--model", folder, "--seconds", "2")
    assert_one_sentence(done, "is not the file that its manifest names")


def test_a_folder_in_the_way_is_not_taken_for_the_model_that_ships(tmp_path, bright_model):
    shutil.copytree(bright_model, tmp_path / "pfnet-lite")
    cv2.imwrite(str(tmp_path / "a.png"), SquareSource().picture(5))
    done = orapp("segment", tmp_path / "a.png", "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 frames, 0 with an outline" in done.stdout


def test_a_link_is_written_through_and_stays_a_link(tmp_path, bright_model):
    clip = write_clip(tmp_path / "clip.mkv", 5)
    (tmp_path / "real.json").write_text("")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    orapp(
        *("live", "--headless", "--source", f"file:{clip}", "--model", bright_model),
        *("--report", tmp_path / "link.json"),
    )
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["frames"]["captured"] == 5


def test_the_name_of_a_file_is_in_no_report_and_no_log(tmp_path, bright_model):
    data = write_clip(tmp_path / "clip.mkv").read_bytes()
    (tmp_path / "DOE_JOHN.mkv").write_bytes(data[: len(data) // 2])
    report = tmp_path / "report.json"
    done = orapp(
        *("--verbose", "live", "--headless", "--source", f"file:{tmp_path / 'DOE_JOHN.mkv'}"),
        *("--model", bright_model, "--report", report),
    )
    *log, sentence = done.stderr.splitlines()
    assert "'DOE_JOHN.mkv' ends in the middle of a frame" in sentence
    assert log
    assert "DOE" not in "".join(log)
    assert "DOE" not in report.read_text()


def test_a_report_that_cannot_be_written_is_told_before_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    done = orapp("live", "--headless", "--report", tmp_path / "file" / "report.json")
    assert_one_sentence(done, "'report.json' can't be written")


def test_no_display_is_one_sentence():
    environment = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")
    assert_one_sentence(orapp("live", **environment), "run with --headless")
    environment["DISPLAY"] = ":7777"
    assert_one_sentence(orapp("live", **environment), "display :7777 does not answer")


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1"])
def test_a_length_that_is_none(seconds):
    done = orapp("live", "--headless", f"--seconds={seconds}")
    assert done.returncode == 2
    assert "seconds" in done.stderr
    assert "fault" not in done.stderr


def test_a_finite_clip_ends_the_run_and_everything_is_written(tmp_path, bright_model):
    clip = write_clip(tmp_path / "clip.mkv")
    report, shot = tmp_path / "new" / "report.json", tmp_path / "shot.png"
    done = orapp(
        "live", "--headless", "--source", f"file:{clip}", "--model", bright_model,
        "--report", report, "--screenshot", shot,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    figures = json.loads(report.read_text())
    assert figures["frames"]["captured"] == 30
    assert figures["frames"]["shown"] >= 29
    assert figures["outlines"]["mispaired"] == 0
    assert set(figures) >= {"frames", "outlines", "latency_ms", "engine", "machine", "events"}
    picture = cv2.imread(str(shot))
    assert picture.shape[0] > 500
    assert picture.std() > 10


def test_a_stick_that_is_pulled_costs_the_screenshot_and_not_the_report(tmp_path, bright_model):
    clip = write_clip(tmp_path / "clip.mkv")
    report, stick = tmp_path / "report.json", tmp_path / "stick"

    def pull() -> None:
        while not stick.exists():
            time.sleep(0.01)
        while stick.exists():
            shutil.rmtree(stick, ignore_errors=True)

    puller = threading.Thread(target=pull)
    puller.start()
    done = orapp(
        *("live", "--headless", "--source", f"file:{clip}", "--model", bright_model),
        *("--report", report, "--screenshot", stick / "shot.png"),
    )
    puller.join()
    assert_one_sentence(done, "'shot.png' can't be written")
    assert len(done.stdout.splitlines()) == 5
    assert json.loads(report.read_text())["frames"]["captured"] == 30


def test_segment_writes_masks_and_results(tmp_path, bright_model):
    cv2.imwrite(str(tmp_path / "a.png"), SquareSource().picture(5))
    done = orapp("segment", tmp_path / "a.png", "--out", tmp_path / "out", "--model", bright_model)
    assert done.returncode == 0, done.stderr
    assert "1 frames, 1 with an outline" in done.stdout
    (line,) = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["file"] == "a.png"
    mask = cv2.imread(str(tmp_path / "out" / "a_0000.png"), cv2.IMREAD_UNCHANGED)
    x0, y0, x1, y1 = SquareSource().square_at(5)
    assert np.count_nonzero(mask[y0:y1, x0:x1]) > 0.88 * 60 * 60  # its corners are round at 64x64
    done = orapp("segment", tmp_path / "none.png", "--out", tmp_path / "out")
    assert_one_sentence(done, "'none.png' does not exist")


def test_it_runs_where_torch_and_tensorrt_are_not_installed(tmp_path):
    """A module that can't be imported stands for one that isn't there."""
    for name in ("torch", "tensorrt", "tensorrt_rtx", "pycuda", "onnx", "safetensors", "scipy"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')")
    done = orapp("live", "--headless", "--seconds", "4", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "pfnet-lite on openvino" in done.stdout
    done = orapp("live", "--headless", "--seconds", "2", "--engine", "torch",
                 PYTHONPATH=str(tmp_path), )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_version_and_help():
    assert orapp("--version").stdout.startswith("orapp 0.")
    assert "not a medical device" in orapp("--help").stdout
