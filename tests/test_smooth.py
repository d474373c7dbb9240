"""The event loop is never held up, and a monkey at keys, mouse, size and cable breaks nothing."""

import os
import random
import time

import pytest
from PySide6.QtCore import QPoint, Qt, qInstallMessageHandler
from PySide6.QtTest import QTest

from orapp.display.words import STATES
from orapp.frames import AiState, Signal
from orapp.settings import Keys, Measures, Screen, SiteProfile
from tests.watchdog import Watchdog
from tests.window import WAIT_MS, logged, outlined, until

LONG = bool(os.environ.get("ORAPP_LONG"))
STEPS = 10_000 if LONG else 1_500
LIT = SiteProfile(measures=Measures(shown=True, anterior="left"), screen=Screen(assistant=True))
NAMES = [Qt.Key(k) for k in range(Qt.Key.Key_A, Qt.Key.Key_Z + 1)] + [
    *(Qt.Key.Key_Space, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right),
    *(Qt.Key.Key_0, Qt.Key.Key_Question, Qt.Key.Key_F11, Qt.Key.Key_Return, Qt.Key.Key_Tab),
]


def test_the_event_loop_is_never_blocked(qtbot, show, tmp_path):
    """1024x1024 at 15/s on a full HD screen, the engine running, everything switched on."""
    window, session, _ = show(
        profile=LIT, recordings=tmp_path, rate_hz=15, size=(1024, 1024), side=200
    )
    window.resize(1920, 1080)
    until(qtbot, outlined(window))
    with Watchdog() as watchdog:
        for key in "RSZBKXXTTTTIIMMPPHH":
            QTest.keyClick(window, getattr(Qt.Key, f"Key_{key}"))
            qtbot.wait(130)
        QTest.keyClick(window, Qt.Key.Key_R)
        until(qtbot, lambda: session.recording.state == "stopped")
    painting = session.report()["latency_ms"]["painting"]
    print(f"painting {painting}, {watchdog.beats} beats, blocked {len(watchdog.blocked)}")
    assert watchdog.beats > 100
    assert not watchdog.blocked, watchdog.blocked


def untrue(window, session) -> str:
    """What the screen says otherwise than the newest events; empty if nothing."""
    words, events = window.view.words, logged(session)
    signals = [t for k, t in events if k == "signal" and not t.startswith("signal is back")]
    states = [t for k, t in events if k == "ai"]
    views = [t for k, t in events if k == "view"]
    turned = ["as sent", *(t for k, t in events if k == "orientation")]
    if window.view.look.orientation.text != turned[-1]:
        return f"turned {window.view.look.orientation.text}, logged {turned[-1]}"
    if signals and signals[-1].partition(":")[0].upper() != words.signal:
        return f"signal {words.signal}, logged {signals[-1]}"
    if words.ai == "VIEW NOT SUPPORTED":
        return "" if views and views[-1] == "not supported" else f"{words.ai}, logged {views}"
    if states and states[-1].partition(":")[0].upper() != words.ai:
        return f"AI {words.ai}, logged {states[-1]}"
    return ""


def impossible(window, session) -> str:
    """What must never be on the screen, not for a moment; empty if nothing."""
    view = window.view
    if view.overlay is not None and window.outline_hidden:
        return "an outline while it is hidden"
    if view.overlay is not None and view.words.veil:
        return f"an outline under {view.words.veil}"
    if window.outline_hidden and view.words.finding != "OUTLINE HIDDEN":
        return "a hidden outline that is not said"
    if window.help.isVisible() and window.help.geometry().intersects(view.geometry()):
        return "the help over the live picture"
    return ""


def until_true(qtbot, window, session):
    deadline = time.monotonic() + WAIT_MS / 1000
    while wrong := untrue(window, session):
        assert time.monotonic() < deadline, (wrong, logged(session)[-20:])
        qtbot.wait(20)


def act_at_random(window, chance, squares):
    what = chance.random()
    inside = QPoint(chance.randrange(window.width()), chance.randrange(window.height()))
    if what < 0.6:
        key = chance.choice([k for k in NAMES if k != Qt.Key.Key_Q])
        press = QTest.keyPress if what < 0.05 else QTest.keyClick
        press(window, key)
        if what < 0.05 and chance.random() < 0.7:
            QTest.keyRelease(window, key)
    elif what < 0.8:
        button = chance.choice([Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton])
        target = window.childAt(inside) or window
        if target is not window.controls.buttons["quit"]:
            QTest.mousePress(target, button, pos=target.mapFrom(window, inside))
            QTest.mouseMove(window, inside + QPoint(chance.randrange(-60, 60), 30))
            QTest.mouseRelease(target, button, pos=target.mapFrom(window, inside))
    elif what < 0.9:
        window.resize(chance.randrange(400, 1900), chance.randrange(300, 1000))
    elif what < 0.93:
        squares.fault(chance)


@pytest.mark.timeout(1800 if LONG else 300)
def test_a_monkey_breaks_nothing(qtbot, show, tmp_path):
    said = []
    before = qInstallMessageHandler(lambda kind, where, text: said.append(text))
    try:
        keys = Keys(quit=("Ctrl+Q",))
        profile = SiteProfile(keys=keys, measures=Measures(shown=True), screen=Screen())
        window, session, squares = show(profile=profile, recordings=tmp_path, rate_hz=30)
        chance = random.Random(2026)
        until(qtbot, outlined(window))
        truths = 0
        for step in range(STEPS):
            act_at_random(window, chance, squares)
            assert not impossible(window, session), impossible(window, session)
            if step % 10 == 9:
                qtbot.wait(5)
                assert not impossible(window, session), impossible(window, session)
            if step % 250 == 249:
                # States of a moment before may be on the screen for a tick: it must become true.
                until_true(qtbot, window, session)
                truths += 1
        assert truths == STEPS // 250
        squares.mend()
        until(qtbot, lambda: session.signal in (Signal.XRAY_ON, Signal.HOLD))
        index = window.view.frame.index
        until(qtbot, lambda: window.view.frame.index > index + 5)
        until(qtbot, lambda: session.ai.state is AiState.READY)
        assert window.view.words.signal in STATES
        report = session.report()
        assert report["outlines"]["mispaired"] == 0
        assert session.grabber.watcher_errors == 0
    finally:
        qInstallMessageHandler(before)
    noise = [text for text in said if "propagateSizeHints" not in text]
    assert not noise, noise
