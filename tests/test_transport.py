"""Replay without a screen: the very picture that is asked for, in whatever order."""

import json
import random
import threading
import time

import pytest

from orapp.errors import OrappError
from orapp.recorded import read_recorded
from orapp.session import SessionReader
from orapp.sources import EndOfSource, transport
from orapp.sources.reel import open_reel
from orapp.sources.transport import Transport
from tests.sessions import RATE_HZ, frames, same, segmentation, write_session
from tests.sources import number_of
from tests.test_cli import write_clip

COUNT = 40


@pytest.fixture
def folder(tmp_path):
    return write_session(tmp_path / "session-1", COUNT)


@pytest.fixture(params=["session", "file"])
def uri(request, tmp_path):
    """The same pictures as a session and as a video."""
    if request.param == "session":
        return f"session:{write_session(tmp_path / 'session-1', COUNT)}"
    return f"file:{write_clip(tmp_path / 'clip.mkv', COUNT)}"


@pytest.fixture
def opened():
    """Opens a transport, paused before its first picture."""
    made = []

    def start(uri, **options):
        made.append(Transport(open_reel(str(uri)), **options))
        made[-1].open()
        made[-1].pause()
        return made[-1]

    yield start
    for each in made:
        each.close()


def shown(source):
    """Number of the next picture; None if none is asked for."""
    picture = source.read(0)
    while picture is None and source._is_asked():
        picture = source.read(50)
    return None if picture is None else number_of(picture.pixels)


def test_it_plays_everything_once_and_stays_on_the_last_picture(opened, uri):
    source = opened(uri)
    source.set_speed(4)
    source.play()
    assert [shown(source) for _ in range(COUNT)] == list(range(COUNT))
    assert shown(source) is None
    standing = source.standing
    assert (standing.playing, standing.at_end, standing.fault) == (False, True, "")
    assert (standing.place, standing.length) == (COUNT - 1, COUNT)
    source.play()
    assert [shown(source), shown(source)] == [0, 1]


def test_headless_it_ends_as_any_other_source(opened, uri):
    source = opened(uri, ends=True)
    source.seek(COUNT - 2)
    assert shown(source) == COUNT - 2
    source.play()
    assert shown(source) == COUNT - 1
    with pytest.raises(EndOfSource):
        shown(source)


def test_a_step_is_one_picture_and_the_ends_hold(opened, uri):
    source = opened(uri)
    source.seek(5)
    assert shown(source) == 5
    assert shown(source) is None
    for way, number in ((1, 6), (-1, 5), (-1, 4), (3, 7), (-100, 0), (100, COUNT - 1)):
        source.step(way)
        assert shown(source) == number
    source.step(1)
    assert shown(source) is None
    source.seek(0)
    for _ in range(3):
        source.step(1)  # faster than pictures come: none of the presses is lost
    assert shown(source) == 3


def test_whatever_is_asked_for_comes_and_is_remembered(opened, uri, monkeypatch):
    monkeypatch.setattr(transport, "KEPT_BYTES", 8 * 256 * 192)
    monkeypatch.setattr(transport, "RUN_UP", 3)
    monkeypatch.setattr(transport, "FAR", 6)
    source, chance, place, given = opened(uri), random.Random(5), -1, []
    for _ in range(300):
        if chance.random() < 0.3:
            wanted = chance.randrange(COUNT)
            source.seek(wanted)
        else:
            by = chance.choice([-1, -1, 1, 1, 2, -4])
            wanted = max(min(place + by, COUNT - 1), 0)
            source.step(by)
        number = shown(source)
        assert number == (None if wanted == place else wanted)
        place = wanted
        if number is not None:
            given.append(place)
        kept = source._cutter._kept.values()
        assert sum(picture.pixels.nbytes for picture in kept) <= 8 * 256 * 192
    assert [source.spot_of(number)[0] for number in range(len(given))] == given
    assert source.spot_of(len(given)) is None
    ms = 1000 / RATE_HZ
    assert source.spot_of(3)[1] == pytest.approx(given[3] * ms, abs=1)


def test_what_it_remembers_is_bounded(opened, folder, monkeypatch):
    monkeypatch.setattr(transport, "PLACES_KEPT", 5)
    source = opened(f"session:{folder}")
    for number in range(8):
        source.seek(number)
        shown(source)
    assert [source.spot_of(number) is None for number in range(8)] == [True] * 3 + [False] * 5


def test_the_pace_is_the_recordings_times_the_speed(opened, uri):
    source, took = opened(uri), {}
    for speed in (0.25, 4.0):
        source.seek(2)
        shown(source)
        source.set_speed(speed)
        source.play()
        begin = time.monotonic()
        assert [shown(source) for _ in range(4)] == [3, 4, 5, 6]
        took[speed] = time.monotonic() - begin
        source.pause()
    assert took[0.25] >= 0.95 * 4 / RATE_HZ / 0.25
    assert took[4.0] < took[0.25] / 2


def test_a_pause_does_not_wait_for_the_next_picture(opened, tmp_path):
    slow = write_session(tmp_path / "slow", 2)
    source = opened(f"session:{slow}")
    source.seek(0)
    shown(source)
    source.set_speed(0.25)
    source.play()
    got = []
    reader = threading.Thread(target=lambda: got.append(source.read(60_000)))
    reader.start()
    source.pause()
    reader.join(60)
    assert not reader.is_alive()
    assert got == [None]


def test_only_recordings_can_be_replayed():
    with pytest.raises(OrappError, match="'simulated:' can't be replayed; give a session"):
        open_reel("simulated:")
    with pytest.raises(OrappError, match="is no session"):
        open_reel("session:/nowhere")


def test_any_place_is_reached_without_what_lies_before(folder):
    with SessionReader(folder) as reader:
        every = list(reader.frames())
        for first in range(COUNT):
            rest = list(reader.frames(first))
            assert len(rest) == COUNT - first
            assert all(map(same, rest, every[first:]))
        assert list(reader.frames(COUNT)) == []


def test_a_damaged_film_gives_nothing_wrong_from_any_place(folder):
    film = folder / "frames-0000.mkv"
    whole, every = film.read_bytes(), {frame.index: frame for frame in frames(COUNT)}
    chance = random.Random(3)
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(chance.randrange(1, 40)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        film.write_bytes(broken[: chance.randrange(len(broken))])
        first = chance.randrange(COUNT)
        with SessionReader(folder) as reader:
            got = list(reader.frames(first))
        assert all(same(frame, every[frame.index]) for frame in got)
        assert all(frame.index >= first for frame in got)


def test_a_missing_picture_is_stepped_over_in_both_directions(opened, folder):
    film = folder / "frames-0000.mkv"
    data = bytearray(film.read_bytes())
    clusters = [at for at in range(len(data) - 5) if data[at : at + 5] == b"\x1f\x43\xb6\x75\x01"]
    assert len(clusters) == COUNT
    for missing in (10, 11):
        data[clusters[missing] + 400] ^= 255
    film.write_bytes(data)
    source = opened(f"session:{folder}")
    source.seek(9)
    assert shown(source) == 9
    assert source.standing.fault == ""
    source.step(1)
    assert source.standing.heading == 10
    assert shown(source) == 12
    assert source.standing.place == source.standing.heading == 12
    assert source.standing.fault == "2 pictures are missing or damaged"
    source.step(-1)
    assert shown(source) == 9
    source.seek(30)
    shown(source)
    source.seek(13)
    shown(source)
    source.step(-1)
    assert shown(source) == 12
    source.step(-1)
    assert shown(source) == 9


def test_a_broken_chain_replays_what_is_vouched_for_and_says_so(opened, folder):
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if json.loads(line).get("index") == 25)
    lines[at] = lines[at].replace(b'"repeat":true', b'"repeat":null')
    (folder / "events.jsonl").write_bytes(b"".join(lines))
    source = opened(f"session:{folder}")
    source.seek(23)
    assert shown(source) == 23
    source.play()
    assert shown(source) == 24
    assert shown(source) is None
    assert source.standing.at_end
    assert "is damaged after frame 24" in source.standing.fault
    assert read_recorded(open_reel(f"session:{folder}").reader).ended.startswith("damaged: ")
    headless = opened(f"session:{folder}", ends=True)
    headless.seek(23)
    assert shown(headless) == 23
    headless.play()
    assert shown(headless) == 24
    with pytest.raises(OrappError, match="is damaged after frame 24"):
        shown(headless)


def test_a_session_that_was_cut_off_replays_to_the_cut(opened, tmp_path):
    folder = write_session(tmp_path / "cut", COUNT, why=None)
    film = folder / "frames-0000.mkv"
    film.write_bytes(film.read_bytes()[:-700])
    with SessionReader(folder) as reader:
        count = reader.frame_count
        recorded = read_recorded(reader)
    assert count == COUNT - 1
    assert recorded.ended == "cut off: it was never closed"
    source = opened(f"session:{folder}")
    source.seek(COUNT)
    assert shown(source) == count - 1
    source.step(-1)
    assert shown(source) == count - 2


def test_what_was_recorded_is_told_of_the_very_frame(folder):
    with SessionReader(folder) as reader:
        recorded = read_recorded(reader)
    made = frames(COUNT)
    for place, frame in enumerate(made):
        seen = recorded.segmentation(place)
        owner = (
            place
            if place % 3 == 0
            else next(
                (n for n in (place - 1, place + 1) if n % 3 == 0 and n // 2 == place // 2), None
            )
        )
        assert (seen and seen.frame_index) == owner
        overlay = recorded.overlay(place, frame.pixels)
        is_shown = owner is not None and place % 4 != 3  # every fourth was recorded as frozen
        assert (overlay is not None) == is_shown
        if overlay is not None:
            assert overlay.exposure == frame.exposure
            wanted = segmentation(made[owner]).outlines[0].points
            assert abs(overlay.outlines[0].points - wanted).max() < 0.01
    assert recorded.case == "case 7"
    assert recorded.engine == ""


def test_events_lie_at_the_frames_that_were_shown(folder):
    with SessionReader(folder) as reader:
        recorded = read_recorded(reader)
    told = [(h.place, h.kind) for h in recorded.happenings]
    assert told == [(0, "signal"), (22, "marker"), (COUNT - 1, "gap")]
    assert recorded.beside(0, 1).text == "balloon is in"
    assert recorded.beside(22, 1).text == "3 frames not recorded: the disk is too slow"
    assert recorded.beside(22, -1).kind == "signal"
    assert recorded.beside(0, -1) is None
    assert recorded.beside(COUNT - 1, 1) is None
    assert recorded.seconds == pytest.approx((COUNT - 1) / RATE_HZ, abs=0.01)
