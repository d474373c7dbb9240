"""Replay in a real window, of sessions that were really recorded, and from the command line."""

import json
import random
import shutil
import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage

from orapp.backlog import RecordingLimits
from orapp.display import theme
from orapp.display.controls import ACTIONS, REPLAY_ACTIONS
from orapp.display.replay import Replay
from orapp.display.transport_bar import TRANSPORT_BUTTONS
from orapp.display.window import SurgeonWindow
from orapp.display.words import Moment, words_for
from orapp.engines import EngineSpec
from orapp.frames import AiState, AiStatus, Frame, Signal
from orapp.live import LiveSession
from orapp.recorded import read_recorded
from orapp.session import SessionReader
from orapp.settings import Keys, ReplayKeys, SiteProfile
from orapp.sources.reel import SessionReel, open_reel
from orapp.sources.transport import Transport
from tests.sources import SquareSource, exposure_of, number_of
from tests.test_cli import assert_one_sentence, orapp, write_clip
from tests.test_dicom_source import stored_run, write
from tests.test_record import wait_until
from tests.window import near_colour, pixels_of, until

SQUARES = SquareSource(repeats=2, hold_at=40, hold_until=60)
LIVE_WORDS = {"X-RAY ON", "LAST IMAGE HOLD", "INPUT FROZEN", "NO SIGNAL", "BLACK PICTURE"}


@pytest.fixture(scope="module")
def recording(tmp_path_factory, bright_model):
    """A session of 5 s with a hold and a marker, as the recorder writes it."""
    root = tmp_path_factory.mktemp("recordings")
    source = SquareSource(repeats=2, hold_at=40, hold_until=60, end_after=75)
    limits = RecordingLimits(least_bytes=0, low_bytes=0)
    spec = EngineSpec(str(bright_model), "openvino")
    waiting = LiveSession(source, spec, recording_limits=limits)
    waiting.start_recording(root, "case 7")
    with waiting as session:
        wait_until(lambda: session.grabber.captured > 25)
        session.events.add("orientation", "turned 90, mirrored")
        session.events.add("marker", "mark 1 at frame 20")
        wait_until(lambda: session.ended)
        wait_until(lambda: session.ai.state is not AiState.STARTING)
    return session.recording_folder


@pytest.fixture
def folder(recording, tmp_path):
    """A copy, to be damaged."""
    return shutil.copytree(recording, tmp_path / recording.name)


@pytest.fixture
def replay(qtbot, bright_model):
    """Opens a window that replays a URI; returns window, session and transport."""
    made = []

    def start(uri, profile=None, paused=True):
        reel = open_reel(str(uri))
        recorded = read_recorded(reel.reader) if isinstance(reel, SessionReel) else None
        transport = Transport(reel)
        if paused:
            transport.pause()
            transport.step(1)
        window = SurgeonWindow(profile, replay=Replay(transport, recorded))
        window.resize(1800, 1000)
        spec = EngineSpec(str(bright_model), "openvino")
        session = LiveSession(transport, spec, on_news=window.wake.ring)
        made.append((window, session))
        window.show()
        window.attach(session)
        session.start()
        if paused:
            until(qtbot, lambda: window.view.frame is not None)
        return window, session, transport

    yield start
    for window, session in made:
        session.stop()
        window.wake.close()
        window.close()
        window.deleteLater()


def frames_of(folder):
    with SessionReader(folder) as reader:
        return list(reader.frames())


def chip(window):
    return window.top.accessibleDescription().partition(" | ")[0]


def case_line(window):
    return window.case_line.accessibleDescription()


def head(window):
    return window.side.head.accessibleDescription()


def place(window):
    return window.replay.place(window.view.frame)


def lies_on_square(overlay, pixels, squares=SQUARES):
    """Whether the outline is the square that this very picture shows."""
    x0, y0, x1, y1 = squares.square_at(exposure_of(pixels))
    points = overlay.outlines[0].points
    box = [*points.min(axis=0), *points.max(axis=0)]
    return np.abs(np.array(box) - [x0, y0, x1 - 1, y1 - 1]).max() < 8


def test_a_pause_stops_the_picture_and_nothing_looks_live(qtbot, replay, recording):
    window, _, _ = replay(f"session:{recording}", paused=False)
    said = set()
    until(qtbot, lambda: said.add(chip(window)) or (place(window) or 0) > 5)
    qtbot.keyClick(window, Qt.Key.Key_L)
    until(qtbot, lambda: chip(window) == "REPLAY PAUSED")
    assert said <= {"REPLAY", ""}
    qtbot.wait(150)  # what was on its way has come
    stays = window.view.frame
    qtbot.wait(400)
    assert window.view.frame is stays
    assert window.transport_bar.buttons["play_pause"].text() == "Play"
    qtbot.keyClick(window, Qt.Key.Key_L)
    until(qtbot, lambda: chip(window) == "REPLAY")
    until(qtbot, lambda: window.view.frame is not stays)
    until(qtbot, lambda: said.add(chip(window)) or chip(window) == "REPLAY AT ITS END")
    assert not said & LIVE_WORDS
    assert window.view.words.signal_tone == "calm"
    assert window.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_L)
    until(qtbot, lambda: place(window) is not None and place(window) < 20)


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("ended", [False, True])
def test_whatever_the_picture_looks_like_the_first_chip_says_replay(signal, ended):
    ai = AiStatus(AiState.READY, "", 0)
    frame = Frame(0, np.zeros((8, 8), np.uint8), 0, 0, signal=signal)
    words = words_for(Moment(signal, "", ai, frame, ended=ended, replay="REPLAY 2x"))
    assert (words.signal, words.signal_tone) == ("REPLAY 2x", "calm")
    assert not words.veil or signal is Signal.LOST


def test_a_step_shows_exactly_the_next_recorded_frame(qtbot, replay, recording):
    recorded = frames_of(recording)
    window, _, _ = replay(f"session:{recording}")
    wanted = 0
    for key, by in [(".", 1)] * 4 + [(",", -1)] * 2 + [(".", 1)]:
        wanted += by
        qtbot.keyClick(window, key)
        until(qtbot, lambda: place(window) == wanted)  # noqa: B023
        assert (window.view.frame.pixels == recorded[wanted].pixels).all()
        until(qtbot, lambda: f"picture {wanted + 1} of {len(recorded)}" in case_line(window))  # noqa: B023


def test_the_speed_changes_the_pace(qtbot, replay, recording):
    window, _, transport = replay(f"session:{recording}")
    advanced = {}
    for key, text in (("-", "REPLAY 0.25x"), ("+", "REPLAY 4x")):
        transport.pause()
        transport.seek(2)
        for _ in range(5):
            qtbot.keyClick(window, key)
        transport.play()
        until(qtbot, lambda: chip(window) == text)  # noqa: B023
        begin, first = time.monotonic(), transport.standing.place
        qtbot.wait(700)
        advanced[key] = (transport.standing.place - first) / (time.monotonic() - begin)
    assert advanced["+"] > 2 * advanced["-"]
    qtbot.keyClick(window, "-")
    assert transport.standing.speed == 2


def test_a_jump_to_a_marker_shows_its_frame(qtbot, replay, recording):
    indexes = [frame.index for frame in frames_of(recording)]
    window, _, _ = replay(f"session:{recording}")
    window.replay.seek(0)
    told = []
    for _ in range(20):
        before = place(window)
        qtbot.keyClick(window, Qt.Key.Key_N)
        if "no more events" in case_line(window):
            break
        until(qtbot, lambda: place(window) != before)  # noqa: B023
        told.append((place(window), case_line(window)))
    marked = [at for at, line in told if "marker: mark 1 at frame 20" in line]
    assert marked == [indexes.index(20)]
    assert any("signal: last image hold" in line for _, line in told)
    assert [at for at, _ in told] == sorted({at for at, _ in told})
    while place(window) != indexes.index(20):
        before = place(window)
        qtbot.keyClick(window, Qt.Key.Key_PageUp)
        until(qtbot, lambda: place(window) != before)  # noqa: B023
    assert number_of(window.view.frame.pixels) == 20
    qtbot.keyClick(window, Qt.Key.Key_Home)
    until(qtbot, lambda: place(window) == 0)


def test_recorded_and_new_outlines_lie_on_the_very_frame(qtbot, replay, recording):
    """C1, over the whole recording: no step shows an outline of another exposure."""
    recorded = frames_of(recording)
    window, session, _ = replay(f"session:{recording}")
    until(qtbot, lambda: session.ai.state is AiState.READY)
    both = old = 0
    for wanted in range(len(recorded)):
        window.replay.seek(wanted)
        until(qtbot, lambda: place(window) == wanted)  # noqa: B023
        until(qtbot, lambda: window.view.overlay is not None)
        pixels = recorded[wanted].pixels
        assert lies_on_square(window.view.overlay, pixels)
        beside = window.side.view
        assert beside.frame is None or beside.frame is window.view.frame
        if beside.overlay is not None:
            old += 1
            both += "RECORDED OUTLINE - bright, openvino" in head(window)
            assert lies_on_square(beside.overlay, pixels)
    assert both == old > len(recorded) / 2
    window.replay.seek(len(recorded) // 2)
    until(qtbot, lambda: None not in (window.view.overlay, window.side.view.overlay))
    for view in (window.view, window.side.view):
        assert near_colour(pixels_of(view), theme.OUTLINE).sum() > 100
    window.act("toggle_outline")
    assert window.view.overlay is None
    assert window.side.view.overlay is None


def test_no_outline_is_ever_on_another_frame_while_it_plays_and_jumps(qtbot, replay, recording):
    """C1, while somebody plays at four times the pace and drags to and fro."""
    window, session, transport = replay(f"session:{recording}")
    until(qtbot, lambda: session.ai.state is AiState.READY)
    transport.set_speed(4)
    chance, seen = random.Random(11), {"new": 0, "recorded": 0}
    for _ in range(60):
        transport.seek(chance.randrange(75))
        transport.play()
        for _ in range(6):
            qtbot.wait(8)
            for name, view in (("new", window.view), ("recorded", window.side.view)):
                if view.overlay is not None:
                    seen[name] += 1
                    assert lies_on_square(view.overlay, view.frame.pixels)
    transport.pause()
    until(qtbot, lambda: window.view.overlay is not None)
    assert seen["recorded"] > 20


def test_a_hold_is_recognised_by_the_recorded_time(qtbot, replay, recording):
    """However slowly somebody steps, a held picture is no frozen input."""
    held = [n for n, f in enumerate(frames_of(recording)) if f.signal is Signal.HOLD]
    window, session, _ = replay(f"session:{recording}")
    until(qtbot, lambda: session.ai.state is AiState.READY)
    window.replay.seek(held[0] - 8)
    until(qtbot, lambda: place(window) == held[0] - 8)
    qtbot.wait(3200)
    for wanted in range(held[0] - 7, held[-1] + 1):
        qtbot.keyClick(window, ".")
        until(qtbot, lambda: place(window) == wanted)  # noqa: B023
    assert session.signal is Signal.HOLD
    until(qtbot, lambda: window.view.overlay is not None)
    until(qtbot, lambda: "was LAST IMAGE HOLD" in case_line(window))
    assert "TURNED 90  MIRRORED" in case_line(window)
    assert chip(window) == "REPLAY PAUSED"


def test_where_and_when_it_was_is_told(qtbot, replay, recording):
    window, _, _ = replay(f"session:{recording}")
    until(qtbot, lambda: "was X-RAY ON" in case_line(window))
    with SessionReader(recording) as reader:
        wall = read_recorded(reader).wall_time(0)
    assert case_line(window).startswith("case 7 |  | 0:00.0 / 0:0")
    assert f"recorded {wall:%Y-%m-%d  %H:%M:%S}" in window.case_line._line.clock
    qtbot.keyClick(window, Qt.Key.Key_S)
    assert head(window).startswith(f"REFERENCE: stored, {wall:%H:%M:%S}")
    qtbot.keyClick(window, Qt.Key.Key_C)
    assert "RECORDED" in head(window)


def test_buttons_and_line_do_the_same_as_the_keys(qtbot, replay, recording):
    window, _, transport = replay(f"session:{recording}")
    bar = window.transport_bar
    assert set(bar.buttons) == set(TRANSPORT_BUTTONS)
    qtbot.mouseClick(bar.buttons["step_forward"], Qt.MouseButton.LeftButton)
    until(qtbot, lambda: place(window) == 1)
    for wanted in (30, 60, 3):
        at = QPoint(round(bar.line.x_of(wanted)), bar.line.height() // 2)
        qtbot.mouseClick(bar.line, Qt.MouseButton.LeftButton, pos=at)
        until(qtbot, lambda: place(window) == wanted)  # noqa: B023
    painted = near_colour(pixels_of(bar.line), theme.CARE)
    assert painted.any()  # the marker
    with_mark = painted.nonzero()[1].mean()
    assert with_mark == pytest.approx(bar.line.x_of(20), abs=3)
    assert transport.standing.playing is False


def test_nothing_is_recorded_of_a_replay(qtbot, replay, recording):
    window, session, _ = replay(f"session:{recording}")
    qtbot.keyClick(window, Qt.Key.Key_R)
    assert "a replay is not recorded: copy the recording instead" in case_line(window)
    assert session.recording.state == "off"
    qtbot.keyClick(window, Qt.Key.Key_K)
    assert "a replay keeps no marks" in case_line(window)


def test_the_sites_own_keys_keep_their_meaning(qtbot, replay, show, recording):
    assert set(REPLAY_ACTIONS) == set(ReplayKeys.model_fields)
    assert not set(REPLAY_ACTIONS) & set(ACTIONS)
    profile = SiteProfile(keys=Keys(mirror=("L",)))
    window, _, transport = replay(f"session:{recording}", profile)
    qtbot.keyClick(window, Qt.Key.Key_L)
    assert window.look.orientation.mirrored
    assert not transport.standing.playing
    for what in REPLAY_ACTIONS.values():
        assert what in window.help.text()
    live, _, _ = show()
    assert "to the next event" not in live.help.text()
    assert live.transport_bar is None


def test_a_broken_chain_and_a_cut_are_told(qtbot, replay, folder):
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    window, _, _ = replay(f"session:{folder}")
    until(qtbot, lambda: "RECORDING cut off: it was never closed" in case_line(window))
    at = next(n for n, line in enumerate(lines) if json.loads(line).get("index") == 30)
    lines[at] = lines[at].replace(b'"index":30', b'"index":31')
    (folder / "events.jsonl").write_bytes(b"".join(lines))
    window, session, _ = replay(f"session:{folder}")
    window.replay.seek(28)
    window.act("play_pause")
    until(qtbot, lambda: chip(window) == "REPLAY AT ITS END")
    assert number_of(window.view.frame.pixels) == 29
    until(qtbot, lambda: "is damaged after frame 29" in case_line(window))
    assert session.error is None


def test_a_video_says_that_nothing_was_recorded_beside_it(qtbot, replay, tmp_path):
    window, _, _ = replay(f"file:{write_clip(tmp_path / 'clip.mkv')}")
    until(qtbot, lambda: window.view.overlay is not None)
    assert head(window) == "NO OUTLINES WERE RECORDED"
    until(qtbot, lambda: "picture 1 of 30" in case_line(window))
    assert "looks like X-RAY ON" in case_line(window)
    window.act("next_event")
    assert "no more events that way" in case_line(window)
    window.replay.seek(29)
    until(qtbot, lambda: place(window) == 29)
    assert number_of(window.view.frame.pixels) == 29


def test_the_command_replays_to_the_end(recording, bright_model, tmp_path):
    shot, report = tmp_path / "shot.png", tmp_path / "report.json"
    options = ("--model", bright_model, "--screenshot", shot, "--report", report)
    done = orapp("replay", recording, "--headless", *options)
    assert done.returncode == 0, done.stderr
    count = len(frames_of(recording))
    figures = json.loads(report.read_text())
    assert figures["frames"]["captured"] == count
    assert figures["outlines"]["mispaired"] == 0
    assert figures["source"]["kind"] == "session"
    assert figures["recording"]["state"] == "off"
    picture = QImage(str(shot))
    assert (picture.width(), picture.height()) == (1920, 1080)


def test_the_command_takes_videos_and_dicom_by_what_they_are(bright_model, tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", 5)
    run = write(tmp_path / "run", stored_run())
    for path, kind in ((clip, "file"), (run, "dicom"), (f"file:{clip}", "file")):
        report = tmp_path / "report.json"
        done = orapp("replay", path, "--headless", "--model", bright_model, "--report", report)
        assert done.returncode == 0, done.stderr
        assert json.loads(report.read_text())["source"]["kind"] == kind


def test_what_cannot_be_replayed_is_one_sentence(recording, folder, tmp_path):
    (folder / "session.json").write_text("{")
    for path, sentence in (
        (tmp_path / "none", "there is no recording 'none'; check the path"),
        ("simulated:", "'simulated:' can't be replayed; give a session"),
        ("v4l2:/dev/video0", "'v4l2:' can't be replayed"),
        (folder, "is no session: its session.json is damaged"),
        (__file__, "'test_replay.py' is not a video that can be read"),
    ):
        assert_one_sentence(orapp("replay", path, "--headless"), sentence)
    done = orapp("replay", recording, "--headless", "--record", tmp_path)
    assert_one_sentence(done, "a replay is not recorded; copy the recording instead")
