"""Burned-in text: the engine does not see it, the surgeon does; live, in QA, and played again."""

import json
import time

import numpy as np
import pytest

from orapp.engines import EngineSpec, open_engine
from orapp.frames import Frame
from orapp.live import LiveSession
from orapp.picture import Box, Picture
from orapp.qa.results import read_summary
from orapp.qa.run import Plan, run_qa
from orapp.recorded import as_recorded
from orapp.segment import Segmenter
from orapp.session import SessionReader
from orapp.settings import SiteProfile
from orapp.text_cover import TextCover
from tests.models import write_bright_model
from tests.sources import SquareSource
from tests.test_cli import orapp

SIZE = (96, 128)
WORDS = ((40, 30, 30, 12), (0, 0, 20, 10), (100, 80, 28, 16), (60, 0, 9, 96))
WAIT_S = 60


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    return write_bright_model(tmp_path_factory.mktemp("models") / "bright", (64, 64))


def wait_until(true):
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_covered_comes_from_around_it_and_nothing_else_changes():
    small = np.random.default_rng(1).integers(60, 100, SIZE, dtype=np.uint8)
    inside = np.zeros(SIZE, bool)
    for x, y, w, h in WORDS:
        small[y : y + h, x : x + w] = 255
        inside[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1] = True
    before = small.copy()
    covered = TextCover(WORDS, SIZE, SIZE).cover(small)
    assert np.array_equal(small, before)
    assert np.array_equal(covered[~inside], small[~inside])
    assert covered[inside].max() < 100
    assert covered[inside].min() >= 60


def test_a_bone_goes_on_under_the_text():
    """What is bright on both sides is bright under it, what is dark stays dark."""
    small = np.full(SIZE, 40, np.uint8)
    small[40:60] = 200
    covered = TextCover(((50, 20, 12, 60),), SIZE, SIZE).cover(small)
    assert covered[45:55].min() > 150
    assert covered[21:35].max() < 90


def test_lines_that_lie_close_are_not_filled_from_each_other():
    small = np.full(SIZE, 80, np.uint8)
    lines = ((30, 30, 40, 6), (30, 37, 40, 6), (60, 44, 30, 6))
    for x, y, w, h in lines:
        small[y : y + h, x : x + w] = 255
    assert (TextCover(lines, SIZE, SIZE).cover(small) == 80).all()


@pytest.mark.parametrize("boxes", [(), ((0, 0, 128, 96),)], ids=["no text", "all text"])
def test_where_nothing_can_be_filled_nothing_changes(boxes):
    small = np.random.default_rng(2).integers(0, 256, SIZE, dtype=np.uint8)
    assert np.array_equal(TextCover(boxes, SIZE, SIZE).cover(small), small)


def test_text_in_a_corner_is_filled_from_the_two_sides_that_there_are():
    small = np.full(SIZE, 70, np.uint8)
    small[-1, -1] = 255
    boxes = ((SIZE[1] - 1, SIZE[0] - 1, 1, 1),)
    covered = TextCover(boxes, SIZE, SIZE).cover(small)
    assert (covered == 70).all()
    assert small[-1, -1] == 255  # what is on the screen stays


def test_text_is_not_outlined_and_what_is_beside_it_is(bright):
    pixels = np.random.default_rng(0).integers(50, 70, (480, 640), dtype=np.uint8)
    pixels[100:200, 100:220] = 255  # what the engine is to see
    pixels[300:340, 300:500] = 255  # text
    with open_engine(EngineSpec(str(bright))) as engine:
        plain = Segmenter(engine).segment(Frame(0, pixels, 0, 0))
        seen = Segmenter(engine, [(300, 300, 200, 40)]).segment(Frame(0, pixels, 0, 0))
    assert len(plain.outlines) == 2
    (outline,) = seen.outlines
    assert [*outline.points.min(0), *outline.points.max(0)] == pytest.approx(
        [100, 100, 219, 199], abs=12
    )
    assert seen.frame_size == (480, 640)


@pytest.fixture
def recorded(bright, tmp_path):
    """A session of a square over which the profile says that there is text, all the time."""
    everywhere = (Box(x=0, y=8, width=320, height=232),)
    picture = Picture(
        width=320, height=240, area=Box(x=0, y=0, width=320, height=240), text=everywhere
    )
    session = LiveSession(
        SquareSource(rate_hz=15, end_after=30),
        EngineSpec(str(bright), "openvino"),
        profile=SiteProfile(picture=picture),
    )
    session.start_recording(tmp_path / "recorded")
    with session:
        wait_until(lambda: session.ended and session.worker.segmented > 3)
    return session


def test_live_qa_and_replay_cover_the_same_text(recorded, bright, tmp_path):
    folder = recorded.recording_folder
    with SessionReader(folder) as reader:
        assert reader.text == ((0, 8, 320, 232),)
        answers = reader.segmentations()
        assert answers
        assert not any(seen.outlines for seen in answers.values())
        assert max(int(frame.pixels.max()) for frame in reader.frames()) == 255  # the surgeon's
    run_qa(Plan([folder], tmp_path / "qa", EngineSpec(str(bright), "openvino")))
    assert read_summary(tmp_path / "qa" / "run-0001").outlined == 0
    again = tmp_path / "again"
    copied = ("live", "--source", f"session:{folder}", "--record", again, "--headless")
    assert orapp(*copied, "--model", bright, "--engine", "openvino").returncode == 0
    with SessionReader(next(again.iterdir())) as reader:
        assert reader.text == ((0, 8, 320, 232),)  # a recording of a recording knows it too
    model = ("--model", bright, "--engine", "openvino", "--headless", "--report")
    for words in (("replay", folder), ("live", "--source", f"session:{folder}")):
        out = tmp_path / f"{words[0]}.json"
        done = orapp(*words, *model, out)
        assert done.returncode == 0, done.stderr
        report = json.loads(out.read_text())
        assert report["frames"]["segmented"] > 0
        assert report["outlines"]["frames_with"] == 0


def test_a_calibrated_session_is_not_calibrated_again(recorded):
    turned = Picture(
        width=320, height=240, area=Box(x=0, y=0, width=320, height=240), rotate=180, inverted=True
    )
    profile = SiteProfile(name="other", picture=turned)
    uri = f"session:{recorded.recording_folder}"
    assert as_recorded(uri, profile).picture is None
    assert as_recorded(uri, profile).name == "other"
    assert as_recorded("file:clip.mkv", profile).picture == turned
