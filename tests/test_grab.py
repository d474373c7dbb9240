"""The capture thread: every picture stamped and offered once, and the truth about the signal."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from orapp.errors import OrappError, SignalLost
from orapp.events import EventLog
from orapp.frames import Frame, Signal
from orapp.grab import FrameGrabber
from orapp.sources import EndOfSource, Picture, SourceFormat
from tests.sources import SquareSource, exposure_of, number_of

PATIENCE_S = 20.0


@dataclass
class Run:
    """A grabber with everything that it told."""

    source: object
    frames: list[Frame] = field(default_factory=list)
    states: list[tuple[Signal, str]] = field(default_factory=list)

    def __post_init__(self):
        self.events = EventLog()
        watchers = [self.frames.append, *getattr(self.source, "watchers", [])]
        self.grabber = FrameGrabber(self.source, watchers, self.events, on_signal=self._signal)

    def _signal(self):
        self.states.append((self.grabber.signal, self.grabber.signal_text))

    def until(self, done):
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, [e.text for e in self.events.all()]
            time.sleep(0.005)

    def whole(self):
        """Runs until the source ends or fails."""
        self.grabber.start()
        self.until(lambda: self.grabber.ended or self.grabber.error)
        self.grabber.stop()
        return self

    def texts(self, kind):
        return [event.text for event in self.events.all() if event.kind == kind]


class Script:
    """A live source that does what each step says: a picture, None, or raising an exception."""

    uri = "script:"

    def __init__(self, steps, finite=True, rate_hz=15.0, size=(320, 240)):
        self.steps, self.finite, self.rate_hz, self.size = list(steps), finite, rate_hz, size
        self.open_now, self.threads = False, set()

    def open(self):
        self.open_now = True
        return SourceFormat(*self.size, self.rate_hz, "a script", self.finite)

    def read(self, timeout_ms):
        assert self.open_now
        self.threads.add(threading.current_thread().name)
        step = self.steps.pop(0) if self.steps else EndOfSource()
        if isinstance(step, Exception):
            raise step
        if step is None:
            time.sleep(timeout_ms / 1000)
            return None
        return Picture(step, 0.0)

    def close(self):
        self.open_now = False


def noise(number, size=(240, 320)):
    return np.random.default_rng(number).integers(20, 90, size, dtype=np.uint8)


def test_every_picture_becomes_one_frame_in_order_with_rising_stamps():
    before = time.monotonic_ns()
    run = Run(SquareSource(60, paced=False, end_after=40)).whole()
    assert [frame.index for frame in run.frames] == list(range(40))
    assert [number_of(frame.pixels) for frame in run.frames] == list(range(40))
    assert [frame.exposure for frame in run.frames] == list(range(40))
    stamps = [before, *(frame.captured_ns for frame in run.frames), time.monotonic_ns()]
    assert stamps == sorted(stamps)
    assert not any(frame.repeat for frame in run.frames)
    assert not any(frame.pixels.flags.writeable for frame in run.frames)
    assert (run.grabber.captured, run.grabber.repeats) == (40, 0)
    assert run.grabber.ended
    assert run.grabber.error is None


def test_frames_come_in_the_source_s_time():
    run = Run(SquareSource(25, end_after=10)).whole()
    since = [(frame.captured_ns - run.frames[0].captured_ns) / 1e6 for frame in run.frames]
    assert all(ms >= number * 40 - 30 for number, ms in enumerate(since))


@pytest.mark.parametrize("repeats", [2, 4])
def test_repeats_share_the_number_of_their_exposure(repeats):
    run = Run(SquareSource(60, paced=False, repeats=repeats, end_after=24)).whole()
    for frame in run.frames:
        assert frame.exposure == exposure_of(frame.pixels)
        assert frame.repeat == (frame.index % repeats != 0)
    assert run.grabber.repeats == 24 - 24 // repeats


def test_the_format_is_what_the_source_delivers():
    run = Run(SquareSource(15, size=(160, 120), end_after=2))
    assert run.grabber.format is None
    assert run.grabber.signal is Signal.CONNECTING
    assert run.grabber.signal_text == "connecting"
    run.whole()
    form = run.grabber.format
    assert form is not None
    assert (form.width, form.height, form.rate_hz) == (160, 120, 15)


def test_one_thread_with_a_name_reads_and_nothing_runs_after_stop():
    source = Script([noise(1), noise(2)])
    run = Run(source).whole()
    assert source.threads == {"orapp-grabber"}
    assert not source.open_now
    run.grabber.stop()
    assert not [t for t in threading.enumerate() if t.name == "orapp-grabber"]


def test_stop_is_quick_while_the_source_is_silent():
    run = Run(Script([None] * 10_000, finite=False))
    run.grabber.start()
    start = time.monotonic()
    run.grabber.stop()
    assert time.monotonic() - start < 3


def test_stop_is_quick_while_it_waits_to_reconnect():
    run = Run(SquareSource(30, unplug_at=2))
    run.grabber.start()
    run.until(lambda: run.grabber.signal is Signal.LOST)
    time.sleep(0.6)
    start = time.monotonic()
    run.grabber.stop()
    assert time.monotonic() - start < 3


def test_a_source_that_cannot_be_opened_fails_the_start_and_is_closed():
    class Closed(Script):
        def open(self):
            self.open_now = True
            raise OrappError("there is no device", "plug one in")

    source = Closed([])
    run = Run(source)
    with pytest.raises(OrappError, match=r"^there is no device; plug one in$"):
        run.grabber.start()
    assert not source.open_now
    run.grabber.stop()


def test_an_unplugged_source_is_told_and_comes_back_with_new_numbers():
    run = Run(SquareSource(30, unplug_at=10, replug_at=28))
    run.grabber.start()
    run.until(lambda: run.grabber.captured > 20)
    run.grabber.stop()
    assert run.texts("signal") == [
        "X-ray on",
        "no signal: the square source is unplugged",
        "signal is back: 320x240",
        "X-ray on",
    ]
    assert [state for state, _ in run.states] == [Signal.XRAY_ON, Signal.LOST, Signal.XRAY_ON]
    lost = run.states[1][1]
    assert lost.startswith("no signal since ")
    assert lost.endswith(": the square source is unplugged")
    assert [frame.index for frame in run.frames] == list(range(len(run.frames)))
    numbers = [number_of(frame.pixels) for frame in run.frames]
    assert numbers[:10] == list(range(10))
    assert numbers[10] >= 28
    exposures = [frame.exposure for frame in run.frames]
    assert exposures == list(range(len(exposures)))


def test_a_reconnect_starts_a_new_exposure_even_if_the_picture_is_the_same():
    held = noise(1)
    run = Run(Script([held, held, SignalLost("gone", "plug in"), held, held])).whole()
    assert [frame.exposure for frame in run.frames] == [0, 0, 1, 1]
    assert [frame.repeat for frame in run.frames] == [False, True, False, True]


def test_a_live_source_that_only_falls_silent_is_lost_too():
    run = Run(SquareSource(30, stall_at=8, stall_until=38))
    run.grabber.start()
    run.until(lambda: run.grabber.captured > 12)
    run.grabber.stop()
    assert run.texts("signal") == [
        "X-ray on",
        "no signal: no picture for 0.5 s",
        "signal is back: 320x240",
        "X-ray on",
    ]


def test_a_driver_that_hangs_in_its_read_is_told_by_whoever_asks():
    source, hang = SquareSource(rate_hz=20), threading.Event()
    read = source.read

    def reads(timeout_ms):
        if hang.is_set():
            while hang.is_set():
                time.sleep(0.01)
        return read(timeout_ms)

    source.read = reads
    run = Run(source)
    run.grabber.start()
    run.until(lambda: len(run.frames) > 5)
    hang.set()
    run.until(lambda: run.grabber.signal is Signal.LOST)
    assert run.texts("signal")[-1].startswith("no signal: no picture for")
    hang.clear()
    run.until(lambda: run.grabber.signal is Signal.XRAY_ON)
    run.grabber.stop()
    assert len([t for t in run.texts("signal") if t.startswith("no signal")]) == 1


def test_a_picture_of_before_is_never_live_when_the_signal_comes_back():
    """The state follows the first new frame into the mailboxes, not the other way."""
    source = SquareSource(rate_hz=30, unplug_at=10, replug_at=20)
    run = Run(source)
    told = []
    watch = run.grabber._watchers
    run.grabber._watchers = (*watch, lambda frame: told.append((frame.index, run.grabber.signal)))
    run.grabber.start()
    run.until(lambda: "X-ray on" in run.texts("signal")[1:])
    run.grabber.stop()
    back = next(k for k, (_, signal) in enumerate(told) if signal is Signal.LOST)
    assert told[back][0] == 10
    assert run.frames[10].signal is Signal.XRAY_ON


def test_a_slow_source_and_a_file_with_pauses_are_not_lost():
    slow = Run(Script([noise(1), *[None] * 9, noise(2)], finite=False, rate_hz=2))
    slow.grabber.start()
    slow.until(lambda: slow.grabber.captured == 2)
    slow.grabber.stop()
    pauses = Run(Script([noise(1), *[None] * 9, noise(2)], finite=True)).whole()
    for run in (slow, pauses):
        assert not [text for text in run.texts("signal") if "no signal" in text]


def test_a_new_size_is_told_and_is_a_new_exposure():
    run = Run(SquareSource(60, paced=False, repeats=2, resize_at=7, end_after=14)).whole()
    assert run.texts("format") == ["picture is now 200x160, was 320x240"]
    sizes = [frame.pixels.shape for frame in run.frames]
    assert sizes == [(240, 320)] * 7 + [(160, 200)] * 7
    assert run.frames[7].exposure == run.frames[6].exposure + 1
    assert not run.frames[7].repeat
    form = run.grabber.format
    assert form is not None
    assert (form.width, form.height) == (200, 160)


def test_a_source_that_comes_back_with_another_rate_and_size_is_told():
    class Changed(Script):
        opens = 0

        def open(self):
            self.opens += 1
            if self.opens > 1:
                self.size, self.rate_hz = (160, 120), 30.0
            return super().open()

    source = Changed([noise(1), SignalLost("gone", "plug in"), noise(2, (120, 160))])
    run = Run(source).whole()
    assert run.texts("format") == [
        "picture is now 160x120, was 320x240",
        "rate is now 30/s, was 15/s",
    ]
    assert run.texts("signal")[2] == "signal is back: 160x120"


def test_hold_frozen_and_black_are_told_in_words_and_stand_in_the_frames():
    source = SquareSource(30, hold_at=8, hold_until=24, black_at=30, black_until=40, end_after=46)
    run = Run(source).whole()
    told = run.texts("signal")
    assert told == ["X-ray on", "last image hold", "X-ray on", "black picture", "X-ray on"]
    assert {frame.signal for frame in run.frames} == {Signal.XRAY_ON, Signal.HOLD, Signal.BLACK}
    held = [frame for frame in run.frames if frame.signal is Signal.HOLD]
    assert {frame.exposure for frame in held} == {7}


def test_a_frozen_input_is_told():
    run = Run(SquareSource(30, hold_at=5, clock=False))
    run.grabber.start()
    run.until(lambda: run.grabber.signal is Signal.FROZEN)
    run.grabber.stop()
    assert run.texts("signal") == ["X-ray on", "last image hold", "input frozen"]
    assert run.grabber.signal_text.startswith("input frozen since ")


def test_what_a_watcher_raises_disturbs_nobody_and_is_counted():
    seen: list[int] = []

    def failing(frame):
        raise ZeroDivisionError("in a watcher")

    events = EventLog()
    watchers = [failing, lambda frame: seen.append(frame.index)]
    source = SquareSource(60, paced=False, end_after=150)
    grabber = FrameGrabber(source, watchers, events, on_signal=lambda: 1 / 0)
    grabber.start()
    deadline = time.monotonic() + PATIENCE_S
    while not grabber.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    grabber.stop()
    assert seen == list(range(150))
    assert grabber.watcher_errors >= 150
    told = [event.text for event in events.all() if event.kind == "watcher"]
    assert told[0] == "a watcher failed: ZeroDivisionError (no. 1)"
    assert len(told) <= 3


def test_watchers_are_called_in_order_in_the_grabber_s_thread():
    calls: list[tuple[str, int, str]] = []

    def watcher(name):
        return lambda frame: calls.append((name, frame.index, threading.current_thread().name))

    source = SquareSource(60, paced=False, end_after=3)
    source.watchers = [watcher("a"), watcher("b")]
    Run(source).whole()
    assert calls == [(name, n, "orapp-grabber") for n in range(3) for name in "ab"]


def test_a_file_that_breaks_ends_the_run_with_its_sentence_and_keeps_what_was_shown():
    broken = OrappError("'a.mkv' ends in the middle of a frame after frame 2", "copy it again")
    run = Run(Script([noise(1), noise(2), broken, noise(3)])).whole()
    assert run.grabber.error is broken
    assert not run.grabber.ended
    assert [frame.index for frame in run.frames] == [0, 1]
    said = "no signal: the file ends in the middle of a frame after frame 2"
    assert run.texts("signal")[-1] == said  # a file's name may be a patient's


def test_a_live_source_with_an_unforeseen_error_is_reconnected(caplog):
    steps = [noise(1), ValueError("driver bug"), noise(2), noise(3)]
    run = Run(Script(steps, finite=False))
    run.grabber.start()
    run.until(lambda: run.grabber.captured == 3)
    run.grabber.stop()
    assert run.texts("signal")[1] == "no signal: the source failed: ValueError"
    assert "driver bug" in caplog.text


def test_a_file_with_an_unforeseen_error_ends_the_run_with_a_sentence():
    run = Run(Script([noise(1), ValueError("a bug")])).whole()
    assert str(run.grabber.error) == ("the source failed: ValueError; see the log for the details")


def test_the_end_of_a_file_is_a_held_last_image_and_says_so():
    run = Run(SquareSource(60, paced=False, end_after=3)).whole()
    assert run.grabber.signal is Signal.HOLD
    assert run.grabber.signal_text == "end of the recording"
    assert run.texts("run") == ["the source has ended after 3 frames"]


def test_many_losses_leave_numbers_unique_and_memory_to_others():
    steps = []
    for number in range(4):
        steps += [noise(3 * number), noise(3 * number + 1), SignalLost("gone", "plug in")]
    run = Run(Script(steps)).whole()
    assert [frame.index for frame in run.frames] == list(range(8))
    assert [frame.exposure for frame in run.frames] == list(range(8))
    assert run.texts("signal").count("signal is back: 320x240") == 3
