"""DICOM runs: right grey levels at the right times, and one sentence for every broken file."""

import logging
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from orapp.errors import OrappError, SignalLost
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.dicom import DicomSource

XA = "1.2.840.10008.5.1.4.1.1.12.1"
SC = "1.2.840.10008.5.1.4.1.1.7.2"
PATIENT = "Mustermann^Erika"
NATIVE = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
PACKED = [RLELossless, JPEGLSLossless, JPEG2000Lossless]


def stored_run(bits: int = 12, frames: int = 4, signed: bool = False) -> np.ndarray:
    """(frames, 40, 56): a ramp over all values with noise, other in each frame."""
    top = 2**bits - 1
    rng = np.random.default_rng(bits)
    ramp = np.linspace(0, top, 40 * 56).reshape(40, 56)
    noisy = ramp + rng.normal(0, top / 50, (frames, 40, 56)) + np.arange(frames)[:, None, None]
    values = np.clip(np.rint(noisy), 0, top).astype(np.int64)
    if signed:
        values -= 2 ** (bits - 1)
    kind = "i" if signed else "u"
    return values.astype(f"{kind}{1 if bits <= 8 else 2}")


def dataset(values: np.ndarray, bits: int = 12, syntax: str = ExplicitVRLittleEndian, **more: Any):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax in PACKED else syntax
    meta.MediaStorageSOPClassUID = XA
    meta.MediaStorageSOPInstanceUID = generate_uid()
    big = syntax == ExplicitVRBigEndian
    form = {"is_implicit_VR": syntax == ImplicitVRLittleEndian, "is_little_endian": not big}
    ds = FileDataset("run", {}, file_meta=meta, preamble=b"\0" * 128, **form)
    ds.SOPClassUID, ds.SOPInstanceUID = XA, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID = ds.StudyInstanceUID = "1.2.3"
    ds.PatientName, ds.PatientID, ds.Modality = PATIENT, "12345", "XA"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = values.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = values.itemsize * 8, bits, bits - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    ds.PixelData = values.astype(values.dtype.newbyteorder(">" if big else "<")).tobytes()
    ds["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    if syntax in PACKED:
        ds.compress(syntax, generate_instance_uid=False)
    return ds


def save(ds: Dataset, path: Path) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path


def write(path: Path, values: np.ndarray, bits: int = 12, **more: Any) -> Path:
    return save(dataset(values, bits, **more), path)


def read_all(path: Path) -> tuple[list[Picture], SourceFormat | None, OrappError | None]:
    source, pictures = DicomSource(str(path), paced=False), []
    form, error = None, None
    try:
        form = source.open()
        while True:
            picture = source.read(1000)
            assert picture is not None
            pictures.append(picture)
    except EndOfSource:
        pass
    except OrappError as broken:
        error = broken
    source.close()
    assert not isinstance(error, SignalLost)
    if error is not None:
        assert "\n" not in str(error)
        assert "Mustermann" not in str(error)
        assert str(path.parent) not in str(error)
    return pictures, form, error


def greys(path: Path) -> np.ndarray:
    pictures, form, error = read_all(path)
    assert error is None, error
    assert form is not None
    for picture in pictures:
        assert picture.pixels.dtype == np.uint8
        assert not picture.pixels.flags.writeable
        assert picture.pixels.shape == (form.height, form.width)
    return np.stack([picture.pixels for picture in pictures])


def sentence(path: Path) -> str:
    pictures, _, error = read_all(path)
    assert pictures == []
    assert error is not None
    return str(error)


def linear(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, written out, to 0-255."""
    x = values.astype(float)
    y = ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255
    y[x <= centre - 0.5 - (width - 1) / 2] = 0
    y[x > centre - 0.5 + (width - 1) / 2] = 255
    return np.rint(y)


@pytest.mark.parametrize("syntax", NATIVE + PACKED)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_every_coding_and_depth_gives_the_same_right_grey_levels(tmp_path, syntax, bits):
    values = stored_run(bits)
    window = {"WindowCenter": 2.0 ** (bits - 1), "WindowWidth": 2.0 ** (bits - 1)}
    path = write(tmp_path / "run.dcm", values, bits, syntax=syntax, **window)
    right = linear(values, window["WindowCenter"], window["WindowWidth"])
    assert np.abs(greys(path) - right).max() <= 1e-9


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_signed_values_pass_rescale_then_the_first_window(tmp_path, syntax):
    values = stored_run(12, signed=True)
    more = {"RescaleSlope": 2, "RescaleIntercept": -100, "RescaleType": "US"}
    more |= {"WindowCenter": [300, 5000], "WindowWidth": [3000, 9], "SOPClassUID": SC}
    path = write(tmp_path / "run.dcm", values, syntax=syntax, **more)
    np.testing.assert_array_equal(greys(path), linear(values * 2.0 - 100, 300, 3000))
    _, form, _ = read_all(path)
    assert form is not None
    assert form.description == (
        "XA, 4 frames, 56x40, 12 bit, window 300/3000, rescale 2/-100, 15 frames/s"
    )


def test_monochrome1_is_inverted_after_the_window(tmp_path):
    values = stored_run(12)
    more = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = greys(write(tmp_path / "2.dcm", values, **more))
    more["PhotometricInterpretation"] = "MONOCHROME1"
    np.testing.assert_array_equal(greys(write(tmp_path / "1.dcm", values, **more)), 255 - plain)


def test_8_bits_without_a_window_are_shown_as_they_are(tmp_path):
    values = stored_run(8) // 2 + 30
    np.testing.assert_array_equal(greys(write(tmp_path / "run.dcm", values, 8)), values)


def test_deep_values_without_a_window_are_stretched_once_for_the_whole_run(tmp_path):
    values = np.full((10, 40, 56), 1000, np.uint16)
    values[:, :, 28:] = (np.arange(10) * 100 + 1100)[:, None, None]
    shown = greys(write(tmp_path / "run.dcm", values))
    assert (shown[:, :, :28] == shown[0, 0, 0]).all()
    assert (np.diff(shown[:, 0, 40].astype(int)) > 0).all()
    assert shown.min() == 0
    assert shown.max() == 255


def test_a_voi_lut_is_looked_up_and_spans_all_its_bits(tmp_path):
    values, item = stored_run(8), Dataset()
    table = (np.sqrt(np.arange(256) / 255) * 4095).astype(np.uint16)
    item.LUTDescriptor, item.LUTData = [256, 0, 12], table.tobytes()
    path = write(tmp_path / "run.dcm", values, 8, VOILUTSequence=Sequence([item]))
    np.testing.assert_array_equal(greys(path), np.rint(table[values] / 4095 * 255))


def test_a_long_voi_lut_may_put_out_8_bits(tmp_path):
    values, item = stored_run(12), Dataset()
    table = np.minimum(np.arange(4096) // 8, 255).astype(np.uint16)
    item.LUTDescriptor, item.LUTData = [4096, 0, 8], table.tobytes()
    path = write(tmp_path / "run.dcm", values, VOILUTSequence=Sequence([item]))
    np.testing.assert_array_equal(greys(path), table[values])


def macros(centre, slope):
    window, change, group = Dataset(), Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = centre, 500
    change.RescaleSlope, change.RescaleIntercept, change.RescaleType = slope, 0, "US"
    group.FrameVOILUTSequence = Sequence([window])
    group.PixelValueTransformationSequence = Sequence([change])
    return group


def test_an_enhanced_run_has_its_window_and_rescale_in_functional_groups(tmp_path):
    values = stored_run(12)
    shared = {"SharedFunctionalGroupsSequence": Sequence([macros(3000, 2)])}
    path = write(tmp_path / "run.dcm", values, **shared)
    np.testing.assert_array_equal(greys(path), linear(values * 2.0, 3000, 500))
    each = [macros(3000, 2) for _ in values]
    path = write(tmp_path / "each.dcm", values, PerFrameFunctionalGroupsSequence=Sequence(each))
    np.testing.assert_array_equal(greys(path), linear(values * 2.0, 3000, 500))
    each[1] = macros(2000, 2)
    path = write(tmp_path / "other.dcm", values, PerFrameFunctionalGroupsSequence=Sequence(each))
    _, _, error = read_all(path)
    assert error is not None
    assert "'other.dcm' has another window or rescale for each frame" in error.what


def test_empty_optional_elements_are_as_good_as_absent(tmp_path):
    values = stored_run(12)
    window = {"WindowCenter": 300, "WindowWidth": 3000}
    empty = {"VOILUTSequence": Sequence([]), "RescaleSlope": None}
    path = write(tmp_path / "run.dcm", values, **window, **empty)
    np.testing.assert_array_equal(greys(path), linear(values, 300, 3000))


def test_a_sigmoid_window_is_a_sigmoid(tmp_path):
    values = stored_run(12)
    more = {"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": "SIGMOID"}
    right = 255 / (1 + np.exp(-4 * (values.astype(float) - 2000) / 1000))
    np.testing.assert_array_equal(greys(write(tmp_path / "r.dcm", values, **more)), np.rint(right))


def test_a_logarithmic_xa_is_not_taken_back_to_detector_intensity(tmp_path):
    values, item = stored_run(8), Dataset()
    back = (np.arange(256)[::-1] * 16).astype(np.uint16)
    item.LUTDescriptor, item.ModalityLUTType = [256, 0, 16], "US"
    item.LUTData = back.tobytes()
    more = {"PixelIntensityRelationship": "LOG", "ModalityLUTSequence": Sequence([item])}
    np.testing.assert_array_equal(greys(write(tmp_path / "run.dcm", values, 8, **more)), values)


def test_overlay_bits_above_the_stored_ones_are_cut_off(tmp_path):
    values = stored_run(10)
    window = {"WindowCenter": 512, "WindowWidth": 1024}
    path = write(tmp_path / "run.dcm", values | 0x8000, 10, **window)
    np.testing.assert_array_equal(greys(path), linear(values, 512, 1024))


def test_a_flat_run_and_a_single_frame_are_pictures_too(tmp_path):
    flat = np.full((1, 40, 56), 700, np.uint16)
    ds = dataset(flat)
    del ds.NumberOfFrames
    assert greys(save(ds, tmp_path / "one.dcm")).shape == (1, 40, 56)


@pytest.mark.parametrize(
    ("header", "times", "rate"),
    [
        ({"FrameTimeVector": [0, 100, 50, 250]}, [0, 100, 150, 400], 10),
        ({"FrameTime": 40}, [0, 40, 80, 120], 25),
        ({"CineRate": 8}, [0, 125, 250, 375], 8),
        ({"RecommendedDisplayFrameRate": 4, "CineRate": 8}, [0, 250, 500, 750], 4),
        ({}, [0, 1000 / 15, 2000 / 15, 200], 15),
        ({"FrameTimeVector": [0, 100, 90000, 100]}, [0, 100, 60100, 60200], 10),
        ({"FrameTimeVector": [0, 100]}, [0, 1000 / 15, 2000 / 15, 200], 15),
        ({"FrameTimeVector": [0, -5, 50, 50], "FrameTime": 40}, [0, 40, 80, 120], 25),
        ({"FrameTime": 1e12}, [0, 1000 / 15, 2000 / 15, 200], 15),
    ],
)
def test_frame_times_are_honoured(tmp_path, header, times, rate):
    pictures, form, _ = read_all(write(tmp_path / "run.dcm", stored_run(8), 8, **header))
    assert [picture.time_ms for picture in pictures] == pytest.approx(times)
    assert form is not None
    assert form.rate_hz == pytest.approx(rate, abs=0.01)
    assert form.finite


def test_paced_frames_come_in_their_time(tmp_path):
    source = DicomSource(str(write(tmp_path / "run.dcm", stored_run(8), 8, FrameTime=60)))
    source.open()
    start, count = time.monotonic(), 0
    try:
        while True:
            picture = source.read(20)
            if picture is not None:
                assert time.monotonic() - start >= picture.time_ms / 1000 - 0.005
                count += 1
    except EndOfSource:
        pass
    assert count == 4


def test_a_source_can_be_opened_again(tmp_path):
    source = DicomSource(str(write(tmp_path / "run.dcm", stored_run(8), 8)), paced=False)
    source.close()
    for _ in range(2):
        source.open()
        first = source.read(0)
        assert first is not None
        assert first.time_ms == 0
        source.close()


def test_a_folder_is_one_run_in_the_order_of_its_instance_numbers(tmp_path):
    values = stored_run(8, frames=5)
    for place, name in enumerate(["e", "d", "c", "b", "a"]):
        write(tmp_path / f"{name}.dcm", values[place : place + 1], 8, InstanceNumber=place + 1)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    np.testing.assert_array_equal(greys(tmp_path), values)
    _, form, _ = read_all(tmp_path)
    assert form is not None
    assert form.description.startswith("XA, 5 frames, 56x40, 8 bit")


def test_a_folder_of_two_sizes_or_two_series_is_refused(tmp_path):
    values = stored_run(8, frames=2)
    write(tmp_path / "a.dcm", values[:1], 8, InstanceNumber=1)
    write(tmp_path / "b.dcm", values[1:, :20], 8, InstanceNumber=2)
    assert sentence(tmp_path).startswith(
        "'b.dcm' does not belong to the other frames: its Rows differs; "
    )
    write(tmp_path / "b.dcm", values[1:], 8, InstanceNumber=2, SeriesInstanceUID="1.2.4")
    assert "its SeriesInstanceUID differs" in sentence(tmp_path)
    write(tmp_path / "b.dcm", values, 8, InstanceNumber=2)
    assert sentence(tmp_path).startswith("'b.dcm' is a run by itself; ")


def test_an_empty_folder_and_a_missing_file_are_named(tmp_path):
    assert sentence(tmp_path) == (
        f"'{tmp_path.name}' holds 0 files; give a folder of 1 to 5000 DICOM frames"
    )
    assert sentence(tmp_path / "none.dcm") == "'none.dcm' does not exist; check the path"


@pytest.mark.parametrize("kind", ["RGB", "PALETTE COLOR", "YBR_FULL"])
def test_colour_is_refused_in_one_sentence(tmp_path, kind):
    ds = dataset(stored_run(8), 8, PhotometricInterpretation=kind)
    if kind != "PALETTE COLOR":
        ds.SamplesPerPixel, ds.PlanarConfiguration = 3, 0
        ds.PixelData = ds.PixelData * 3
    path = save(ds, tmp_path / "run.dcm")
    assert sentence(path) == "'run.dcm' is in colour; give grey pictures, as X-ray is"


def test_a_structured_report_holds_no_picture(tmp_path):
    ds = dataset(stored_run(8), 8)
    pixel_module = [element.tag for element in ds if element.tag.group in (0x28, 0x7FE0)]
    for tag in pixel_module:
        del ds[tag]
    assert sentence(save(ds, tmp_path / "sr.dcm")).startswith("'sr.dcm' holds no picture; ")


def test_a_picture_without_pixels_is_no_picture(tmp_path):
    ds = dataset(stored_run(8), 8)
    del ds.PixelData
    assert sentence(save(ds, tmp_path / "x.dcm")).startswith("'x.dcm' holds no pixels; ")


@pytest.mark.parametrize("data", [b"", b"x", b"\x89PNG", b"\0" * 128 + b"DICM"])
def test_what_is_not_dicom_is_told(tmp_path, data):
    path = tmp_path / "x.dcm"
    path.write_bytes(data)
    assert sentence(path).startswith(
        ("'x.dcm' is not a DICOM file; ", "'x.dcm' has a broken header; ")
    )


def test_codings_that_cannot_be_decoded_are_named(tmp_path):
    ds = dataset(stored_run(8), 8)
    for syntax, name in ((JPEGBaseline8Bit, "JPEG Baseline"), (MPEG2MPML, "MPEG2")):
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([b"\xff\xd8\xff\xd9"] * 4)
        path = save(ds, tmp_path / "x.dcm")
        assert sentence(path).startswith(f"'x.dcm' is compressed as {name}")


def test_a_deflated_file_is_refused_before_it_unpacks(tmp_path):
    path = write(tmp_path / "x.dcm", stored_run(8), 8, syntax=DeflatedExplicitVRLittleEndian)
    assert sentence(path).startswith("'x.dcm' is deflated; ")


@pytest.mark.parametrize("depth", [50, 300, 2000])
def test_nested_sequences_give_frames_or_one_sentence(tmp_path, depth):
    bomb = bytearray()
    for _ in range(depth):
        bomb += b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    bomb += b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth
    data = write(tmp_path / "x.dcm", stored_run(8), 8).read_bytes()
    at = data.index(b"\x08\x00\x60\x00CS")
    path = tmp_path / "bomb.dcm"
    path.write_bytes(data[:at] + bytes(bomb) + data[at:])
    pictures, _, error = read_all(path)
    assert len(pictures) == 4 or (error and "'bomb.dcm' is nested too deeply" in error.what)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ({"NumberOfFrames": 30_000}, "'x.dcm' says 30000 frames of 56x40; give at most 20000"),
        ({"NumberOfFrames": -1}, "'x.dcm' says -1 frames of 56x40"),
        ({"Rows": 5000}, "'x.dcm' says 4 frames of 56x5000"),
        ({"Rows": 0}, "'x.dcm' holds no picture"),
        ({"NumberOfFrames": 5}, "'x.dcm' is cut off after frame 4 of 5"),
        ({"BitsAllocated": 32}, "'x.dcm' stores 8 of 32 bits"),
        ({"HighBit": 11}, "'x.dcm' stores 8 of 8 bits up to bit 11"),
    ],
)
def test_a_header_that_promises_too_much_is_refused(tmp_path, header, text):
    assert sentence(write(tmp_path / "x.dcm", stored_run(8), 8, **header)).startswith(text)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_a_codestream_of_another_size_than_the_header_never_reaches_a_decoder(tmp_path, syntax):
    ds = dataset(stored_run(8), 8, syntax=syntax)
    ds.Rows = 39
    path = save(ds, tmp_path / "x.dcm")
    assert sentence(path).startswith("'x.dcm' is broken: frame 1 is not of the size that")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, *PACKED])
def test_every_cut_gives_the_right_frames_or_one_sentence(tmp_path, syntax):
    values = stored_run(12, frames=3)
    data = write(tmp_path / "run.dcm", values, syntax=syntax, FrameTime=40).read_bytes()
    right = greys(tmp_path / "run.dcm")
    path = tmp_path / "cut.dcm"
    for at in sorted({*range(0, len(data), 211), *range(len(data) - 24, len(data))}):
        path.write_bytes(data[:at])
        pictures, _, error = read_all(path)
        assert error is not None, at
        assert "'cut.dcm'" in error.what
        for got, expected in zip(pictures, right, strict=False):
            np.testing.assert_array_equal(got.pixels, expected)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("samples")
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "FrameTimeVector": [0, 40, 40]}
    return [
        write(folder / "x.dcm", stored_run(12, 3), syntax=syntax, **window).read_bytes()
        for syntax in (ExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless)
    ]


@given(which=st.integers(0, 3), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_flipped_bytes_give_frames_or_one_sentence(tmp_path, samples, which, flips):
    data = bytearray(samples[which])
    for place, value in flips:
        header_first = place**3 * (len(data) - 1)  # most faults hit the header, where more breaks
        data[int(header_first)] = value
    path = tmp_path / "flipped.dcm"
    path.write_bytes(data)
    pictures, _, error = read_all(path)
    assert error is not None or pictures


def test_no_value_of_the_patient_is_logged_or_said(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    ds = dataset(stored_run(8), 8)
    ds.add_new(0x00080060, "LO", PATIENT)
    _, form, error = read_all(save(ds, tmp_path / "x.dcm"))
    assert error is None
    assert form is not None
    assert "Mustermann" not in form.description
    assert "Mustermann" not in caplog.text


def test_memory_holds_a_few_frames_not_the_run(tmp_path):
    values = np.broadcast_to(stored_run(8, 1), (1, 40, 56))
    big = np.tile(values, (120, 10, 10))
    path = write(tmp_path / "run.dcm", big, 8)
    size = path.stat().st_size
    del big
    source = DicomSource(str(path), paced=False)
    tracemalloc.start()
    try:
        source.open()
        for _ in range(120):
            source.read(0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        source.close()
    assert peak < size / 3
