"""Heights, wedge and change of a vertebral body, from outlines whose heights are known."""

import json
import math
import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orapp.errors import OrappError
from orapp.frames import Outline
from orapp.measure import (
    Baseline,
    Trend,
    change_since,
    corrected,
    genant,
    measure,
    six_points,
    widened,
)
from orapp.outline import find_outlines
from orapp.sources.simulated import SimulatedRun, parse_options

CASES = 5000 if os.environ.get("ORAPP_LONG") else 150


def outline(points) -> Outline:
    points = np.asarray(points, np.float32)
    return Outline(points, float(cv2.contourArea(points)), 0.97)


def body(heights=(24.0, 24.0, 24.0), depth=32.0, scale=3.0, tilt=0.0, at=(300.0, 250.0)):
    """A body whose front is left: heights in front, in the middle, at the rear; parabolic plates.

    Both endplates take half of the loss, so that the heights are upright distances.
    """
    u = np.linspace(0, 1, 60)
    front, middle, rear = heights
    bend = 2 * (front - 2 * middle + rear)
    h = front + (rear - front - bend) * u + bend * u * u
    x = (u - 0.5) * depth
    ring = np.r_[np.c_[x, -h / 2], np.c_[x, h / 2][::-1]] * scale
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    return outline(ring @ np.array([[c, s], [-s, c]]) + at)


def heights(points):
    return [h.value for h in measure(points).heights]


@given(
    st.tuples(*[st.floats(11, 27)] * 2, st.floats(20, 27)),
    st.floats(28, 38),
    st.floats(1.5, 12),
    st.floats(-44, 44),
)
@settings(max_examples=CASES, deadline=None)
def test_known_heights_are_found_in_any_body_turned_by_up_to_45_degrees(three, depth, scale, tilt):
    front, middle, rear = three
    middle = min(middle, (front + rear) / 2 + 1)  # endplates are flat or hollow, not domes
    found = heights(six_points(body((front, middle, rear), depth, scale, tilt), "left"))
    assert np.array(found) / scale == pytest.approx((front, middle, rear), rel=0.02, abs=0.3)


def test_the_points_lie_on_the_corners_and_in_the_middles():
    points = six_points(body((20, 15, 24), depth=30, scale=4), "left")
    expected = np.array([[-15, -10], [0, -7.5], [15, -12], [-15, 10], [0, 7.5], [15, 12]]) * 4
    assert points.points == pytest.approx(expected + np.array([300, 250]), abs=0.6)
    assert not points.points.flags.writeable
    assert np.array_equal(np.vstack([points.upper, points.lower]), points.points)


def test_rounded_corners_and_a_ragged_outline_cost_less_than_the_band():
    rng = np.random.default_rng(5)
    for tilt in range(-40, 41, 10):
        mask = np.zeros((512, 512), np.uint8)
        cv2.fillPoly(mask, [np.round(body((15, 18, 24), tilt=tilt).points).astype(int)], 255)
        round_ = cv2.GaussianBlur(mask, (0, 0), 4)
        noise = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), 3)
        ragged = np.clip(round_ + 140 * noise, 0, 255).astype(np.uint8)
        (found,) = find_outlines(ragged, 0.5, 0.01, mask.shape)
        for h, true in zip(measure(six_points(found, "left")).heights, (45, 54, 72), strict=True):
            assert abs(h.value - true) < 0.15 * true < h.band


def test_where_the_polygon_begins_and_which_way_it_runs_does_not_matter():
    one = body((14, 16, 24), tilt=12)
    expected = six_points(one, "left").points
    for ring in (np.roll(one.points, 37, axis=0), one.points[::-1]):
        assert six_points(outline(ring), "left").points == pytest.approx(expected, abs=0.6)


def test_a_mirrored_picture_with_its_front_named_measures_the_same():
    one = body((14, 17, 24), tilt=9)
    mirrored = outline(one.points * (-1, 1) + (900, 0))
    a, b = measure(six_points(one, "left")), measure(six_points(mirrored, "right"))
    assert [h.value for h in a.heights] == pytest.approx([h.value for h in b.heights], abs=0.5)
    assert a.wedge_deg.value == pytest.approx(b.wedge_deg.value, abs=0.5)
    assert a.wedge_deg.value > 10
    named_wrong = measure(six_points(one, "right"))
    assert named_wrong.wedge_deg.value < -10
    assert named_wrong.end_ratio.value > 1.3


@pytest.mark.parametrize(("head", "turns"), [("up", 0), ("right", 1), ("down", 2), ("left", 3)])
def test_a_spine_that_lies_across_the_picture_measures_the_same(head, turns):
    one = body((14, 17, 24), tilt=-20)
    points = one.points.astype(float)
    for _ in range(turns):  # a quarter turn clockwise, as seen
        points = np.stack([600 - points[:, 1], points[:, 0]], axis=1)
    found = six_points(outline(points), "left", head)
    assert heights(found) == pytest.approx(heights(six_points(one, "left")), abs=0.5)
    for p in found.points:  # in frame pixels, on the outline
        assert np.hypot(*(points - p).T).min() < 4


def test_without_a_front_nothing_is_called_anterior():
    one = measure(six_points(body((14, 17, 24))))
    other = measure(six_points(body((24, 17, 14))))
    assert one.names == other.names == ("left", "middle", "right")
    assert one.end_ratio.value == pytest.approx(14 / 24, abs=0.01)
    assert other.end_ratio.value == pytest.approx(14 / 24, abs=0.01)
    assert one.wedge_deg.value == pytest.approx(other.wedge_deg.value, abs=0.2)
    assert "its own higher end" in genant(one).text
    said = one.to_json(1, 1)
    assert "anterior" not in said
    assert "posterior" not in said


def test_ratios_wedge_and_area_follow_their_formulas():
    m = measure(six_points(body((16, 20, 24), depth=32, scale=5), "left"), share=0.1)
    assert m.end_ratio.value == pytest.approx(16 / 24, abs=0.01)
    assert m.middle_ratio.value == pytest.approx(20 / 24, abs=0.01)
    assert m.wedge_deg.value == pytest.approx(math.degrees(2 * math.atan(4 / 32)), abs=0.3)
    assert m.area_px.value == pytest.approx(20 * 32 * 25, rel=0.01)
    for h in m.heights:
        assert h.band == pytest.approx(0.1 * 5 * math.sqrt(640), rel=0.01)


def test_bands_are_95_percent_of_what_the_outline_errs():
    """Errors as large as the band says, on independent points: ratios and angle keep theirs."""
    rng = np.random.default_rng(3)
    points = six_points(body((16, 19, 24), scale=5), "left")
    truth = measure(points, share=0.06)
    sigma = truth.heights[0].band / 1.96 / math.sqrt(2)
    held = []
    for _ in range(1000):
        shaken = points
        for k in range(6):
            x, y = points.points[k] + (0, rng.normal(0, sigma))
            shaken = corrected(shaken, k, x, y)
        m = measure(shaken, share=0.06)
        pairs = [(m.end_ratio, truth.end_ratio), (m.middle_ratio, truth.middle_ratio)]
        pairs += [(m.wedge_deg, truth.wedge_deg), (m.heights[1], truth.heights[1])]
        held.append([abs(a.value - b.value) <= a.band for a, b in pairs])
    assert (np.abs(np.mean(held, axis=0) - 0.95) < 0.035).all()


def test_millimetres_need_a_calibration():
    points = six_points(body((16, 20, 24), scale=5), "left")
    bare, known = measure(points), measure(points, mm_per_px=0.2)
    assert bare.heights_mm is None
    assert bare.area_mm2 is None
    assert "mm" not in bare.to_json(0, 0).replace("mm_per_px", "")
    assert [h.value for h in known.heights_mm] == pytest.approx((16, 20, 24), abs=0.2)
    assert known.area_mm2.value == pytest.approx(20 * 32, rel=0.01)
    assert known.end_ratio == bare.end_ratio
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="not more than 0"):
            measure(points, mm_per_px=wrong)


def test_an_event_says_what_was_measured_and_that_a_person_corrected_it():
    points = six_points(body((16, 20, 24), scale=5), "left")
    said = json.loads(measure(points, 0.2).to_json(frame_index=71, exposure=18))
    assert (said["frame_index"], said["exposure"], said["units"]) == (71, 18, "mm")
    assert said["heights"]["anterior"]["value"] == pytest.approx(16, abs=0.2)
    assert said["heights"]["anterior"]["band95"] > 0
    assert said["corrected"] is False
    dragged = corrected(points, 0, *(points.points[0] + (0, 10)))
    again = json.loads(measure(dragged, 0.2).to_json(72, 18))
    assert again["corrected"] is True
    assert again["corrected_points"] == [0]
    assert again["heights"]["anterior"]["value"] == pytest.approx(14, abs=0.2)
    assert again["heights"]["posterior"] == said["heights"]["posterior"]
    assert "\n" not in measure(dragged).to_json(72, 18)


def test_a_correction_leaves_the_fitted_points_as_they_were():
    points = six_points(body(), "left")
    kept = points.points.copy()
    twice = corrected(corrected(points, 4, 1.0, 2.0), 1, 3.0, 4.0)
    assert twice.corrected == (1, 4)
    assert twice.points[4] == pytest.approx((1, 2))
    assert np.array_equal(points.points, kept)
    assert points.corrected == ()
    with pytest.raises(ValueError, match="there is no point 6"):
        corrected(points, 6, 0, 0)


def test_points_dragged_onto_each_other_are_no_height():
    points = six_points(body(), "left")
    with pytest.raises(OrappError, match="two of the points lie on each other; drag them apart"):
        measure(corrected(points, 0, *points.points[3]))


def hollow():
    ring = cv2.ellipse2Poly((200, 200), (90, 90), 0, 30, 330, 2)
    return np.vstack([ring, cv2.ellipse2Poly((200, 200), (60, 60), 0, 30, 330, 2)[::-1]])


def with_a_tail():
    ring = body().points
    top = int(np.argmin(np.hypot(*(ring - (300, 214)).T)))
    return np.insert(ring, top, [[298, 60], [380, 55], [380, 70], [310, 75]], axis=0)


@pytest.mark.parametrize("shape", [hollow(), with_a_tail()])
def test_what_is_no_body_is_not_measured(shape):
    with pytest.raises(OrappError, match="has not the shape of a vertebral body; show all of it"):
        six_points(outline(shape))


@pytest.mark.parametrize(
    "shape", [body(scale=0.2).points, [[0, 0], [50, 0], [100, 0]], [[5, 5]] * 3]
)
def test_what_is_too_small_is_not_measured(shape):
    with pytest.raises(OrappError, match="too small to be measured; magnify it"):
        six_points(outline(shape))


@pytest.mark.parametrize("at", [(30.0, 250.0), (300.0, 20.0), (600.0, 250.0), (300.0, 470.0)])
def test_a_body_that_the_edge_cuts_is_not_measured(at):
    mask = np.zeros((480, 620), np.uint8)
    cv2.fillPoly(mask, [np.round(body(at=at).points).astype(int)], 255)
    (found,) = find_outlines(mask, 0.5, 0.001, mask.shape)
    with pytest.raises(OrappError, match="the picture's edge cuts the body; show all of it"):
        six_points(found, frame_size=mask.shape)
    six_points(body(), frame_size=mask.shape)


@given(st.lists(st.tuples(*[st.floats(0, 1000, width=32)] * 2), min_size=3, max_size=40))
@settings(max_examples=CASES, deadline=None)
def test_any_outline_is_measured_or_refused_in_words(ring):
    try:
        m = measure(six_points(outline(ring)))
    except OrappError:
        return
    json.loads(m.to_json(0, 0))
    assert all(math.isfinite(h.value) and h.band > 0 for h in m.heights)


@pytest.mark.parametrize(
    ("front", "share", "grades"),
    [
        (24 * 0.9, 0.01, (0, 0)),
        (24 * 0.801, 0.01, (0, 1)),
        (24 * 0.775, 0.005, (1, 1)),
        (24 * 0.75, 0.01, (1, 2)),
        (24 * 0.68, 0.01, (2, 2)),
        (24 * 0.6, 0.01, (2, 3)),
        (24 * 0.5, 0.01, (3, 3)),
        (24 * 0.68, 0.25, (0, 3)),
    ],
)
def test_no_hard_grade_near_a_threshold(front, share, grades):
    whole = (front + 24) / 2
    m = measure(six_points(body((front, whole, 24), scale=8), "left"), share=share)
    found = genant(m)
    assert (found.lowest, found.highest) == grades
    told = f"Genant {grades[0]}" + (f" to {grades[1]} (" if len(set(grades)) > 1 else " (")
    assert found.text.startswith("Genant not told (" if grades == (0, 3) else told)
    assert "against its own posterior height" in found.text


def test_an_even_crush_is_seen_with_a_reference_only():
    whole, crushed = (
        measure(six_points(body((h, h, h), scale=8), "left"), share=0.01) for h in (24, 14)
    )
    assert genant(crushed).highest == 0
    seen = genant(crushed, whole)
    assert (seen.lowest, seen.highest) == (3, 3)
    assert seen.lost.value == pytest.approx(100 * (1 - 14 / 24), abs=0.5)
    assert "against the reference's heights" in seen.text


def test_a_reference_of_another_magnification_counts_in_mm():
    whole = measure(six_points(body(scale=4), "left"), mm_per_px=0.25)
    near = measure(six_points(body((12, 18, 24), scale=8), "left"), mm_per_px=0.125)
    assert genant(near, whole).lost.value == pytest.approx(50, abs=1)
    with pytest.raises(OrappError, match="only one of the two has a calibration; measure both"):
        genant(near, measure(whole.points))
    with pytest.raises(OrappError, match="the front was named for one of the two only"):
        genant(near, measure(six_points(body()), mm_per_px=0.25))


def at(heights_mm, **kwargs):
    return measure(six_points(body(heights_mm, scale=8), "left"), **kwargs)


def test_restoration_is_what_came_back_of_what_was_lost():
    before, whole = at((9, 14, 24)), at((24, 24, 24))
    change = change_since(Baseline(before, 3, 10), at((16.5, 19, 24)), whole)
    assert change.height_percent[0].value == pytest.approx(100 * 7.5 / 9, abs=2)
    assert change.restored_percent[0].value == pytest.approx(50, abs=2)
    assert change.restored_percent[1].value == pytest.approx(50, abs=2)
    assert change.restored_percent[2] is None  # the rear had lost nothing
    assert change.wedge_deg.value < -10
    assert change.is_beyond_band == (True, False, False)
    assert not change.corrected
    assert change.restored_percent[0].band > 100 * 0.15


def test_restoration_needs_a_reference_and_nothing_changes_by_itself():
    same = at((12, 16, 24))
    change = change_since(Baseline(same, 0, 0), same)
    assert change.restored_percent == (None, None, None)
    assert [h.value for h in change.height_percent] == [0, 0, 0]
    assert change.is_beyond_band == (False, False, False)


def test_a_change_says_that_a_point_was_corrected_then_or_now():
    m = at((12, 16, 24))
    dragged = measure(corrected(m.points, 0, *m.points.points[0]))
    assert change_since(Baseline(dragged, 0, 0), m).corrected
    assert change_since(Baseline(m, 0, 0), dragged).corrected


def test_a_baseline_of_another_calibration_is_refused():
    with pytest.raises(OrappError, match="only one of the two has a calibration"):
        change_since(Baseline(at((12, 16, 24)), 0, 0), at((12, 16, 24), mm_per_px=0.2))


def test_scatter_widens_the_bands_and_never_narrows_them():
    m, trend = at((12, 16, 24)), Trend()
    for exposure, front in enumerate((9, 15, 12, 8, 16)):
        trend.add(exposure, exposure, at((front, (front + 24) / 2, 24)))
    wide = widened(m, trend.scatter_px())
    assert wide.heights[0].band > m.heights[0].band
    assert wide.heights[2].band == m.heights[2].band
    assert wide.end_ratio.band > m.end_ratio.band
    assert widened(m, (0, 0, 0)) == m
    calm, shaken = (
        change_since(Baseline(m, 0, 0), m, scatter_px=s) for s in ((0, 0, 0), trend.scatter_px())
    )
    assert shaken.height_percent[0].band > calm.height_percent[0].band


def test_a_trend_has_one_point_per_exposure_and_stays_bounded():
    m = at((12, 16, 24))
    trend = Trend(limit=100)
    for frame in range(40_000):  # each exposure comes four times
        trend.add(frame, frame // 4, m)
        assert len(trend.points) <= 100
    exposures = [p.exposure for p in trend.points]
    assert exposures == sorted(set(exposures))
    assert (exposures[0], exposures[-1]) == (0, 9_999)
    assert trend.dropped == 10_000 - len(exposures)
    assert trend.points[-1].time_ns == 39_999
    assert max(np.diff(exposures)) < 10_000 / 40  # coarser, but nowhere empty
    trend.clear()
    assert trend.points == ()
    assert trend.scatter_px() == (0, 0, 0)


def test_a_trend_of_nothing_is_refused():
    with pytest.raises(ValueError, match="4 or more"):
        Trend(limit=3)


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 8, 12])
def test_the_simulated_fracture_measures_steadily_and_as_its_kind(seed):
    """True masks over the wandering C-arm: what the simulator broke is what shows."""
    run = SimulatedRun(parse_options(f"simulated:?seed={seed}&size=512"))
    front = "left" if run.spine.rear[0] > 0 else "right"
    found = []
    for exposure in range(0, 120, 30):
        (one,) = find_outlines(run.truth(exposure), 0.5, 0.001, (512, 512))
        found.append(measure(six_points(one, front), share=0.1))
    values = np.array([[h.value for h in m.heights] for m in found])
    assert (values.std(axis=0) < 0.04 * values.mean(axis=0)).all()
    ends, middle = found[0].end_ratio.value, found[0].middle_ratio.value
    if run.fracture.law == "wedge":
        assert ends < 0.85
        assert ends < middle
    elif run.fracture.law == "biconcave":
        assert middle < 0.85
        assert middle < ends
    else:
        assert min(ends, middle) > 0.65  # a crush that hides from its own posterior height


def test_an_unsure_calibration_widens_what_is_in_mm_and_nothing_else():
    points = six_points(body(), "left")
    sure, unsure = measure(points, mm_per_px=0.2), measure(points, 0.2, mm_per_px_sd=0.01)
    for a, b in zip(sure.heights_mm, unsure.heights_mm, strict=True):
        assert b.value == a.value
        assert b.band == pytest.approx(math.hypot(a.band, 1.96 * 0.05 * a.value))
    area, wide = sure.area_mm2, unsure.area_mm2
    assert wide.band == pytest.approx(math.hypot(area.band, 2 * 1.96 * 0.05 * area.value))
    assert (unsure.end_ratio, unsure.wedge_deg) == (sure.end_ratio, sure.wedge_deg)
    assert json.loads(unsure.to_json(0, 0))["mm_per_px_sd"] == 0.01
    with pytest.raises(ValueError, match="mm_per_px_sd is -1"):
        measure(points, 0.2, mm_per_px_sd=-1)


def test_a_calibration_that_both_share_does_not_blur_their_comparison():
    before, now = six_points(body((12, 18, 24)), "left"), six_points(body(), "left")
    losses = [
        genant(measure(before, 0.2, mm_per_px_sd=sd), measure(now, 0.2, mm_per_px_sd=sd)).lost
        for sd in (0.0, 0.02)
    ]
    assert losses[0] == losses[1]
