"""The session reader, fed with damage of every kind: no error but ours, no hang, bounded memory.

`ORAPP_LONG=1` runs 20,000 inputs in place of 200.
"""

import json
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orapp.chain import ChainWriter
from orapp.errors import OrappError
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, session_head
from orapp.sources import EndOfSource, open_source
from tests.sessions import SOURCE, frames, segmentation, sized

LONG = os.environ.get("ORAPP_LONG") == "1"
COUNT = 20_000 if LONG else 200
CPU_S = 2.0
MEMORY = 2**30
FILES = ("events.jsonl", "session.json", "frames-0000.mkv", "frames-0001.mkv")
FUZZED = settings(
    max_examples=COUNT // 2,
    deadline=None,
    derandomize=not LONG,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
if LONG:
    pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Twelve frames in two films."""
    folder = tmp_path_factory.mktemp("fuzz") / "good"
    writer = SessionWriter(folder, session_head(SOURCE))
    before = None
    for frame in frames(12):
        size = (32, 40) if frame.index < 7 else (24, 24)
        frame = sized(frame, size)
        if before is not None and frame.index in (4, 9):  # repeats
            frame = replace(frame, pixels=before.pixels)
        writer.frame(frame)
        before = frame
        writer.segmentation(segmentation(frame))
    writer.gap(12, 13, "the disk is too slow")
    writer.close("stopped by the user")
    return folder


def survive(folder):
    """Reads everything there is; only OrappError may come, and in time."""
    began_s, memory = time.process_time(), psutil.Process().memory_info().rss
    try:
        with SessionReader(folder) as reader:
            given = list(reader.frames())
            verdict = reader.verify()
            assert verdict.frames == len(given)
            assert (reader.frame_count, reader.rate_hz, reader.gaps) is not None
            assert len(reader.events) == sum(reader.kinds.values())
            reader.segmentations()
            indexes = [frame.index for frame in given]
            assert indexes == sorted(set(indexes))
            assert isinstance(verdict.ended, str)
    except OrappError:
        pass
    play(folder)
    assert time.process_time() - began_s < CPU_S
    assert psutil.Process().memory_info().rss - memory < MEMORY


def play(folder):
    source = open_source(f"session:{folder}", as_fast_as_possible=True)
    try:
        source.open()
        while source.read(0) is not None:
            pass
    except (OrappError, EndOfSource):
        pass
    finally:
        source.close()


places = st.floats(0, 1, exclude_max=True)
damages = st.tuples(
    st.sampled_from(FILES),
    st.sampled_from(("flip", "cut", "drop", "put", "zero", "twice", "swap", "gone", "folder")),
    places,
    places,
    st.binary(min_size=1, max_size=40),
)


def flipped(data, start, extra):
    changed = bytes([data[start] ^ (1 << extra[0] % 8)]) if data else b""
    return data[:start] + changed + data[start + 1 :]


def damage(folder, name, how, place, other, extra):
    path = folder / name
    if not path.is_file():
        return
    data = path.read_bytes()
    start, stop = sorted((int(place * len(data)), int(other * len(data))))
    swapped = folder / FILES[extra[0] % len(FILES)]
    changed = {
        "flip": lambda: flipped(data, start, extra),
        "cut": lambda: data[:start],
        "drop": lambda: data[:start] + data[stop:],
        "put": lambda: data[:start] + extra + data[start:],
        "zero": lambda: data[:start] + bytes(stop - start) + data[stop:],
        "twice": lambda: data[:stop] + data[start:],
        "swap": lambda: swapped.read_bytes() if swapped.is_file() else data,
    }
    if how in changed:
        path.write_bytes(changed[how]())
    else:
        path.unlink()
    if how == "folder":
        path.mkdir()


@FUZZED
@given(st.lists(damages, min_size=1, max_size=4))
def test_damaged_bytes(good, done):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(good, Path(place) / "s"))
        for one in done:
            damage(folder, *one)
        survive(folder)


numbers = st.one_of(
    st.integers(), st.sampled_from((0, -1, 2**31, 2**63, 10**30)), st.floats(), st.booleans()
)
values = st.recursive(
    st.one_of(st.none(), numbers, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
edits = st.tuples(st.integers(0, 40), places, values, st.sampled_from(("set", "delete", "line")))


def forge(line, place, value, how):
    """One field of a line changed, wherever it lies."""
    fields = line
    keys = sorted(fields)
    key = keys[int(place * len(keys))]
    if how == "line" and isinstance(value, dict):
        line.update(value)
    elif how == "delete":
        fields.pop(key)
    elif key == "outlines" and fields[key]:
        fields[key][0][("points", "area_px", "mean_probability")[int(place * 999) % 3]] = value
    else:
        fields[key] = value


@FUZZED
@given(st.lists(edits, min_size=1, max_size=3))
def test_wrong_fields_under_a_chain_that_holds(good, done):
    lines = [json.loads(text) for text in (good / "events.jsonl").read_text().splitlines()]
    for line in lines:
        del line["chain"]
    head = json.loads((good / "session.json").read_text())
    for number, *edit in done:
        forge(head if number >= len(lines) + 6 else lines[number % len(lines)], *edit)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(good, Path(place) / "s"))
        (folder / "events.jsonl").unlink()
        data = json.dumps(head).encode()
        (folder / "session.json").write_bytes(data)
        chain = ChainWriter(folder / "events.jsonl", data)
        try:
            for line in lines:
                rest = {k: v for k, v in line.items() if k not in ("n", "t", "kind")}
                chain.add(line.get("kind"), line.get("t"), rest)
        except ValueError:
            pass  # what JSON can't say
        finally:
            chain.close()
        survive(folder)
