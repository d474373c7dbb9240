"""The recorder: C5 while all goes well, and while the disk is full, slow, or without power."""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

import orapp.record
from orapp.backlog import RecordingLimits
from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.events import EventLog
from orapp.frames import Event, Frame
from orapp.live import LiveSession
from orapp.record import Recorder, RecordingStatus
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, session_head
from tests.sessions import SOURCE, SQUARES, frames, same, segmentation
from tests.sources import SquareSource, number_of

ANY_DISK = RecordingLimits(least_bytes=0, low_bytes=0)
WAIT_S = 60


def head():
    return session_head(SOURCE, case="case 7")


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def frame_now(number: int) -> Frame:
    return Frame(number, SQUARES.picture(number), time.monotonic_ns(), number)


def offer_paced(recorder: Recorder, count: int, rate_hz: float, first: int = 0) -> list[Frame]:
    """Offers frames in real time, as a grabber does."""
    given, began = [], time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / rate_hz - time.monotonic()))
        given.append(frame_now(first + number))
        recorder.offer(given[-1])
    return given


def texts(events: EventLog) -> list[str]:
    return [event.text for event in events.all() if event.kind == "recording"]


def check_whole(recorder: Recorder, given: list[Frame]) -> SessionReader:
    """Every frame that was given is there as it was, or in a gap; nothing is in both."""
    assert recorder.folder is not None
    reader = SessionReader(recorder.folder)
    got = {frame.index: frame for frame in reader.frames()}
    assert all(same(got[f.index], f) for f in given if f.index in got)
    missing = [number for first, last, _ in reader.gaps for number in range(first, last + 1)]
    assert sorted([*got, *missing]) == [frame.index for frame in given]
    verdict = reader.verify()
    assert verdict.whole, verdict
    status = recorder.status
    assert (status.frames, status.dropped) == (len(got), len(missing))
    return reader


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts real disks of some bytes, in memory; needs the right to mount."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no right to mount a disk here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_everything_that_passes_is_recorded(tmp_path):
    events = EventLog()
    recorder = Recorder(tmp_path, head, events)
    recorder.start()
    recorder.note(Event(1, "signal", "X-ray on"))
    given = offer_paced(recorder, 30, 60)
    recorder.segmented(segmentation(given[3]))
    recorder.presented(3, given[3].captured_ns + 5, "paired")
    assert recorder.status.state == "recording"
    recorder.stop("the session ended")
    recorder.stop("again")
    reader = check_whole(recorder, given)
    assert reader.verify().ended.endswith(": the session ended")
    kinds = reader.kinds
    assert (kinds["event"], kinds["segmentation"], kinds["presented"]) == (1, 1, 1)
    assert reader.head["case"] == "case 7"
    assert reader.head["started_ns"] <= given[0].captured_ns
    status = recorder.status
    assert (status.state, status.error, status.dropped) == ("stopped", "", 0)
    assert status.free_bytes > 0
    assert texts(events) == ["recording ended: the session ended"]


def test_the_engine_is_named_once_it_is_known(tmp_path):
    known = []
    recorder = Recorder(
        tmp_path, lambda: head() | {"engine": known[0] if known else None}, EventLog()
    )
    recorder.start()
    given = offer_paced(recorder, 2, 60)
    recorder.segmented(segmentation(given[0]))
    wait_until(lambda: recorder.status.frames == 2)
    known.append({"name": "bright", "input_size": (64, 64)})
    recorder.segmented(segmentation(given[1]))
    recorder.segmented(segmentation(given[1]))
    recorder.stop("done")
    reader = check_whole(recorder, given)
    assert reader.kinds["engine"] == 1
    assert reader.engine == {"name": "bright", "input_size": [64, 64]}


class Gate(SessionWriter):
    """A disk that takes the next frame when it is told to."""

    open = threading.Event()

    def frame(self, frame: Frame) -> None:
        assert self.open.wait(WAIT_S)
        super().frame(frame)


def test_a_full_backlog_drops_the_newest_into_a_gap_and_never_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(Gate, "open", threading.Event())
    monkeypatch.setattr(orapp.record, "SessionWriter", Gate)
    events = EventLog()
    recorder = Recorder(tmp_path, head, events, limits=RecordingLimits(frames=8, lines=5))
    recorder.start()
    given = frames(20, step_ns=1000)
    for frame in given:
        recorder.offer(frame)  # returns though nothing is written: the gate is shut
    for _ in range(9):
        recorder.note(Event(1, "marker", "m"))
    status = recorder.status
    assert (status.state, status.frames, status.dropped) == ("recording", 0, 12)
    assert status.error == "the disk or the machine is too slow: 12 frames are not recorded"
    assert texts(events) == ["the disk or the machine is too slow: frames are not recorded"]
    Gate.open.set()
    wait_until(lambda: recorder.status.frames == 8)
    more = frames(4, first=20, step_ns=1000)
    for frame in more:
        recorder.offer(frame)
    recorder.stop("done")
    reader = check_whole(recorder, given + more)
    assert reader.gaps == [(8, 19, "the disk or the machine is too slow")]
    said = [line["text"] for line in reader.events if line["kind"] == "event"]
    assert said == ["m"] * 5 + ["4 lines were not recorded: the disk or the machine is too slow"]


def test_what_waits_is_never_older_than_c5_allows_nor_larger_than_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(Gate, "open", threading.Event())
    monkeypatch.setattr(orapp.record, "SessionWriter", Gate)
    size = SQUARES.picture(0).nbytes
    for limits, kept in (
        (RecordingLimits(behind_s=0.5), 8),  # 15 frames a second
        (RecordingLimits(behind_s=1e9, frame_bytes=6 * size), 6),
    ):
        Gate.open.clear()
        recorder = Recorder(tmp_path, head, EventLog(), limits=limits)
        recorder.start()
        given = frames(30)
        for frame in given:
            recorder.offer(frame)
        assert recorder.status.dropped == 30 - kept
        Gate.open.set()
        recorder.stop("done")
        check_whole(recorder, given)


class Slow(SessionWriter):
    """A disk that takes five frames a second."""

    waited_s: ClassVar[list[float]] = []
    took_s: ClassVar[list[float]] = []

    def frame(self, frame: Frame) -> None:
        began = time.monotonic()
        time.sleep(0.2)
        super().frame(frame)
        self.took_s.append(time.monotonic() - began)
        self.waited_s.append(time.monotonic() - frame.captured_ns / 1e9)


def test_a_slow_disk_makes_gaps_and_no_frame_waits_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(orapp.record, "SessionWriter", Slow)
    recorder = Recorder(tmp_path, head, EventLog())
    recorder.start()
    given = offer_paced(recorder, 60, 30)
    recorder.stop("done")
    reader = check_whole(recorder, given)
    assert len(reader.gaps) >= 2
    assert recorder.status.dropped > 20
    assert recorder.status.frames >= 4
    assert max(Slow.waited_s) <= 1 + max(Slow.took_s)


class SlowFlush(SessionWriter):
    """A disk that flushes once in a while."""

    def sync(self) -> None:
        time.sleep(1.5)
        super().sync()


def test_a_slow_flush_costs_no_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(orapp.record, "SessionWriter", SlowFlush)
    recorder = Recorder(tmp_path, head, EventLog())
    recorder.start()
    given = offer_paced(recorder, 60, 30)
    recorder.stop("done")
    assert recorder.status.dropped <= 10  # a busy machine may be slow for a moment by itself
    check_whole(recorder, given)


def test_a_full_disk_stops_the_recording_and_what_was_recorded_stays(tiny_disk):
    events = EventLog()
    recorder = Recorder(tiny_disk(400_000), head, events, limits=ANY_DISK)
    recorder.start()
    given = []
    while recorder.status.state == "recording":
        given += offer_paced(recorder, 1, 100, first=len(given))
        time.sleep(0.01)
        assert len(given) < 5000
    status = recorder.status
    why = "the recording can't be written (no space left on device)"
    assert status.error == why
    assert texts(events) == [f"recording stopped: {why}"]
    recorder.offer(frame_now(len(given)))
    recorder.stop("asked")
    with SessionReader(recorder.folder) as reader:
        got, verdict = list(reader.frames()), reader.verify()
    assert len(got) == recorder.status.frames > 5
    assert all(map(same, got, given))
    assert (verdict.chain_ok, verdict.problems) == (True, ())
    assert verdict.ended.startswith((f"closed after frame {got[-1].index}, ", "cut off after"))


def test_a_disk_that_fills_up_ends_the_recording_while_it_still_can(tiny_disk):
    disk, events = tiny_disk(8_000_000), EventLog()
    limits = RecordingLimits(low_bytes=6_000_000, least_bytes=3_000_000)
    recorder = Recorder(disk, head, events, limits=limits)
    recorder.start()
    assert not recorder.status.disk_low
    given = offer_paced(recorder, 3, 60)
    (disk / "others").write_bytes(bytes(3_500_000))
    wait_until(lambda: recorder.status.disk_low)
    assert recorder.status.state == "recording"
    (disk / "more").write_bytes(bytes(2_000_000))
    while recorder.status.state == "recording":
        given += offer_paced(recorder, 1, 60, first=len(given))
        time.sleep(0.05)
    assert recorder.status.error.startswith("the disk is nearly full (2 MB free)")
    with SessionReader(recorder.folder) as reader:
        verdict = reader.verify()
        assert verdict.whole
        assert verdict.ended.endswith(": the disk is nearly full (2 MB free)")
        assert all(map(same, reader.frames(), given))
    assert texts(events) == ["recording stopped: the disk is nearly full (2 MB free)"]


def test_a_disk_that_is_nearly_full_is_said_before_it_starts(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    recorder = Recorder(tmp_path, head, EventLog(), limits=RecordingLimits(least_bytes=10 * free))
    with pytest.raises(OrappError, match=r"can't record: the disk is nearly full \(\d+ MB free\)"):
        recorder.start()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_grow_stops_the_recording(tmp_path):
    """The same with a limit of the system's, where no disk can be mounted."""
    code = """
        import resource, sys, time
        from pathlib import Path
        from orapp.events import EventLog
        from orapp.record import Recorder
        from orapp.session import SessionReader
        from tests.test_record import ANY_DISK, frame_now, head
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        recorder = Recorder(Path(sys.argv[1]), head, EventLog(), limits=ANY_DISK)
        recorder.start()
        given = 0
        while recorder.status.state == "recording":
            recorder.offer(frame_now(given))
            given += 1
            time.sleep(0.01)
        verdict = SessionReader(recorder.folder).verify()
        assert verdict.whole and verdict.frames == recorder.status.frames > 5, verdict
        print(verdict.ended)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the recording can't be written (file too large)\n")


class PoweredDisk:
    """Remembers what was surely on the disk, and when: what a power cut leaves at least."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[tuple[int, Path, int]] = []
        really = os.fsync
        lock = threading.Lock()

        def fsync(fd: int) -> None:
            path = Path(f"/proc/self/fd/{fd}").readlink()
            size = path.stat().st_size
            really(fd)
            with lock:
                self.synced.append((time.monotonic_ns(), path, size))

        monkeypatch.setattr(os, "fsync", fsync)

    def after_cut(self, folder: Path, at_ns: int, place: Path) -> Path:
        """A copy of the folder with what was flushed until then, and nothing more."""
        sizes: dict[str, int] = {}
        for when_ns, path, size in self.synced:
            if when_ns <= at_ns and path.parent == folder:
                sizes[path.name] = max(size, sizes.get(path.name, 0))
        place.mkdir()
        for name, size in sizes.items():
            (place / name).write_bytes((folder / name).read_bytes()[:size])
        return place


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_power_cut_at_any_moment_costs_a_second_at_most(tmp_path, monkeypatch):
    disk = PoweredDisk(monkeypatch)
    recorder = Recorder(tmp_path / "root", head, EventLog())
    recorder.start()
    given = offer_paced(recorder, 90, 30)
    recorder.stop("done")
    with SessionReader(recorder.folder) as reader:
        given = list(reader.frames())
    assert len(given) > 60
    late = slowest_flush_s(disk)
    for number in range(40):
        at_ns = given[0].captured_ns + int(3e9 * (number + 1) / 40)
        folder = disk.after_cut(recorder.folder, at_ns, tmp_path / f"cut-{number}")
        before = [frame for frame in given if frame.captured_ns <= at_ns]
        last_ns = before[0].captured_ns
        if (folder / "session.json").exists():
            with SessionReader(folder) as reader:
                got, verdict = list(reader.frames()), reader.verify()
            assert all(map(same, got, before))
            assert (verdict.chain_ok, verdict.problems) == (True, ())
            last_ns = got[-1].captured_ns if got else last_ns
        assert (before[-1].captured_ns - last_ns) / 1e9 <= max(1.0, 0.3 + 2 * late)


def slowest_flush_s(disk: PoweredDisk) -> float:
    """The longest time between two flushes of a file that was written to."""
    stamps = [when for when, path, _ in disk.synced if path.name == "events.jsonl"]
    return max(b - a for a, b in pairwise(stamps)) / 1e9


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    recorder = Recorder(tmp_path / "file", head, EventLog())
    with pytest.raises(OrappError, match="the recording can't be written"):
        recorder.start()
    recorder.stop("never started")


def test_a_recording_without_a_picture_leaves_nothing(tmp_path):
    recorder = Recorder(tmp_path, head, EventLog())
    recorder.start()
    recorder.note(Event(1, "ai", "AI off"))
    recorder.stop("the session ended")
    assert list(tmp_path.iterdir()) == []
    assert recorder.status.state == "stopped"


def test_a_folder_that_goes_away_ends_the_recording(tmp_path):
    events = EventLog()
    recorder = Recorder(tmp_path / "root", head, events)
    recorder.start()
    offer_paced(recorder, 3, 60)
    wait_until(lambda: recorder.status.frames == 3)
    shutil.rmtree(tmp_path / "root")
    wait_until(lambda: recorder.status.state == "stopped")
    recorder.stop("done")
    why = "the recording can't be written (no such file or directory)"
    assert recorder.status.error == why
    assert texts(events) == [f"recording stopped: {why}"]


@pytest.fixture
def live(bright_model: Path) -> Iterator[Callable[..., LiveSession]]:
    made: list[LiveSession] = []

    def make(**source) -> LiveSession:
        made.append(LiveSession(SquareSource(**source), EngineSpec(str(bright_model), "openvino")))
        return made[-1]

    yield make
    for session in made:
        session.stop()


def test_a_live_session_is_recorded_from_its_first_frame_to_its_last(live, tmp_path):
    session = live(rate_hz=30, end_after=90)
    assert session.recording == RecordingStatus()
    session.start_recording(tmp_path, case="case 9")
    session.start()
    session.start_recording(tmp_path / "other")  # one runs already
    wait_until(lambda: session.ended)
    wait_until(
        lambda: not session.segmentations.waiting or session.segmentations.take() is not None
    )
    session.events.add("marker", "balloon is in")
    frame = session.frames.take()
    session.presented(frame, time.monotonic_ns(), None)
    session.stop()
    report = session.report()["recording"]
    lost = report["dropped"]
    wanted = {"state": "stopped", "frames": 90 - lost, "dropped": lost, "disk_low": False}
    assert report | {"error": ""} == wanted | {"error": ""}
    assert not (tmp_path / "other").exists()
    with SessionReader(session.recording_folder) as reader:
        assert reader.verify().whole
        assert reader.verify().ended.endswith(": the source has ended")
        assert [number_of(f.pixels) for f in reader.frames()] == [f.index for f in reader.frames()]
        assert reader.head["case"] == "case 9"
        assert reader.head["source"] == session.report()["source"]
        assert reader.head["rules"] == {"mode": "paired", "max_outline_age_ms": 200.0}
        assert reader.event_kinds["marker"] == 1
        logged = [(e.kind, e.text) for e in session.events.all()]
        recorded = [
            (line["event_kind"], line["text"]) for line in reader.events if line["kind"] == "event"
        ]
        # What held when it began stands first; then all that was logged.
        assert recorded[0] == ("ai", "AI starting: loading the model")
        assert recorded[1:] == [event for event in logged if "recording ended" not in event[1]]
        assert len(reader.segmentations()) == session.worker.segmented
        assert reader.kinds["presented"] == 1
        assert reader.frame_count == 90 - lost
        assert reader.engine is None or reader.engine["name"] == "bright"


def test_a_recording_can_be_stopped_and_another_started(live, tmp_path):
    session = live(rate_hz=60)
    session.start()
    folders = []
    for _ in range(2):
        session.start_recording(tmp_path)
        wait_until(lambda: session.recording.frames > 10)
        session.stop_recording()
        wait_until(lambda: session.recording.state == "stopped")
        folders.append(session.recording_folder)
        assert session.recording.error == "" or session.recording.dropped
    session.start_recording(tmp_path)
    wait_until(lambda: session.recording.frames > 10)
    session.stop_recording()
    folders.append(session.recording_folder)
    session.stop()
    firsts = []
    for folder in folders:
        with SessionReader(folder) as reader:
            assert reader.verify().whole
            assert reader.verify().ended.endswith(": stopped by the user")
            firsts.append(next(reader.frames()).index)
    assert firsts[1] > firsts[0] + 10


def test_a_source_that_does_not_open_leaves_no_recording(live, tmp_path):
    session = live(unplug_at=0)
    session.start_recording(tmp_path)
    with pytest.raises(OrappError, match="the square source is unplugged"):
        session.start()
    assert list(tmp_path.iterdir()) == []


def test_the_picture_does_not_notice_a_full_disk(live, tiny_disk, monkeypatch):
    monkeypatch.setattr(RecordingLimits, "__init__", _any_disk)
    session = live(rate_hz=60)
    session.start_recording(tiny_disk(1_000_000))
    session.start()
    wait_until(lambda: session.recording.state == "stopped")
    captured = session.grabber.captured
    wait_until(lambda: session.grabber.captured > captured + 30)
    session.stop()
    assert session.grabber.watcher_errors == 0
    assert session.error is None
    assert "no space left on device" in session.report()["recording"]["error"]
    said = [event["text"] for event in session.report()["events"] if event["kind"] == "recording"]
    assert said[-1] == "recording stopped: the recording can't be written (no space left on device)"
    with SessionReader(session.recording_folder) as reader:
        assert reader.verify().problems == ()
        assert reader.frame_count == session.recording.frames > 0


def _any_disk(self: RecordingLimits, _init=RecordingLimits.__init__) -> None:
    _init(self, least_bytes=0, low_bytes=0)
