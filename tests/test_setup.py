"""Simulated set-ups: the same for a seed, and just what they say of themselves."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from orapp.errors import OrappError, SignalLost
from orapp.sources import open_source
from orapp.sources.setup import DeviceSetup
from orapp.sources.simulated import SimulatedRun, parse_options

SEEDS = (2, 3, 5, 8)


def quiet(device: DeviceSetup) -> DeviceSetup:
    return replace(device, noise=0.0, blocks=(), hold_mark=None, background=0)


def grey(device: DeviceSetup, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (device.size, device.size), np.uint8)
    return device.collimate(cv2.GaussianBlur(noise, (0, 0), 3))


def read(uri: str, count: int) -> list[np.ndarray]:
    source = open_source(uri, as_fast_as_possible=True)
    source.open()
    taken = [source.read(0).pixels for _ in range(count)]
    source.close()
    return taken


def test_a_seed_is_one_device_and_another_seed_is_another():
    assert DeviceSetup.random(7) == DeviceSetup.random(7)
    assert len({DeviceSetup.random(seed) for seed in range(12)}) == 12
    one, again = (DeviceSetup.random(5).spoil(grey(DeviceSetup.random(5)), 1.5) for _ in range(2))
    assert np.array_equal(one, again)


@pytest.mark.parametrize("seed", range(20))
def test_points_go_to_the_raw_frame_and_back(seed):
    device = DeviceSetup.random(seed)
    points = np.random.default_rng(seed).uniform(0, device.size - 1, (40, 2))
    assert np.abs(device.to_picture(device.to_raw(points)) - points).max() < 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bead_is_where_the_set_up_says(seed):
    device = quiet(DeviceSetup.random(seed))
    at = np.array([[600.0, 430.0]])
    bead, plain = (np.full((device.size, device.size), 100, np.uint8) for _ in range(2))
    cv2.circle(bead, (600, 430), 9, 200, -1, cv2.LINE_AA)
    weight = np.abs(device.spoil(bead).astype(float) - device.spoil(plain))
    y, x = np.mgrid[: device.height, : device.width]
    found = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    assert np.abs(found - device.to_raw(at)[0]).max() < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_x_rays_change_the_area_and_nothing_else(seed):
    device = quiet(DeviceSetup.random(seed))
    differs = device.spoil(grey(device, 1)) != device.spoil(grey(device, 2))
    y, x = np.nonzero(differs)
    ax, ay, w, h = device.area
    assert (
        np.abs([x.min() - ax, y.min() - ay, x.max() + 1 - ax - w, y.max() + 1 - ay - h]).max() < 3
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_text_lies_in_its_boxes_and_fills_them(seed):
    device = replace(DeviceSetup.random(seed), noise=0.0)
    bare = replace(device, blocks=())
    picture = grey(device)
    ink = device.spoil(picture, 3.0) != bare.spoil(picture, 3.0)
    for x, y, w, h in device.text:
        part = ink[y : y + h, x : x + w]
        rows, columns = np.nonzero(part.any(1))[0], np.nonzero(part.any(0))[0]
        assert rows[0] <= 2
        assert rows[-1] >= h - 3
        assert columns[0] <= 0.1 * w + 2
        assert columns[-1] >= 0.9 * w - 3
        part[:] = False
    assert not ink.any()


def test_the_grey_range_is_that_of_the_set_up():
    seen = set()
    for seed in range(30):
        device = replace(DeviceSetup.random(seed), noise=0.0, inverted=False)
        if (device.black, device.white) in seen:
            continue
        seen.add((device.black, device.white))
        full = np.tile(np.arange(256, dtype=np.uint8), (device.size, device.size // 256))
        x, width = device.pad
        raw = device.spoil(full)[:, x : x + width]
        assert (raw.min(), raw.max()) == (device.black, device.white)
    assert seen == {(0, 255), (16, 235), (30, 218)}


def test_the_uri_gives_the_devices_video_and_other_rates_if_asked():
    device = DeviceSetup.random(5)
    source = open_source("simulated:?setup=5", as_fast_as_possible=True)
    form = source.open()
    assert (form.width, form.height, form.rate_hz) == (device.width, device.height, device.rate_hz)
    assert "set-up 5" in form.description
    assert source.read(0).pixels.shape == (device.height, device.width)
    options = parse_options("simulated:?setup=5&rate=10&video=30")
    assert SimulatedRun(options).device.repeats == 3


def test_repeats_are_identical_but_for_an_analogue_grabbers_noise():
    digital = next(s for s in range(50) if not DeviceSetup.random(s).noise)
    analogue = next(s for s in range(50) if DeviceSetup.random(s).noise)
    for seed, alike in ((digital, True), (analogue, False)):
        uri = f"simulated:?setup={seed}&rate=7.5&video=30&size=256"
        first, second = read(uri, 2)
        x, y, w, h = DeviceSetup.random(seed, 256).area
        cut = slice(y + h // 3, y + 2 * h // 3), slice(x + w // 3, x + 2 * w // 3)
        assert np.array_equal(first[cut], second[cut]) == alike
        assert np.abs(first[cut].astype(int) - second[cut]).mean() < 2


def test_the_mark_of_last_image_hold_comes_with_the_hold():
    device = next(d for d in map(DeviceSetup.random, range(20)) if d.hold_mark and not d.noise)
    picture = grey(device)
    assert (device.spoil(picture, 1.0) != device.spoil(picture, 1.0, held=True)).any()


def test_without_its_cable_the_grabber_shows_its_card_or_nothing():
    cards = {DeviceSetup.random(seed).card: seed for seed in range(60)}
    assert set(cards) == {"lost", "black", "grey", "bars", "text"}
    for card, seed in cards.items():
        uri = f"simulated:?setup={seed}&size=256&fault=unplug@0s-9s"
        if card == "lost":
            with pytest.raises(SignalLost, match="unplugged"):
                read(uri, 1)
            continue
        (shown,) = read(uri, 1)
        device = DeviceSetup.random(seed)
        assert shown.shape == (device.height, device.width)
        assert np.array_equal(shown, device.no_signal(0))


def test_a_wrong_set_up_is_one_sentence():
    with pytest.raises(OrappError, match="'setup=x' can't be simulated; it takes a whole number"):
        open_source("simulated:?setup=x")
