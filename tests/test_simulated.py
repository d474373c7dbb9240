"""The simulated C-arm: deterministic, in time, with the truth beside it, and with its faults."""

import itertools

import cv2
import numpy as np
import pytest

from orapp.errors import OrappError, SignalLost
from orapp.sources import EndOfSource, open_source
from orapp.sources.simulated import SimulatedRun, SimulatedSource, parse_options
from orapp.sources.spine import LAWS, load_layers, shipped_poses

SMALL = "simulated:?size=256"


def unpaced(uri: str) -> SimulatedSource:
    source = open_source(uri, as_fast_as_possible=True)
    assert isinstance(source, SimulatedSource)
    return source


def pictures(uri: str, count: int) -> list[np.ndarray]:
    source = unpaced(uri)
    source.open()
    taken = []
    for _ in range(count):
        picture = source.read(1000)
        assert picture is not None
        taken.append(picture.pixels)
    source.close()
    return taken


def test_the_same_seed_gives_the_same_pictures_and_another_seed_others():
    first, again, other = (pictures(f"{SMALL}&seed={seed}", 3) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_pictures_are_grey_read_only_and_of_the_size_that_was_asked_for():
    source = unpaced("simulated:?size=300")
    form = source.open()
    picture = source.read(0)
    assert (form.height, form.width, form.rate_hz) == (300, 300, 15)
    assert picture.pixels.shape == (300, 300)
    assert picture.pixels.dtype == np.uint8
    assert not picture.pixels.flags.writeable


@pytest.mark.parametrize("seed", range(8))
def test_the_broken_body_is_in_view_and_lower_than_a_healthy_one(seed):
    run = SimulatedRun(parse_options(f"{SMALL}&seed={seed}&trocar=off"))
    truth, bodies = run.truth(0), run.truth(0, bodies=True)
    assert run.fracture.law in LAWS
    assert 0.35 <= run.fracture.loss <= 0.55
    assert 0.004 < (truth > 0).mean() < 0.06
    assert (bodies[truth > 0] > 0).all()
    pieces = cv2.connectedComponentsWithStats(bodies)[2][1:, cv2.CC_STAT_AREA]
    assert (truth > 0).sum() < 0.85 * pieces.max()


def test_a_healthy_spine_has_bodies_but_nothing_broken():
    run = SimulatedRun(parse_options(f"{SMALL}&scene=healthy"))
    assert run.fracture is None
    assert not run.truth(0).any()
    assert run.truth(0, bodies=True).any()


def test_the_broken_body_moves_with_the_picture():
    run = SimulatedRun(parse_options(f"{SMALL}&seed=2"))
    centres = [cv2.moments(run.truth(e), binaryImage=True) for e in (0, 40)]
    places = [(m["m10"] / m["m00"], m["m01"] / m["m00"]) for m in centres]
    assert np.hypot(*np.subtract(*places)) > 2


def test_video_at_60_repeats_each_exposure_four_times_but_for_the_clock():
    frames = pictures(f"{SMALL}&video=60", 12)
    same = [np.count_nonzero(a != b) / a.size < 0.005 for a, b in itertools.pairwise(frames)]
    assert same == [k % 4 != 3 for k in range(11)]


def test_the_pedal_holds_the_last_image_while_the_clock_runs():
    run = SimulatedRun(parse_options(SMALL))
    exposures = [run.exposure_at(t / 15) for t in range(15 * 16)]
    assert exposures[179] == exposures[209] == 179
    assert exposures[210] == 180
    frames = pictures(f"{SMALL}&rate=2&seconds=20", 32)
    held = [np.count_nonzero(a != b) / a.size for a, b in itertools.pairwise(frames)][24:27]
    assert all(0 < share < 0.01 for share in held)


def test_an_instrument_advances_and_can_be_left_out():
    with_it, without = (
        SimulatedRun(parse_options(f"{SMALL}&seed=5&trocar={word}")) for word in ("on", "off")
    )
    assert np.array_equal(with_it.picture(0), without.picture(0))
    early, late = (
        np.count_nonzero(with_it.picture(e).astype(int) - without.picture(e) < -40)
        for e in (60, 160)
    )
    assert late > early > 0


def test_a_run_of_some_seconds_ends():
    source = unpaced(f"{SMALL}&seconds=1")
    source.open()
    for _ in range(15):
        source.read(0)
    with pytest.raises(EndOfSource):
        source.read(0)


def test_unplug_loses_the_signal_until_it_is_plugged_in_again():
    source = unpaced(f"{SMALL}&rate=5&fault=unplug@1s-2s")
    source.open()
    for _ in range(5):
        assert source.read(0) is not None
    with pytest.raises(SignalLost, match="unplugged"):
        source.read(0)
    tries = 0
    while True:
        tries += 1
        try:
            source.open()
            break
        except SignalLost:
            assert tries < 20
    assert source.read(0) is not None


def test_freeze_black_and_resize_do_what_they_say():
    frozen = pictures(f"{SMALL}&rate=5&fault=freeze@1s-2s", 12)
    assert all(frame is frozen[4] for frame in frozen[5:10])
    assert not np.array_equal(frozen[10], frozen[4])
    black = pictures(f"{SMALL}&rate=5&fault=black@1s-2s", 11)
    assert [bool(frame.any()) for frame in black[4:]] == [True] + [False] * 5 + [True]
    resized = pictures(f"{SMALL}&rate=5&fault=resize@1s", 6)
    assert [frame.shape for frame in resized[4:]] == [(256, 256), (160, 160)]


def test_stall_gives_nothing_for_its_time():
    source = unpaced(f"{SMALL}&rate=5&fault=stall@1s-2s")
    source.open()
    taken = [source.read(0) is not None for _ in range(11)]
    assert taken == [True] * 5 + [False] * 5 + [True]


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("simulated:?sceen=fracture", "'sceen' is not an option of simulated:; use one of scene"),
        ("simulated:?scene=broken", "'scene=broken' can't be simulated; it takes fracture or"),
        ("simulated:?seed=x", "'seed=x' can't be simulated"),
        ("simulated:?rate=1000", "it takes a number from 0.5 to 60"),
        ("simulated:?video=40", "video=40 is not a multiple of rate=15; choose one, such as"),
        ("simulated:?fault=explode@3s", "it takes KIND@START or KIND@START-END"),
        ("simulated:?size=nan", "'size=nan' can't be simulated"),
        ("simulated:?rate=nan", "'rate=nan' can't be simulated"),
        ("simulated:?rate=", "'rate=' can't be simulated; it takes a number from 0.5 to 60"),
        ("simulated:?fault=unplug@xs", "it takes KIND@START or KIND@START-END"),
        ("simulated:?fault=unplug@5s-2s", "it takes KIND@START or KIND@START-END"),
    ],
)
def test_a_wrong_option_is_one_sentence(uri, sentence):
    with pytest.raises(OrappError) as caught:
        open_source(uri)
    assert sentence in str(caught.value)


def test_every_pose_that_ships_has_bodies_from_above_to_below():
    assert len(shipped_poses()) == 6
    for path in shipped_poses():
        levels = [body.level for body in load_layers(path).bodies]
        order = [f"T{n}" for n in range(8, 13)] + ["L1", "L2"]
        assert levels == [level for level in order if level in levels]
        assert len(levels) >= 4
