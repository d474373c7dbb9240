"""The window on a real session: what is drawn lies where it belongs, and states are in words."""

import os
import signal
import sys
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import Qt

from orapp.display import theme
from orapp.display.theme import Tone
from orapp.display.words import Moment, words_for
from orapp.frames import AiState, AiStatus, Signal
from orapp.overlay import OverlayRules
from tests.models import write_bright_model
from tests.sources import exposure_of
from tests.window import logged, near_colour, outlined, pixels_of, until


def blue_box(view) -> np.ndarray:
    """x0, y0, x1, y1 of the outline's pixels, in frame pixels."""
    ys, xs = np.nonzero(near_colour(pixels_of(view), theme.OUTLINE))
    assert len(xs) > 50
    box, frame = view.target(), view.frame.pixels
    scale = box.width() / frame.shape[1]
    found = [xs.min() - box.x(), ys.min() - box.y(), xs.max() - box.x(), ys.max() - box.y()]
    return np.array(found) / scale


def freeze(window, session):
    """Stops the run with the picture and the outline that are shown."""
    session.grabber.stop()
    window.drain()


def test_the_outline_lies_around_the_square_of_the_very_frame_that_is_shown(qtbot, show):
    window, session, squares = show(rate_hz=15, repeats=3, end_after=75)
    seen = 0
    for _ in range(5):
        until(qtbot, outlined(window))
        frame, overlay = window.view.frame, window.view.overlay
        place = squares.square_at(exposure_of(frame.pixels))
        assert overlay.exposure == frame.exposure
        assert np.abs(blue_box(window.view) - place).max() < 9
        other = squares.square_at(exposure_of(frame.pixels) + 1)
        assert np.abs(blue_box(window.view) - other).max() > 9
        seen += 1
        until(qtbot, lambda e=frame.exposure: window.view.frame.exposure != e)
    assert seen == 5
    assert session.latency.report is not None


def test_the_outline_is_hidden_while_space_is_held_and_the_screen_says_so(qtbot, show):
    window, session, _ = show(rate_hz=15, repeats=5)
    until(qtbot, outlined(window))
    qtbot.keyPress(window, Qt.Key.Key_Space)
    assert window.view.overlay is None
    assert near_colour(pixels_of(window.view), theme.OUTLINE).sum() < 20
    assert "OUTLINE HIDDEN" in window.top.accessibleDescription()
    qtbot.keyRelease(window, Qt.Key.Key_Space)
    until(qtbot, outlined(window))
    assert "OUTLINE HIDDEN" not in window.top.accessibleDescription()
    assert ("key", "hide_while_held") in logged(session)


def test_o_hides_the_outline_until_it_is_pressed_again(qtbot, show):
    window, _, _ = show(rate_hz=15, repeats=5)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_O)
    assert window.view.overlay is None
    assert "OUTLINE HIDDEN" in window.top.accessibleDescription()
    qtbot.keyClick(window, Qt.Key.Key_O)
    until(qtbot, outlined(window))


def test_in_live_mode_a_late_outline_is_dashed_says_its_age_and_goes(qtbot, show):
    rules = OverlayRules("live", 1000.0)
    window, _, _ = show(rules, delay_ms=600, rate_hz=15)
    until(qtbot, outlined(window))
    assert window.view.overlay.style == "aged"
    dashed = near_colour(pixels_of(window.view), theme.OUTLINE).sum()
    assert "ms old" in window.view.words.finding
    until(qtbot, lambda: window.view.overlay is None)  # too old, the next not there
    solid, _, _ = show(delay_ms=0, rate_hz=2)
    until(qtbot, outlined(solid))
    assert 50 < dashed < 0.9 * near_colour(pixels_of(solid.view), theme.OUTLINE).sum()


def test_without_signal_the_picture_is_dark_dated_and_worded(qtbot, show):
    window, session, _ = show(rate_hz=15, unplug_at=40, replug_at=75)
    until(qtbot, outlined(window))
    live = pixels_of(window.view).mean()
    until(qtbot, lambda: session.signal is Signal.LOST and window.view.words.veil != "")
    assert window.view.words.veil == "NO SIGNAL"
    assert "last picture" in window.view.words.veil_note
    assert "unplugged" in window.view.words.veil_note
    assert window.view.overlay is None
    assert pixels_of(window.view).mean() < 0.7 * live
    assert near_colour(pixels_of(window.view), theme.OUTLINE).sum() == 0
    until(qtbot, lambda: session.signal is Signal.XRAY_ON and window.view.words.veil == "")
    until(qtbot, outlined(window))


def test_a_held_picture_keeps_its_outline_and_is_called_held(qtbot, show):
    window, session, _ = show(rate_hz=15, hold_at=45)
    until(qtbot, lambda: session.signal is Signal.HOLD)
    until(qtbot, lambda: "LAST IMAGE HOLD" in window.top.accessibleDescription())
    until(qtbot, outlined(window))
    assert "held" in window.top.accessibleDescription()
    assert window.view.words.veil == ""


def test_a_frozen_and_a_black_picture_are_told(qtbot, show):
    frozen, session, _ = show(rate_hz=15, hold_at=20, clock=False)
    until(qtbot, lambda: session.signal is Signal.FROZEN and frozen.view.words.veil != "")
    assert frozen.view.words.veil == "INPUT FROZEN"
    assert frozen.view.overlay is None
    black, session, _ = show(rate_hz=15, black_at=10)
    until(qtbot, lambda: session.signal is Signal.BLACK and black.view.words.veil != "")
    assert black.view.words.veil == "BLACK PICTURE"


def test_a_killed_engine_raises_a_banner_and_video_goes_on(qtbot, show):
    window, session, _ = show(rate_hz=15)
    until(qtbot, outlined(window))
    assert not window.view.words.banner
    os.kill(session.worker.pid, signal.SIGKILL)
    until(qtbot, lambda: session.ai.state is AiState.OFF)
    until(qtbot, lambda: window.view.words.banner.startswith("AI off: "))
    assert "killed by signal 9" in window.view.words.banner
    band = pixels_of(window.view)[4 : window.view.height() // 24]
    assert near_colour(band, theme.CARE).mean() > 0.5
    index = window.view.frame.index
    until(qtbot, lambda: window.view.frame.index > index + 3)
    until(qtbot, lambda: not window.view.words.banner)
    until(qtbot, outlined(window))
    freeze(window, session)
    report = session.report()
    assert report["frames"]["dropped_before_display"] <= 0.02 * report["frames"]["captured"] + 1
    assert report["outlines"]["mispaired"] == 0


def test_the_freshness_mark_moves_with_frames_and_only_with_them(qtbot, show):
    window, session, _ = show(rate_hz=10, repeats=100)

    def mark():
        corner = window.view.grab(window.view.rect().adjusted(window.view.width() // 2, 0, 0, 0))
        rows = pixels_of(window.view)[-40:, window.view.width() // 2 :]
        return corner.width(), near_colour(rows, theme.TEXT).nonzero()[1].mean()

    until(qtbot, lambda: window.view.frame is not None and window.view.frame.index > 2)
    index, at = window.view.frame.index, mark()
    until(qtbot, lambda: window.view.frame.index > index)
    assert mark() != at
    freeze(window, session)
    still = mark()
    qtbot.wait(250)
    assert mark() == still


def test_every_picture_is_painted_though_no_outline_comes(qtbot, show):
    window, _, _ = show(rate_hz=10, delay_ms=60_000)
    view, seen = window.view, []
    room = view.geometry()
    for _ in range(6):
        last = view.frame
        until(qtbot, lambda last=last: view.frame is not None and view.frame is not last)
        picture = window.screen().grabWindow(window.winId(), *room.getRect()).toImage()
        seen.append(np.frombuffer(picture.constBits(), np.uint8).copy())
        assert view.overlay is None
    unlike = [np.count_nonzero(a != b) > 2000 for a, b in pairwise(seen)]
    assert all(unlike), unlike


def test_a_view_of_no_spine_is_told_in_place_of_ai_ready(qtbot, show, tmp_path):
    window, session, _ = show(model=write_bright_model(tmp_path / "model", judged=(1.0, 0.1)))
    until(qtbot, lambda: "VIEW NOT SUPPORTED" in window.top.accessibleDescription())
    said = window.top.accessibleDescription()
    assert "nothing is outlined" in said
    assert "AI READY" not in said
    assert near_colour(pixels_of(window.top), theme.TONES[Tone.CARE]).sum() > 50
    assert near_colour(pixels_of(window.view), theme.OUTLINE).sum() == 0
    events = [(e.kind, e.text) for e in session.events.all()]
    assert events.count(("view", "not supported")) == 1


def test_help_never_covers_the_live_picture(qtbot, show):
    window, _, _ = show(rate_hz=15)
    for key in (Qt.Key.Key_H, Qt.Key.Key_Question):
        assert not window.help.isVisible()
        qtbot.keyClick(window, key)
        assert window.help.isVisible()
        assert not window.help.geometry().intersects(window.view.geometry())
        assert "Space" in window.help.text()
        qtbot.keyClick(window, Qt.Key.Key_H)


def test_full_screen_and_quit_by_key(qtbot, show):
    window, _, _ = show(rate_hz=15)
    qtbot.keyClick(window, Qt.Key.Key_F)
    until(qtbot, window.isFullScreen)
    qtbot.keyClick(window, Qt.Key.Key_F)
    until(qtbot, lambda: not window.isFullScreen())
    qtbot.keyClick(window, Qt.Key.Key_Q)
    assert not window.isVisible()


def test_what_it_is_not_is_always_on_the_screen(qtbot, show):
    window, _, _ = show(rate_hz=15)
    assert window.foot.NOTICE == "Research use only - not a medical device"
    assert window.foot.isVisible()
    text = near_colour(pixels_of(window.foot), theme.TEXT)
    assert text[:, : text.shape[1] // 2].sum() > 100


@pytest.mark.parametrize("signal_", list(Signal))
@pytest.mark.parametrize("state", list(AiState))
def test_every_state_has_words_and_red_is_for_faults(signal_, state):
    words = words_for(Moment(signal_, f"{signal_}: why", AiStatus(state, "a reason", 0)))
    assert words.signal
    assert words.ai
    assert (words.signal_tone is Tone.FAULT) == (signal_ in (Signal.LOST, Signal.FROZEN))
    assert words.ai_tone is not Tone.FAULT
    assert bool(words.banner) == (state in (AiState.OFF, AiState.LATE))


def test_qt_does_not_use_up_none(qtbot, show):
    """PySide6 6.12.0 on Python 3.11 drops a reference to None at every call; it aborts in time."""
    window, _, _ = show(rate_hz=5)
    until(qtbot, lambda: window.view.frame is not None)
    before = sys.getrefcount(None)
    for _ in range(100):
        window.view.repaint()
        window.setAccessibleName("orapp")
    assert sys.getrefcount(None) > before - 60
