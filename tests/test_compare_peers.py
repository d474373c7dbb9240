import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from tools.compare_peers.plan import Plan
from tools.compare_peers.records import Ending, figures, read_lines, spread
from tools.compare_peers.runners.parts import Camera, EndOfClip, Notes
from tools.compare_peers.table import Result, behind, markdown, tables

MS = 1_000_000
RATE = 10.0
BEGIN_S = 2.0


def plan(scene="real", seconds=4.0, **others):
    return Plan("variant", scene, RATE, seconds, "clip.npy", "records.jsonl", **others)


def due_ns(index):
    return round(index * 1e9 / RATE)


def shown(index, age_ms, of=None, said=False):
    """A line: handed over at the age, painted 3 ms later."""
    at_ns = due_ns(index) + round(age_ms * MS)
    return {
        "what": "shown",
        "index": index,
        "captured_ns": due_ns(index),
        "handed_ns": at_ns,
        "painted_ns": at_ns + 3 * MS,
        "outline_of": of,
        "outline_captured_ns": None if of is None else due_ns(of),
        "said": said,
    }


def lines(*more):
    begin = {"what": "begin", "ns": round(BEGIN_S * 1e9)}
    return [{"what": "clock", "t0_ns": 0, "rate_hz": RATE}, begin, *more]


def said(at_s, kind, text):
    return {"what": "said", "ns": round((BEGIN_S + at_s) * 1e9), "kind": kind, "text": text}


COUNTED = range(20, 60)
"""What counts of frames that begin at 2 s, for 4 s."""


def test_ages_count_from_the_camera_and_only_within_the_time():
    early, late = [shown(i, 500, i) for i in (18, 19)], [shown(60, 500, 60)]
    seen = figures(plan(), lines(*early, *[shown(i, 5, i) for i in COUNTED], *late), Ending())
    assert (seen.produced, seen.missed, seen.unsaid, seen.aged) == (40, 0, 0, 0)
    assert seen.picture_handed == {"p50": 5.0, "p99": 5.0, "max": 5.0}
    assert seen.picture_painted == seen.outline_painted == {"p50": 8.0, "p99": 8.0, "max": 8.0}
    assert seen.outlined == pytest.approx(1, abs=0.01)
    assert seen.told == "video went on; outlines stayed"


def test_picture_and_outline_count_when_they_are_first_shown():
    thrice = [line for i in COUNTED for line in (shown(i, 1), shown(i, 51, i), shown(i, 90, i))]
    seen = figures(plan(), lines(*thrice), Ending())
    assert seen.picture_handed["max"] == 1
    assert seen.outline_handed == {"p50": 51.0, "p99": 51.0, "max": 51.0}
    assert seen.oldest_outline_ms == 93
    assert seen.outlined == pytest.approx(0.5, abs=0.02)


def test_the_last_frame_of_the_clip_does_not_wait_for_an_outline():
    bare = [shown(i, 5) for i in COUNTED]
    seen = figures(plan(), lines(*bare, shown(59, 150, 59)), Ending())
    assert seen.outline_handed is None
    assert (seen.told, seen.outlined, seen.missed) == ("video went on; no outlines", 0, 0)


def test_missed_frames_are_those_that_the_source_gave():
    seen = figures(plan(), lines(*[shown(i, 5, i) for i in COUNTED if i % 2]), Ending())
    assert (seen.produced, seen.missed) == (40, 20)


def test_an_outline_of_another_frame_counts_unless_it_is_said():
    old = [shown(i, 5, i - 1, said=i >= 50) for i in COUNTED]
    seen = figures(plan(), lines(*old), Ending())
    assert (seen.unsaid, seen.aged) == (30, 10)
    assert seen.outline_painted["p50"] == 108
    assert seen.told == (
        "video went on; outlines stayed; another frame's on 30 frames, up to 0.11 s old, "
        "without a word; another frame's on 10 frames, up to 0.11 s old, with its age"
    )


def test_a_peer_that_paints_nothing_has_ages_before_painting_only():
    dry = [{**shown(i, 5, i), "painted_ns": None} for i in COUNTED]
    seen = figures(plan(), lines(*dry), Ending())
    assert seen.picture_painted is seen.outline_painted is None
    assert seen.picture_handed["max"] == seen.outline_handed["max"] == 5


def test_a_stall_is_told_with_what_was_said():
    stalled = plan("stall", seconds=8.0)  # nothing from 4 s to 6 s
    given = [*range(20, 60), *range(80, 100)]
    frames = [shown(i, 5, i) for i in given]
    silent = figures(stalled, lines(*frames), Ending())
    assert (silent.produced, silent.missed) == (60, 0)
    assert silent.told == (
        "picture stood for 2.1 s (2.1 s without frames), back 8 ms after the source; said nothing"
    )
    spoken = figures(stalled, lines(*frames, said(4.6, "signal", "no signal: cable")), Ending())
    assert spoken.told.endswith("said “no signal”")
    never = figures(stalled, lines(*[f for f in frames if f["index"] < 60]), Ending())
    assert "never came back" in never.told


def test_outlines_that_come_back_are_told():
    without = [shown(i, 5, None if 30 <= i < 45 else i) for i in COUNTED]
    words = said(1.2, "ai", "AI off: the engine failed: raised")
    seen = figures(plan("raise"), lines(*without, words), Ending())
    assert seen.told == "video went on; outlines back after 1.6 s; said “AI off”"


def test_a_stopped_video_is_told():
    gone = [shown(i, 5, i) for i in COUNTED if not 30 <= i < 40]
    seen = figures(plan("spike"), lines(*gone), Ending())
    assert seen.told.startswith("video stopped for 1.1 s; outlines back after 1.1 s")
    assert seen.missed == 10


def test_a_program_that_died_misses_the_rest():
    before = [shown(i, 5, i) for i in COUNTED if i < 40]
    seen = figures(plan("raise"), lines(*before), Ending(True, "RuntimeError: raised"))
    assert seen.died
    assert (seen.produced, seen.missed) == (40, 20)
    assert seen.told == (
        "program died (RuntimeError: raised): no video and no outline for the last 2.1 s"
    )
    assert seen.outlined < 0.5


def test_a_program_that_never_answered_has_no_figures():
    seen = figures(plan(), [lines()[0]], Ending(True, "ImportError: no such library"))
    assert not seen.counted
    assert seen.told == "never ran: ImportError: no such library"
    assert not figures(plan(), [], Ending(True, "it hung")).counted


def test_spread():
    assert spread([]) is None
    assert spread([None]) is None
    assert spread([3.0, 1.0, 2.0]) == {"p50": 2.0, "p99": 3.0, "max": 3.0}
    assert spread([*range(200)]) == {"p50": 99.0, "p99": 197.0, "max": 199.0}


def test_lines_that_were_cut_off_are_left_out(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text('{"what": "clock"}\n{"what": "beg')
    assert read_lines(path) == [{"what": "clock"}]
    assert read_lines(tmp_path / "none") == []


def result(peer, age_ms, of=0, scene="real"):
    told = lines(*[shown(i, age_ms, None if of is None else i - of) for i in COUNTED])
    return Result(peer, peer.upper(), scene, RATE, figures(plan(scene), told, Ending()))


def test_what_a_peer_does_better_is_listed():
    assert behind([result("orapp", 5), result("fast", 50), result("naive", 4.9)]) == []
    worse = behind([result("orapp", 50), result("fast", 5)])
    where = "ORAPP, 10/s, the real model: "
    assert where + "picture, painted: p50 53.0, FAST 8.0; p99 53.0, FAST 8.0 ms" in worse
    bare = behind([result("orapp", 5, of=None), result("fast", 50)])
    late = "outline, painted: p50 never, FAST 53.0; p99 never, FAST 53.0 ms (by design"
    assert any(line.startswith(where + late) for line in bare)
    assert any(line.startswith(where + "outlined: 0%, FAST 100% (by design") for line in bare)
    assert not any("unsaid" in line for line in behind([result("orapp", 5, 0), result("x", 5, 1)]))
    assert any("unsaid" in line for line in behind([result("orapp", 5, 1), result("x", 5, 0)]))


def test_tables_hold_every_run():
    runs = [result("orapp", 5), result("fast", 6), result("orapp", 7, scene="raise")]
    titles = [title for title, *_ in tables(runs)]
    assert titles == ["10 frames/s, the real model", "10 frames/s, faults"]
    page = markdown(runs)
    assert "| FAST | 6.0 / 6.0 / 6.0 | 9.0 / 9.0 / 9.0 |" in page
    assert "| ORAPP | video went on; outlines stayed; said nothing |" in page


@pytest.fixture
def camera(tmp_path):
    """A camera at 100/s whose frames hold their own number."""
    pixels = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None], (50, 4, 4))
    np.save(tmp_path / "clip.npy", pixels)

    def make(scene="real", seconds=1.0, **how):
        made = Plan("", scene, 100, seconds, str(tmp_path / "clip.npy"), str(tmp_path / "lines"))
        notes = Notes(made)
        cameras.append(notes)
        camera = Camera(made, notes, **how)
        camera.start()
        return camera

    cameras = []
    yield make
    for notes in cameras:
        notes.close()


def test_a_camera_gives_the_newest_frame_or_the_oldest_of_its_queue(camera):
    newest, queue = camera(), camera(buffers=4)
    time.sleep(0.2)
    first, oldest = newest.read(), queue.read()
    assert first.index >= 19
    assert oldest.index == 0
    assert [queue.read().index for _ in range(3)] == [1, 2, 3]
    assert queue.read().index > 19  # the driver had no room for those in between
    assert first.pixels[0, 0] == first.index % 50
    assert newest.read().captured_ns > first.captured_ns


def until_the_end(camera):
    while True:
        try:
            shot = camera.read(0.5)
        except EndOfClip:
            return
        if shot is not None:
            yield shot.index


def test_a_camera_stalls_and_ends(camera):
    stalled = camera("stall", seconds=4.2)
    assert stalled.read().index >= 0
    assert camera().read(0.0) is not None
    stalled.ready()
    stalled.ready()
    indices = [*until_the_end(stalled)]
    gaps = np.diff(indices)
    assert gaps.max() >= 200  # 2 s at 100/s
    assert np.all(gaps > 0)


def run(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "tools.compare_peers", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        timeout=110,
    )


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb")
def test_naive_loop_and_orapp_side_by_side(tmp_path):
    own = ("--only", "naive", "--only", "orapp", "--peers", tmp_path / "peers")
    how = ("--seconds", 2, "--rate", 5, "--size", 512, "--scene", "raise")
    done = run(*own, *how, "--out", tmp_path / "out", DISPLAY="")
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads((tmp_path / "out" / "peers.json").read_text())
    seen = {r["label"]: r["figures"] for r in report["results"]}
    loops = ("naive loop", "naive loop, newest frame")
    ours = ("orapp, paired", "orapp, live")
    assert set(seen) == {*loops, *ours}
    for figures_ in seen.values():
        assert figures_["produced"] == 10
        assert figures_["missed"] < 10
        assert figures_["picture_handed"]["p50"] < figures_["picture_painted"]["p50"]
    for label in loops:
        assert seen[label]["died"]
        assert "raised on purpose" in seen[label]["told"]
    for label in ours:
        assert not seen[label]["died"]
        assert "AI off" in seen[label]["told"]
        assert seen[label]["unsaid"] == 0
    page = (tmp_path / "out" / "peers.md").read_text()
    assert report["machine"]["cpu"] in page
    assert "`python -m tools.compare_peers --only naive" in page
    assert str(tmp_path) not in page.replace(report["command"], "")


def test_a_peer_that_cant_be_installed_is_skipped_with_a_word(tmp_path):
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    done = run("--only", "fast", "--peers", tmp_path, "--size", 128, **offline)
    assert done.returncode == 2
    assert "there is nothing to compare" in done.stderr
    assert "skipped: fast can't be installed: ERROR: No matching distribution" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seconds", "0"], "--seconds is out of range"),
        (["--seconds", "nan"], "--seconds is out of range"),
        (["--rate", "1000"], "--rate is out of range"),
        (["--size", "7"], "--size is out of range"),
        (["--model", "no-such-model"], "there is no model"),
        (["--out", "/dev/null/here"], "can't be written"),
        (["--only", "nobody"], "invalid choice"),
    ],
)
def test_bad_input_is_a_sentence(arguments, sentence, tmp_path):
    done = run("--peers", tmp_path, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_display_it_says_so(tmp_path):
    done = run("--only", "naive", "--size", 128, "--peers", tmp_path, DISPLAY="", PATH="")
    assert done.returncode == 2
    assert "there is no display and no Xvfb" in done.stderr


def test_ctrl_c_leaves_no_process(tmp_path):
    command = [sys.executable, "-m", "tools.compare_peers", "--only", "orapp", "--seconds", "60"]
    started = subprocess.Popen(
        [*command, "--size", "256", "--peers", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # `make test &` ignores it
    )
    try:
        runner = wait_for(lambda: runners(started.pid))
        wait_for(lambda: runner[0].children())  # the segmenting process
        family = [*runner, *runner[0].children()]
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 130
        _, alive = psutil.wait_procs(family, 10)
        assert not alive
    finally:
        started.kill()
        started.wait()


def runners(pid):
    return [p for p in psutil.Process(pid).children() if "runners" in " ".join(p.cmdline())]


def wait_for(true):
    deadline = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
