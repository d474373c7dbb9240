"""A session as DICOM: valid, and equal pixel for pixel, point for point when it is read back."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import highdicom
import numpy as np
import pydicom
import pytest

from orapp.dicom import Exported, export
from orapp.dicom.grey import turned_directions
from orapp.dicom.runs import Run
from orapp.dicom.seg import filled
from orapp.errors import NotThere, OrappError
from orapp.importing import import_run
from orapp.orientation import Orientation
from orapp.session import SessionReader
from orapp.settings import SiteProfile
from orapp.sources import EndOfSource
from orapp.sources.dicom import DicomSource
from tests.exports import SIZE, faults, outline, pictures, write_session
from tests.test_dicom_source import stored_run, write

MULTIFRAME_SC = "1.2.840.10008.5.1.4.1.1.7.2"
XA = "1.2.840.10008.5.1.4.1.1.12.1"
SIDES = (("+", "upper"), ("-", "lower"))
AS_SENT = Orientation()
TURNS = [Orientation(q, m) for q in range(4) for m in (False, True)]


def to_dicom(session: Path, out: Path, **more) -> Exported:
    options = {"deidentify": False, "profile": SiteProfile(), **more}
    with SessionReader(session) as reader:
        return export(reader, out, **options)


def mask(index: int, turned: Orientation = AS_SENT) -> np.ndarray:
    """Which centres of pixels lie in the outline of a frame, by another way than orapp's."""
    points = outline(index).points
    inside = np.zeros(SIZE, np.uint8)
    left, top, wide, high = cv2.boundingRect(points)
    for y in range(top, top + high):
        for x in range(left, left + wide):
            inside[y, x] = cv2.pointPolygonTest(points, (x, y), False) > 0
    return turned.apply(inside)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Path, list[np.ndarray]]:
    """Twelve frames, from the eighth on turned and mirrored; outlines on each second one."""
    folder = tmp_path_factory.mktemp("export")
    frames = pictures(12)
    values = {
        "frame_index": 3,
        "exposure": 3,
        "units": "mm",
        "mm_per_px": 0.25,
        "heights": {"anterior": {"value": 20.5, "band95": 1.5}, "Mustermann": {"value": 1}},
        "ratio_over": "posterior",
        "end_ratio": {"value": 0.8125, "band95": 0.0625},
        "wedge_deg": 12.5,
        "area": {"value": 512, "band95": None},
        "corrected": True,
        "points_px": [[1, 2]],
        "by": "Mustermann",
        "mustermann": 7,
    }
    events = {
        3: [("measure", json.dumps(values)), ("measure", "no JSON"), ("measure", "[1]")],
        8: [("orientation", "turned 90, mirrored")],
    }
    session = write_session(folder / "s", frames, outlined=range(1, 12, 2), events=events)
    done = to_dicom(session, folder / "out")
    assert (done.frames, done.outlines, done.measures, done.objects) == (12, 6, 1, 6)
    return folder / "out", frames


@pytest.mark.parametrize("number", [1, 2])
def test_every_object_is_valid_and_of_the_same_study(exported, number):
    folder, _ = exported
    studies = set()
    for kind in ("run", "outlines", "measures"):
        path = folder / f"{kind}-{number:04d}.dcm"
        assert faults(path) == []
        made = pydicom.dcmread(path)
        assert made.SOPInstanceUID == made.file_meta.MediaStorageSOPInstanceUID
        assert all(uid.startswith("2.25.") for uid in (made.SOPInstanceUID, made.StudyInstanceUID))
        assert made.PatientID == "case-7"
        assert "PatientIdentityRemoved" not in made
        studies.add(made.StudyInstanceUID)
    assert len(studies) == 1


def test_the_run_is_equal_pixel_for_pixel_and_turned_as_it_was_seen(exported):
    folder, frames = exported
    turned = Orientation.from_text("turned 90, mirrored")
    wanted = {1: frames[:8], 2: [turned.apply(each) for each in frames[8:]]}
    for number, pixels in wanted.items():
        path = folder / f"run-{number:04d}.dcm"
        made = pydicom.dcmread(path)
        assert made.SOPClassUID == MULTIFRAME_SC
        assert made.file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless
        np.testing.assert_array_equal(made.pixel_array, np.stack(pixels))
        read = highdicom.imread(path).get_frames(apply_voi_transform=False, dtype=np.uint8)
        np.testing.assert_array_equal(read, np.stack(pixels))
    assert "ImageComments" not in pydicom.dcmread(folder / "run-0001.dcm")
    second = pydicom.dcmread(folder / "run-0002.dcm")
    for words in (second.ImageComments, second.DerivationDescription):
        assert words == "pixels turned 90, mirrored against the picture that was captured"
    assert second.ImageType[0] == "DERIVED"
    assert second.PatientOrientation is None or second.PatientOrientation == ""


def test_the_objects_of_a_kind_are_one_series(exported):
    folder, _ = exported
    for kind in ("run", "outlines", "measures"):
        made = [pydicom.dcmread(path) for path in sorted(folder.glob(f"{kind}-*"))]
        assert [each.InstanceNumber for each in made] == [1, 2]
        assert len({each.SeriesInstanceUID for each in made}) == 1
        assert len({each.SOPInstanceUID for each in made}) == 2
    assert len({pydicom.dcmread(path).SeriesInstanceUID for path in folder.iterdir()}) == 3


def test_frame_times_and_dates_are_those_of_the_session(exported):
    folder, _ = exported
    made = pydicom.dcmread(folder / "run-0001.dcm")
    assert made.FrameIncrementPointer == pydicom.tag.Tag("FrameTimeVector")
    assert np.cumsum(made.FrameTimeVector) == pytest.approx(np.arange(8) * 66.666667, abs=1e-3)
    with SessionReader(folder.parent / "s") as session:
        started = datetime.fromisoformat(session.head["started"]).astimezone(UTC)
    assert made.StudyDate + made.StudyTime == f"{started:%Y%m%d%H%M%S.%f}"
    second = pydicom.dcmread(folder / "run-0002.dcm")
    later = datetime.strptime(second.AcquisitionDateTime, "%Y%m%d%H%M%S.%f%z") - started
    assert later.total_seconds() == pytest.approx(8 * 0.066666667, abs=1e-5)


def test_the_outlines_are_a_segmentation_that_highdicom_reads(exported):
    folder, _ = exported
    for number, first, turned in ((1, 0, "as sent"), (2, 8, "turned 90, mirrored")):
        image = pydicom.dcmread(folder / f"run-{number:04d}.dcm", stop_before_pixels=True)
        read = highdicom.seg.segread(folder / f"outlines-{number:04d}.dcm")
        assert read.segmentation_type == highdicom.seg.SegmentationTypeValues.BINARY
        assert read.get_segment_description(1).algorithm_identification is None
        places = [n for n in range(1, image.NumberOfFrames + 1) if (first + n - 1) % 2]
        masks = read.get_pixels_by_source_frame(
            image.SOPInstanceUID,
            source_frame_numbers=places,
            assert_missing_frames_are_empty=True,
            ignore_spatial_locations=False,
        )
        for place, seen in zip(places, masks[..., 0], strict=True):
            wanted = mask(first + place - 1, Orientation.from_text(turned))
            np.testing.assert_array_equal(seen, wanted)
            assert 1000 < wanted.sum() < 2000


def test_the_measures_are_a_report_that_highdicom_reads(exported):
    folder, _ = exported
    report = highdicom.sr.srread(folder / "measures-0001.dcm")
    groups = report.content.get_planar_roi_measurement_groups()
    assert len(groups) == 4
    image = pydicom.dcmread(folder / "run-0001.dcm", stop_before_pixels=True)
    for group, index in zip(groups, (1, 3, 5, 7), strict=True):
        region = group.roi
        source = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert source.ReferencedSOPInstanceUID == image.SOPInstanceUID
        assert source.ReferencedFrameNumber == index + 1
        points = outline(index).points + 0.5  # DICOM counts from the corner of the first pixel
        np.testing.assert_allclose(region.value, np.vstack([points, points[:1]]))
        found = {each.name.meaning: (each.value, each.unit) for each in group.get_measurements()}
        assert found["Area"][0] == 1400.25
        assert found["Certainty of Finding"][0] == 87.5
        assert found["Probability that the view holds a fracture"][0] == 0.75
    (other,) = report.content.get_image_measurement_groups()
    found = other.get_measurements()
    assert {each.name.meaning: (each.value, each.unit.value) for each in found} == {
        "heights anterior": (20.5, "mm"),
        "end ratio over posterior": (0.8125, "1"),
        "wedge deg": (12.5, "deg"),
        "area": (512, "mm2"),
    }
    assert other.tracking_identifier == "frame 4 measures, points corrected by a person"
    bands = [
        (child.name.meaning, child.value)
        for each in found
        for child in each[0].get("ContentSequence", [])
        if "ncertainty" in child.name.meaning
    ]
    ranges = [f"{sign}, range of {side} measurement uncertainty" for sign, side in SIDES]
    assert bands == [(name, value) for value in (1.5, 0.0625) for name in ranges]
    assert b"mustermann" not in (folder / "measures-0001.dcm").read_bytes().lower()


@pytest.mark.parametrize("turned", TURNS, ids=lambda turned: turned.text)
def test_pixels_masks_and_points_turn_together(tmp_path, turned):
    """A frame that is bright in the outline: mask and region must lie on what is bright."""
    bright = np.where(mask(0), 200, 10).astype(np.uint8)
    events = {0: [("orientation", turned.text)]}
    session = write_session(tmp_path / "s", [bright], outlined=[0], events=events)
    to_dicom(session, tmp_path / "out", uncompressed=True)
    image = pydicom.dcmread(tmp_path / "out" / "run-0001.dcm").pixel_array
    seen = highdicom.seg.segread(tmp_path / "out" / "outlines-0001.dcm").pixel_array
    np.testing.assert_array_equal(image == 200, np.squeeze(seen) == 1)
    report = highdicom.sr.srread(tmp_path / "out" / "measures-0001.dcm")
    (group,) = report.content.get_planar_roi_measurement_groups()
    points = (group.roi.value - 0.5).astype(np.float32)
    for y, x in np.argwhere(image == 200)[::7]:
        assert cv2.pointPolygonTest(points, (float(x), float(y)), False) >= 0
    assert faults(tmp_path / "out" / "run-0001.dcm") == []


def test_frames_of_another_size_become_objects_of_their_own(tmp_path):
    frames = [*pictures(3), *pictures(2, (80, 100)), *pictures(2)]
    done = to_dicom(write_session(tmp_path / "s", frames), tmp_path / "out")
    assert done.objects == 3
    sizes = [
        pydicom.dcmread(path).pixel_array.shape for path in sorted((tmp_path / "out").iterdir())
    ]
    assert sizes == [(3, *SIZE), (2, 80, 100), (2, *SIZE)]


def test_a_long_run_is_cut_into_objects(tmp_path, monkeypatch):
    monkeypatch.setattr("orapp.dicom.runs.MOST_FRAMES", 4)
    frames = pictures(10)
    to_dicom(write_session(tmp_path / "s", frames, outlined=[9]), tmp_path / "out")
    runs = sorted((tmp_path / "out").glob("run-*.dcm"))
    assert len(runs) == 3
    assert [path.name for path in (tmp_path / "out").glob("outlines-*")] == ["outlines-0003.dcm"]
    back = np.concatenate([np.atleast_3d(pydicom.dcmread(path).pixel_array) for path in runs])
    np.testing.assert_array_equal(back, np.stack(frames))


def test_uncompressed_is_read_by_orapp_itself_at_the_same_times(tmp_path):
    frames = pictures(5)
    session = write_session(tmp_path / "s", frames, step_ns=123_456_789)
    to_dicom(session, tmp_path / "out", uncompressed=True)
    path = tmp_path / "out" / "run-0001.dcm"
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    source = DicomSource(str(path), paced=False)
    source.open()
    for index, pixels in enumerate(frames):
        picture = source.read(1000)
        assert picture is not None
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.time_ms == pytest.approx(index * 123.456789, abs=1e-3)
    with pytest.raises(EndOfSource):
        source.read(1000)
    source.close()


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


def test_a_session_becomes_the_same_study_each_time_with_new_objects(tmp_path):
    session = write_session(tmp_path / "s", pictures(2), case="Fall-Ü 7")
    made = []
    for name in ("a", "b"):
        to_dicom(session, tmp_path / name)
        made.append(pydicom.dcmread(tmp_path / name / "run-0001.dcm"))
    assert made[0].StudyInstanceUID == made[1].StudyInstanceUID
    assert made[0].SOPInstanceUID != made[1].SOPInstanceUID
    assert made[0].PatientID == "Fall-Ü 7"


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


def test_filling_takes_the_centres_inside_whatever_the_polygon():
    rng = np.random.default_rng(3)
    for _ in range(30):
        points = rng.uniform(-20, 60, (rng.integers(3, 9), 2)).astype(np.float32)
        star = points[np.argsort(np.arctan2(*(points - points.mean(0)).T))]
        wanted = np.array(
            [[cv2.pointPolygonTest(star, (x, y), False) > 0 for x in range(50)] for y in range(40)]
        )
        np.testing.assert_array_equal(filled(star, (40, 50)), wanted)


def test_a_run_knows_when_it_is_full():
    run = Run((1024, 1024), Orientation(), packed=False)
    run.places = [None] * 511  # type: ignore[list-item]
    assert not run.is_full
    run.places = [None] * 512  # type: ignore[list-item]
    assert run.is_full
    run.close()


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
