"""What is really on the screen: its pixels are read by another process, and compared."""

import os

import pytest

from orapp.bench import BenchOptions, run
from orapp.display.view import PictureView


@pytest.fixture
def bench(qapp, bright_model):
    if not os.environ.get("DISPLAY"):
        pytest.skip("no X server: DISPLAY is not set; use `make test`, or xvfb-run")

    def measure(**more):
        options = {"size": 1024, "rate": 10.0, "seconds": 4.0, "warm_up_s": 0.5}
        options |= {"engine": "openvino", "model": str(bright_model)} | more
        return run(BenchOptions(**options))

    return measure


def test_the_screen_shows_what_the_display_says(bench):
    result = bench()
    glass = result.report["glass"]
    print(glass, result.figures["capture_to_glass"])
    assert glass["read"] > 20
    assert glass["unreadable"] <= glass["read"] * 0.05
    assert glass["unknown"] == 0
    assert glass["checked"] > 5
    assert glass["wrong_picture"] <= glass["checked"] * 0.2  # a busy X server may be late
    assert glass["wrong_pairing"] <= glass["checked"] * 0.2
    assert glass["frames_not_seen"] <= 4
    seen, painted = result.figures["capture_to_glass"], result.figures["capture_to_picture"]
    assert seen["n"] >= 30
    assert seen["p50"] > painted["p50"] - 1


def test_a_window_that_paints_the_frame_before_is_caught(bench, monkeypatch):
    paint = PictureView._paint_picture
    before = {}

    def paint_old(view, painter, frame):
        kept = before.setdefault(view, [frame, frame])
        if kept[1].index != frame.index:
            kept[:] = kept[1], frame
        paint(view, painter, kept[0])

    monkeypatch.setattr(PictureView, "_paint_picture", paint_old)
    result = bench()
    glass = result.report["glass"]
    assert result.report["outlines"]["mispaired"] == 0  # it knows nothing of it
    assert glass["checked"] > 5
    assert glass["wrong_picture"] >= glass["checked"] * 0.8
    assert glass["wrong_pairing"] >= glass["checked"] * 0.8
    assert result.figures["capture_to_glass"]["p50"] > 90


def test_a_screen_covered_by_something_else_is_not_read(bench, qtbot, monkeypatch):
    paint = PictureView._paint_picture

    def paint_nothing(view, painter, frame):
        paint(view, painter, frame)
        painter.fillRect(view.rect(), painter.background())

    monkeypatch.setattr(PictureView, "_paint_picture", paint_nothing)
    glass = bench(seconds=2.0).report["glass"]
    assert glass["read"] == 0
    assert glass["unreadable"] > 5
    assert glass["checked"] == 0
