"""Outlines lie where the map has the threshold, at sub-pixel precision, in frame pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from orapp.outline import MOST, find_outlines


def disc(size, centre, radius, blur=2.0):
    """A smooth disc whose value is one half at the radius."""
    y, x = np.mgrid[: size[0], : size[1]]
    away = np.hypot(x - centre[0], y - centre[1]) - radius
    return np.round(255 / (1 + np.exp(away * 4 / blur))).astype(np.uint8)


@pytest.mark.parametrize("centre", [(100.0, 120.0), (100.3, 119.6), (61.75, 140.5)])
@pytest.mark.parametrize("radius", [9.0, 30.4])
@pytest.mark.parametrize("frame", [(256, 256), (1024, 1024), (1080, 1920)])
def test_a_disc_is_outlined_to_a_sixth_of_a_map_pixel(centre, radius, frame):
    (found,) = find_outlines(disc((256, 256), centre, radius), 0.5, 0.0005, frame)
    scale = np.array([frame[1] / 256, frame[0] / 256])
    on_map = (found.points + 0.5) / scale - 0.5
    distance = np.hypot(*(on_map - centre).T)
    assert np.abs(distance - radius).max() < 0.17
    assert found.area_px == pytest.approx(np.pi * radius**2 * scale.prod(), rel=0.02)
    assert 0.7 < found.mean_probability <= 1


def test_a_disc_in_the_wrong_place_would_be_told():
    (found,) = find_outlines(disc((256, 256), (101, 120), 30), 0.5, 0.0005, (256, 256))
    distance = np.hypot(*(found.points - (100, 120)).T)
    assert np.abs(distance - 30).max() > 0.5


def test_a_higher_threshold_gives_a_smaller_outline():
    soft = disc((128, 128), (64, 64), 30, blur=12)
    areas = [find_outlines(soft, t, 0.0, (128, 128))[0].area_px for t in (0.2, 0.5, 0.8)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > 1.3 * areas[2]


def test_nothing_gives_nothing_and_everything_the_whole_frame():
    assert find_outlines(np.zeros((64, 64), np.uint8), 0.5, 0.001, (512, 512)) == ()
    (all_of_it,) = find_outlines(np.full((64, 64), 255, np.uint8), 0.5, 0.001, (512, 512))
    assert all_of_it.area_px == pytest.approx(512 * 512, rel=0.03)


def test_what_touches_the_border_is_closed_there():
    (found,) = find_outlines(disc((64, 64), (0, 32), 12), 0.5, 0.001, (64, 64))
    assert found.points[:, 0].min() < 0
    assert found.area_px == pytest.approx(np.pi * 144 / 2, rel=0.1)


def test_small_specks_are_left_out_and_the_largest_come_first():
    blobs = [disc((256, 256), (40 + 55 * k, 60), 5 + 4 * k) for k in range(4)]
    speck = disc((256, 256), (200, 200), 2)
    found = find_outlines(np.maximum.reduce([*blobs, speck]), 0.5, 0.0007, (256, 256))
    assert len(found) == MOST
    assert [o.area_px for o in found] == sorted((o.area_px for o in found), reverse=True)
    assert not any(cv2.pointPolygonTest(o.points, (200, 200), False) > 0 for o in found)


def test_two_neighbours_do_not_pull_each_other():
    near = np.maximum(disc((256, 256), (90, 128), 20), disc((256, 256), (136, 128), 20))
    for found in find_outlines(near, 0.5, 0.001, (256, 256)):
        assert found.area_px == pytest.approx(np.pi * 400, rel=0.03)


def test_points_are_read_only_float32_and_repeatable():
    soft = disc((128, 128), (60, 70), 21)
    one, two = (find_outlines(soft, 0.5, 0.001, (1000, 900))[0].points for _ in range(2))
    assert one.dtype == np.float32
    assert not one.flags.writeable
    assert one.tobytes() == two.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    nps.arrays(np.uint8, st.tuples(st.integers(32, 48), st.integers(32, 48))),
    st.floats(0.01, 0.99),
)
def test_no_map_makes_it_fail(probability, threshold):
    for outline in find_outlines(probability, threshold, 0.0, (300, 200)):
        assert len(outline.points) >= 3
        assert np.isfinite(outline.points).all()
