"""What an export becomes (XA or not), and what is refused in one sentence."""

import os
import subprocess
import sys

import numpy as np
import pydicom
import pytest

from orapp.dicom.grey import turned_directions
from orapp.errors import NotThere, OrappError
from orapp.importing import import_run
from orapp.orientation import Orientation
from orapp.session import SessionReader
from orapp.sources.dicom import DicomSource
from tests.exports import faults, pictures, to_dicom, write_session
from tests.test_dicom_source import stored_run, write

MULTIFRAME_SC = "1.2.840.10008.5.1.4.1.1.7.2"
XA = "1.2.840.10008.5.1.4.1.1.12.1"


def test_what_was_an_xa_becomes_an_xa_and_its_directions_turn(tmp_path):
    known = {
        "RadiationSetting": "SC",
        "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
        "PatientOrientation": ["A", "F"],
        "KVP": "80",
        "PositionerPrimaryAngle": "90",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
    }
    write(tmp_path / "x.dcm", stored_run(12), **known)
    session, _ = import_run(str(tmp_path / "x.dcm"), tmp_path / "sessions")
    done = to_dicom(session, tmp_path / "out")
    assert done.notes == []
    path = tmp_path / "out" / "run-0001.dcm"
    assert faults(path) == []
    made = pydicom.dcmread(path)
    assert made.SOPClassUID == XA
    assert (made.RadiationSetting, made.KVP, made.PositionerPrimaryAngle) == ("SC", 80, 90)
    assert list(made.PatientOrientation) == ["A", "F"]
    assert made.StudyDate == ""  # the session doesn't know when the X-ray was taken
    with SessionReader(session) as reader:
        np.testing.assert_array_equal(made.pixel_array, [f.pixels for f in reader.frames()])
    assert turned_directions(["A", "F"], Orientation(1)) == ["H", "A"]
    assert turned_directions(["A", "F"], Orientation(1, True)) == ["F", "A"]
    assert turned_directions(["A", "FL"], Orientation(2)) == ["P", "HR"]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({}, "the source stated no RadiationSetting"),
        ({"RadiationSetting": "GR"}, "the source was not of a single plane"),
        ({"Modality": "RF"}, "the session doesn't say that its source was XA"),
    ],
)
def test_without_what_xa_requires_it_is_a_secondary_capture_and_says_why(tmp_path, header, why):
    write(tmp_path / "x.dcm", stored_run(8), 8, **header)
    session, _ = import_run(str(tmp_path / "x.dcm"), tmp_path / "sessions")
    done = to_dicom(session, tmp_path / "out")
    assert done.notes == [f"exported as Secondary Capture, not as XA: {why}"]
    assert pydicom.dcmread(tmp_path / "out" / "run-0001.dcm").SOPClassUID == MULTIFRAME_SC
    assert faults(tmp_path / "out" / "run-0001.dcm") == []


@pytest.mark.parametrize("case", ["a\\b", "x" * 65, "a\nb"])
def test_a_case_that_is_no_patient_id_is_refused_not_changed(tmp_path, case):
    session = write_session(tmp_path / "s", pictures(1), case=case)
    with pytest.raises(OrappError, match="the case id can't be a DICOM patient id; export with"):
        to_dicom(session, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_one_sentence_and_leaves_nothing(tmp_path):
    session = write_session(tmp_path / "s", pictures(1))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    with pytest.raises(OrappError, match="'taken' is not empty; name a new folder"):
        to_dicom(session, tmp_path / "taken")
    (tmp_path / "file").touch()
    with pytest.raises(OrappError, match="'out' can't be written"):
        to_dicom(session, tmp_path / "file" / "out")
    empty = write_session(tmp_path / "empty", [])
    with pytest.raises(OrappError, match="the session holds no frame that can be read"):
        to_dicom(empty, tmp_path / "out")
    odd = write_session(tmp_path / "odd", pictures(1), events={0: [("orientation", "askew")]})
    with pytest.raises(OrappError, match="an orientation that orapp doesn't know"):
        to_dicom(odd, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] in ".o") == ["odd"]


def test_a_session_that_was_cut_is_exported_as_far_as_it_goes(tmp_path):
    frames = pictures(6)
    session = write_session(tmp_path / "s", frames)
    lines = (session / "events.jsonl").read_bytes()
    (session / "events.jsonl").write_bytes(lines[: int(len(lines) * 0.6)])
    done = to_dicom(session, tmp_path / "out")
    assert 0 < done.frames < 6
    back = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm").pixel_array
    np.testing.assert_array_equal(back, np.stack(frames[: done.frames]))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    session = write_session(tmp_path / "s", pictures(30))
    code = f"""
import resource
from pathlib import Path
from orapp.dicom import export
from orapp.errors import OrappError
from orapp.session import SessionReader
from orapp.settings import SiteProfile
import highdicom.sr
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    export(SessionReader(Path({str(session)!r})), Path({str(tmp_path / "out")!r}),
           deidentify=False, profile=SiteProfile())
except OrappError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "'out' can't be written (file too large); choose another folder for it\n"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_without_highdicom_it_says_what_to_install(tmp_path, monkeypatch):
    session = write_session(tmp_path / "s", pictures(1))
    monkeypatch.setitem(sys.modules, "highdicom.sr", None)
    with pytest.raises(NotThere, match=r"the export needs highdicom; install orapp\[qa\]"):
        to_dicom(session, tmp_path / "out")


def test_the_command_says_what_it_wrote(tmp_path):
    session = write_session(tmp_path / "s", pictures(2), outlined=[1])
    done = subprocess.run(
        [sys.executable, "-m", "orapp", "export", str(session), "--dicom", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "2 frames, 1 outlines, 0 measures in 3 DICOM files\n"
        "Note: exported as Secondary Capture, not as XA: the source was not DICOM.\n"
    )
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_recording_of_a_dicom_run_becomes_an_xa_of_unknown_date(tmp_path):
    """Through the live path: what the header said of the X-ray goes with the recording."""
    header = {"RadiationSetting": "SC", "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]}
    form = DicomSource(str(write(tmp_path / "x.dcm", stored_run(8), 8, **header))).open()
    facts = {"Modality": "XA", "RadiationSetting": "SC", "Plane": "SINGLE PLANE"}
    assert form.facts == facts
    source = {"kind": "dicom", "facts": dict(form.facts)}
    session = write_session(tmp_path / "s", pictures(2), source=source)
    assert to_dicom(session, tmp_path / "out").notes == []
    made = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm")
    assert made.SOPClassUID == XA
    assert made.StudyDate == ""
    assert "AcquisitionDateTime" not in made


def test_a_lossy_video_is_declared_as_lossy(tmp_path):
    session = write_session(
        tmp_path / "s",
        pictures(2),
        source={"kind": "file", "facts": {"LossyImageCompression": "01"}},
    )
    to_dicom(session, tmp_path / "out")
    assert pydicom.dcmread(tmp_path / "out" / "run-0001.dcm").LossyImageCompression == "01"
    assert faults(tmp_path / "out" / "run-0001.dcm") == []
