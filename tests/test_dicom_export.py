"""A session as DICOM: valid, and equal pixel for pixel, point for point when it is read back."""

import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
import highdicom
import numpy as np
import pydicom
import pytest

from orapp.dicom.runs import Run
from orapp.dicom.seg import filled
from orapp.orientation import Orientation
from orapp.qa.cases import find_cases
from orapp.session import SessionReader
from orapp.settings import Measures, SiteProfile
from orapp.sources import EndOfSource
from orapp.sources.dicom import DicomSource
from tests.exports import SIZE, faults, outline, pictures, to_dicom, write_session

MULTIFRAME_SC = "1.2.840.10008.5.1.4.1.1.7.2"
SIDES = (("+", "upper"), ("-", "lower"))
AS_SENT = Orientation()
TURNS = [Orientation(q, m) for q in range(4) for m in (False, True)]


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


def test_a_session_becomes_the_same_study_each_time_with_new_objects(tmp_path):
    session = write_session(tmp_path / "s", pictures(2), case="Fall-Ü 7")
    made = []
    for name in ("a", "b"):
        to_dicom(session, tmp_path / name)
        made.append(pydicom.dcmread(tmp_path / name / "run-0001.dcm"))
    assert made[0].StudyInstanceUID == made[1].StudyInstanceUID
    assert made[0].SOPInstanceUID != made[1].SOPInstanceUID
    assert made[0].PatientID == "Fall-Ü 7"


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


@pytest.mark.parametrize(
    ("source", "choices", "label"),
    [
        ({}, {"for_width": 163, "mm_per_px_from": "fiducial"}, "FIDUCIAL"),
        ({}, {"for_width": 163, "mm_per_px_from": "geometry"}, "GEOMETRY"),
        ({}, {"for_width": 163}, ""),
        ({}, {"for_width": 164, "mm_per_px_from": "fiducial"}, None),
        ({"kind": "file"}, {"for_width": 163, "mm_per_px_from": "fiducial"}, None),
    ],
)
def test_a_calibrated_run_says_its_spacing_and_by_what(tmp_path, source, choices, label):
    session = write_session(tmp_path / "s", pictures(2), source=source)
    known = Measures(mm_per_px=0.213, mm_per_px_uncertainty=0.003, **choices)
    to_dicom(session, tmp_path / "out", profile=SiteProfile(measures=known))
    path = tmp_path / "out" / "run-0001.dcm"
    assert faults(path) == []
    made = pydicom.dcmread(path)
    assert made.get("PixelSpacing") == (None if label is None else [0.213, 0.213])
    assert made.get("PixelSpacingCalibrationType", "") == (label or "")
    assert ("SD 0.003 mm" in made.get("PixelSpacingCalibrationDescription", "")) is bool(label)


def test_qa_takes_an_exported_folder_for_its_run_alone(tmp_path):
    session = write_session(tmp_path / "session", pictures(3), outlined=(0, 2))
    to_dicom(session, tmp_path / "dicom")
    files = sorted(path.name for path in (tmp_path / "dicom").iterdir())
    assert len(files) == 3, "a run, its outlines, its measures"
    (case,) = find_cases([tmp_path / "dicom"])
    assert case.name.startswith("run")
    (named,) = find_cases([next((tmp_path / "dicom").glob("outlines*"))])
    assert "outlines" in named.name  # it was asked for, and will be told to hold no run
