"""The session on disk: read back byte for byte (C7), readable up to any cut (C5), vouched for."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orapp.errors import OrappError
from orapp.frames import Event
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, new_session_folder, session_head
from tests.sessions import (
    FRAME,
    RATE_HZ,
    SOURCE,
    STEP_NS,
    all_same,
    frames,
    read,
    segmentation,
    sized,
    verdict,
    write_lines,
    write_session,
)


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
        kinds = {"frame": 12, "segmentation": 4, "presented": 4, "event": 2, "gap": 1}
        assert reader.kinds == kinds | {"film": 1, "end": 1}
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
    assert films == [f"{kind}-{n:04d}.mkv" for kind in ("frames", "small") for n in range(6)]
    assert all_same(read(tmp_path / "s"), recorded)
    assert verdict(tmp_path / "s").whole


@pytest.mark.parametrize("taken", ["frames-0001.mkv", "small-0001.mkv"])
def test_a_film_that_cannot_be_begun_costs_nothing_of_the_one_before(tmp_path, taken):
    writer = SessionWriter(tmp_path / "s", session_head(SOURCE))
    first, second = frames(2, step_ns=100_000_000_000)
    writer.frame(first)
    (tmp_path / "s" / taken).mkdir()
    with pytest.raises(OrappError, match="can't be written"):
        writer.frame(second)
    writer.close("the disk broke", complete=False)
    with SessionReader(tmp_path / "s") as reader:
        assert reader.verify().whole
        assert reader.kinds["film"] == 1
        assert list(reader.films) == [0]
    assert all_same(read(tmp_path / "s"), [first])


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
        lambda text: "".join(text.splitlines(True)[i] for i in (0, 1, 3, 2, *range(4, 25))),
        "line 2 is not the one that was written",
    ),
    "a line twice": (
        lambda text: "".join(text.splitlines(True)[i] for i in (0, 1, 1, *range(2, 25))),
        "line 2 is not the one that was written",
    ),
    "no JSON": (lambda text: text.replace('{"n":4', '("n":4'), "line 4 can't be read"),
    "an empty line": (lambda text: "\n" + text, "line 0 can't be read"),
    "a list": (lambda text: "[]\n" + text, "line 0 can't be read"),
    "deep": (lambda text: "[" * 100_000 + "\n" + text, "line 0 can't be read"),
    "long": (lambda text: "[" + "1," * 600_000 + "\n" + text, "line 0 can't be read"),
    "no last line but one": (
        lambda text: "".join(text.splitlines(True)[:-2] + text.splitlines(True)[-1:]),
        "line 23 is not the one that was written",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_changed_chain_is_noticed_and_nothing_after_it_counts(copy, name):
    forge, sentence = FORGERIES[name]
    events = copy / "events.jsonl"
    assert len(events.read_text().splitlines()) == 25
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
