"""Segmenting in-process: single frames, whole sources, and files by `orapp segment`'s function."""

import json
import os

import cv2
import numpy as np
import pytest

from orapp.engines import EngineSpec, open_engine
from orapp.errors import OrappError
from orapp.frames import Frame
from orapp.segment import Segmenter
from orapp.stills import segment_files
from orapp.walk import walk
from tests.models import write_bright_model
from tests.sources import SquareSource


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    return write_bright_model(tmp_path_factory.mktemp("models") / "bright", (128, 128))


@pytest.fixture
def segmenter(bright):
    with open_engine(EngineSpec(str(bright))) as engine:
        yield Segmenter(engine)


def scene(size=(512, 640), box=(100, 200, 180, 320)):
    pixels = np.random.default_rng(0).integers(50, 70, size, dtype=np.uint8)
    y0, x0, y1, x1 = box
    pixels[y0:y1, x0:x1] = 255
    return pixels


def bounds(points):
    return [*points.min(0), *points.max(0)]


def test_an_outline_lies_around_what_the_engine_marked(segmenter):
    seen = segmenter.segment(Frame(7, scene(), 1, 3))
    (outline,) = seen.outlines
    assert bounds(outline.points) == pytest.approx([200, 100, 319, 179], abs=4)
    assert (seen.frame_index, seen.exposure, seen.frame_size) == (7, 3, (512, 640))
    assert seen.started_ns <= seen.finished_ns
    assert 0 < seen.inferred_ns <= seen.finished_ns - seen.started_ns
    assert seen.view_supported


def test_frames_smaller_than_the_network_work_too(segmenter):
    seen = segmenter.segment(Frame(0, scene((64, 64), (20, 10, 40, 50)), 0, 0))
    assert bounds(seen.outlines[0].points) == pytest.approx([10, 20, 49, 39], abs=1.5)


def test_the_same_frame_gives_the_same_bytes(segmenter):
    one, two = (segmenter.segment(Frame(0, scene(), 0, 0)) for _ in range(2))
    assert one.probability.tobytes() == two.probability.tobytes()
    assert one.outlines[0].points.tobytes() == two.outlines[0].points.tobytes()


@pytest.mark.parametrize(
    ("judged", "supported", "outlined", "score"),
    [
        ((0.9, 0.9), True, True, 0.9),
        ((0.2, 0.9), True, False, 0.2),
        ((0.9, 0.1), False, False, 0.0),
    ],
)
def test_what_is_no_spine_or_not_broken_as_a_whole_gets_no_outline(
    tmp_path, judged, supported, outlined, score
):
    model = write_bright_model(tmp_path / "model", judged=judged)
    with open_engine(EngineSpec(str(model))) as engine:
        seen = Segmenter(engine).segment(Frame(0, scene(), 0, 0))
    assert seen.view_supported is supported
    assert bool(seen.outlines) is outlined
    assert seen.score == pytest.approx(score)
    assert seen.probability.max() == 255


def test_results_never_overwrite_what_they_came_from(bright, tmp_path):
    for name in ("x.png", "x_0000.png"):
        cv2.imwrite(str(tmp_path / name), scene())
    before = (tmp_path / "x_0000.png").read_bytes()
    paths = [tmp_path / "x.png", tmp_path / "x_0000.png"]
    with pytest.raises(OrappError, match=r"'x[.]png' lies in the folder for the results"):
        list(segment_files(paths, tmp_path, EngineSpec(str(bright))))
    assert (tmp_path / "x_0000.png").read_bytes() == before


def test_a_folder_of_pictures_is_taken_in_the_order_of_their_names(bright, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("b.png", "a.png"):
        cv2.imwrite(str(tmp_path / "in" / name), scene())
    done = list(segment_files([tmp_path / "in"], tmp_path / "out", EngineSpec(str(bright))))
    assert len(done) == 2
    lines = [json.loads(x) for x in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert [(line["file"], line["mask"]) for line in lines] == [
        ("a.png", "a_0000.png"),
        ("b.png", "b_0000.png"),
    ]


def test_a_cut_picture_and_a_pipe_are_told_in_our_own_words(bright, tmp_path, capfd):
    cv2.imwrite(str(tmp_path / "whole.png"), scene())
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("cut.png", "pipe.png"):
        with pytest.raises(OrappError, match=f"'{name}'"):
            list(segment_files([tmp_path / name], tmp_path / "out", EngineSpec(str(bright))))
    assert "libpng" not in capfd.readouterr().err


def test_walk_drops_nothing_and_closes_the_source(segmenter):
    source = SquareSource(end_after=20, paced=False)
    walked = list(walk(source, segmenter))
    assert [frame.index for frame, _ in walked] == list(range(20))
    assert all(seen.frame_index == frame.index for frame, seen in walked)
    assert all(len(seen.outlines) == 1 for _, seen in walked)


def write_png(path, pixels):
    cv2.imwrite(str(path), pixels)
    return path


def test_stills_give_a_mask_and_a_line_each(bright, tmp_path):
    paths = [write_png(tmp_path / f"{n}.png", scene()) for n in "ab"]
    (tmp_path / "sub").mkdir()
    paths.append(write_png(tmp_path / "sub" / "a.png", scene()))
    seen = list(segment_files(paths, tmp_path / "out", EngineSpec(str(bright))))
    assert len(seen) == 3
    lines = [json.loads(x) for x in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert [(x["file"], x["frame"], x["view_supported"]) for x in lines] == [
        ("a.png", 0, True),
        ("b.png", 0, True),
        ("a.png", 0, True),
    ]
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == [
        "a-2_0000.png",
        "a_0000.png",
        "b_0000.png",
    ]
    mask = cv2.imread(str(tmp_path / "out" / "a_0000.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (512, 640)
    assert set(np.unique(mask)) == {0, 255}
    truth = np.zeros_like(mask)
    truth[100:180, 200:320] = 255
    assert 2 * (mask & truth > 0).sum() / ((mask > 0).sum() + (truth > 0).sum()) > 0.95
    assert len(lines[0]["outlines"]) == 1
    assert 0 < lines[0]["score"] <= 1


def test_16_bit_pictures_and_grey_in_three_channels_are_taken(bright, tmp_path):
    deep = write_png(tmp_path / "deep.png", scene().astype(np.uint16) * 200)
    grey = write_png(tmp_path / "grey.png", cv2.cvtColor(scene(), cv2.COLOR_GRAY2BGR))
    seen = list(segment_files([deep, grey], tmp_path / "out", EngineSpec(str(bright))))
    assert [len(s.outlines) for s in seen] == [1, 1]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: p / "none.png", "'none.png' does not exist"),
        (
            lambda p: write_png(p / "red.png", np.dstack([scene()] * 2 + [scene() // 2])),
            "in colour",
        ),
        (lambda p: (p / "junk.png").write_bytes(b"junk") and p / "junk.png", "is not a PNG"),
        (lambda p: (p / "junk.dcm").write_bytes(b"junk") and p / "junk.dcm", "'junk.dcm'"),
    ],
)
def test_a_bad_file_is_one_sentence_and_what_was_done_stays(bright, tmp_path, make, sentence):
    good = write_png(tmp_path / "good.png", scene())
    done = segment_files([good, make(tmp_path)], tmp_path / "out", EngineSpec(str(bright)))
    with pytest.raises(OrappError, match=sentence):
        list(done)
    if "does not exist" not in sentence:
        assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_one_sentence(bright, tmp_path):
    (tmp_path / "out").write_text("a file")
    good = write_png(tmp_path / "good.png", scene())
    with pytest.raises(OrappError, match="'out' can't be written"):
        list(segment_files([good], tmp_path / "out", EngineSpec(str(bright))))
