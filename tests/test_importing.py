"""DICOM runs and videos become sessions: every frame, its own time, no word of the patient's."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from orapp.errors import OrappError
from orapp.frames import Signal
from orapp.importing import import_run, uri_of
from orapp.session import SessionReader
from tests.exports import pictures
from tests.test_dicom_source import PATIENT, stored_run, write


def read(folder: Path):
    with SessionReader(folder) as session:
        assert session.verify().whole
        return session.head, list(session.frames()), session


def test_a_dicom_run_keeps_every_frame_and_its_own_times(tmp_path):
    values = stored_run(8, 4)
    header = {"FrameTimeVector": [0, 100, 50, 250], "RadiationSetting": "GR"}
    write(tmp_path / "x.dcm", values, 8, **header)
    folder, count = import_run(str(tmp_path / "x.dcm"), tmp_path / "sessions")
    assert folder.parent == tmp_path / "sessions"
    head, frames, session = read(folder)
    assert count == session.frame_count == 4
    np.testing.assert_array_equal([frame.pixels for frame in frames], values)
    times = [(frame.captured_ns - head["started_ns"]) / 1e6 for frame in frames]
    assert times == [0, 100, 150, 400]
    assert [frame.index for frame in frames] == [frame.exposure for frame in frames] == [0, 1, 2, 3]
    assert head["source"]["kind"] == "dicom"
    assert head["source"]["facts"] == {"Modality": "XA", "RadiationSetting": "GR"}
    assert head["source"]["description"].startswith("imported: XA, 4 frames, 56x40, 8 bit")
    assert session.verify().ended.endswith("the source is through")


def test_no_word_of_the_patients_is_in_any_file_or_name(tmp_path):
    write(tmp_path / "Mustermann.dcm", stored_run(8), 8, AccessionNumber="Mustermann")
    folder, _ = import_run(str(tmp_path / "Mustermann.dcm"), tmp_path / "sessions")
    assert PATIENT.startswith("Mustermann")
    for path in folder.iterdir():
        assert b"Mustermann" not in path.read_bytes()
        assert b"12345" not in path.read_bytes()


def test_repeats_and_holds_are_those_that_the_live_path_would_see(tmp_path):
    values = np.repeat(stored_run(8, 3), [2, 1, 12], axis=0)
    write(tmp_path / "x.dcm", values, 8, FrameTime=66.7)
    folder, _ = import_run(str(tmp_path / "x.dcm"), tmp_path)
    _, frames, _ = read(folder)
    assert [frame.exposure for frame in frames] == [0, 0, 1] + [2] * 12
    assert [frame.repeat for frame in frames] == [False, True, False, False] + [True] * 11
    assert frames[3].signal == Signal.XRAY_ON
    assert frames[-1].signal == Signal.HOLD


def test_a_folder_of_frames_is_one_session(tmp_path):
    values = stored_run(8, 3)
    (tmp_path / "run").mkdir()
    for n, name in enumerate("cab"):
        write(tmp_path / "run" / name, values[n : n + 1], 8, InstanceNumber=n + 1)
    folder, count = import_run(str(tmp_path / "run"), tmp_path / "sessions")
    assert count == 3
    np.testing.assert_array_equal([frame.pixels for frame in read(folder)[1]], values)


def write_ffv1(path: Path, frames: list[np.ndarray], times_ms: list[int]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "gray"
        for pixels, at in zip(frames, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(np.asarray(pixels), format="gray")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_a_video_keeps_every_frame_and_its_own_times(tmp_path):
    frames = pictures(5, (96, 128))
    write_ffv1(tmp_path / "clip.mkv", frames, [0, 40, 80, 160, 200])
    folder, count = import_run(str(tmp_path / "clip.mkv"), tmp_path / "sessions")
    head, back, _ = read(folder)
    assert count == 5
    np.testing.assert_array_equal([frame.pixels for frame in back], np.stack(frames))
    times = [(frame.captured_ns - head["started_ns"]) / 1e6 for frame in back]
    assert times == pytest.approx([0, 40, 80, 160, 200], abs=1)
    assert head["source"]["facts"] == {}  # lossless: nothing to declare


def write_broken_run(path: Path) -> Path:
    """Four frames in JPEG-LS; the third is damaged."""
    write(path, stored_run(8, 4), 8, syntax="1.2.840.10008.1.2.4.80")
    data = bytearray(path.read_bytes())
    at = [n for n in range(len(data) - 4) if data[n : n + 4] == b"\xff\xd8\xff\xf7"][2]
    data[at + 60 : at + 400] = bytes(340)
    path.write_bytes(data)
    return path


def test_a_broken_run_is_one_sentence_and_what_came_before_is_kept(tmp_path):
    path = write_broken_run(tmp_path / "x.dcm")
    with pytest.raises(OrappError, match=r"'x\.dcm' is broken in frame"):
        import_run(str(path), tmp_path / "sessions")
    (folder,) = (tmp_path / "sessions").iterdir()
    with SessionReader(folder) as session:
        verdict = session.verify()
    assert verdict.whole
    assert not session.complete
    assert "the source broke after 2 frames" in verdict.ended
    assert verdict.frames == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.dcm", "'none.dcm' does not exist; check the path"),
        ("text.mkv", "'text.mkv' is not a video that can be read"),
        ("file:none", "there is no video file 'none'"),
        (".", "holds"),
    ],
)
def test_what_is_no_run_is_one_sentence_and_makes_no_session(tmp_path, monkeypatch, name, sentence):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("text.mkv").write_text("no video")
    with pytest.raises(OrappError, match=sentence if name != "." else "is not a DICOM file"):
        import_run(name, tmp_path / "sessions")
    assert not (tmp_path / "sessions").exists()


def test_paths_are_known_by_what_they_hold(tmp_path):
    write(tmp_path / "x", stored_run(8), 8)
    (tmp_path / "y.dcm").write_bytes(b"no DICOM")
    assert uri_of(str(tmp_path / "x")) == f"dicom:{tmp_path / 'x'}"
    assert uri_of(str(tmp_path / "y.dcm")) == f"file:{tmp_path / 'y.dcm'}"
    assert uri_of(str(tmp_path)) == f"dicom:{tmp_path}"
    assert uri_of("dicom:anything") == "dicom:anything"


def test_the_command_names_the_session(tmp_path):
    write(tmp_path / "x.dcm", stored_run(8), 8)
    done = subprocess.run(
        [sys.executable, "-m", "orapp", "import", str(tmp_path / "x.dcm"), str(tmp_path / "in")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    (folder,) = (tmp_path / "in").iterdir()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"4 frames in {folder}\n"
