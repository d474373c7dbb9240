"""The site's remap: pixels exact, points there and back, other sizes refused, drift told."""

import cv2
import numpy as np
import pytest

from orapp.errors import OrappError, SignalLost
from orapp.frames import read_only
from orapp.picture import Box, Circle, Distortion, Picture, Signature
from orapp.settings import SiteProfile, text_in
from orapp.site import FitWatch, SiteMap
from orapp.sources import Picture as Taken
from orapp.sources import SourceFormat, open_source
from orapp.sources.calibrated import CalibratedSource

AREA = Box(x=40, y=24, width=320, height=256)
PINCUSHION = Distortion(
    degree=3,
    centre=(159.5, 127.5),
    scale=160.0,
    x=(0.0, 1.0, 0.02, 0.0, 0.0, 0.0, 0.04, 0.0, 0.04, 0.01),
    y=(0.0, -0.02, 1.0, 0.0, 0.0, 0.0, 0.01, 0.04, 0.0, 0.04),
)
RAW = (300, 400)


def picture(**more) -> Picture:
    return Picture(width=400, height=300, area=AREA, **more)


def frame(seed: int = 0) -> np.ndarray:
    return read_only(np.random.default_rng(seed).integers(0, 256, RAW, np.uint8))


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_pixel_without_distortion_is_one_raw_pixel(rotate, mirror):
    raw, site = frame(), SiteMap(picture(rotate=rotate, mirror=mirror))
    crop = raw[24 : 24 + 256, 40 : 40 + 320]
    code = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    turned = cv2.rotate(crop, code[rotate]) if rotate else crop
    seen = site.apply(raw)
    assert np.array_equal(seen, turned[:, ::-1] if mirror else turned)
    assert seen.shape == site.size
    assert not seen.flags.writeable
    corners = np.array([[0, 0], [site.size[1] - 1, 0], [7, 11]])
    for (x, y), (u, v) in zip(corners, np.round(site.to_raw(corners)).astype(int), strict=True):
        assert seen[y, x] == raw[v, u]


@pytest.mark.parametrize("rotate", [0, 90, 270])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("bend", [None, PINCUSHION])
def test_points_go_there_and_back(rotate, mirror, bend):
    site = SiteMap(picture(rotate=rotate, mirror=mirror, distortion=bend))
    high, wide = site.size
    points = np.random.default_rng(3).uniform((0, 0), (wide - 1, high - 1), (500, 2))
    assert np.abs(site.to_site(site.to_raw(points)) - points).max() < 1e-6


def test_what_is_undistorted_lies_where_its_points_say():
    raw = np.zeros(RAW, np.uint8)
    site = SiteMap(picture(rotate=90, distortion=PINCUSHION))
    there = np.array([[60.0, 70.0], [200.0, 250.0]])
    for x, y in site.to_raw(there):
        cv2.circle(raw, (round(x * 16), round(y * 16)), 4 * 16, 255, -1, cv2.LINE_AA, 4)
    seen = site.apply(raw)
    for x, y in there.astype(int):
        near = seen[y - 10 : y + 11, x - 10 : x + 11].astype(float)
        down, right = np.mgrid[-10:11, -10:11]
        assert abs((near * right).sum() / near.sum()) < 0.1
        assert abs((near * down).sum() / near.sum()) < 0.1


def test_around_a_round_field_it_is_black_and_inside_it_nothing_changes():
    raw = np.random.default_rng(3).integers(1, 256, (300, 400), dtype=np.uint8)
    round_, whole = (
        SiteMap(picture(distortion=PINCUSHION, circle=circle))
        for circle in (Circle(x=190, y=150, radius=90), None)
    )
    seen, all_of_it = round_.apply(raw), whole.apply(raw)
    down, right = np.mgrid[: seen.shape[0], : seen.shape[1]]
    points = np.stack([right.ravel(), down.ravel()], axis=1)
    away = np.hypot(*(round_.to_raw(points) - (190, 150)).T).reshape(seen.shape)
    np.testing.assert_array_equal(seen[away <= 91], all_of_it[away <= 91])
    assert not seen[away > 95].any()


@pytest.mark.parametrize("bend", [None, PINCUSHION])
def test_around_a_round_field_no_ring_and_no_corner_is_white_by_the_polarity(bend):
    raw = np.full(RAW, 20, np.uint8)  # the device blanks what lies around the field
    cv2.circle(raw, (190, 150), 89, 120, -1)
    site = SiteMap(picture(distortion=bend, circle=Circle(x=190, y=150, radius=90), inverted=True))
    seen = site.apply(raw)
    assert seen.max() == 135
    assert not np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]]).any()


def test_x_ray_beside_a_round_field_of_the_other_polarity_is_told():
    shown = picture(inverted=True, circle=Circle(x=190, y=150, radius=60), black=16, white=235)
    watch = FitWatch(shown)
    said = [watch.see(raw) for raw in beams(shown.area)]
    assert said[-1] == "there is X-ray picture beside its image area"


def test_text_beside_a_round_field_stays_so_that_a_held_picture_is_not_called_frozen():
    raw = np.full(RAW, 90, np.uint8)
    words = Box(x=44, y=28, width=30, height=12)
    site = SiteMap(
        picture(distortion=PINCUSHION, circle=Circle(x=190, y=150, radius=90), text=(words,))
    )
    ((x, y, w, h),) = site.boxes()
    before = site.apply(raw)
    raw[30:38, 50:60] = 255  # the clock goes on
    after = site.apply(raw)
    changed = before != after
    assert changed[y : y + h, x : x + w].sum() > 40
    changed[y : y + h, x : x + w] = False
    assert not changed.any()


def test_a_circle_beside_the_area_is_refused():
    with pytest.raises(ValueError, match="circle has its middle outside the area"):
        picture(circle=Circle(x=10, y=10, radius=50))


def test_range_and_polarity():
    raw = read_only(np.full(RAW, 16, np.uint8))
    assert SiteMap(picture(black=16, white=235)).apply(raw).max() == 0
    assert SiteMap(picture(black=16, white=235, inverted=True)).apply(raw).min() == 255


def test_another_size_is_refused_in_a_sentence():
    with pytest.raises(OrappError, match="400x200, the site profile was made for 400x300"):
        SiteMap(picture()).apply(np.zeros((200, 400), np.uint8))


class Screen:
    """Pictures that are given, then nothing."""

    uri = "test:"

    def __init__(self, *pictures, finite=False):
        self.pictures, self.finite = list(pictures), finite

    def open(self):
        high, wide = self.pictures[0].shape
        return SourceFormat(wide, high, 15.0, "pictures", finite=self.finite)

    def read(self, timeout_ms):
        return Taken(read_only(self.pictures.pop(0)), 0.0)

    def close(self):
        pass


def test_a_source_is_calibrated_and_keeps_its_raw_frame():
    source = CalibratedSource(Screen(frame()), picture(rotate=90))
    form = source.open()
    assert (form.width, form.height) == (256, 320)
    taken = source.read(0)
    assert taken.pixels.shape == (320, 256)
    assert np.array_equal(taken.raw, frame())


def test_a_size_that_changes_is_a_lost_signal_live_and_an_error_in_a_file():
    for finite, error in ((False, SignalLost), (True, OrappError)):
        source = CalibratedSource(Screen(frame(), frame()[:200], finite=finite), picture())
        source.open()
        source.read(0)
        with pytest.raises(error, match="400x200"):
            source.read(0)


def test_text_of_a_profile_is_blanked_where_it_is_seen():
    profile = picture(text=(Box(x=40, y=24, width=32, height=16), Box(x=0, y=0, width=8, height=8)))
    (box,) = text_in(profile)
    assert (box.x, box.y, box.width, box.height) == (0, 0, pytest.approx(0.1), 1 / 16)
    turned = text_in(profile.model_copy(update={"rotate": 90}))[0]
    assert (turned.x + turned.width, turned.y) == (1, 0)
    assert SiteProfile(picture=profile).blanked(profile) == (box,)


def bent(**more) -> Picture:
    return picture(distortion=PINCUSHION, **more)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_bent_text_lies_in_its_boxes(rotate, mirror):
    text = (Box(x=36, y=20, width=60, height=14), Box(x=340, y=200, width=30, height=90))
    profile, raw = bent(rotate=rotate, mirror=mirror, text=text), np.zeros(RAW, np.uint8)
    for box in text:
        raw[box.y : box.y + box.height, box.x : box.x + box.width] = 255
    seen = SiteMap(profile).apply(raw).copy()
    assert np.count_nonzero(seen) > 1000
    boxes = text_in(profile)
    assert sum(box.width * box.height for box in boxes) < 0.1
    for box in boxes:
        box.blank(seen)
    assert not seen.any()


@pytest.mark.parametrize("inverted", [False, True])
def test_beyond_the_raw_frame_it_is_black(inverted):
    whole = Box(x=0, y=0, width=400, height=300)
    profile = bent(inverted=inverted).model_copy(update={"area": whole})
    seen = SiteMap(profile).apply(np.full(RAW, 100, np.uint8))
    assert seen[-1, -1] == 0
    assert seen[150, 200] == (155 if inverted else 100)


@pytest.mark.parametrize("factor", [0.0, -1.0, 5.0, 1e6])
def test_a_distortion_that_folds_the_picture_is_refused(factor):
    terms = {name: tuple(factor * term for term in getattr(PINCUSHION, name)) for name in "xy"}
    with pytest.raises(ValueError, match="folds the picture"):
        picture(distortion=PINCUSHION.model_copy(update=terms))


def test_what_is_blanked_is_text_in_the_picture_that_is_seen():
    text = Box(x=40, y=24, width=32, height=16)
    profile = SiteProfile(picture=picture(text=(text,)))
    (raw,) = profile.blanked(None)
    assert (raw.x, raw.y) == (40 / 400, 24 / 300)
    elsewhere = picture(rotate=180, text=(Box(x=100, y=100, width=20, height=20),))
    boxes = profile.blanked(elsewhere)
    assert len(boxes) == 2
    assert (boxes[1].x + boxes[1].width, boxes[1].y + boxes[1].height) == (1, 1)
    assert len(SiteProfile().blanked(elsewhere)) == 1
    assert SiteProfile().blanked(None) == ()


def beams(area: Box, count: int = FitWatch.LOOKS, text: tuple[Box, ...] = (), low: int = 40):
    """Raw exposures of a device: noise in its area, its text beside it."""
    rng = np.random.default_rng(5)
    for _ in range(count):
        raw = np.full(RAW, 20, np.uint8)
        at = slice(area.y, area.y + area.height), slice(area.x, area.x + area.width)
        raw[at] = rng.integers(low, 200, (area.height, area.width))
        for box in text:
            raw[box.y : box.y + box.height : 2, box.x : box.x + box.width : 3] = 220
        yield read_only(raw)


TEXT = (Box(x=2, y=2, width=30, height=10), Box(x=2, y=60, width=30, height=10))


@pytest.mark.parametrize(
    ("area", "text", "low", "says"),
    [
        (AREA, TEXT, 40, ""),
        (Box(x=0, y=0, width=400, height=300), TEXT, 40, "beside its image area"),
        (AREA, (), 40, "burned-in text"),
        (AREA, TEXT, 0, "grey levels beyond 16 to 235"),
    ],
)
def test_another_device_is_noticed(area, text, low, says):
    watch = FitWatch(picture(black=16, white=235, text=TEXT))
    *first, last = [watch.see(raw) for raw in beams(area, text=text, low=low)]
    assert first == [None] * (FitWatch.LOOKS - 1)
    assert says in last
    assert (last == "") == (says == "")
    assert watch.see(frame()) is None


def test_the_simulated_c_arm_through_a_profile_fits():
    source = CalibratedSource(
        open_source("simulated:?size=256&hold=off", as_fast_as_possible=True),
        Picture(width=256, height=256, area=Box(x=16, y=16, width=224, height=224)),
    )
    source.open()
    assert source.read(0).pixels.shape == (224, 224)
    source.close()


def bars(noise: int = 0) -> np.ndarray:
    rng = np.random.default_rng(noise)
    raw = np.repeat(np.linspace(0, 255, 8).astype(int), 50)[None].repeat(300, 0)
    return read_only(np.clip(raw + rng.normal(0, noise, raw.shape), 0, 255).astype(np.uint8))


def test_what_the_device_shows_without_a_signal_is_no_picture():
    small = cv2.resize(bars(), (16, 16), interpolation=cv2.INTER_AREA)
    signature = Signature(no_signal=small.tobytes().hex())
    shown = [frame(), bars(), bars(2), frame(1)]
    source = CalibratedSource(Screen(*shown), picture(), signature)
    source.open()
    assert [source.read(0) is not None for _ in shown] == [True, False, False, True]


def test_a_black_card_is_not_told_from_a_black_picture():
    source = CalibratedSource(
        Screen(np.zeros(RAW, np.uint8)), picture(), Signature(no_signal="00" * 256)
    )
    source.open()
    assert source.read(0) is not None
