"""The session on disk: read back byte for byte (C7), readable up to any cut (C5), vouched for."""

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orapp.backlog import Backlog, RecordingLimits
from orapp.chain import ChainWriter
from orapp.errors import OrappError
from orapp.events import EventLog
from orapp.film import film_times
from orapp.frames import Event
from orapp.grab import FrameGrabber
from orapp.recorded import read_recorded
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, new_session_folder, session_head
from orapp.sources import EndOfSource, open_source
from orapp.sources.reel import open_reel
from orapp.sources.transport import Transport
from tests.sessions import (
    RATE_HZ,
    SOURCE,
    START_NS,
    STEP_NS,
    frames,
    same,
    segmentation,
    sized,
    write_session,
)


def read(folder):
    with SessionReader(folder) as reader:
        return list(reader.frames())


def verdict(folder):
    with SessionReader(folder) as reader:
        return reader.verify()


def all_same(got, wanted):
    return len(got) == len(wanted) and all(map(same, got, wanted))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_session(tmp_path_factory.mktemp("sessions") / "whole")


@pytest.fixture
def copy(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def test_frames_come_back_as_they_were_recorded_byte_for_byte(whole):
    wanted = frames(12)
    got = read(whole)
    assert all_same(got, wanted)
    assert not any(frame.pixels.flags.writeable for frame in got)
    assert all_same(read(whole), got)
    told = verdict(whole)
    assert (told.frames, told.whole, told.chain_ok, told.problems) == (12, True, True, ())
    assert told.seconds == pytest.approx(11 * STEP_NS / 1e9)
    assert told.ended == "closed after frame 11, 0.7 s after the first: stopped by the user"


def test_everything_else_comes_back_too(whole):
    with SessionReader(whole) as reader:
        assert reader.head["case"] == "case 7"
        assert reader.head["source"] == SOURCE
        assert reader.frame_count == 12
        assert reader.rate_hz == RATE_HZ
        assert reader.gaps == [(12, 14, "the disk is too slow")]
        assert [line["n"] for line in reader.events] == list(range(len(reader.events)))
        kinds = {"frame": 12, "segmentation": 4, "presented": 4, "event": 2, "gap": 1, "end": 1}
        assert reader.kinds == kinds
        assert reader.event_kinds == {"signal": 1, "marker": 1}
        seen = reader.segmentations()
    assert list(seen) == [0, 3, 6, 9]
    for index, got in seen.items():
        wanted = segmentation(frames(12)[index])
        assert got.probability.shape == (1, 1)
        (outline,), (right,) = got.outlines, wanted.outlines
        np.testing.assert_allclose(outline.points, right.points, atol=0.006)
        assert (outline.area_px, outline.mean_probability) == (321.25, 0.875)
        for name in ("frame_index", "exposure", "frame_size", "score", "engine", "finished_ns"):
            assert getattr(got, name) == getattr(wanted, name)


def test_a_score_that_is_no_number_and_a_text_that_is_no_text_are_recorded(tmp_path):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    (frame,) = frames(1)
    writer.frame(frame)
    writer.segmentation(segmentation(frame, float("nan")))
    writer.event(Event(1, "marker", "a name\udcff of no text\n"))
    writer.close("done")
    with SessionReader(tmp_path / "s") as reader:
        assert reader.verify().whole
        assert np.isnan(reader.segmentations()[0].score)
        assert "a name? of no text\n" in [line.get("text") for line in reader.events]


def test_each_frame_can_be_read_as_soon_as_it_is_written(tmp_path):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    assert read(tmp_path / "s") == []
    for count, frame in enumerate(frames(6), 1):
        writer.frame(frame)
        assert all_same(read(tmp_path / "s"), frames(count))
    writer.close("done")


def test_a_minute_or_another_size_begins_a_new_film(tmp_path):
    recorded = frames(8, step_ns=20_000_000_000)
    recorded += [sized(f, (7, 5)) for f in frames(2, 8, 20_000_000_000)]
    recorded += [sized(f, (1, 1)) for f in frames(1, 10, 20_000_000_000)]
    recorded += [sized(f, (200, 301)) for f in frames(2, 11, 20_000_000_000)]
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    for frame in recorded:
        writer.frame(frame)
    writer.close("done")
    films = sorted(path.name for path in (tmp_path / "s").glob("*.mkv"))
    assert films == [f"frames-{number:04d}.mkv" for number in range(6)]
    assert all_same(read(tmp_path / "s"), recorded)
    assert verdict(tmp_path / "s").whole


def test_frames_of_one_millisecond_stay_apart_and_in_order(tmp_path):
    recorded = frames(40, step_ns=1000)
    writer = SessionWriter(tmp_path / "s", session_head({**SOURCE, "rate_hz": None}))
    for frame in recorded:
        writer.frame(frame)
    writer.close("done")
    assert all_same(read(tmp_path / "s"), recorded)
    with SessionReader(tmp_path / "s") as reader:
        assert reader.rate_hz == pytest.approx(1e6)


def test_a_film_cut_at_any_byte_gives_its_whole_frames(copy):
    film = copy / "frames-0000.mkv"
    data, wanted = film.read_bytes(), frames(12)
    counts = []
    for length in [*range(0, len(data), len(data) // 60), len(data)]:
        film.write_bytes(data[:length])
        got = read(copy)
        assert all_same(got, wanted[: len(got)])
        with SessionReader(copy) as reader:
            assert reader.frame_count == len(wanted)  # closed: they must be there
            assert reader.frame_count - reader.lost_at_end == len(got)
            told = reader.verify()
        assert told.frames == len(got)
        assert told.chain_ok
        assert told.whole == (len(got) == 12)
        if not told.whole:
            missing = f"{12 - len(got)} pictures are missing or damaged, the first of frame "
            assert told.problems == (f"{missing}{len(got)}",)
        counts.append(len(got))
    assert counts == sorted(counts)
    assert set(counts) == set(range(13))


def test_events_cut_at_any_byte_are_a_cut_and_no_damage(copy):
    events = copy / "events.jsonl"
    data, wanted = events.read_bytes(), frames(12)
    for length in [*range(0, len(data), len(data) // 100), len(data) - 1]:
        events.write_bytes(data[:length])
        told, got = verdict(copy), read(copy)
        assert (told.chain_ok, told.problems, told.whole) == (True, (), False)
        assert all_same(got, wanted[: data[:length].count(b'"kind":"frame"')][: len(got)])
        assert len(got) >= data[:length].count(b'"kind":"frame"') - 1
        where = f"after frame {len(got) - 1}, " if got else "before the first frame"
        assert told.ended.startswith(f"cut off {where}")
        assert told.ended.endswith(": it was never closed")


def test_a_power_cut_may_leave_zeros_and_lines_without_pictures(tmp_path):
    folder = write_session(tmp_path / "s", why=None)
    film, events = folder / "frames-0000.mkv", folder / "events.jsonl"
    data = film.read_bytes()
    film.write_bytes(data[: len(data) * 3 // 4] + bytes(len(data) // 4))
    with events.open("ab") as file:
        file.write(b'{"n":29,"t":5,"ki' + bytes(4096))
    told, got = verdict(folder), read(folder)
    assert (told.chain_ok, told.problems, told.whole) == (True, (), False)
    assert 6 <= len(got) < 12
    assert all_same(got, frames(len(got)))
    assert told.ended == (
        f"cut off after frame {len(got) - 1}, {(len(got) - 1) / 15:.1f} s after the first: "
        f"it was never closed; {12 - len(got)} more have no whole picture"
    )


def test_more_than_the_last_second_without_pictures_is_damage(tmp_path):
    folder = write_session(tmp_path / "s", count=40, why=None)
    film = folder / "frames-0000.mkv"
    data = film.read_bytes()
    film.write_bytes(data[: len(data) // 4])
    told = verdict(folder)
    assert told.chain_ok
    assert re.search(r"\d+ pictures are missing or damaged, the first of", told.problems[0])


def change(text, n):
    """One letter of line n changed."""
    lines = text.splitlines(keepends=True)
    lines[n] = lines[n].replace('"t":5', '"t":6', 1)
    return "".join(lines)


FORGERIES = {
    "a changed line": (lambda text: change(text, 9), "line 9 is not the one that was written"),
    "a line left out": (
        lambda text: "".join(text.splitlines(keepends=True)[:5] + text.splitlines(True)[6:]),
        "line 5 is not the one that was written",
    ),
    "two lines swapped": (
        lambda text: "".join(text.splitlines(True)[i] for i in (0, 1, 3, 2, *range(4, 24))),
        "line 2 is not the one that was written",
    ),
    "a line twice": (
        lambda text: "".join(text.splitlines(True)[i] for i in (0, 1, 1, *range(2, 24))),
        "line 2 is not the one that was written",
    ),
    "no JSON": (lambda text: text.replace('{"n":4', '("n":4'), "line 4 can't be read"),
    "an empty line": (lambda text: "\n" + text, "line 0 can't be read"),
    "a list": (lambda text: "[]\n" + text, "line 0 can't be read"),
    "deep": (lambda text: "[" * 100_000 + "\n" + text, "line 0 can't be read"),
    "long": (lambda text: "[" + "1," * 600_000 + "\n" + text, "line 0 can't be read"),
    "no last line but one": (
        lambda text: "".join(text.splitlines(True)[:-2] + text.splitlines(True)[-1:]),
        "line 22 is not the one that was written",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_changed_chain_is_noticed_and_nothing_after_it_counts(copy, name):
    forge, sentence = FORGERIES[name]
    events = copy / "events.jsonl"
    assert len(events.read_text().splitlines()) == 24
    events.write_text(forge(events.read_text()))
    told = verdict(copy)
    assert told.problems[0] == f"the chain does not hold: {sentence}"
    assert not told.chain_ok
    assert not told.whole
    assert told.ended.endswith(sentence)
    got = read(copy)
    assert told.frames == len(got)
    assert all_same(got, frames(12)[: len(got)])


def test_a_changed_head_breaks_the_chain(copy):
    head = copy / "session.json"
    head.write_text(head.read_text().replace("case 7", "case 8"))
    told = verdict(copy)
    assert told.problems == ("the chain does not hold: line 0 is not the one that was written",)
    assert read(copy) == []


def test_a_changed_picture_is_noticed_and_not_given(copy):
    film = copy / "frames-0000.mkv"
    data = bytearray(film.read_bytes())
    data[len(data) // 2] ^= 1
    film.write_bytes(data)
    told, got = verdict(copy), read(copy)
    assert told.problems == ("1 pictures are missing or damaged, the first of frame 5",)
    assert told.chain_ok
    assert not told.whole
    wanted = frames(12)
    assert all_same(got, wanted[:5] + wanted[6:])


def test_another_film_in_its_place_gives_nothing(copy, tmp_path):
    other = SessionWriter(tmp_path / "other", session_head(SOURCE))
    for frame in frames(12):
        other.frame(replace(frame, pixels=sized(frame, (120, 160)).pixels))
    other.close("done")
    shutil.copy(tmp_path / "other/frames-0000.mkv", copy / "frames-0000.mkv")
    assert read(copy) == []
    assert verdict(copy).problems[0].startswith("12 pictures are missing or damaged")


def write_lines(folder, lines):
    """A session whose chain holds, with lines that no writer of ours would write."""
    folder.mkdir()
    data = json.dumps(session_head(SOURCE)).encode()
    (folder / "session.json").write_bytes(data)
    chain = ChainWriter(folder / "events.jsonl", data)
    for kind, fields in lines:
        chain.add(kind, 1, fields)
    chain.close()
    return folder


FRAME = {
    "index": 0,
    "exposure": 0,
    "repeat": False,
    "signal": "X-ray on",
    "captured_ns": 5,
    "segment": 0,
    "position": 0,
    "sha": "0" * 16,
}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("frame", {**FRAME, "index": -1}),
        ("frame", {**FRAME, "index": True}),
        ("frame", {**FRAME, "captured_ns": 10**30}),
        ("frame", {**FRAME, "segment": 3}),
        ("frame", {**FRAME, "position": 10**9}),
        ("frame", {**FRAME, "signal": "fine"}),
        ("frame", {}),
        ("gap", {"first": "0", "last": 1, "why": ""}),
        ("end", {"frames": 1}),
        ("event", {"event_kind": 3, "text": ""}),
        ("segmentation", {"frame_index": 0, "outlines": []}),
        ("presented", {"index": 0, "style": "red"}),
        (7, {}),
    ],
)
def test_a_line_that_is_chained_but_not_a_sessions_ends_what_counts(tmp_path, kind, fields):
    folder = write_lines(
        tmp_path / "s", [("event", {"event_kind": "a", "text": "b"}), (kind, fields)]
    )
    with SessionReader(folder) as reader:
        assert len(reader.events) == 1
        sentence = "the chain does not hold: line 1 is not what a session holds"
        assert reader.verify().problems == (sentence,)


def test_a_kind_of_line_from_a_newer_orapp_is_let_be(tmp_path):
    folder = write_lines(tmp_path / "s", [("dose", {"mgy": 1.5})])
    with SessionReader(folder) as reader:
        assert reader.verify().problems == ()
        assert reader.events[0]["mgy"] == 1.5


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: (f / "session.json").unlink(), "it holds no session.json"),
        (lambda f: (f / "session.json").write_text("{}"), "its session.json is damaged"),
        (lambda f: (f / "session.json").write_text("[1"), "its session.json is damaged"),
        (lambda f: (f / "session.json").write_bytes(b"\xff"), "its session.json is damaged"),
        (lambda f: (f / "session.json").write_text("[" * 10**5), "its session.json is damaged"),
        (lambda f: (f / "session.json").write_text(" " * 2**21), "its session.json is damaged"),
        (shutil.rmtree, "it holds no session.json"),
    ],
)
def test_what_is_no_session_is_said_in_one_sentence(copy, spoil, sentence):
    spoil(copy)
    with pytest.raises(OrappError) as caught:
        SessionReader(copy)
    assert str(caught.value) == f"'copy' is no session: {sentence}; give the folder of a session"


def test_a_session_of_a_later_format_is_said(copy):
    head = json.loads((copy / "session.json").read_text())
    (copy / "session.json").write_text(json.dumps({**head, "format": 2}))
    with pytest.raises(OrappError, match="'copy' is a session of another format; use a newer"):
        SessionReader(copy)


def test_files_that_are_none_are_not_opened(copy):
    for name in ("frames-0000.mkv", "events.jsonl"):
        (copy / name).unlink()
        (copy / name).symlink_to("/dev/zero")
        assert read(copy) == []
        assert verdict(copy).problems != ()


def test_folders_get_names_of_their_own(tmp_path):
    names = [new_session_folder(tmp_path / "new" / "root").name for _ in range(3)]
    assert len(set(names)) == 3
    for name in names:
        assert re.fullmatch(r"session-\d{8}-\d{6}(-[23])?", name)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OrappError, match=r"the recording can't be written \(not a directory\)"):
        new_session_folder(tmp_path / "file" / "root")
    write_session(tmp_path / "s", 1)
    with pytest.raises(OrappError, match=r"the recording can't be written \(file exists\)"):
        SessionWriter(tmp_path / "s", session_head(SOURCE))


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
    assert most <= 3
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
