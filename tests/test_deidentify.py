"""--deidentify: what names the patient is planted everywhere, and searched for in every byte."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from orapp.dicom import export
from orapp.picture import Box, Picture
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter
from orapp.settings import Export, Rectangle, SiteProfile
from tests.exports import faults, pictures, to_dicom, write_session
from tests.test_dicom_source import stored_run, write

NAME, ID, DATE, TEXT = "Mustermann", "PAT-4711-X", "19560317", "Zweitmeinung"
BIRTH = {"PatientBirthDate": DATE, "StudyDate": DATE, "AcquisitionDateTime": DATE + "101112"}
PLANTED = (NAME, ID, DATE, TEXT, "Musterstr", "56-03-17")
RECTANGLE = Rectangle(x=0.0, y=0.0, width=0.5, height=0.25)


def planted_source(path: Path) -> Path:
    return write(
        path,
        stored_run(8, 4),
        8,
        PatientName=f"{NAME}^Erika",
        PatientID=ID,
        PatientAddress="Musterstr. 1",
        PatientComments=TEXT,
        StudyDescription=f"{TEXT} {NAME}",
        InstitutionName=TEXT,
        ReferringPhysicianName=f"{TEXT}^{NAME}",
        ImageComments=f"{NAME} {DATE}",
        RadiationSetting="SC",
        ImageType=["ORIGINAL", "PRIMARY", "SINGLE PLANE", NAME.upper()],
        **BIRTH,
    )


def orapp(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "orapp", "--verbose", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def searched(data: bytes) -> list[str]:
    """Which of the planted words are in some bytes, whatever their case and coding."""
    found = []
    for word in PLANTED:
        for coded in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")):
            found += [word] * (coded.lower() in data.lower())
    return found


def planted(session: Path, folder: Path) -> Path:
    """The session again, with names, ids and dates in its head, as a careless recorder could."""
    with SessionReader(session) as reader:
        head, frames = reader.head, list(reader.frames())
    head["case"] = f"{ID} {NAME}"
    head["source"]["description"] += f", {NAME} {DATE}"
    head["source"]["facts"] |= {
        "InstitutionName": TEXT,
        "KVP": NAME,
        "PatientOrientation": [NAME, "F"],
        "RadiationSetting": "SC",
    }
    head["engine"] = {"name": f"{NAME}-net", "backend": TEXT}
    head["patient"] = NAME
    writer = SessionWriter(folder, head)
    for frame in frames:
        writer.frame(frame)
    writer.close(f"{NAME} went home")
    return folder


def test_no_planted_word_is_in_any_byte_of_export_log_or_output(tmp_path):
    source = planted_source(tmp_path / f"{NAME}_{ID}_{DATE}.dcm")
    said = [orapp("import", source, tmp_path / "sessions")]
    (session,) = (tmp_path / "sessions").iterdir()
    for path in session.iterdir():
        assert searched(path.read_bytes()) == []
    for part in ("PatientName", NAME, DATE, ID):
        assert part not in session.name
    session = planted(session, tmp_path / f"{NAME}-{ID}")
    assert searched((session / "session.json").read_bytes())
    said.append(orapp("export", session, "--dicom", tmp_path / "out", "--deidentify"))
    files = sorted((tmp_path / "out").iterdir())
    assert files
    for path in files:
        assert searched(path.read_bytes()) == []
        assert searched(path.name.encode()) == []
        assert searched(pydicom.dcmread(path).pixel_array.tobytes()) == []
        assert faults(path) == []
    for done in said:
        assert searched((done.stdout + done.stderr).encode()) == []


def test_markers_events_engines_and_dates_stay_behind(tmp_path):
    """A session with everything: markers and measures that name the patient, today's date."""
    words = json.dumps({"frame_index": 2, "ha_hm_ratio": 0.9, "patient": NAME, NAME.lower(): 0.5})
    events = {1: [("marker", f"{NAME} {DATE}"), ("key", ID)], 2: [("measure", words)]}
    session = write_session(
        tmp_path / "s",
        pictures(4),
        outlined=[1, 3],
        events=events,
        case=ID,
        engine=f"{NAME}, {TEXT}",
        source={"description": f"{NAME} {ID}"},
    )
    with SessionReader(session) as reader:
        assert any(NAME in str(event.get("text")) for event in reader.events)
        session_id = reader.head["id"]
    to_dicom(session, tmp_path / "out", deidentify=True)
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) == 3
    today = f"{datetime.now(UTC):%Y%m%d}"
    for path in files:
        data = path.read_bytes()
        assert searched(data) == []
        assert today.encode() not in data
        assert session_id.encode() not in data
        assert str(int(session_id, 16)).encode() not in data
        assert faults(path) == []


def test_the_basic_profile_is_declared_and_leads_nowhere(tmp_path):
    session = write_session(tmp_path / "s", pictures(3), outlined=[0], case=ID)
    seen = []
    for name in ("a", "b"):
        to_dicom(session, tmp_path / name, deidentify=True)
        for path in sorted((tmp_path / name).iterdir()):
            made = pydicom.dcmread(path)
            assert made.PatientIdentityRemoved == "YES"
            assert made.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
            assert made.LongitudinalTemporalInformationModified == "REMOVED"
            assert (made.PatientName, made.PatientBirthDate, made.PatientSex) == ("", "", "")
            assert made.PatientID.startswith("ANON-")
            assert (made.StudyDate, made.StudyTime) == ("", "")
            for element in made.iterall():
                assert element.VR not in ("DA", "DT") or element.value in ("", None, "19000101")
            seen.append((name, made.PatientID, made.StudyInstanceUID))
    assert len(set(seen)) == 2
    first, second = sorted(set(seen))
    assert first[1] != second[1]
    assert first[2] != second[2]


def test_without_it_the_case_is_the_patient_id_and_nothing_is_blanked(tmp_path):
    frames = pictures(2)
    profile = SiteProfile(export=Export(blank=(RECTANGLE,)))
    to_dicom(write_session(tmp_path / "s", frames, case=ID), tmp_path / "out", profile=profile)
    made = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm")
    assert made.PatientID == ID
    assert made.BurnedInAnnotation == "YES"
    np.testing.assert_array_equal(made.pixel_array, np.stack(frames))


@pytest.mark.parametrize("turned", ["as sent", "turned 90"])
def test_rectangles_are_blanked_before_turning_and_declared(tmp_path, turned):
    frames = pictures(3, seed=4)
    events = {0: [("orientation", turned)]}
    session = write_session(tmp_path / "s", frames, events=events)
    profile = SiteProfile(export=Export(blank=(RECTANGLE,)))
    done = to_dicom(session, tmp_path / "out", deidentify=True, profile=profile)
    assert not any("NOT blanked" in note for note in done.notes)
    made = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm")
    assert made.BurnedInAnnotation == "NO"
    codes = [item.CodeValue for item in made.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]
    assert "burned-in text blanked" in made.ImageComments
    wanted = np.stack(frames)
    wanted[:, :31, :82] = 0
    wanted = wanted if turned == "as sent" else np.rot90(wanted, -1, axes=(1, 2))
    np.testing.assert_array_equal(made.pixel_array, wanted)
    assert faults(tmp_path / "out" / "run-0001.dcm") == []


@pytest.mark.parametrize("recorded", [True, False])
def test_text_that_was_calibrated_is_blanked_where_it_is_seen(tmp_path, recorded):
    """A session brings its calibration; an older one holds the raw frames and nothing else."""
    picture = Picture(
        width=163,
        height=121,
        area=Box(x=20, y=10, width=100, height=90),
        rotate=90,
        text=(Box(x=24, y=14, width=40, height=8),),
    )
    raw = pictures(3, seed=4)
    session = write_session(tmp_path / "s", raw, picture=picture if recorded else None)
    done = to_dicom(
        session, tmp_path / "out", deidentify=True, profile=SiteProfile(picture=picture)
    )
    assert not any("NOT blanked" in note for note in done.notes)
    made = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm")
    assert made.BurnedInAnnotation == "NO"
    wanted = np.stack(raw)
    wanted[:, 14:22, 24:64] = 0
    if recorded:
        wanted = np.rot90(wanted[:, 10:100, 20:120], -1, axes=(1, 2))
    np.testing.assert_array_equal(made.pixel_array, wanted)


def test_text_that_may_be_left_is_said(tmp_path):
    session = write_session(tmp_path / "s", pictures(2))
    done = to_dicom(session, tmp_path / "out", deidentify=True)
    assert any(
        note.startswith("text that is burned into the pixels was NOT") for note in done.notes
    )
    made = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm")
    assert made.BurnedInAnnotation == "YES"


def test_a_source_that_declares_no_text_needs_no_rectangle(tmp_path):
    from orapp.importing import import_run

    write(tmp_path / "x.dcm", stored_run(8), 8, BurnedInAnnotation="NO")
    session, _ = import_run(str(tmp_path / "x.dcm"), tmp_path / "sessions")
    with SessionReader(session) as reader:
        done = export(reader, tmp_path / "out", deidentify=True, profile=SiteProfile())
    assert not any("NOT blanked" in note for note in done.notes)
    made = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm")
    assert made.BurnedInAnnotation == "NO"
    assert len(made.DeidentificationMethodCodeSequence) == 1


def test_an_unreadable_profile_stops_it_before_anything_is_written(tmp_path):
    session = write_session(tmp_path / "s", pictures(1))
    (tmp_path / "room.toml").write_text("[export]\nblank = [{x = 2}]\n")
    words = ["export", session, "--dicom", tmp_path / "out", "--deidentify"]
    words += ["--profile", tmp_path / "room.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "orapp", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        "orapp: the profile 'room.toml' is wrong at line 2, export.blank.0"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("engine", "told"), [(f"{NAME} 1956-03-17", False), ("pfnet-lite", True)])
def test_only_the_names_of_models_that_ship_leave(tmp_path, engine, told):
    session = write_session(tmp_path / "s", pictures(3), outlined=[1], engine=engine)
    with SessionReader(session) as reader:
        export(reader, tmp_path / "out", deidentify=True, profile=SiteProfile())
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) == 3
    assert all(searched(path.read_bytes()) == [] for path in files)
    outlines = pydicom.dcmread(tmp_path / "out" / "outlines-0001.dcm")
    name = outlines.SegmentSequence[0].SegmentAlgorithmName
    assert name == (engine if told else "unknown")
