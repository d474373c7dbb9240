"""What the video is, from pixels and times: repeats, clocks, hold, frozen, black."""

import cv2
import numpy as np
import pytest

from orapp.frames import Signal
from orapp.scene import SceneWatch, same_exposure
from orapp.sources import open_source

MS = 1_000_000
SIZE = (240, 320)


def exposure(number, size=SIZE, level=60, noise=10):
    pixels = np.random.default_rng(number).normal(level, noise, size)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def with_clock(pixels, text):
    pixels = pixels.copy()
    cv2.putText(pixels, text, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.35, 190, 1, cv2.LINE_AA)
    return pixels


def looks(pictures, step_ms, rate_hz=0):
    """(exposure_changed, signal) of each picture, one every `step_ms`."""
    watch = SceneWatch(rate_hz)
    return [watch.look(p, 10**12 + round(n * step_ms * MS)) for n, p in enumerate(pictures)]


def test_every_noisy_picture_is_a_new_exposure():
    seen = looks([exposure(n) for n in range(20)], 1000 / 15)
    assert all(look.exposure_changed for look in seen)
    assert {look.signal for look in seen} == {Signal.XRAY_ON}


@pytest.mark.parametrize("repeats", [2, 4, 8])
def test_pulses_in_60_hz_video_are_one_exposure_each(repeats):
    pictures = [exposure(n // repeats) for n in range(repeats * 10)]
    seen = looks(pictures, 1000 / 60, 60)
    assert [look.exposure_changed for look in seen] == [n % repeats == 0 for n in range(len(seen))]
    assert {look.signal for look in seen} == {Signal.XRAY_ON}


def test_a_ticking_clock_and_a_hold_mark_do_not_make_a_repeat_a_new_exposure():
    base = exposure(1)
    held = [with_clock(base, f"12:03:{n:02d}") for n in range(20)]
    held[10:] = [cv2.putText(p, "LIH", (295, 14), 0, 0.35, 200, 1) for p in held[10:]]
    seen = looks(held, 50)
    assert [look.exposure_changed for look in seen] == [True] + [False] * 19


@pytest.mark.parametrize("at", [(120, 160), (60, 100), (200, 240)])
def test_one_pixel_that_moves_in_the_image_is_a_new_exposure(at):
    other = exposure(1)
    other[at] ^= 1
    assert not same_exposure(exposure(1), other)


def test_a_moving_tip_in_a_noise_free_file_is_a_new_exposure():
    pictures = []
    for number in range(6):
        flat = np.full(SIZE, 90, np.uint8)
        flat[::2] = 120
        cv2.line(flat, (160, 239), (160, 150 - 3 * number), 20, 2)
        pictures.append(flat)
    assert all(look.exposure_changed for look in looks(pictures, 66))


def test_a_large_change_outside_the_image_area_is_a_new_exposure():
    other = exposure(1)
    other[:, :20] = 0
    assert not same_exposure(exposure(1), other)


def test_small_changes_cannot_creep_away_from_the_exposure():
    picture, seen, watch = exposure(1), [], SceneWatch()
    for number in range(12):
        picture = picture.copy()
        picture[2:22, 4 + number * 10 : 14 + number * 10] = 255
        seen.append(watch.look(picture, number * 50 * MS).exposure_changed)
    assert any(seen[1:])


def test_another_size_is_another_exposure():
    seen = looks([exposure(1), exposure(1, (120, 160)), exposure(1, (120, 160))], 50)
    assert [look.exposure_changed for look in seen] == [True, True, False]


@pytest.mark.parametrize(("pulse_ms", "hold_ms"), [(1000 / 30, 350), (1000 / 15, 350), (267, 667)])
def test_only_repeats_for_longer_than_the_pulse_allows_are_a_hold(pulse_ms, hold_ms):
    watch, step_ms, now = SceneWatch(60), 1000 / 60, 0.0
    while now < 3000:
        watch.look(exposure(int(now // pulse_ms)), round(now * MS))
        now += step_ms
    last = int((now - step_ms) // pulse_ms)
    start = last * pulse_ms
    while now < start + 2500:
        look = watch.look(with_clock(exposure(last), f"{now:.0f}"), round(now * MS))
        if now < start + hold_ms - 2 * step_ms:
            assert look.signal is Signal.XRAY_ON, now
        if now > start + hold_ms + 3 * step_ms:
            assert look.signal is Signal.HOLD, now
        now += step_ms
    look = watch.look(exposure(last + 1), round(now * MS))
    assert look.exposure_changed
    assert look.signal is Signal.XRAY_ON


def test_a_slow_run_is_not_held_between_its_pictures():
    seen = looks([exposure(n) for n in range(6)], 1000, rate_hz=1)
    assert {look.signal for look in seen} == {Signal.XRAY_ON}


def test_a_hold_whose_clock_ticks_stays_a_hold_and_without_it_is_frozen_after_3_s():
    base = exposure(1)
    ticking = looks([with_clock(base, f"12:{n // 10:03d}") for n in range(100)], 100)
    assert {look.signal for look in ticking[5:]} == {Signal.HOLD}
    still = looks([base] * 60 + [exposure(2)], 100)
    assert {look.signal for look in still[5:30]} == {Signal.HOLD}
    assert {look.signal for look in still[32:60]} == {Signal.FROZEN}
    assert still[60].signal is Signal.XRAY_ON


def test_a_clock_beside_the_image_area_tells_a_held_picture_from_a_frozen_one():
    cut = slice(20, -20), slice(20, -20)
    watch, signals = SceneWatch(), []
    for number in range(80):
        sent = exposure(1).copy()
        sent[:8, :8] = number // 10
        signals.append(watch.look(sent[cut], number * 100 * MS, sent).signal)
    assert set(signals[5:]) == {Signal.HOLD}
    still = [watch.look(sent[cut], (80 + n) * 100 * MS, sent).signal for n in range(40)]
    assert still[-1] is Signal.FROZEN


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_uniform_picture_is_black_after_a_moment_even_with_text_on_it(level):
    flat = with_clock(np.full(SIZE, level, np.uint8), "NO INPUT")
    noise = np.random.default_rng(1).integers(0, 2, SIZE, dtype=np.uint8)
    pictures = [exposure(1), exposure(2), *[flat ^ noise] * 80, exposure(3)]
    seen = [look.signal for look in looks(pictures, 50)]
    assert seen[:3] == [Signal.XRAY_ON] * 3
    assert set(seen[4:82]) == {Signal.BLACK}
    assert seen[82] is Signal.XRAY_ON


def test_a_single_black_picture_is_no_news_and_black_from_the_start_is_told_at_once():
    black = np.zeros(SIZE, np.uint8)
    once = looks([exposure(1), black, exposure(2)], 66)
    assert {look.signal for look in once} == {Signal.XRAY_ON}
    assert looks([black, exposure(1)], 66)[0].signal is Signal.BLACK


def test_a_single_row_of_pixels_can_be_looked_at():
    assert looks([np.zeros((1, 1), np.uint8), np.full((1, 1), 9, np.uint8)], 50)[1].exposure_changed


def test_the_simulated_c_arm_is_read_right_in_60_hz_video():
    uri = "simulated:?video=60&rate=15&size=256&seconds=16&seed=2"
    source, watch = open_source(uri, as_fast_as_possible=True), SceneWatch(60)
    source.open()
    new, signals = 0, []
    for _ in range(16 * 60):
        picture = source.read(0)
        assert picture is not None
        look = watch.look(picture.pixels, round(picture.time_ms * MS))
        new += look.exposure_changed
        if not signals or look.signal is not signals[-1]:
            signals.append(look.signal)
    assert new == 14 * 15  # 12 s on, 2 s held, 2 s on
    assert signals == [Signal.XRAY_ON, Signal.HOLD, Signal.XRAY_ON]
