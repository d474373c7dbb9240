"""The benchmark: what it makes of stamps and sightings, a whole run, and two runs compared."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from orapp import barcode
from orapp.bench import BenchOptions, run
from orapp.bench.observer import Observer
from orapp.bench.parts import Part, drops_of, gaps_of, parts_of
from orapp.bench.sightings import judge_sightings
from orapp.bench.stamps import ANSWER, PAINTING, Ring, StampedLog, Window
from orapp.errors import OrappError

MS = 1_000_000
WINDOW = Window(1000 * MS, 2000 * MS)


def answer(index, captured_ms, *, exposure=None, outlines=1):
    """Handed over 1 ms, begun 2 ms after its capture; 5 ms of engine, 3 ms of outline, 1 back."""
    at = [round((captured_ms + ms) * MS) for ms in (0, 1, 2, 10, 11)]
    exposure = index if exposure is None else exposure
    return (index, exposure, *at[:3], 5 * MS, *at[3:], outlines)


def painting(index, captured_ms, after_ms, *, outline=-1, exposure=None, repeat=0, aged=0):
    captured, presented = captured_ms * MS, round((captured_ms + after_ms) * MS)
    exposure = index if exposure is None else exposure
    return (index, exposure, repeat, captured, presented - 2 * MS, presented, outline, aged)


def rows(kind, *given):
    return np.array(list(given), kind)


def good_run(count=20, step_ms=33):
    """Each picture painted 3 ms after its capture, and again with its outline after 12 ms."""
    answers, paintings = [], []
    for k in range(count):
        at = 1000 + k * step_ms
        answers.append(answer(k, at))
        paintings += [painting(k, at, 3), painting(k, at, 12, outline=k)]
    return rows(ANSWER, *answers), rows(PAINTING, *paintings)


def looks(paintings, code_of, every_ms=2, until_ms=1700):
    """What is seen on a screen that shows each painting 1 ms after it was done."""
    seen = []
    for at in range(1000, until_ms, every_ms):
        painted = paintings[paintings["presented"] + MS <= at * MS]
        code = code_of(painted[-1]) if len(painted) else -1
        seen.append((at * MS, at * MS + MS // 4, code))
    return np.array(seen, np.int64)


def test_parts_are_those_of_the_stamps():
    parts = {name: part.figures() for name, part in parts_of(*good_run(), WINDOW).items()}
    assert {name: figures["p50"] for name, figures in parts.items()} == {
        "capture_to_child": 2,
        "inference": 5,
        "outline": 3,
        "answer": 1,
        "handover": 2,
        "capture_to_outline": 11,
        "capture_to_gui": 1,
        "capture_to_picture": 3,
        "capture_to_outline_shown": 12,
        "painting": 2,
    }
    assert all(figures["jitter"] == 0 for figures in parts.values())
    assert parts["painting"]["n"] == 40
    assert parts["capture_to_picture"]["n"] == 20


def test_what_was_captured_before_or_after_the_window_does_not_count():
    window = Window(1100 * MS, 1300 * MS)
    part = parts_of(*good_run(), window)["capture_to_picture"]
    assert part.figures()["n"] == 6
    assert part.at_s.min() == pytest.approx(0.032)
    nothing = parts_of(*good_run(), Window(0, 1))
    assert nothing["inference"].figures()["p50"] is None
    assert drops_of(*good_run(), Window(0, 1))["frames"] == 0
    assert gaps_of(*good_run(), Window(0, 1))["pictures"] is None


def test_repeats_count_as_pictures_and_not_as_exposures():
    paintings = rows(
        PAINTING,
        *(painting(k, 1000 + 16 * k, 3 + k % 2, exposure=k // 2, repeat=k % 2) for k in range(20)),
    )
    answers = rows(ANSWER, *(answer(2 * k, 1000 + 32 * k, exposure=k) for k in range(10)))
    part = parts_of(answers, paintings, WINDOW)["capture_to_picture"]
    assert part.figures() | {"jitter": 0} == part.figures()
    assert (part.figures()["n"], part.figures()["max"]) == (10, 3)
    drops = drops_of(answers, paintings, WINDOW)
    assert (drops["frames"], drops["exposures"]) == (20, 10)
    assert (drops["pictures_not_shown"], drops["exposures_not_segmented"]) == (0, 0)


def test_every_loss_and_the_longest_gap_are_told():
    answers, paintings = good_run()
    paintings = paintings[(paintings["index"] != 4) & (paintings["index"] != 5)]
    paintings = paintings[~((paintings["index"] == 9) & (paintings["overlay_exposure"] >= 0))]
    answers = answers[answers["index"] != 7]
    assert drops_of(answers, paintings, WINDOW) == {
        "frames": 20,
        "pictures_not_shown": 2,
        "exposures": 20,
        "exposures_not_segmented": 1,
        "outlines_not_shown": 3,  # of 4 and 5, which were not shown at all, and of 9
    }
    assert gaps_of(answers, paintings, WINDOW) == {"captures": 99, "pictures": 99, "outlines": 66}


def test_percentiles_are_durations_that_were_measured():
    part = Part(np.arange(1000.0), np.arange(1, 1001.0))
    figures = part.figures()
    assert [figures[p] for p in ("p50", "p95", "p99", "p99.9", "max")] == [500, 950, 990, 999, 1000]
    assert figures["jitter"] == 1
    assert Part(np.array([0.0]), np.array([7.0])).figures()["p99.9"] == 7


def test_the_stamps_are_bounded_and_keep_the_newest():
    ring = Ring(ANSWER, limit=8)
    for k in range(21):
        ring.add(answer(k, 1000 + k))
    assert ring.all()["index"].tolist() == list(range(13, 21))
    assert len(StampedLog().answers.all()) == 0


def test_a_screen_that_shows_what_was_painted_is_right():
    answers, paintings = good_run()
    part, glass = judge_sightings(
        looks(paintings, lambda row: row["index"]), answers, paintings, WINDOW
    )
    assert glass.wrong_picture == glass.wrong_pairing == glass.unknown == 0
    assert glass.checked == 19
    assert glass.frames_not_seen == 0
    assert glass.step_ms == 2
    assert part.figures()["n"] == 20
    assert 4 <= part.ms.min() <= part.ms.max() <= 7


def test_a_screen_that_shows_the_picture_before_is_caught():
    answers, paintings = good_run()
    part, glass = judge_sightings(
        looks(paintings, lambda row: max(row["index"] - 1, 0)), answers, paintings, WINDOW
    )
    assert glass.wrong_picture == glass.wrong_pairing == 18  # the first is right by chance
    assert np.median(part.ms) > 33


def test_an_outline_on_another_exposure_is_caught_though_the_picture_is_right():
    answers, paintings = good_run()
    paintings["overlay_exposure"] -= paintings["overlay_exposure"] > 3
    _, glass = judge_sightings(
        looks(paintings, lambda row: row["index"]), answers, paintings, WINDOW
    )
    assert glass.wrong_picture == 0
    assert glass.wrong_pairing == 15


def test_an_aged_outline_may_lie_on_a_newer_exposure_only():
    answers, paintings = good_run()
    older = paintings["overlay_exposure"] > 3
    paintings["aged"][older] = 1
    paintings["overlay_exposure"][older] -= 1
    for shift, wrong in ((0, 0), (2, 14)):
        paintings["overlay_exposure"][older] += shift
        _, glass = judge_sightings(
            looks(paintings, lambda row: row["index"]), answers, paintings, WINDOW
        )
        assert glass.wrong_pairing >= wrong
        assert bool(glass.wrong_pairing) == bool(wrong)


def test_unreadable_unknown_and_unseen_are_counted():
    answers, paintings = good_run()
    seen = looks(paintings, lambda row: row["index"])
    seen[20:30, 2] = -1
    seen[-1, 2] = 999_999
    seen = seen[seen[:, 2] != 12]
    _, glass = judge_sightings(seen, answers, paintings, WINDOW)
    assert glass.unreadable == 10 + 2  # and before the first painting
    assert glass.unknown == 1
    assert glass.frames_not_seen == 1
    nothing, glass = judge_sightings(np.zeros((0, 3), np.int64), answers, paintings, WINDOW)
    assert (nothing.figures()["n"], glass.read, glass.frames_not_seen) == (0, 0, 20)


def quick(of_model, **more):
    options = {"size": 256, "rate": 15.0, "seconds": 1.0, "warm_up_s": 0.3, "headless": True}
    return BenchOptions(**{"engine": "openvino"} | options | {"model": str(of_model)} | more)


def test_a_run_offscreen_has_every_part_but_the_glass(qapp, bright_model):
    result = run(quick(bright_model, command="orapp bench"))
    report, figures = result.report, result.figures
    json.dumps(report)
    assert {"frames", "outlines", "latency_ms", "engine", "machine", "run", "source"} <= set(report)
    assert "not measured" in report["glass"]
    assert "capture_to_glass" not in figures
    drops = report["drops"]
    assert 8 <= drops["frames"] == drops["exposures"] <= 17
    assert report["outlines"]["mispaired"] == 0
    n = drops["frames"] - drops["exposures_not_segmented"]
    assert figures["inference"]["n"] == figures["capture_to_outline"]["n"] == n
    assert len(result.report["raw"]["inference"]["ms"]) == n
    assert figures["bare"]["n"] >= 10
    parts = ("capture_to_child", "inference", "outline", "answer")
    a = {name: np.array(report["raw"][name]["ms"]) for name in (*parts, "capture_to_outline")}
    assert np.allclose(sum(a[name] for name in parts), a["capture_to_outline"], atol=0.01)
    overhead = report["overhead"]
    assert overhead["p50"] > 0
    assert overhead["own_p50"] >= 1
    assert overhead["quiet"] in (True, False)


def test_pulses_in_video_are_measured_per_exposure(qapp, bright_model):
    report = run(quick(bright_model, rate=10.0, video=30.0)).report
    drops = report["drops"]
    assert drops["frames"] >= 2 * drops["exposures"] > 8
    assert report["frames"]["repeats"] > report["frames"]["captured"] // 2
    assert report["parts"]["capture_to_picture"]["n"] <= drops["exposures"]


def test_a_slowed_engine_is_slow_alone_and_in_the_path(qapp, bright_model):
    figures = run(quick(bright_model, rate=5.0, engine_delay_ms=80)).figures
    for name in ("bare", "inference", "capture_to_outline"):
        assert 80 <= figures[name]["p50"] < 1000, name


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": 15.0, "video": 40.0}, "multiple"),
        ({"model": "nothing-such"}, "nothing-such"),
        ({"source": "file:/nothing/such.mkv"}, "such.mkv"),
        ({"source": "nonsense"}, "not a source"),
        ({"source": "simulated:?size=128"}, "too small for a code"),
        ({"source": "simulated:?size=256&seconds=2&rate=15"}, "the source ended"),
        ({"loopback": "v4l2:/dev/nothing"}, "nothing"),
        ({"engine": "tensorrt"}, "."),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(qapp, bright_model, wrong, said):
    with pytest.raises(OrappError, match=said):
        run(quick(bright_model, **wrong))


def write_clip(path, count=40):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 8, (640, 480))
    for k in range(count):
        picture = np.full((512, 512), 90, np.uint8)
        barcode.draw(picture, k // 2)
        photo = np.full((480, 640), 40, np.uint8)
        photo[20:460, 100:540] = cv2.resize(picture, (440, 440), interpolation=cv2.INTER_AREA)
        writer.write(cv2.cvtColor(photo, cv2.COLOR_GRAY2BGR))
    writer.release()


def test_a_loop_back_reads_the_codes_from_any_source(qapp, bright_model, tmp_path):
    write_clip(tmp_path / "clip.avi")
    result = run(quick(bright_model, loopback=f"file:{tmp_path / 'clip.avi'}"))
    seen = result.report["loopback"]
    assert seen["read"] > 0
    assert seen["unreadable"] == 0
    assert seen["read"] >= result.figures["capture_to_loopback"]["n"]


def slow_look():
    while True:
        yield None
        time.sleep(0.01)


def refused_look():
    raise OrappError("the screen can't be grabbed", "use another one")
    yield


def test_an_observer_that_was_killed_or_refused_is_told_and_leaves_nothing():
    killed = Observer(slow_look)
    os.kill(killed.pid, signal.SIGKILL)
    with pytest.raises(OrappError, match="has died"):
        killed.stop()
    with pytest.raises(OrappError, match="can't be grabbed"):
        Observer(refused_look).stop()
    assert Observer(slow_look).stop().shape == (0, 3)
    closed = Observer(slow_look)
    closed.close()
    closed.close()


def orapp(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "orapp", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_the_command_prints_a_table_and_writes_its_files(bright_model, tmp_path):
    a, png = tmp_path / "a.json", tmp_path / "a.png"
    told = orapp(
        *("bench", "--headless", "--size", 256, "--rate", 15, "--seconds", 1, "--warm-up", 0),
        *("--model", bright_model, "--engine", "openvino", "--json", a, "--png", png),
    )
    assert told.returncode == 0, told.stderr
    for words in ("capture to outline ready", "the bare engine", "overhead", "not measured"):
        assert words in told.stdout
    assert cv2.imread(str(png)).shape == (900, 1400, 3)
    assert json.loads(a.read_text())["command"].startswith("orapp bench --headless --size 256")
    told = orapp("bench", "--compare", a, a)
    assert told.returncode == 0, told.stderr
    assert "no difference shown" in told.stdout
    assert "slower" not in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rate", "15", "--video", "40"),
        ("--json", "/proc/nothing/a.json"),
        ("--compare", "/nothing/a.json", "/nothing/b.json"),
        ("--profile", "/nothing/site.toml"),
    ],
)
def test_wrong_options_are_one_sentence_and_code_2(arguments):
    told = orapp("bench", "--headless", "--seconds", "1", *arguments)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1, told.stderr
