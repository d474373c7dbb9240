"""C2, C3 and C8 on the whole live path: a real paced source, a real engine in a real process."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.frames import AiState, Frame, Overlay, OverlayStyle, Segmentation
from orapp.live import LiveSession
from orapp.overlay import OverlayRules, overlay_for
from tests.sources import SquareSource, exposure_of


class Screen:
    """Stands where the window stands: paints every new frame, and again when its outline comes."""

    def __init__(self) -> None:
        self.news = threading.Event()
        self.painted: list[int] = []
        self.outlined: dict[int, Overlay] = {}
        self.misplaced: list[str] = []
        self.states: list[str] = []
        self.session: LiveSession | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="screen")

    def start(self, session: LiveSession) -> None:
        self.session = session
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self.news.set()
        self._thread.join()

    def _run(self) -> None:
        frame, seen = None, None
        while not self._over.is_set():
            self.news.wait(1)
            self.news.clear()
            new, seen = self.session.frames.take(), self.session.segmentations.take() or seen
            frame = new or frame
            if not self.states or self.states[-1] != self.session.ai.state:
                self.states.append(self.session.ai.state)
            if frame is not None:
                self._paint(frame, seen)

    def _paint(self, frame: Frame, seen: Segmentation | None) -> None:
        now_ns = time.monotonic_ns()
        since_ns = self.session.scene_since_ns
        overlay = overlay_for(frame, seen, now_ns, self.session.rules, scene_since_ns=since_ns)
        if not self.painted or self.painted[-1] != frame.index:
            self.painted.append(frame.index)
        if overlay is not None:
            self.outlined[frame.index] = overlay
            self._check_place(frame, overlay)
        self.session.latency.shown(frame, time.monotonic_ns(), overlay)

    def _check_place(self, frame: Frame, overlay: Overlay) -> None:
        """By the pixels themselves: a paired outline lies around the frame's own square."""
        source = self.session.grabber._source
        height, width = frame.pixels.shape
        x0, y0, x1, y1 = source.square_at(exposure_of(frame.pixels), (width, height))
        points = overlay.outlines[0].points
        corners = [*points.min(axis=0), *points.max(axis=0)]
        near = max(width, height) / 64 * 1.5
        off = max(abs(a - b) for a, b in zip(corners, (x0, y0, x1, y1), strict=True))
        if overlay.style is OverlayStyle.PAIRED and off > near:
            self.misplaced.append(f"frame {frame.index}: outline off by {off:.0f} px")


@pytest.fixture
def watch(bright_model: Path) -> Iterator[Callable[..., tuple[LiveSession, Screen]]]:
    """Starts a session on a SquareSource, with a screen that looks on."""
    made: list[tuple[LiveSession, Screen]] = []

    def start(rules=None, delay_ms=0, raise_at=0, **source) -> tuple[LiveSession, Screen]:
        screen = Screen()
        spec = EngineSpec(str(bright_model), "openvino", delay_ms, raise_at)
        session = LiveSession(SquareSource(**source), spec, rules=rules, on_news=screen.news.set)
        made.append((session, screen))
        screen.start(session)
        session.start()
        return session, screen

    yield start
    for session, screen in made:
        session.stop()
        screen.stop()


def wait_until(true: Callable[[], bool], seconds: float, session: LiveSession) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, session.events.all()
        time.sleep(0.005)


def outlines_again(session: LiveSession, screen: Screen, more: int = 5) -> None:
    """Waits until that many more frames carry an outline."""
    wanted = len(screen.outlined) + more
    wait_until(lambda: len(screen.outlined) >= wanted, 30, session)


def finish(session: LiveSession, screen: Screen) -> dict:
    """Stops, checks what must hold in every run, and gives the report as the reader gets it."""
    session.grabber.stop()
    time.sleep(0.1)
    session.stop()
    screen.stop()
    report = json.loads(json.dumps(session.report()))
    unshown = sorted(set(range(session.grabber.captured)) - set(screen.painted))
    assert len(unshown) <= max(1, session.grabber.captured // 50), unshown
    assert screen.misplaced == []
    assert report["outlines"]["mispaired"] == 0
    assert report["frames"]["shown"] == len(screen.painted)
    assert report["frames"]["captured"] == session.grabber.captured
    assert report["frames"]["dropped_before_display"] == len(unshown)
    return report


def test_every_frame_is_shown_and_carries_its_own_outline(watch):
    session, screen = watch(rate_hz=15)
    wait_until(lambda: session.ai.state is AiState.READY, 30, session)
    outlines_again(session, screen, 30)
    report = finish(session, screen)
    frames, ready = report["frames"], next(e["time"] for e in report["events"] if e["kind"] == "ai")
    assert frames["segmented"] + frames["dropped_before_segmentation"] >= frames["captured"] - 2
    assert report["outlines"]["frames_with"] >= 0.5 * (frames["captured"] - ready * 15)
    latency = report["latency_ms"]
    assert 0 < latency["capture_to_shown"]["p50"] < latency["capture_to_outline_shown"]["p50"]
    assert report["engine"]["name"] == "bright"
    assert report["engine"]["restarts"] == 0
    assert report["source"] == {
        "kind": "square",
        "width": 320,
        "height": 240,
        "rate_hz": 15,
        "description": "a square",
    }


def test_repeats_carry_the_outline_of_their_exposure_and_are_not_inferred_again(watch):
    session, screen = watch(rate_hz=60, repeats=4)
    wait_until(lambda: session.ai.state is AiState.READY, 30, session)
    outlines_again(session, screen, 60)
    report = finish(session, screen)
    exposures = report["frames"]["captured"] - report["frames"]["repeats"]
    assert report["frames"]["segmented"] <= exposures
    assert report["outlines"]["frames_with"] > 2 * report["frames"]["segmented"]


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP", "raises"])
def test_the_video_goes_on_without_the_engine_and_outlines_come_back(watch, fault):
    session, screen = watch(rate_hz=30, raise_at=10 if fault == "raises" else 0)
    if fault != "raises":
        outlines_again(session, screen)
        os.kill(session.worker.pid, getattr(signal, fault))
    wait_until(lambda: session.ai.state is AiState.OFF, 30, session)
    wait_until(lambda: session.worker.restarts >= 1, 30, session)
    wait_until(lambda: session.ai.state is AiState.READY, 30, session)
    outlines_again(session, screen)
    report = finish(session, screen)
    assert report["engine"]["restarts"] >= 1
    assert AiState.OFF in screen.states
    said = [event["text"] for event in report["events"] if event["kind"] == "ai"]
    expected = {
        "SIGKILL": "AI off: the segmentation process was killed by signal 9",
        "SIGSTOP": "AI off: segmentation does not answer",
        "raises": "AI off: the engine failed: raised on purpose (test option)",
    }
    assert expected[fault] in said


def test_a_slow_engine_slows_no_frame_and_its_outlines_are_aged_in_live_mode(watch):
    session, screen = watch(rate_hz=15, delay_ms=120, rules=OverlayRules("live", 300))
    wait_until(lambda: session.ai.state is AiState.READY, 30, session)
    outlines_again(session, screen, 20)
    report = finish(session, screen)
    assert report["outlines"]["aged"] > 10
    assert report["latency_ms"]["outline_age"]["max"] <= 300
    assert report["latency_ms"]["outline_age"]["p50"] >= 120
    assert report["latency_ms"]["capture_to_shown"]["p50"] < 20
    assert report["frames"]["dropped_before_segmentation"] > 0


def test_a_slow_engine_draws_nothing_on_other_exposures_in_paired_mode(watch):
    session, screen = watch(rate_hz=30, delay_ms=120)
    wait_until(lambda: session.worker.segmented >= 8, 30, session)
    assert finish(session, screen)["outlines"] == {"frames_with": 0, "mispaired": 0, "aged": 0}


def test_unplugging_and_another_size_are_lived_through_with_right_outlines(watch):
    session, screen = watch(rate_hz=30, unplug_at=60, replug_at=90, resize_at=90)
    wait_until(lambda: session.grabber.captured > 80, 30, session)
    wait_until(lambda: session.ai.state is AiState.READY, 30, session)
    outlines_again(session, screen)
    report = finish(session, screen)
    assert (report["source"]["width"], report["source"]["height"]) == (200, 160)
    kinds = [event["kind"] for event in report["events"]]
    assert "format" in kinds
    assert kinds.count("signal") >= 3


def test_a_finite_source_ends_and_the_session_says_so(watch):
    session, screen = watch(rate_hz=60, end_after=30)
    wait_until(lambda: session.ended, 10, session)
    wait_until(lambda: len(screen.painted) >= 29, 5, session)
    assert session.error is None
    finish(session, screen)


def test_an_unknown_model_is_said_before_anything_starts():
    source = SquareSource()
    session = LiveSession(source, EngineSpec("no-such-model"))
    with pytest.raises(OrappError, match="there is no model 'no-such-model'"):
        session.start()
    assert source.opens == 0
    session.stop()


def test_a_source_that_does_not_open_leaves_nothing_running(bright_model):
    source = SquareSource(unplug_at=0)
    session = LiveSession(source, EngineSpec(str(bright_model)))
    with pytest.raises(OrappError, match="the square source is unplugged; plug it in again"):
        session.start()
    assert session.worker.pid is None
    session.stop()


def test_stopping_twice_and_while_the_model_loads_is_quick(bright_model):
    with LiveSession(SquareSource(), EngineSpec(str(bright_model))) as session:
        began = time.monotonic()
        session.stop()
        assert time.monotonic() - began < 8
        session.stop()
    json.dumps(session.report())
