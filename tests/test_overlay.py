"""C1: an outline is drawn on its own exposure, or aged on a newer one, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapp.frames import Frame, Outline, Overlay, OverlayStyle, Segmentation, Signal, read_only
from orapp.overlay import OverlayRules, SceneStart, overlay_for, still_shown

MS = 1_000_000
LIVE = OverlayRules("live")
PAIRED = OverlayRules("paired")
OUTLINE = Outline(np.array([[1, 1], [5, 1], [3, 4]], np.float32), 6.0, 0.9)


def a_frame(index=10, exposure=10, captured_ms=1000.0, signal=Signal.XRAY_ON, size=(8, 8), grey=90):
    pixels = read_only(np.full(size, grey, np.uint8))
    return Frame(index, pixels, int(captured_ms * MS), exposure, False, signal)


def a_segmentation(frame: Frame, **changes) -> Segmentation:
    seen = Segmentation(
        frame_index=frame.index,
        exposure=frame.exposure,
        frame_size=frame.pixels.shape,
        probability=read_only(np.zeros((4, 4), np.uint8)),
        outlines=(OUTLINE,),
        score=0.9,
        view_supported=True,
        captured_ns=frame.captured_ns,
        started_ns=frame.captured_ns + MS,
        finished_ns=frame.captured_ns + 9 * MS,
        inferred_ns=7 * MS,
        engine="bright",
    )
    return replace(seen, **changes)


frames = st.builds(
    a_frame,
    index=st.integers(0, 6),
    exposure=st.integers(0, 4),
    captured_ms=st.integers(0, 600),
    signal=st.sampled_from(Signal),
    size=st.sampled_from([(8, 8), (8, 9), (9, 8)]),
)
segmentations = st.builds(
    a_segmentation, frames, view_supported=st.booleans(), outlines=st.sampled_from([(), (OUTLINE,)])
)
rules = st.builds(
    OverlayRules, st.sampled_from(["paired", "live"]), st.sampled_from([0.0, 50.0, 200.0])
)


@given(frames, segmentations, st.integers(0, 900 * MS), rules, st.integers(0, 600 * MS))
def test_whatever_comes_nothing_is_drawn_that_c1_forbids(frame, seen, now_ns, rule, scene_ns):
    overlay = overlay_for(frame, seen, now_ns, rule, scene_since_ns=scene_ns)
    if overlay is None:
        return
    assert overlay.outlines == seen.outlines
    assert overlay.outlines
    assert seen.view_supported
    assert seen.frame_size == frame.pixels.shape
    assert frame.signal in (Signal.XRAY_ON, Signal.HOLD)
    if overlay.style is OverlayStyle.PAIRED:
        assert overlay.exposure == seen.exposure == frame.exposure
    else:
        assert rule.mode == "live"
        assert overlay.exposure < frame.exposure
        assert overlay.frame_index < frame.index
        assert frame.signal is Signal.XRAY_ON
        assert overlay.age_ms <= rule.max_outline_age_ms
        assert seen.captured_ns >= scene_ns


@given(frames, st.integers(0, 900 * MS), rules)
def test_its_own_frame_always_gets_its_outline_while_an_exposure_is_shown(frame, now_ns, rule):
    overlay = overlay_for(frame, a_segmentation(frame), now_ns, rule)
    shows = frame.signal in (Signal.XRAY_ON, Signal.HOLD)
    assert (overlay is not None) == shows
    assert overlay is None or overlay.style is OverlayStyle.PAIRED


def test_a_repeat_of_the_exposure_carries_the_outline_also_while_the_image_is_held():
    first = a_frame(index=10, exposure=4)
    repeat = a_frame(index=12, exposure=4, captured_ms=1033, signal=Signal.HOLD)
    overlay = overlay_for(repeat, a_segmentation(first), 1040 * MS, PAIRED)
    assert overlay == Overlay(10, 4, (OUTLINE,), OverlayStyle.PAIRED, 40.0)


def test_live_mode_shows_the_age_and_lets_the_outline_go_at_the_limit():
    old, new = a_frame(10, 10, 1000), a_frame(13, 13, 1190)
    overlay = overlay_for(new, a_segmentation(old), 1195 * MS, LIVE)
    assert overlay == Overlay(10, 10, (OUTLINE,), OverlayStyle.AGED, 195.0)
    assert overlay_for(new, a_segmentation(old), 1201 * MS, LIVE) is None
    assert overlay_for(new, a_segmentation(old), 1195 * MS, PAIRED) is None


@pytest.mark.parametrize("mode", ["paired", "live"])
def test_an_outline_never_goes_back_to_an_older_frame(mode):
    older, newer = a_frame(10, 10, 1000), a_frame(11, 11, 1066)
    assert overlay_for(older, a_segmentation(newer), 1080 * MS, OverlayRules(mode)) is None


@pytest.mark.parametrize(
    "after",
    [
        a_frame(11, 11, 1066, size=(16, 8)),
        a_frame(11, 11, 1066, grey=200),
        a_frame(11, 11, 1066, signal=Signal.HOLD),
        a_frame(11, 11, 1066, signal=Signal.LOST),
    ],
    ids=["size", "cut", "hold of another exposure", "lost"],
)
def test_an_outline_does_not_live_through_a_change_of_scene(after):
    before, scene = a_frame(10, 10, 1000), SceneStart()
    for frame in (a_frame(9, 9, 933), before, after):
        scene.see(frame)
    seen = a_segmentation(before)
    assert overlay_for(after, seen, 1070 * MS, LIVE, scene_since_ns=scene.since_ns) is None


def test_a_moving_noisy_picture_stays_one_scene():
    scene, noise = SceneStart(), np.random.default_rng(1)
    for index in range(20):
        pixels = np.clip(noise.normal(100 + index, 12, (64, 64)), 0, 255).astype(np.uint8)
        scene.see(Frame(index, read_only(pixels), 5000 + index, index))
    assert scene.since_ns == 5000


def moved(pixels, dx, dy):
    return np.roll(pixels, (dy, dx), axis=(0, 1))


@pytest.mark.parametrize(("dx", "dy", "is_new"), [(2, -3, False), (24, 0, True), (0, -30, True)])
def test_a_view_that_moves_as_a_whole_is_a_new_scene(dx, dy, is_new):
    """As when the C-arm is pushed: an instrument that moves in a still view is none."""
    rng = np.random.default_rng(3)
    ground = cv2.GaussianBlur(rng.normal(0, 400, (300, 400)), (0, 0), 6) + 120
    scene = SceneStart()
    for index in range(6):
        pixels = moved(ground, dx, dy) if index == 5 else ground
        pixels = np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
        cv2.line(pixels, (0, 0), (60 + 30 * index, 150), 10, 9)  # a trocar on its way
        scene.see(Frame(index, read_only(pixels), 5000 + index, index))
    assert scene.since_ns == (5005 if is_new else 5000)


@pytest.mark.parametrize("then", list(Signal))
@pytest.mark.parametrize("now", list(Signal))
def test_a_picture_outlives_no_change_of_the_signal_but_between_x_ray_and_hold(then, now):
    exposing = {Signal.XRAY_ON, Signal.HOLD}
    assert still_shown(then, now) == (then is now or {then, now} == exposing)


def test_a_signal_that_comes_back_is_a_new_scene():
    scene = SceneStart()
    for index, signal in enumerate([Signal.XRAY_ON, Signal.XRAY_ON, Signal.LOST, Signal.XRAY_ON]):
        scene.see(a_frame(index, index, index * 66, signal))
    assert scene.since_ns == 3 * 66 * MS
