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
