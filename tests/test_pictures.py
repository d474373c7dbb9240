"""The index that networks are trained on: a hospital's own files, checked before they are used."""

import csv

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from orapp.errors import OrappError
from tools.others import draw_other
from tools.pictures import STORED, augment, load, read_index, without_spine


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
