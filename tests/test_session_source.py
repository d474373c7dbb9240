"""A session as a source, and what is missing in it: gaps, films, sizes, repeats."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from orapp.backlog import Backlog, RecordingLimits
from orapp.errors import OrappError
from orapp.events import EventLog
from orapp.film import film_times
from orapp.grab import FrameGrabber
from orapp.recorded import read_recorded
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, session_head
from orapp.sources import EndOfSource, open_source
from orapp.sources.reel import open_reel
from orapp.sources.transport import Transport
from tests.sessions import (
    FRAME,
    RATE_HZ,
    SOURCE,
    START_NS,
    all_same,
    frames,
    read,
    sized,
    verdict,
    write_lines,
    write_session,
)


def play(folder, fast=True):
    source = open_source(f"session:{folder}", as_fast_as_possible=fast)
    form, pictures, silent = source.open(), [], 0
    try:
        while True:
            picture = source.read(20)
            if picture is None:
                silent += 1
            else:
                pictures.append((time.monotonic(), picture))
    except EndOfSource:
        return form, pictures, silent
    finally:
        source.close()


def test_as_a_source_it_gives_the_pictures_at_their_times(tmp_path):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    recorded = frames(4) + frames(4, first=12)
    for frame in recorded:
        writer.frame(frame)
    writer.gap(4, 11, "the disk is too slow")
    writer.close("done")
    form, pictures, silent = play(tmp_path / "s", fast=False)
    assert (form.width, form.height, form.rate_hz, form.finite) == (160, 120, RATE_HZ, True)
    assert form.description == "recorded session, 160x120, 15 frames/s"
    for (when, picture), frame in zip(pictures, recorded, strict=True):
        assert picture.pixels.tobytes() == frame.pixels.tobytes()
        due_ms = (frame.captured_ns - START_NS) / 1e6
        assert picture.time_ms == pytest.approx(due_ms)
        assert (when - pictures[0][0]) * 1000 > due_ms - 50
    assert silent > 5
    _, pictures, silent = play(tmp_path / "s")
    assert (len(pictures), silent) == (8, 0)


def test_a_source_that_was_cut_off_ends_and_one_that_is_damaged_says_so(tmp_path):
    folder = write_session(tmp_path / "s", why=None)
    assert len(play(folder)[1]) == 12
    film = folder / "frames-0000.mkv"
    data = film.read_bytes()
    film.write_bytes(data[:-100])
    assert len(play(folder)[1]) == 11
    film.write_bytes(data[:5000] + b"orapp" + data[5005:])
    damaged = "'s' is damaged: not all of its frames could be read; run 'orapp session show'"
    with pytest.raises(OrappError, match=damaged):
        play(folder)
    film.write_bytes(data[:50])
    with pytest.raises(OrappError, match="'s' holds not one whole frame; give another session"):
        play(folder)
    with pytest.raises(OrappError, match="'nothing' is no session: it holds no"):
        play(tmp_path / "nothing")


@pytest.mark.parametrize("size", [(1, 4096), (4096, 4096), (2, 3)])
def test_frames_of_any_size_are_recorded(tmp_path, size):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    recorded = [sized(frame, size) for frame in frames(2)]
    for frame in recorded:
        writer.frame(frame)
    writer.close("done")
    assert all_same(read(tmp_path / "s"), recorded)


def test_a_frame_that_is_too_large_is_said(tmp_path):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    with pytest.raises(OrappError, match="a frame of 5000x10 can't be recorded; record another"):
        writer.frame(sized(frames(1)[0], (10, 5000)))
    writer.close("it did not work")
    assert verdict(tmp_path / "s").ended == "closed before the first frame: it did not work"


def test_a_gap_is_no_loss_of_the_signal(tmp_path):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    for frame in frames(4) + frames(4, first=22):
        writer.frame(frame)
    writer.close("done")
    events, got = EventLog(), []
    grabber = FrameGrabber(open_source(f"session:{tmp_path / 's'}"), [got.append], events)
    grabber.start()
    deadline = time.monotonic() + 60
    while not grabber.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    grabber.stop()
    assert len(got) == 8
    assert grabber.error is None
    assert not any("no signal" in event.text for event in events.all())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_hours_of_films_keep_few_files_open(tmp_path):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    most = 0
    for frame in frames(12, step_ns=600_000_000_000):
        writer.frame(frame)
        links = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
        most = max(most, sum(link.startswith(str(tmp_path)) for link in links))
    writer.close("done")
    assert most <= 5  # lines, a full film, a new one, and both small
    assert all_same(read(tmp_path / "s"), frames(12, step_ns=600_000_000_000))


def test_a_picture_that_is_repeated_is_written_once(tmp_path):
    distinct = frames(12)
    recorded = [replace(f, pixels=distinct[f.index // 3].pixels) for f in frames(12)]
    recorded += [replace(f, pixels=distinct[3].pixels) for f in frames(2, 3000)]  # minutes later
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    writer.gap(12, 2999, "not recorded")
    for frame in recorded:
        writer.frame(frame)
    films = [film_times(tmp_path / "s" / f"frames-000{number}.mkv") for number in (0, 1)]
    assert [len(times) for times in films] == [4, 1]
    writer.close("done")
    assert all_same(read(tmp_path / "s"), recorded)
    assert verdict(tmp_path / "s").whole
    film = tmp_path / "s" / "frames-0000.mkv"
    film.write_bytes(film.read_bytes()[:-50])
    assert all_same(read(tmp_path / "s"), recorded[:9] + recorded[12:])
    assert verdict(tmp_path / "s").problems == (
        "3 pictures are missing or damaged, the first of frame 9",
    )


def test_a_repeat_of_another_picture_is_not_believed(tmp_path):
    again = {**FRAME, "index": 1, "sha": "1" * 16}
    folder = write_lines(tmp_path / "s", [("frame", FRAME), ("frame", again)])
    with SessionReader(folder) as reader:
        sentence = "the chain does not hold: line 1 is not what a session holds"
        assert reader.verify().problems[0] == sentence


def read_all(source):
    while True:
        source.read(1000)


def test_a_gap_whose_own_line_was_not_written_is_not_forgotten():
    backlog = Backlog(RecordingLimits(frames=2))
    first, second, third, fourth = frames(4)
    assert [backlog.put_frame(f) for f in (first, second, third)] == [True, True, False]
    for _ in range(2):
        backlog.first()
        backlog.done()
    assert backlog.put_frame(fourth)  # ends the gap: its line waits
    backlog.first()  # the line of the gap, and the disk does not take it
    assert backlog.give_up() == (third.index, fourth.index)


@pytest.fixture
def two_films(tmp_path, monkeypatch):
    monkeypatch.setattr("orapp.session_writer.FILM_S", 3)
    folder = write_session(tmp_path / "two", 80)
    assert len(sorted(folder.glob("frames-*.mkv"))) > 1
    return folder


@pytest.mark.parametrize("short", [False, True])
def test_a_closed_session_without_the_end_of_its_last_film_is_damaged_at_every_door(
    two_films, short
):
    film = sorted(two_films.glob("frames-*.mkv"))[-1]
    if short:
        film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    else:
        film.unlink()
    with SessionReader(two_films) as reader:
        assert reader.frame_count == 80
        assert reader.lost_at_end == 80 - len(list(reader.frames()))
        assert read_recorded(reader).ended.startswith("damaged: the last")
    source = open_source(f"session:{two_films}", as_fast_as_possible=True)
    source.open()
    with pytest.raises(OrappError, match="is damaged"):
        read_all(source)
    source.close()
    reel = open_reel(f"session:{two_films}")
    with pytest.raises(OrappError, match="of its pictures are missing"):
        list(reel.pictures(0))
    reel.close()


def test_frames_that_are_missing_without_a_gap_are_a_problem(tmp_path):
    for told in (False, True):
        writer = SessionWriter(tmp_path / str(told), session_head(SOURCE))
        for frame in frames(12):
            if frame.index not in (5, 6):
                writer.frame(frame)
            elif told:
                writer.gap(frame.index, frame.index, "the disk is too slow")
        writer.close("stopped by the user")
    assert verdict(tmp_path / "True").whole
    found = verdict(tmp_path / "False")
    assert not found.whole
    assert found.problems == ("2 frames are missing without a gap",)


def test_a_jump_behind_the_last_whole_picture_ends_at_it(two_films):
    film = sorted(two_films.glob("frames-*.mkv"))[-1]
    film.unlink()
    transport = Transport(open_reel(f"session:{two_films}"))
    transport.open()
    transport.pause()
    transport.seek(79)
    until = time.monotonic() + 60
    while transport.read(200) is None:
        assert time.monotonic() < until
    whole = len(read(two_films))
    assert transport.standing.place == whole - 1
    transport.close()
