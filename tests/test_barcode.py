"""The number in a picture: read at any scale, torn never taken for another, no new exposure."""

import cv2
import numpy as np
import pytest

from orapp import barcode
from orapp.engines import EngineSpec, open_engine
from orapp.errors import OrappError
from orapp.frames import Frame, Signal
from orapp.scene import SceneWatch, image_area, same_exposure
from orapp.segment import Segmenter
from orapp.sources import EndOfSource, Picture, SourceFormat, open_source
from orapp.sources.coded import CodedSource

LAST = 2**barcode.BITS - 1
NUMBERS = (0, 1, 2, 255, 256, 65_535, 123_456, LAST - 1, LAST)


def coded(number, side=1024, level=90, noise=12):
    pixels = np.random.default_rng(number).normal(level, noise, (side, side))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    barcode.draw(pixels, number)
    return pixels


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_read_back_and_found(number):
    assert barcode.read(coded(number)) == number
    assert barcode.find(coded(number)) == number


def test_beyond_24_bits_it_starts_again():
    assert barcode.read(coded(LAST + 5)) == 4


@pytest.mark.parametrize("how", [cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC])
@pytest.mark.parametrize("scale", [0.5, 0.6, 0.75, 0.84375, 1.0, 1.37, 2.0])
def test_it_is_read_at_the_scales_of_a_screen_blurred_and_in_other_greys(scale, how):
    for number in NUMBERS:
        picture = cv2.resize(coded(number), None, fx=scale, fy=scale, interpolation=how)
        picture = cv2.GaussianBlur(picture, (0, 0), 0.8)
        for gain, offset in ((1, 0), (0.85, 16), (0.35, 0), (1.2, -10)):
            assert barcode.read(cv2.convertScaleAbs(picture, alpha=gain, beta=offset)) == number


@pytest.mark.parametrize("size", [(512, 512), (576, 720), (1080, 1920), (1100, 800)])
def test_other_sizes_and_shapes(size):
    pixels = np.full(size, 60, np.uint8)
    barcode.draw(pixels, 4711)
    assert barcode.read(pixels) == 4711
    assert (image_area(pixels) == 60).all()


def test_only_the_part_around_the_code_is_needed():
    picture = coded(99)
    x, y, width, height = barcode.box(picture.shape)
    part = picture[round(y) - 3 : round(y + height) + 3, round(x) - 5 : round(x + width) + 2]
    assert barcode.read_box(np.ascontiguousarray(part), (5, 3, width, height)) == 99


def test_a_torn_picture_reads_as_none_or_as_one_of_its_two():
    rng, torn = np.random.default_rng(1), 0
    pairs = [(n, n + 1) for n in (*range(300), 65_535)]
    pairs += [tuple(rng.integers(0, LAST, 2).tolist()) for _ in range(100)]
    for one, other in pairs:
        a, b = (np.full((512, 512), 90, np.uint8) for _ in range(2))
        barcode.draw(a, one)
        barcode.draw(b, other)
        for row in range(455, 500, 2):
            mixed = np.vstack([a[:row], b[row:]])
            seen = barcode.read(mixed)
            assert seen in (None, one, other), (one, other, row)
            torn += seen is None
    assert torn > 1000


def test_what_is_mixed_or_noise_reads_as_none():
    mixed = cv2.addWeighted(coded(1000), 0.5, coded(1001), 0.5, 0)
    assert barcode.read(mixed) is None
    for number in range(200):
        noise = np.random.default_rng(number).integers(0, 256, (128, 128), np.uint8)
        assert barcode.read(noise) is None
    assert barcode.read(np.zeros((1024, 1024), np.uint8)) is None
    assert barcode.read(np.zeros((0, 5), np.uint8)) is None
    assert barcode.find(np.zeros((400, 400), np.uint8)) is None


def test_no_bit_that_is_turned_over_goes_unnoticed():
    x, y, _, _ = barcode.box((1024, 1024))
    for row in range(1, 9):
        for column in range(8, 13):
            picture = coded(123_456)
            cell = picture[round(y) + row * 8 :, round(x) + column * 8 :][:8, :8]
            cell[:] = 235 - cell
            assert barcode.read(picture) is None


@pytest.mark.parametrize("turn", [-12, 0, 7])
def test_a_camera_finds_it_from_the_side(turn):
    picture = cv2.resize(coded(31_337), (700, 700), interpolation=cv2.INTER_AREA)
    photo = np.full((1080, 1920), 30, np.uint8)
    corners = np.array([[0, 0], [700, 0], [700, 700], [0, 700]], np.float32)
    seen = np.array([[610, 190], [1290, 160], [1330, 880], [580, 850]], np.float32)
    turned = cv2.getRotationMatrix2D((960, 540), turn, 1.0)
    seen = cv2.transform(seen[None], turned)[0].astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen)
    cv2.warpPerspective(picture, matrix, (1920, 1080), photo, borderMode=cv2.BORDER_TRANSPARENT)
    noise = np.random.default_rng(3).normal(0, 6, photo.shape)
    photo = np.clip(cv2.GaussianBlur(photo, (0, 0), 0.8) + noise, 0, 255).astype(np.uint8)
    assert barcode.find(photo) == 31_337


def test_too_small_a_picture_is_refused():
    with pytest.raises(ValueError, match="256"):
        barcode.draw(np.zeros((200, 400), np.uint8), 1)
    with pytest.raises(OrappError, match="too small for a code"):
        CodedSource(open_source("simulated:?size=128")).open()
    with pytest.raises(OrappError, match="too small for a code"):
        open_source("simulated:?size=128&code=on")


def test_the_worst_change_of_the_code_is_no_new_exposure():
    picture = np.full((1024, 1024), 90, np.uint8)
    one, other = picture.copy(), picture.copy()
    barcode.draw(one, 0)
    x, y, _, _ = (round(value) for value in barcode.box(picture.shape))
    barcode.draw(other, 0)
    cells = other[y + 8 : y + 72, x + 64 : x + 104]
    cells[:] = 235 - cells
    assert np.count_nonzero(one != other) == 64 * 40
    assert same_exposure(one, other)


@pytest.mark.parametrize(("uri", "wrapped"), [("&code=on", False), ("", True)])
def test_repeats_stay_repeats_and_a_hold_a_hold(uri, wrapped):
    source = open_source(
        f"simulated:?video=60&rate=15&size=256&seconds=14.5&seed=2{uri}", as_fast_as_possible=True
    )
    source = CodedSource(source) if wrapped else source
    source.open()
    watch, new, signals = SceneWatch(60), 0, set()
    for number in range(14 * 60):
        picture = source.read(0)
        assert barcode.read(picture.pixels) == number
        look = watch.look(picture.pixels, round(picture.time_ms * 1e6))
        new += look.exposure_changed
        signals.add(look.signal)
    assert new == 12 * 15
    assert signals == {Signal.XRAY_ON, Signal.HOLD}


class OneAfterAnother:
    """Hands over the pictures that it was given; None is a time without one."""

    uri = "fake:"

    def __init__(self, *pictures):
        self._pictures = list(pictures)

    def open(self):
        return SourceFormat(256, 256, 10, "fake", finite=True)

    def read(self, timeout_ms):
        if not self._pictures:
            raise EndOfSource
        pixels = self._pictures.pop(0)
        return None if pixels is None else Picture(pixels, 0.0)

    def close(self):
        pass


def test_a_frozen_source_keeps_its_number_and_none_is_not_counted():
    a, b, c = (np.full((256, 256), level, np.uint8) for level in (50, 60, 70))
    source = CodedSource(OneAfterAnother(a, None, a, b, c[:100, :100], a))
    source.open()
    seen = [source.read(0) for _ in range(6)]
    assert [None if p is None else barcode.read(p.pixels) for p in seen] == [0, None, 0, 2, None, 4]
    assert (a == 50).all()
    with pytest.raises(EndOfSource):
        source.read(0)


def test_the_model_says_the_same_with_a_code_in_the_picture():
    source = open_source("simulated:?size=1024&rate=2&seed=3", as_fast_as_possible=True)
    source.open()
    with open_engine(EngineSpec(backend="openvino")) as engine:
        segmenter = Segmenter(engine)
        for number in range(4):
            plain = source.read(0).pixels
            marked = plain.copy()
            barcode.draw(marked, number * 1_234_567)
            one, other = (segmenter.segment(Frame(0, p, 0, 0)) for p in (plain, marked))
            assert abs(one.score - other.score) < 0.05
            assert len(one.outlines) == len(other.outlines)
            away = np.abs(one.probability.astype(int) - other.probability)
            assert float(away.mean()) < 1.0
