"""The measures on the screen: of the exposure that is shown, with bands, corrected by hand."""

import json

import numpy as np
from PySide6.QtCore import QPoint, Qt

from orapp.display import theme
from orapp.frames import Signal
from orapp.settings import Measures, SiteProfile
from tests.window import logged, near_colour, outlined, pixels_of, until

LATERAL = SiteProfile(measures=Measures(shown=True, anterior="left"))
HELD = {"rate_hz": 15, "size": (640, 480), "side": 120, "hold_at": 30}


def said(window):
    return window.side.measures.accessibleDescription()


def measures(session):
    return [json.loads(text) for kind, text in logged(session) if kind == "measure"]


def test_they_are_off_until_a_person_says_that_the_view_is_lateral(qtbot, show):
    window, session, _ = show(rate_hz=15)
    until(qtbot, outlined(window))
    assert not window.side.measures.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert "the measures are off" in window.case_line.accessibleDescription()
    qtbot.keyClick(window, Qt.Key.Key_M)
    assert window.side.measures.isVisible()
    assert ("setting", "measures on") in logged(session)
    until(qtbot, lambda: "px" in said(window))
    assert "Hl " in said(window)  # nobody has said where the front is
    qtbot.keyClick(window, Qt.Key.Key_M)
    assert not window.side.measures.isVisible()


def test_a_held_picture_is_measured_with_bands_and_logged_once(qtbot, show):
    window, session, _ = show(profile=LATERAL, **HELD)
    until(qtbot, lambda: session.signal is Signal.HOLD and window.view.points is not None)
    (first,) = measures(session)
    assert first["occasion"] == "held"
    assert first["units"] == "px"
    assert first["exposure"] == window.view.frame.exposure
    for name in ("anterior", "middle", "posterior"):
        assert abs(first["heights"][name]["value"] - 120) < 14  # round corners: a small map
        assert first["heights"][name]["band95"] > 5
    assert "Ha/Hp 1.0" in said(window)
    assert "no baseline set" in said(window)
    qtbot.wait(300)
    assert len(measures(session)) == 1
    assert near_colour(pixels_of(window.view), theme.CARE).sum() > 100  # the points


def test_change_since_the_baseline_and_its_trend(qtbot, show):
    window, session, _ = show(profile=LATERAL, rate_hz=15, size=(640, 480), side=120)
    until(qtbot, outlined(window))
    qtbot.keyClick(window, Qt.Key.Key_B)
    until(qtbot, lambda: window.measuring.baseline is not None)
    until(qtbot, lambda: len(window.measuring.trend.points) > 5)
    assert "since baseline: Ha (" in said(window)  # in brackets: within the band
    assert measures(session)[0]["occasion"] == "baseline"


def test_a_dragged_point_is_marked_as_corrected(qtbot, show):
    window, session, _ = show(profile=LATERAL, **HELD)
    until(qtbot, lambda: session.signal is Signal.HOLD and window.view.points is not None)
    before = window.view.points.copy()
    start = window.view.to_widget(*before[1]).toPoint() + window.view.pos()
    qtbot.mousePress(window, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(window, start + QPoint(0, 25))
    until(qtbot, lambda: np.abs(window.view.points - before).max() > 5)
    qtbot.mouseRelease(window, Qt.MouseButton.LeftButton, pos=start + QPoint(0, 25))
    assert "POINTS CORRECTED BY HAND" in said(window)
    last = measures(session)[-1]
    assert last["occasion"] == "corrected"
    assert last["corrected"]
    assert last["corrected_points"] == [1]
    assert last["heights"]["middle"]["value"] < 115


def test_mm_come_with_a_calibration_only(qtbot, show):
    calibrated = Measures(shown=True, anterior="left", mm_per_px=0.25)
    window, _, _ = show(profile=SiteProfile(measures=calibrated), **HELD)
    until(qtbot, lambda: " mm" in said(window))
    assert 24 <= int(said(window).split()[1]) <= 31  # 120 px, less the map's round corners
    assert "mm²" in said(window)


def test_nothing_is_measured_on_a_picture_without_its_own_outline(qtbot, show):
    window, session, _ = show(profile=LATERAL, rate_hz=15, black_at=60, **{"size": (640, 480)})
    until(qtbot, lambda: "Ha " in said(window))
    until(qtbot, lambda: session.signal is Signal.BLACK)
    until(qtbot, lambda: "no outline to measure" in said(window))
    assert window.view.points is None


def test_a_point_is_let_go_when_the_next_exposure_comes(qtbot, show):
    window, session, _ = show(profile=LATERAL, **HELD, hold_until=75)
    until(qtbot, lambda: session.signal is Signal.HOLD and window.view.points is not None)
    held = window.view.frame.exposure
    start = window.view.to_widget(*window.view.points[1]).toPoint() + window.view.pos()
    qtbot.mousePress(window, Qt.MouseButton.LeftButton, pos=start)
    until(qtbot, lambda: window.view.frame.exposure > held + 1)
    qtbot.mouseMove(window, start + QPoint(0, 25))
    qtbot.wait(200)
    qtbot.mouseRelease(window, Qt.MouseButton.LeftButton, pos=start + QPoint(0, 25))
    assert "corrected" not in [m["occasion"] for m in measures(session)]
    assert not any(p.measures.corrected for p in window.measuring.trend.points)


def test_a_click_on_a_point_corrects_nothing(qtbot, show):
    window, session, _ = show(profile=LATERAL, **HELD)
    until(qtbot, lambda: session.signal is Signal.HOLD and window.view.points is not None)
    at = window.view.to_widget(*window.view.points[1]).toPoint() + window.view.pos()
    qtbot.mouseClick(window, Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseDClick(window, Qt.MouseButton.LeftButton, pos=at)
    assert [m["occasion"] for m in measures(session)] == ["held"]
    assert not window.isFullScreen()


def test_another_size_of_the_picture_drops_the_baseline_and_says_so(qtbot, show):
    choices = Measures(shown=True, anterior="left", mm_per_px=0.25, for_width=640)
    source = {"rate_hz": 15, "size": (640, 480), "side": 120}
    window, _, _ = show(
        profile=SiteProfile(measures=choices), **source, resize_at=90, resize_to=(800, 600)
    )
    until(qtbot, lambda: " mm" in said(window))
    qtbot.keyClick(window, Qt.Key.Key_B)
    until(qtbot, lambda: "since baseline" in said(window))
    until(qtbot, lambda: "THE BASELINE IS DROPPED" in said(window))
    until(qtbot, lambda: " px" in said(window))  # nor is it calibrated for this size
    assert " mm" not in said(window)


def test_left_and_right_are_those_of_the_eye(qtbot, show):
    window, _, _ = show(profile=SiteProfile(measures=Measures(shown=True)), **HELD)
    until(qtbot, lambda: said(window).startswith("Hl "))
    before = said(window).split("   ")[0].removeprefix("Hl ")
    qtbot.keyClick(window, Qt.Key.Key_X)
    assert said(window).startswith(f"Hr {before}")
    qtbot.keyClick(window, Qt.Key.Key_T)
    assert said(window).startswith(f"H1 {before}")


def test_the_figures_do_not_flash_on_a_run(qtbot, show):
    window, _, _ = show(profile=LATERAL, rate_hz=15, size=(640, 480), side=120)
    until(qtbot, lambda: "Ha " in said(window))
    seen = set()

    def collected():
        seen.add("no outline" in said(window))
        return len(window.measuring.trend.points) > 20

    until(qtbot, collected)
    assert seen == {False}
