"""C2: whatever happens to the segmenting process, it comes back, and nobody waits for it.

Real child processes, real signals. Times asserted are generous: the machine may be slow.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapp.engines import EngineSpec, open_engine
from orapp.events import EventLog
from orapp.frames import AiState, Frame, Segmentation, read_only
from orapp.latest import Latest
from orapp.segment import Segmenter
from orapp.worker import SegmentationProcess, WorkerLimits
from orapp.worker.offers import Offers
from orapp.worker.slots import FrameSlot, create_block, release
from orapp.worker.watch import judge
from tests.conftest import our_shared_memory

MS = 1_000_000
QUICK = WorkerLimits(backoff_s=(0.05, 0.1), answer_limit_ms=1000, lost_ms=700)


def a_frame(index: int, size=(96, 128), exposure: int | None = None) -> Frame:
    """A dark picture with one bright square, somewhere else in each exposure."""
    exposure = index if exposure is None else exposure
    pixels = np.full(size, 60, np.uint8)
    side = min(size) // 3
    at = 8 + exposure * 7 % side
    pixels[at : at + side, at : at + side] = 240
    return Frame(index, read_only(pixels), time.monotonic_ns(), exposure)


class Bench:
    """A SegmentationProcess with what a session would put around it."""

    def __init__(self, model: Path, limits: WorkerLimits = QUICK, **faults: int) -> None:
        self.events = EventLog()
        self.results: Latest[Segmentation] = Latest()
        self.statuses: list[str] = []
        self.worker = SegmentationProcess(
            EngineSpec(str(model), "openvino", **faults),
            results=self.results,
            events=self.events,
            on_status=lambda: self.statuses.append(str(self.worker.status.state)),
            limits=limits,
        )
        self.worker.start()

    def wait_for(self, state: AiState, seconds: float = 30.0) -> str:
        wait_until(lambda: self.worker.status.state is state, seconds, self.said)
        return self.worker.status.reason

    def segment(self, frame: Frame) -> Segmentation:
        self.worker.offer(frame)
        result = self.results.take(30.0)
        assert result is not None, self.said()
        return result

    def said(self) -> list[str]:
        return [event.text for event in self.events.all() if event.kind == "ai"]


def wait_until(true: Callable[[], bool], seconds: float, what: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.002)


@pytest.fixture
def bench(bright_model: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**options) -> Bench:
        made.append(Bench(bright_model, **options))
        return made[-1]

    yield make
    for one in made:
        one.worker.stop()
        assert one.worker.pid is None


def test_it_segments_exactly_what_the_segmenter_does_in_process(bench, bright_model):
    a = bench()
    a.wait_for(AiState.READY)
    with open_engine(EngineSpec(str(bright_model), "openvino")) as engine:
        here = Segmenter(engine)
        for index, size in enumerate([(96, 128), (96, 128), (512, 400), (64, 64), (1024, 1024)]):
            frame = a_frame(index, size)
            mine, theirs = here.segment(frame), a.segment(frame)
            assert theirs.probability.tobytes() == mine.probability.tobytes()
            assert not theirs.probability.flags.writeable
            assert (theirs.frame_index, theirs.exposure) == (index, index)
            assert (theirs.frame_size, theirs.score) == (size, mine.score)
            assert len(theirs.outlines) == len(mine.outlines) == 1
            for one, other in zip(theirs.outlines, mine.outlines, strict=True):
                assert one.points.tobytes() == other.points.tobytes()
                assert not one.points.flags.writeable
                assert one.area_px == other.area_px
            assert frame.captured_ns < theirs.started_ns < theirs.finished_ns
            assert theirs.finished_ns < time.monotonic_ns()
        assert a.worker.identity == engine.identity
    assert (a.worker.segmented, a.worker.dropped, a.worker.restarts) == (5, 0, 0)


def test_start_returns_at_once_and_the_newest_frame_waits_for_the_model(bench):
    began = time.monotonic()
    a = bench()
    assert a.worker.status.state is AiState.STARTING
    for index in range(4):
        a.worker.offer(a_frame(index))
    assert time.monotonic() - began < 0.5
    result = a.results.take(30)
    assert result is not None
    assert result.frame_index == 3
    assert a.worker.dropped == 3


def test_kill_9_is_said_at_once_and_outlines_come_back(bench):
    a = bench()
    assert a.segment(a_frame(0)).outlines
    pid = a.worker.pid
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic_ns()
    reason = a.wait_for(AiState.OFF)
    assert reason == "the segmentation process was killed by signal 9"
    assert a.worker.status.since_ns - killed < 250 * MS
    assert a.segment(a_frame(1)).frame_index == 1
    assert a.worker.pid != pid
    assert a.worker.restarts == 1
    assert a.statuses == ["AI ready", "AI off", "AI ready"]


def test_a_stopped_child_is_silent_at_once_and_ready_again_when_it_goes_on(bench):
    a = bench(limits=WorkerLimits(lost_ms=60_000))
    a.segment(a_frame(0))
    pid = a.worker.pid
    os.kill(pid, signal.SIGSTOP)
    assert a.wait_for(AiState.OFF, 5) == "segmentation does not answer"
    a.worker.offer(a_frame(1))
    assert a.results.take(0.2) is None
    os.kill(pid, signal.SIGCONT)
    result = a.results.take(10)
    assert result is not None
    assert result.frame_index == 1
    a.wait_for(AiState.READY)
    assert a.worker.pid == pid


def test_a_child_that_stays_stopped_is_killed_and_replaced(bench):
    a = bench()
    a.segment(a_frame(0))
    pid = a.worker.pid
    os.kill(pid, signal.SIGSTOP)
    a.worker.offer(a_frame(1))
    assert a.wait_for(AiState.OFF, 5) == "segmentation does not answer"
    wait_until(lambda: not psutil.pid_exists(pid), 5, a.said)
    assert a.segment(a_frame(2)).frame_index == 2
    assert a.worker.restarts == 1


def test_an_engine_that_raises_is_said_in_its_words_and_replaced(bench):
    a = bench(raise_at=3)
    for index in range(2):
        a.segment(a_frame(index))
    a.worker.offer(a_frame(2))
    assert a.wait_for(AiState.OFF).startswith("the engine failed: ")
    assert a.segment(a_frame(20)).frame_index == 20
    assert a.worker.dropped == 1


def test_an_exposure_lost_with_its_child_is_taken_again_from_its_repeat(bench):
    a = bench(limits=WorkerLimits(backoff_s=(0.05,), lost_ms=60_000), delay_ms=300)
    a.segment(a_frame(0))
    a.worker.offer(a_frame(1))
    time.sleep(0.05)
    os.kill(a.worker.pid, signal.SIGKILL)
    a.wait_for(AiState.OFF)
    result = a.segment(a_frame(2, exposure=1))
    assert (result.frame_index, result.exposure) == (2, 1)
    assert a.worker.dropped == 0


def test_a_slow_engine_is_late_but_not_off(bench):
    a = bench(limits=WorkerLimits(late_ms=150), delay_ms=250)
    a.segment(a_frame(0))
    a.segment(a_frame(1))
    assert a.wait_for(AiState.LATE) == "an answer takes longer than 150 ms"
    assert a.worker.restarts == 0


def test_no_answer_within_the_limit_gets_the_child_killed(bench):
    a = bench(limits=WorkerLimits(answer_limit_ms=400, backoff_s=(0.05,)), delay_ms=3000)
    a.wait_for(AiState.READY)
    a.worker.offer(a_frame(0))
    assert a.wait_for(AiState.OFF) == "segmentation gave no answer for 0.4 s"
    wait_until(lambda: a.worker.restarts == 1, 10, a.said)


def test_an_engine_at_120_ms_is_neither_late_nor_off(bench):
    a = bench(limits=WorkerLimits(), delay_ms=120)
    for index in range(5):
        a.segment(a_frame(index))
    assert a.worker.restarts == 0
    assert "AI off" not in a.statuses


@pytest.mark.parametrize("matters", [True, False])
def test_answers_that_newer_exposures_overtake_are_late_where_they_cannot_be_drawn(bench, matters):
    a = bench(limits=WorkerLimits(overtaken_is_late=matters), delay_ms=120)
    a.wait_for(AiState.READY)
    for index in range(40):
        a.worker.offer(a_frame(index))
        time.sleep(0.04)
    assert (a.worker.status.state is AiState.LATE) == matters
    a.results.take(30.0)
    for index in range(40, 50):
        a.worker.offer(a_frame(index))
        while (answer := a.results.take(30.0)) and answer.frame_index < index:
            pass
    assert a.wait_for(AiState.READY)
    assert a.worker.restarts == 0


def test_a_model_that_does_not_load_is_said_and_tried_again(bench, bright_model):
    onnx = bright_model / "model.onnx"
    content = onnx.read_bytes()
    try:
        onnx.write_bytes(content + b"\0")
        a = bench()
        reason = a.wait_for(AiState.OFF)
        assert "manifest" in reason
    finally:
        onnx.write_bytes(content)
    a.wait_for(AiState.READY)
    assert a.segment(a_frame(0)).outlines


def test_offers_from_two_threads_never_wait_and_the_newest_wins(bench):
    a = bench(delay_ms=20)
    a.wait_for(AiState.READY)
    longest = [0.0, 0.0]

    def hammer(which: int) -> None:
        for index in range(which, 400, 2):
            frame = a_frame(index, (512, 512))
            began = time.monotonic()
            a.worker.offer(frame)
            longest[which] = max(longest[which], time.monotonic() - began)
            time.sleep(0.0005)

    threads = [threading.Thread(target=hammer, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    seen = [-1]
    while seen[-1] < 399 and (result := a.results.take(10)):
        assert result.frame_index > seen[-1]
        seen.append(result.frame_index)
    for thread in threads:
        thread.join()
    assert seen[-1] == 399
    assert max(longest) < 0.5
    assert len(seen) < 200
    assert a.worker.segmented == len(seen) - 1 + a.results.dropped


def test_repeats_of_an_exposure_are_not_segmented_again(bench):
    a = bench()
    a.segment(a_frame(0))
    for index in range(1, 5):
        a.worker.offer(a_frame(index, exposure=0))
    assert a.segment(a_frame(5)).exposure == 5
    assert (a.worker.segmented, a.worker.dropped) == (2, 0)


def test_nothing_stays_behind_even_after_crashes(bench):
    before = our_shared_memory()
    a = bench()
    a.segment(a_frame(0))
    os.kill(a.worker.pid, signal.SIGKILL)
    a.wait_for(AiState.OFF)
    a.segment(a_frame(1, (300, 300)))
    a.worker.stop()
    a.worker.stop()
    assert our_shared_memory() == before
    assert not [c for c in psutil.Process().children() if c.status() == psutil.STATUS_ZOMBIE]
    assert a.worker.status.state is AiState.OFF


@pytest.mark.parametrize("wait_s", [0.0, 0.1])
def test_stopping_while_the_model_loads_takes_no_long(bench, wait_s):
    a = bench()
    time.sleep(wait_s)
    began = time.monotonic()
    a.worker.stop()
    assert time.monotonic() - began < 5
    assert a.worker.pid is None


def test_stopping_a_stopped_child_takes_no_long(bench):
    a = bench()
    a.segment(a_frame(0))
    os.kill(a.worker.pid, signal.SIGSTOP)
    began = time.monotonic()
    a.worker.stop()
    assert time.monotonic() - began < 5


def test_nothing_grows_over_restarts(bench):
    a = bench()
    a.segment(a_frame(0))

    def held() -> tuple[int, int, int]:
        files = len(list(Path("/proc/self/fd").iterdir()))
        return files, threading.active_count(), len(our_shared_memory())

    before = held()
    for index in range(1, 5):
        os.kill(a.worker.pid, signal.SIGKILL)
        a.wait_for(AiState.OFF)
        a.segment(a_frame(index, (100 * index, 100)))
    wait_until(lambda: held() == before, 5, held)
    assert a.worker.restarts == 4


def test_a_frame_that_no_memory_can_hold_stops_neither_the_video_nor_the_next_frame(bench):
    a = bench()
    a.segment(a_frame(0))
    vast = np.broadcast_to(np.uint8(60), (400_000, 400_000))
    a.worker.offer(Frame(1, vast, time.monotonic_ns(), 1))
    assert a.wait_for(AiState.OFF).startswith("no shared memory for a frame of 400000x400000: ")
    assert a.segment(a_frame(2)).frame_index == 2


def test_a_watcher_that_raises_is_written_down_and_harms_nothing(bright_model):
    def broken() -> None:
        raise RuntimeError("the screen is gone")

    events: EventLog = EventLog()
    results: Latest[Segmentation] = Latest(broken)
    spec = EngineSpec(str(bright_model), "openvino")
    worker = SegmentationProcess(spec, results=results, events=events, on_status=broken)
    worker.start()
    try:
        for index in range(2):
            worker.offer(a_frame(index))
            assert results.take(30) is not None
    finally:
        worker.stop()
    texts = [event.text for event in events.all() if event.kind == "watcher"]
    assert texts[0] == "a watcher of the segmentation failed: the screen is gone"


PARENT = """
import sys, time
from orapp.engines import EngineSpec
from orapp.events import EventLog
from orapp.frames import AiState
from orapp.latest import Latest
from orapp.worker import SegmentationProcess
import PySide6  # what the child must not import again, with this file
worker = SegmentationProcess(
    EngineSpec(sys.argv[1], "openvino"), results=Latest(), events=EventLog())
worker.start()
while worker.status.state is not AiState.READY:
    time.sleep(0.01)
modules = open(f"/proc/{worker.pid}/maps").read()
print(worker.pid, "PySide6" in modules, flush=True)
time.sleep(60 if len(sys.argv) == 2 else 0)
worker.stop()
"""


def run_parent(tmp_path: Path, model: Path, *more: str) -> subprocess.Popen[str]:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    return subprocess.Popen(
        [sys.executable, str(script), str(model), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_child_dies_with_a_parent_that_was_killed_and_leaves_no_memory(tmp_path, bright_model):
    with run_parent(tmp_path, bright_model) as parent:
        pid, has_qt = parent.stdout.readline().split()
        assert has_qt == "False"
        parent.kill()
        parent.wait()
        wait_until(lambda: not psutil.pid_exists(int(pid)), 5, lambda: "the child lives on")
        wait_until(
            lambda: not [name for name in our_shared_memory() if f"-{parent.pid}-" in name],
            5,
            our_shared_memory,
        )
        parent.stdout.close()
        parent.stderr.close()


def test_a_program_that_ends_well_prints_no_word_about_shared_memory(tmp_path, bright_model):
    with run_parent(tmp_path, bright_model, "end") as parent:
        _, errors = parent.communicate(timeout=60)
        assert parent.returncode == 0
        assert errors == ""


def test_ctrl_c_is_left_to_the_parent(bench):
    a = bench()
    wait_until(lambda: a.worker.pid is not None, 10, a.said)
    os.kill(a.worker.pid, signal.SIGINT)
    a.segment(a_frame(0))
    os.kill(a.worker.pid, signal.SIGINT)
    assert a.segment(a_frame(1)).frame_index == 1
    assert a.worker.restarts == 0


def test_a_slot_grows_with_its_frames_and_goes():
    slot, before = FrameSlot(), our_shared_memory()
    small = slot.write(np.zeros((10, 10), np.uint8))
    assert slot.write(np.zeros((9, 10), np.uint8)) == small
    assert slot.write(np.zeros((200, 100), np.uint8)) != small
    assert len(our_shared_memory() - before) == 1
    slot.close()
    assert our_shared_memory() == before


def test_what_a_killed_program_has_left_is_swept_away(bench):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = Path("/dev/shm", f"orapp-{dead.pid}-abcd")
    mine = Path("/dev/shm", f"orapp-{os.getpid()}-abcd")
    for path in (left, mine):
        path.write_bytes(b"x")
    try:
        bench().wait_for(AiState.READY)
        assert not left.exists()
        assert mine.exists()
    finally:
        mine.unlink()


def test_shared_memory_that_is_not_there_is_an_error_and_not_a_bus_error():
    before, disk = our_shared_memory(), os.statvfs("/dev/shm")
    with pytest.raises(OSError, match=r"No space left|Cannot allocate"):
        release(create_block(disk.f_blocks * disk.f_frsize + (1 << 30)))
    assert our_shared_memory() == before


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "lost", "done"]), st.booleans())))
def test_every_new_exposure_is_segmented_waiting_or_counted_as_dropped(steps):
    offers, index, exposure, taken, done = Offers(), -1, -1, None, set()
    offered: set[int] = set()
    for step, new in steps:
        if step == "put":
            index, exposure = index + 1, exposure + (new or exposure < 0)
            offers.put(a_frame(index, (64, 64), exposure), 0)
            offered.add(exposure)
        elif step == "take" and taken is None and (work := offers.take()):
            taken = work[0].exposure
            assert taken not in done
        elif taken is not None and step in ("lost", "done"):
            if step == "lost":
                offers.lost(taken)
            else:
                done.add(taken)
            taken = None
    waiting = offers.take()
    open_ends = (taken is not None) + (waiting is not None)
    assert len(offered) - len(done) - offers.dropped - open_ends in (0, 1)  # 1: lost, may return


@given(st.integers(0, 3000), st.none() | st.integers(0, 3000), st.floats(0, 500))
def test_a_verdict_always_says_when_it_can_change(silent_ms, working_ms, last_ms):
    limits, now = WorkerLimits(), 10_000 * MS
    since = None if working_ms is None else now - working_ms * MS
    verdict = judge(now, now - silent_ms * MS, since, last_ms, limits)
    assert verdict.lost == (silent_ms > 1200 or (working_ms or 0) > 2000)
    assert (verdict.state is AiState.OFF) == (silent_ms > 200 or verdict.lost)
    if not verdict.lost:
        assert now < verdict.look_again_ns <= now + 202 * MS
        assert bool(verdict.reason) == (verdict.state is not AiState.READY)


def test_the_engine_process_is_the_first_to_go_when_memory_is_short(bench):
    a = bench()
    a.wait_for(AiState.READY)
    assert int(Path(f"/proc/{a.worker.pid}/oom_score_adj").read_text()) == 500
    assert json.dumps(a.said())


def _may_lock() -> bool:
    """Whether a process of ours may keep its memory: asked in one that ends at once."""
    ask = "from orapp.machine import keep_in_memory as keep; raise SystemExit(not keep())"
    return subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0


@pytest.mark.skipif(not _may_lock(), reason="no CAP_IPC_LOCK, and 'ulimit -l' is too low")
def test_the_engine_process_stays_in_memory(bench):
    a = bench()
    a.wait_for(AiState.READY)
    status = Path(f"/proc/{a.worker.pid}/status").read_text()
    locked_kib = int(status.partition("VmLck:")[2].split()[0])
    assert locked_kib > 10_000


def test_where_memory_may_not_be_kept_it_works_all_the_same():
    refused = (
        "import os, resource; from orapp.machine import keep_in_memory as keep;"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0));"
        "os.getuid() == 0 and os.setuid(65534); print(keep())"
    )
    done = subprocess.run([sys.executable, "-c", refused], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
