"""The index that networks are trained on: a hospital's own files, checked before they are used."""

import csv
import subprocess
import sys

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from orapp.errors import OrappError
from tools.contact_sheet import TILE
from tools.others import draw_other
from tools.pictures import STORED, augment, load, read_index, runs, thinned, without_spine


def write_index(folder, rows):
    path = folder / "index.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, sorted({k for row in rows for k in row}))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (120, 100), dtype=np.uint8)
    mask = np.zeros((120, 100), np.uint8)
    mask[30:60, 40:80] = 255
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    cv2.imwrite(str(tmp_path / "a-mask.png"), mask)
    return tmp_path


def write_seg(path, mask):
    """A binary SEG as small as pydicom reads it: one frame per segment."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SegmentationStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    seg = pydicom.Dataset()
    seg.file_meta = meta
    seg.SOPClassUID, seg.SOPInstanceUID = SegmentationStorage, meta.MediaStorageSOPInstanceUID
    seg.Rows, seg.Columns = mask.shape
    seg.NumberOfFrames, seg.SamplesPerPixel = 1, 1
    seg.PhotometricInterpretation = "MONOCHROME2"
    seg.BitsAllocated = seg.BitsStored = 1
    seg.HighBit = seg.PixelRepresentation = 0
    seg.PixelData = np.packbits(mask.ravel() > 0, bitorder="little").tobytes()
    seg.save_as(path, enforce_file_format=True)


def test_a_picture_and_its_mask_are_read_at_one_size(folder):
    (entry,) = read_index(write_index(folder, [{"image": "a.png", "mask": "a-mask.png"}]))
    planes = load(entry, 60)
    assert planes.shape == (3, 60, 60)
    assert (planes[1, 15:30, 24:48] == 255).all()
    assert not planes[2].any()
    assert entry.kind == "fracture"


def test_a_segmentation_in_dicom_is_a_mask_too(folder):
    mask = cv2.imread(str(folder / "a-mask.png"), cv2.IMREAD_GRAYSCALE)
    write_seg(folder / "a.dcm", mask)
    rows = [{"image": "a.png", "mask": m} for m in ("a-mask.png", "a.dcm")]
    png, seg = (load(e, 60) for e in read_index(write_index(folder, rows)))
    assert np.array_equal(png, seg)


def test_without_a_mask_it_is_a_healthy_control(folder):
    (entry,) = read_index(write_index(folder, [{"image": "a.png", "mask": ""}]))
    assert entry.kind == "healthy"
    assert not load(entry, 32)[1:].any()


def test_patients_are_split_and_never_pictures(folder):
    rows = [{"image": "a.png", "mask": "", "patient": str(n // 5)} for n in range(500)]
    entries = read_index(write_index(folder, rows))
    splits = {}
    for e in entries:
        splits.setdefault(e.patient, set()).add(e.split)
    assert all(len(s) == 1 for s in splits.values())
    held_out = sum(s == {"val"} for s in splits.values())
    assert 2 < held_out < 30
    again = read_index(write_index(folder, rows[::-1]))[::-1]
    assert [e.split for e in again] == [e.split for e in entries]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"image": "none.png", "mask": ""}], "line 2 of the index names 'none.png'"),
        ([{"image": "", "mask": ""}], "line 2 of the index has no image or no mask"),
        ([{"image": "a.png"}], "line 2 of the index has no image or no mask"),
        (
            [
                {"image": "a.png", "mask": "", "patient": "7", "split": s}
                for s in ("train", "external")
            ],
            "patient 7 of own is in train and in external",
        ),
    ],
)
def test_an_index_that_is_wrong_is_one_sentence(folder, rows, sentence):
    with pytest.raises(OrappError, match=sentence):
        read_index(write_index(folder, rows))


def test_augmentation_moves_masks_with_the_picture():
    """A bright square that is its own mask stays inside it, whatever is done to both."""
    stored = np.zeros((3, STORED, STORED), np.uint8)
    stored[:, 120:200, 140:220] = 255
    for seed in range(20):
        planes = augment(stored, 256, np.random.default_rng(seed))
        inside = planes[1] > 127
        assert 0.02 < inside.mean() < 0.2
        assert np.array_equal(planes[1], planes[2])
        away = abs(float(planes[0][inside].mean()) - float(planes[0][~inside].mean()))
        assert away > 40
    again = augment(stored, 256, np.random.default_rng(19))
    assert np.array_equal(again, planes)


def test_parts_without_a_spine_hold_no_body():
    stored = np.zeros((3, STORED, STORED), np.uint8)
    stored[0] = np.random.default_rng(0).integers(0, 255, (STORED, STORED))
    stored[2, :, STORED // 2 :] = 255
    part = without_spine(stored, 64, np.random.default_rng(1))
    assert part is not None
    assert part.shape == (64, 64)
    stored[2] = 255
    assert without_spine(stored, 64, np.random.default_rng(1)) is None


def test_other_pictures_are_of_many_kinds():
    rng = np.random.default_rng(0)
    drawn = [draw_other(64, rng) for _ in range(60)]
    assert {d.shape for d in drawn} == {(64, 64)}
    assert len({d.tobytes() for d in drawn}) == 60


def run_of(name, frames, **about):
    return [{"image": "a.png", "mask": "", "run": name, "frame": str(f)} | about for f in frames]


def test_frames_of_runs_are_found_in_their_order_and_single_pictures_are_none(folder):
    rows = [{"image": "a.png", "mask": ""}, *run_of("1", (2, 0, 1), patient="p")]
    rows += run_of("1", (0, 1), patient="q")
    entries = read_index(write_index(folder, rows))
    assert entries[0].run == ""
    assert runs(entries) == [[2, 3, 1], [4, 5]]
    assert [e.frame for e in entries] == [0, 2, 0, 1, 0, 1]
    old = read_index(write_index(folder, [{"image": "a.png", "mask": ""}]))
    assert runs(old) == []
    assert thinned(old, 1) == old


def test_of_a_run_a_few_frames_are_taken_evenly(folder):
    rows = [{"image": "a.png", "mask": ""}, *run_of("1", range(7))]
    rows += [{"image": "a.png", "mask": ""}]
    entries = read_index(write_index(folder, rows))
    assert [e.frame for e in thinned(entries, 3) if e.run] == [0, 3, 6]
    assert [e.frame for e in thinned(entries, 1) if e.run] == [0]
    assert len(thinned(entries, 3)) == 5
    assert thinned(entries, 99) == entries


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (("0", ""), "line 3 of the index has a run but no frame"),
        (("0", "two"), "line 3 of the index has a run but no frame"),
        (("0", "-1"), "line 3 of the index has a run but no frame"),
        (("1", "1"), "run 9 of patient p has a frame twice"),
    ],
)
def test_a_run_that_is_wrong_is_one_sentence(folder, frames, sentence):
    with pytest.raises(OrappError, match=sentence):
        read_index(write_index(folder, run_of("9", frames, patient="p")))


def sheet(index, out, *arguments):
    command = [sys.executable, "-m", "tools.contact_sheet", "--data", str(index)]
    command += ["--out", str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_sheet_shows_each_run_in_a_row(folder):
    rows = run_of("1", range(4)) + run_of("2", range(2), kind="wedge", mask="a-mask.png")
    index = write_index(folder, rows)
    assert sheet(index, folder / "sheet.png", "--runs", "5").returncode == 0
    height, width, _ = cv2.imread(str(folder / "sheet.png")).shape
    assert (height, width) == (2 * 2 * TILE, 4 * TILE)


def test_a_sheet_of_runs_needs_runs(folder):
    index = write_index(folder, [{"image": "a.png", "mask": ""}])
    done = sheet(index, folder / "sheet.png", "--runs", "2")
    assert done.returncode == 2
    assert "the index has no runs; simulate some" in done.stderr
    assert "Traceback" not in done.stderr
