"""The screen's controls: keys, buttons, pedal and mouse; reference, orientation, recording."""

import json

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from orapp.backlog import RecordingLimits
from orapp.display import theme
from orapp.display.controls import ACTIONS, BUTTONS
from orapp.display.view import fit
from orapp.errors import OrappError
from orapp.frames import Signal
from orapp.session import SessionReader
from orapp.settings import Keys, Screen, SiteProfile
from tests.sources import exposure_of
from tests.window import logged, near_colour, outlined, pixels_of, until

HOLD = {"rate_hz": 15, "hold_at": 40, "hold_until": 75}


def head(window):
    return window.side.head.accessibleDescription()


def case_line(window):
    return window.case_line.accessibleDescription()


def seen(view):
    """The middle of the painted picture, grey, as shown."""
    box = view.target().toRect().adjusted(8, 60, -8, -90)
    painted = pixels_of(view)[box.top() : box.bottom(), box.left() : box.right()]
    return painted.mean(axis=2)


def test_the_last_image_hold_moves_to_the_right_when_x_ray_goes_on(qtbot, show):
    window, session, _ = show(**HOLD)
    until(qtbot, lambda: "NO REFERENCE YET: S stores one" in head(window))
    until(qtbot, lambda: session.signal is Signal.HOLD)
    until(qtbot, outlined(window))
    held = window.view.frame.exposure
    until(qtbot, lambda: "REFERENCE: last image hold" in head(window))
    until(qtbot, lambda: window.view.frame.exposure > held + 2)
    assert window.side.view.frame.exposure == held
    assert window.side.view.overlay.exposure == held
    assert near_colour(pixels_of(window.side.view), theme.OUTLINE).sum() > 100


def test_a_stored_picture_stays_until_it_is_cleared(qtbot, show):
    window, session, _ = show(rate_hz=15, repeats=3)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_S)
    kept = window.side.view.frame
    assert "REFERENCE: stored" in head(window)
    until(qtbot, lambda: window.view.frame.exposure > kept.exposure + 3)
    assert window.side.view.frame is kept
    until(qtbot, lambda: window.side.view.overlay is not None)
    assert window.side.view.overlay.exposure == kept.exposure
    assert "stored as reference" in case_line(window)
    qtbot.keyClick(window, Qt.Key.Key_C)
    assert "NO REFERENCE YET" in head(window)
    assert ("reference", f"stored: frame {kept.index}") in logged(session)


def test_freezing_keeps_the_live_picture_live(qtbot, show):
    window, _, _ = show(rate_hz=15)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_Z)
    frozen = window.side.view.frame
    assert "frozen by key" in head(window)
    assert near_colour(pixels_of(window.side.head), theme.CARE).mean() > 0.5
    until(qtbot, lambda: window.view.frame.index > frozen.index + 4)
    assert window.side.view.frame is frozen
    qtbot.keyClick(window, Qt.Key.Key_Z)
    assert "NO REFERENCE YET" in head(window)


def test_nothing_is_stored_of_a_picture_that_is_no_x_ray(qtbot, show):
    window, session, _ = show(rate_hz=15, black_at=10)
    until(qtbot, lambda: session.signal is Signal.BLACK and window.view.words.veil != "")
    qtbot.keyClick(window, Qt.Key.Key_S)
    assert "there is no picture to keep" in case_line(window)
    assert "NO REFERENCE YET" in head(window)


def test_a_turned_or_mirrored_picture_always_says_so(qtbot, show):
    window, session, _ = show(rate_hz=15, repeats=40)
    until(qtbot, outlined(window))
    assert near_colour(pixels_of(window.view)[-60:, :200], theme.CARE).sum() == 0
    for key, words in (
        (Qt.Key.Key_X, "mirrored"),
        (Qt.Key.Key_T, "turned 270, mirrored"),
        (Qt.Key.Key_X, "turned 270"),
        (Qt.Key.Key_T, "as sent"),
    ):
        qtbot.keyClick(window, key)
        assert [text for kind, text in logged(session) if kind == "orientation"][-1] == words
        told = near_colour(pixels_of(window.view)[-60:, :400], theme.CARE).sum()
        assert (told > 100) == (words != "as sent")
        frame = window.view.frame
        shown = window.look.orientation.apply(frame.pixels)
        size = (shown.shape[1], shown.shape[0])
        assert (fit(frame.pixels, size, window.look)[:, : size[0]] == shown).all()


def test_the_outline_turns_with_the_picture(qtbot, show):
    window, _, squares = show(rate_hz=15, repeats=60)
    until(qtbot, outlined(window))
    for key in (Qt.Key.Key_X, Qt.Key.Key_T, Qt.Key.Key_T):
        qtbot.keyClick(window, key)
        until(qtbot, outlined(window))
        x0, y0, x1, y1 = squares.square_at(exposure_of(window.view.frame.pixels))
        corners = [window.view.to_widget(x, y) for x, y in ((x0, y0), (x1 - 1, y1 - 1))]
        painted = near_colour(pixels_of(window.view), theme.OUTLINE).nonzero()
        across = sorted(p.x() for p in corners)
        down = sorted(p.y() for p in corners)
        assert np.abs(np.array(across) - [painted[1].min(), painted[1].max()]).max() < 16
        assert np.abs(np.array(down) - [painted[0].min(), painted[0].max()]).max() < 16
        x, y = window.view.to_frame(corners[0])
        assert abs(x - x0) < 0.01
        assert abs(y - y0) < 0.01


def test_grey_levels_are_for_the_eye_only(qtbot, show):
    window, session, _ = show(rate_hz=15, repeats=60)
    until(qtbot, outlined(window))
    before, pixels = seen(window.view), window.view.frame.pixels.copy()
    qtbot.keyClick(window, Qt.Key.Key_I)
    assert seen(window.view).mean() > before.mean() + 60
    qtbot.keyClick(window, Qt.Key.Key_I)
    qtbot.keyClick(window, Qt.Key.Key_Up)
    qtbot.keyClick(window, Qt.Key.Key_Right)
    after, ground = seen(window.view), before < 130
    assert after[ground].std() > before[ground].std()
    assert ("setting", "brightness +1, contrast +1, inverted no") in logged(session)
    assert (window.view.frame.pixels == pixels).all()
    qtbot.keyClick(window, Qt.Key.Key_0)
    assert not window.look.has_levels


@pytest.mark.parametrize("button", [Qt.MouseButton.RightButton, Qt.MouseButton.LeftButton])
def test_dragging_changes_the_grey_levels(qtbot, show, button):
    """With the right button anywhere, with the left one or a finger on the right picture."""
    window, session, _ = show(rate_hz=15, repeats=60)
    until(qtbot, outlined(window))
    live = button == Qt.MouseButton.RightButton
    at = window.view.geometry().center() if live else window.side.geometry().center()
    qtbot.mousePress(window, button, pos=at)
    qtbot.mouseMove(window, at + QPoint(60, -30))
    qtbot.mouseRelease(window, button, pos=at + QPoint(60, -30))
    until(qtbot, lambda: (window.look.brightness, window.look.contrast) == (1, 2))
    assert logged(session)[-1][0] == "setting"


def test_every_action_has_a_key_and_the_main_ones_a_button(qtbot, show):
    window, _, _ = show(rate_hz=15)
    until(qtbot, outlined(window))
    assert set(ACTIONS) == set(Keys.model_fields)
    bar = window.controls
    assert set(bar.buttons) == set(BUTTONS)
    assert all(button.height() >= 40 for button in bar.buttons.values())
    qtbot.mouseClick(bar.buttons["mirror"], Qt.MouseButton.LeftButton)
    assert window.look.orientation.mirrored
    qtbot.mousePress(bar.buttons["hide_while_held"], Qt.MouseButton.LeftButton)
    assert window.outline_hidden
    qtbot.mouseRelease(bar.buttons["hide_while_held"], Qt.MouseButton.LeftButton)
    assert not window.outline_hidden


def test_a_pedal_sends_the_key_that_the_profile_names(qtbot, show):
    profile = SiteProfile(keys=Keys(hide_while_held=("F13",), marker=("PgDown", "Ctrl+K")))
    window, session, _ = show(profile=profile, rate_hz=15)
    until(qtbot, outlined(window))
    qtbot.keyPress(window, Qt.Key.Key_F13)
    assert window.outline_hidden
    qtbot.keyRelease(window, Qt.Key.Key_F13)
    assert not window.outline_hidden
    qtbot.keyClick(window, Qt.Key.Key_Space)
    qtbot.keyClick(window, Qt.Key.Key_K)
    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    marks = [text for kind, text in logged(session) if kind == "marker"]
    assert len(marks) == 1
    assert marks[0].startswith("mark 1 at frame ")


def test_a_key_that_there_is_not_is_one_sentence(qtbot, show):
    with pytest.raises(OrappError, match="the profile's 'Pedal' is no key; use names such as"):
        show(profile=SiteProfile(keys=Keys(quit=("Pedal",))))


def test_r_records_and_quitting_asks_first(qtbot, show, tmp_path):
    window, session, _ = show(case="case-7", recordings=tmp_path, rate_hz=15)
    until(qtbot, outlined(window))
    assert "case-7" in case_line(window)
    qtbot.keyClick(window, Qt.Key.Key_X)
    qtbot.keyClick(window, Qt.Key.Key_R)
    until(qtbot, lambda: "RECORDING 0:00:0" in case_line(window))
    qtbot.keyClick(window, Qt.Key.Key_K)
    until(qtbot, lambda: session.recording.frames > 10)
    qtbot.keyClick(window, Qt.Key.Key_Q)
    assert window.isVisible()
    assert "quit once more" in window.view.words.banner
    index = window.view.frame.index
    until(qtbot, lambda: window.view.frame.index > index + 2)  # nothing has stopped
    qtbot.keyClick(window, Qt.Key.Key_R)
    until(qtbot, lambda: session.recording.state == "stopped")
    until(qtbot, lambda: "not recording" in case_line(window))
    assert window.view.words.banner == ""
    (folder,) = tmp_path.iterdir()
    with SessionReader(folder) as recorded:
        kinds = [e.get("event_kind") for e in recorded.events]
        told = [e["text"] for e in recorded.events if e.get("event_kind") == "orientation"]
        assert recorded.head["case"] == "case-7"
        assert recorded.frame_count > 10
    assert "marker" in kinds
    assert told[0] == "mirrored"
    first = [e["kind"] for e in recorded.events].index("frame")
    before = [e["event_kind"] for e in recorded.events[:first] if e["kind"] == "event"]
    assert before[:4] == ["signal", "ai", "orientation", "setting"]
    qtbot.keyClick(window, Qt.Key.Key_Q)
    assert not window.isVisible()


def test_a_low_disk_is_told_and_a_full_one_stops_the_recording_not_the_video(qtbot, show, tmp_path):
    limits = RecordingLimits(low_bytes=10**18)
    window, _, _ = show(recordings=tmp_path, recording_limits=limits, rate_hz=15)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_R)
    until(qtbot, lambda: "DISK LOW" in case_line(window))
    limits_hit = RecordingLimits(least_bytes=10**18)
    full, _, _ = show(recordings=tmp_path, recording_limits=limits_hit, rate_hz=15)
    until(qtbot, outlined(full))
    qtbot.keyClick(full, Qt.Key.Key_R)
    until(qtbot, lambda: "not recording: can't record: the disk is nearly full" in case_line(full))
    index = full.view.frame.index
    until(qtbot, lambda: full.view.frame.index > index + 3)


def test_the_probability_map_is_the_engineers_and_says_that_it_is_not_live(qtbot, show):
    window, _, squares = show(rate_hz=15, repeats=20)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_P)
    until(qtbot, lambda: "PROBABILITY MAP" in head(window))
    until(qtbot, lambda: window.side.view.frame is not None)
    side = pixels_of(window.side.view)
    x0, y0, x1, y1 = squares.square_at(exposure_of(window.side.view.frame.pixels))
    at = window.side.view.to_widget((x0 + x1) / 2, (y0 + y1) / 2).toPoint()
    assert np.ptp(side[at.y(), at.x()]) > 20  # in colour where the model is certain
    corner = window.side.view.to_widget(5, 230).toPoint()
    assert np.ptp(side[corner.y() - 70, corner.x()]) < 8
    qtbot.keyClick(window, Qt.Key.Key_P)
    until(qtbot, lambda: "NO REFERENCE YET" in head(window))


def test_the_assistant_sees_the_same_picture_outline_and_words(qtbot, show):
    profile = SiteProfile(screen=Screen(assistant=True))
    window, session, _ = show(profile=profile, rate_hz=15, repeats=30, hold_at=60)
    second = window.assistant
    until(qtbot, lambda: second.isVisible() and second.view.overlay is not None)
    until(qtbot, lambda: session.signal is Signal.HOLD)
    until(qtbot, lambda: "LAST IMAGE HOLD" in second.top.accessibleDescription())
    qtbot.keyClick(window, Qt.Key.Key_X)
    until(qtbot, lambda: second.view.look == window.view.look)
    assert second.view.frame is window.view.frame
    assert near_colour(pixels_of(second.view), theme.OUTLINE).sum() > 50
    window.close()
    assert not second.isVisible()


def test_one_exposure_without_a_spine_changes_no_word(qtbot, show):
    window, session, _ = show(rate_hz=15, black_at=40, black_until=41)
    until(qtbot, outlined(window))
    said = set()

    def is_past():
        said.add(window.view.words.ai)
        return window.view.frame.index > 48

    until(qtbot, is_past)
    answers = session.report()["frames"]["segmented"]
    assert answers > 20
    assert said <= {"AI READY", "AI LATE"}
    assert "view" not in [kind for kind, _ in logged(session)]


def test_the_figures_tell_pulses_from_video(qtbot, show):
    window, _, _ = show(rate_hz=15, repeats=4)

    def told():
        figures = window.view.words.figures if window.view.words is not None else ""
        return figures.startswith(("3.8 pulses/s", "3.7 pulses/s")) and "video 15/s" in figures

    until(qtbot, told)


def test_the_report_tells_how_long_painting_takes(qtbot, show):
    window, session, _ = show(rate_hz=15)
    until(qtbot, lambda: window.view.painted > 10)
    painting = json.loads(json.dumps(session.report()))["latency_ms"]["painting"]
    assert 0 < painting["p50"] <= painting["p99"] <= painting["max"]


def test_a_slow_engine_is_told_before_anybody_waits_for_an_outline(qtbot, show):
    window, _, _ = show(rate_hz=15, delay_ms=400)
    until(qtbot, lambda: window.view.words is not None and "AI late" in window.view.words.banner)
    assert "AI LATE" in window.top.accessibleDescription()
    assert window.view.overlay is None
    index = window.view.frame.index
    until(qtbot, lambda: window.view.frame.index > index + 4)


def test_grad_cam_comes_from_a_child_and_does_not_look_live(qtbot, show):
    window, _, _ = show(model="pfnet-lite", rate_hz=5, size=(512, 512), repeats=50)
    until(qtbot, lambda: window.view.frame is not None)
    qtbot.keyClick(window, Qt.Key.Key_G)
    assert window.actions_.explaining.busy
    until(qtbot, lambda: "GRAD-CAM of" in head(window))
    assert "not live" in head(window)
    until(qtbot, lambda: np.ptp(pixels_of(window.side.view), axis=2).max() > 60)  # in colour
    qtbot.keyClick(window, Qt.Key.Key_G)
    until(qtbot, lambda: "GRAD-CAM" not in head(window))


def test_a_model_without_weights_for_torch_is_not_explained_and_says_so(qtbot, show):
    window, _, _ = show(rate_hz=5)
    until(qtbot, lambda: window.view.frame is not None)
    qtbot.keyClick(window, Qt.Key.Key_G)
    until(qtbot, lambda: not window.actions_.explaining.busy)
    assert "not explained: bright has no weights for torch" in case_line(window)
    qtbot.keyClick(window, Qt.Key.Key_G)  # and a window may close while a child is at work
    window.close()
    assert not window.actions_.explaining.busy


def test_a_held_key_is_let_go_whatever_else_is_pressed(qtbot, show):
    profile = SiteProfile(keys=Keys(hide_while_held=("Space", "Ctrl+F5")))
    window, session, _ = show(profile=profile, rate_hz=15)
    until(qtbot, outlined(window))
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyPress(window, Qt.Key.Key_Space)
    qtbot.keyRelease(window, Qt.Key.Key_Space, control)
    assert not window.outline_hidden
    qtbot.keyPress(window, Qt.Key.Key_F5, control)
    assert window.outline_hidden
    qtbot.keyRelease(window, Qt.Key.Key_F5)
    assert not window.outline_hidden
    assert ("key", "hide_while_held let go") in logged(session)


def test_a_reference_is_dated_by_its_exposure_not_by_the_key(qtbot, show):
    window, session, _ = show(rate_hz=15, hold_at=30)
    until(qtbot, lambda: session.signal is Signal.HOLD)
    exposed = window.exposed_clock
    until(qtbot, lambda: window.clock != exposed)  # a second later
    qtbot.wait(1100)
    qtbot.keyClick(window, Qt.Key.Key_S)
    assert f"REFERENCE: stored, {exposed}" in head(window)


def test_what_is_no_live_picture_is_not_stored(qtbot, show):
    window, session, _ = show(rate_hz=15, unplug_at=30)
    until(qtbot, lambda: session.signal is Signal.LOST)
    qtbot.keyClick(window, Qt.Key.Key_S)
    assert "there is no picture to keep" in case_line(window)


def test_the_time_since_nothing_changes_stands_still(qtbot, show):
    window, session, _ = show(rate_hz=15, hold_at=20, clock=False)
    until(qtbot, lambda: session.signal is Signal.FROZEN and window.view.words.veil != "")
    first = window.view.words.veil_note
    qtbot.wait(1300)
    assert window.view.words.veil_note == first


def test_a_mark_without_a_recording_says_so(qtbot, show):
    window, _, _ = show(rate_hz=15)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_K)
    assert "mark 1 at" in case_line(window)
    assert "not recording" in case_line(window)
    qtbot.keyClick(window, Qt.Key.Key_C)
    assert "no reference is stored" in case_line(window)


def test_a_finger_that_slides_off_a_button_does_nothing(qtbot, show):
    window, _, _ = show(rate_hz=15)
    until(qtbot, outlined(window))
    button = window.controls.buttons["mirror"]
    qtbot.mousePress(button, Qt.MouseButton.LeftButton)
    qtbot.mouseMove(button, QPoint(-50, -50))
    qtbot.mouseRelease(button, Qt.MouseButton.LeftButton, pos=QPoint(-50, -50))
    assert not window.look.orientation.mirrored


@pytest.mark.parametrize("size", [(1080, 1900), (960, 1000), (1800, 1000)])
def test_that_the_outline_is_hidden_is_readable_in_every_shape_of_window(qtbot, show, size):
    window, _, _ = show(rate_hz=15)
    window.resize(*size)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_O)
    strip = pixels_of(window.top)
    rows, columns = near_colour(strip, theme.CARE).nonzero()
    assert len(rows) > 150
    assert np.ptp(rows) >= 12  # high enough to be read
    assert np.ptp(columns) > 100


def test_two_names_of_one_key_are_still_one_key(qtbot, show):
    with pytest.raises(OrappError, match="'Escape' is a key of marker and of quit"):
        show(profile=SiteProfile(keys=Keys(quit=("Escape",), marker=("Esc",))))


def test_the_assistants_window_takes_no_keys(qtbot, show):
    profile = SiteProfile(screen=Screen(assistant=True))
    window, _, _ = show(profile=profile, rate_hz=15)
    flags = window.assistant.windowFlags()
    assert flags & Qt.WindowType.WindowDoesNotAcceptFocus


def test_the_probability_map_is_taken_away_where_there_is_none(qtbot, show):
    window, session, _ = show(rate_hz=15, unplug_at=60)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_P)
    until(qtbot, lambda: window.side.view.frame is not None)
    until(qtbot, lambda: session.signal is Signal.LOST)
    until(qtbot, lambda: "none for this picture" in head(window))
    assert window.side.view.frame is None


def test_a_recording_never_looks_live(qtbot, show):
    window, session, _ = show(rate_hz=15, end_after=60)
    until(qtbot, lambda: window.view.words is not None and window.view.frame is not None)
    until(qtbot, lambda: "RECORDED: X-RAY ON" in window.top.accessibleDescription())
    assert near_colour(pixels_of(window.top)[:, :80], theme.OK).sum() == 0  # not the live shape
    until(qtbot, lambda: session.ended)
    until(qtbot, lambda: "RECORDED: RUN ENDED" in window.top.accessibleDescription())
