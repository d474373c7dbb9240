"""What a clip says of its device: simulated set-ups, and clips that say nothing."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from orapp.calibrate.analyse import Watch
from orapp.calibrate.findings import Findings
from orapp.errors import OrappError
from orapp.frames import Gray
from orapp.sources.setup import DeviceSetup
from orapp.sources.setup_screen import ink_box
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.calibration_trial import Row, iou, judge, trial

NOISE = np.random.default_rng(3)


def watched(frames: Iterator[Gray] | list[Gray], rate_hz: float = 30.0) -> Watch:
    watch = Watch()
    for number, frame in enumerate(frames):
        watch.see(frame, number / rate_hz)
    return watch


def noisy(shape: tuple[int, int], lit: tuple[slice, slice] | None = None) -> Gray:
    """A dark screen with a noisy picture in a part of it."""
    raw = np.full(shape, 20, np.uint8)
    part = raw[lit] if lit else raw
    part[:] = NOISE.integers(60, 180, part.shape, np.uint8)
    return raw


@pytest.mark.parametrize("seed", [182, 367])
def test_all_of_a_set_up_is_found(seed):
    """Round, inverted, with distortion and a marker; blades and a marker."""
    row = trial(seed, 3.0)
    assert not row.wrong
    assert {"area", "circle", "range", "polarity", "rate", "text", "marker"} <= set(row.right)


def test_an_arc_between_blades_is_no_round_field():
    """Where the rim of a circle was seen by chance, with its middle outside the picture."""
    row = trial(960045, 5.0)
    assert "area" in row.right
    assert not row.wrong


@pytest.fixture(scope="module")
def states() -> tuple[DeviceSetup, Findings]:
    """Four seconds of X-ray, one of last image hold, four more, one without a cable."""
    device = next(
        d for d in map(DeviceSetup.random, count(0)) if d.card == "bars" and d.noise and d.hold_mark
    )
    run = SimulatedRun(parse_options(f"simulated:?setup={device.seed}&trocar=off"))
    watch, frames = Watch(), count()
    shown = {number: device.project(run.picture(number * 2)) for number in range(24)}

    def see(pixels: Gray, number: int) -> None:
        watch.see(pixels, number / 12)

    for exposure in range(12):
        for _ in range(2):
            number = next(frames)
            see(device.finish(shown[exposure], number / 12, False, number), number)
    for _ in range(18):
        number = next(frames)
        see(device.finish(shown[11], number / 12, True, number), number)
    for exposure in range(12, 24):
        for _ in range(2):
            number = next(frames)
            see(device.finish(shown[exposure], number / 12, False, number), number)
    for _ in range(14):
        number = next(frames)
        see(device.no_signal(number), number)
    return device, watch.findings()


def test_last_image_hold_is_known_by_its_mark(states):
    device, found = states
    mark = ink_box(device.hold_mark, (device.height, device.width))
    assert iou(found.hold.box, mark) > 0.7
    assert len(found.hold.pattern) == 64
    assert found.repeats == 2


def test_what_is_shown_without_a_signal_is_remembered(states):
    device, found = states
    card = np.frombuffer(bytes.fromhex(found.no_signal), np.uint8).reshape(16, 16)
    full = device.no_signal(0)
    assert abs(int(card[8, 0]) - int(full[device.height // 2, 4])) < 40
    assert card[8, 0] > 150 > card[8, 15]


def test_a_hold_and_a_pulled_cable_do_not_disturb_the_rest(states):
    device, found = states
    row = Row(device.seed, "")
    judge(row, found, device)
    assert all(row.right[name] for name in ("area", "range", "polarity", "text")), row.wrong


def test_without_a_marker_the_orientation_is_not_known():
    watch = watched(noisy((240, 320), np.s_[20:220, 60:260]) for _ in range(60))
    found = watch.findings()
    assert (found.rotate, found.mirror) == (None, None)
    assert {"rotate", "mirror"} <= set(found.unsure)
    assert "no marker" in found.notes["rotate"]


def test_a_noisy_rectangle_is_the_area_and_every_frame_an_exposure():
    watch = watched(noisy((240, 320), np.s_[20:220, 60:260]) for _ in range(60))
    found = watch.findings()
    assert found.area == (60, 20, 200, 200)
    assert found.circle is None
    assert (found.rate_hz, found.pulse_hz, found.repeats) == (30, 30, 1)
    assert found.noise == 0


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([], "the clip has no video; record 5 to 20 seconds with X-ray on"),
        ([noisy((240, 320))], "the clip has no video; record 5 to 20"),
        ([np.zeros((240, 320), np.uint8)] * 90, "only 0 changing exposures; record 5 to 20"),
        ([noisy((240, 320))] * 90, "only 0 changing exposures"),
        ([noisy((240, 320)) for _ in range(3)], "changing exposures"),
    ],
)
def test_a_clip_that_says_nothing_is_one_sentence(frames, sentence):
    watch = watched(frames)
    with pytest.raises(OrappError) as caught:
        watch.findings()
    assert sentence in str(caught.value)
    assert not watch.ready


@pytest.mark.parametrize(
    "raw",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((240, 320, 3), np.uint8),
        np.zeros((240, 320), np.uint16),
        np.zeros((70, 9000), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(raw):
    with pytest.raises(OrappError, match="to calibrate on"):
        Watch().see(raw, 0.0)


def test_analogue_noise_alone_is_no_x_ray():
    still = noisy((240, 320), np.s_[20:220, 60:260])
    frames = [still + NOISE.integers(0, 5, still.shape, np.uint8) for _ in range(60)]
    with pytest.raises(OrappError, match=r"changing exposures|no part of the picture changes"):
        watched(frames).findings()


def test_after_a_change_of_size_only_the_new_size_counts():
    small = [noisy((240, 320), np.s_[20:220, 60:260]) for _ in range(40)]
    large = [noisy((300, 400), np.s_[30:280, 100:350]) for _ in range(60)]
    found = watched(small + large).findings()
    assert (found.width, found.height) == (400, 300)
    assert found.area == (100, 30, 250, 250)
    assert "from 320x240 to 400x300 at 1.3 s" in found.notes["size"]


def test_lost_frames_do_not_spoil_the_rates():
    watch, frame = Watch(), noisy((240, 320), np.s_[20:220, 60:260])
    for number in range(240):
        if number % 4 == 0:
            frame = noisy((240, 320), np.s_[20:220, 60:260])
        if number % 29 != 7:
            watch.see(frame, number / 60 + 0.0004 * (number % 3))
    found = watch.findings()
    assert (found.rate_hz, found.pulse_hz, found.repeats) == (60, 15, 4)


def test_memory_does_not_grow_with_the_clip():
    def held(watch: Watch) -> int:
        return len(watch._sums.kept)

    watch, sizes = Watch(), []
    for number in range(1500):
        watch.see(noisy((64, 64)), number / 8)
        if number in (700, 1499):
            sizes.append(held(watch))
    assert max(sizes) <= 13
    assert watch.exposures <= 240
