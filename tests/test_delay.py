"""The grabber's delay: real codes on a real window, seen again some time later by a source."""

import time
from collections import deque

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage

from orapp.barcode import Finder, panel
from orapp.calibrate.delay import LEAST, Codes, DelayMeter, read_codes
from orapp.calibrate.draft import Draft
from orapp.calibrate.watching import Watching
from orapp.display.calibrating import CalibrationWindow
from orapp.engines import EngineSpec
from orapp.frames import Frame
from orapp.settings import load_profile
from orapp.sources import Picture, SourceFormat
from orapp.sources.pace import Pace
from tests.test_calibrate_cli import findings
from tests.window import until

MS = 1_000_000


def meter_of(frames, painted):
    """A meter that has seen frames: (captured ms, code or None), and paintings: code to ms."""
    meter = DelayMeter()
    for code, at_ms in painted.items():
        meter.painted(code, at_ms * MS)
    meter.seen(Codes(tuple((at_ms * MS, code) for at_ms, code in frames)))
    return meter


def test_the_first_frame_of_each_code_counts():
    painted = {code: code * 200 for code in range(40)}
    frames = [(at, (at - 130) // 200) for at in range(140, 40 * 200, 30)]
    delay = meter_of(frames, painted).delay
    assert 130 <= delay.low_ms <= delay.ms <= delay.high_ms < 160
    assert delay.count >= LEAST


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        ([(1000, 1), (1200, 2)], 1),
        ([(1000, 1), (1190, None), (1200, 2)], 1),
        ([(1000, 1), (1150, None), (1190, None), (1200, 2)], 0),
        ([(1000, 1), (1200, 3)], 0),
        ([(1000, 1), (350, 2)], 0),
        ([(1000, 1), (1200, 99)], 0),
        ([(1200, 2), (1230, 2), (1260, 2)], 0),
        ([], 0),
    ],
    ids=["next", "torn", "long torn", "one missed", "before painting", "not ours", "same", "none"],
)
def test_a_code_counts_only_if_its_first_frame_was_seen(frames, count):
    assert meter_of(frames, {1: 200, 2: 400, 3: 600}).count == count


def test_codes_start_again_after_the_last_number():
    last = 2**24 - 1
    assert meter_of([(10, last), (40, 0)], {last: 5, 0: 25}).count == 1


def test_frames_without_a_code_in_the_newest_are_not_searched():
    blank = np.full((480, 640), 128, np.uint8)
    coded = blank.copy()
    coded[200:280, 300:412] = panel(7)
    frames = [Frame(n, pixels, n * MS, n, False) for n, pixels in enumerate([blank, coded, coded])]
    assert read_codes(Finder(), frames).readings == ((0, None), (MS, 7), (2 * MS, 7))
    assert read_codes(Finder(), frames[:1]).readings == ((0, None),)
    late = [*frames, Frame(3, blank, 3 * MS, 3, False)]
    assert [code for _, code in read_codes(Finder(), late).readings] == [None] * 4
    assert read_codes(Finder(), []).readings == ()


class LoopBack:
    """Gives what a widget showed some time ago, in a frame of its own size."""

    def __init__(self, late_s):
        self.late_s, self.uri = late_s, "loop-back"
        self.shown = deque()
        self._pace, self._next = Pace(True), 0

    def grab(self, widget):
        image = widget.grab().toImage().convertedTo(QImage.Format.Format_Grayscale8)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        self.shown.append((time.monotonic(), rows[:, : image.width()].copy()))

    def open(self):
        self._pace.start()
        return SourceFormat(640, 480, 30.0, "loop-back", False)

    def read(self, timeout_ms):
        if not self._pace.wait_until(self._next * 1000 / 30, timeout_ms):
            return None
        self._next += 1
        while len(self.shown) > 1 and self.shown[1][0] <= time.monotonic() - self.late_s:
            self.shown.popleft()
        pixels = np.full((480, 640), 90, np.uint8)
        if self.shown and self.shown[0][0] <= time.monotonic() - self.late_s:
            pixels[:] = cv2.resize(self.shown[0][1], (640, 480), interpolation=cv2.INTER_AREA)
        return Picture(pixels, self._next * 1000 / 30)

    def close(self):
        pass


@pytest.mark.timeout(180)
def test_the_window_measures_how_late_its_own_code_comes_back(qtbot, bright_model, tmp_path):
    source, out = LoopBack(0.25), tmp_path / "site.toml"
    watching = Watching(source, EngineSpec(str(bright_model), "openvino"))
    watching.start()
    window = CalibrationWindow(watching, Draft("room 3"), out)
    camera = QTimer()
    try:
        window.resize(1300, 800)
        window.show()
        window.draft.take(findings())
        window.show_draft()
        assert window.delay.told.text() == "Not measured."
        camera.timeout.connect(lambda: source.grab(window))
        camera.start(15)
        qtbot.mouseClick(window.delay.button, Qt.MouseButton.LeftButton)
        assert window.sheet.beside.currentWidget() is window.delay.panel
        assert "output" in window.delay.told.text()
        until(qtbot, lambda: window.draft.delay is not None)
        assert window.draft.delay.low_ms >= 250  # what the timer and the frames add depends on load
        assert window.draft.delay.count == LEAST
        assert window.sheet.beside.currentWidget() is window.sheet.after
        assert "Measure again" in window.sheet.said.text()
        assert window.delay.told.text().startswith(f"{window.draft.delay.ms:.0f} ms")
        assert not window.saved
        window.save()
        device = load_profile(out).device
        assert device.delay_ms == round(window.draft.delay.ms, 1)
        assert "bar codes" in out.read_text()
        again = Draft("room 3", load_profile(out))
        again.take(findings())
        assert again.proposal("x").profile.device.delay_ms == device.delay_ms
    finally:
        camera.stop()
        watching.stop()
        window.saved = True
        window.close()


def test_leaving_the_step_ends_the_measurement(qtbot, bright_model, tmp_path):
    watching = Watching(LoopBack(0.1), EngineSpec(str(bright_model), "openvino"))
    watching.start()
    window = CalibrationWindow(watching, Draft("room 3"), tmp_path / "site.toml")
    try:
        window.show()
        window.draft.take(findings())
        qtbot.mouseClick(window.delay.button, Qt.MouseButton.LeftButton)
        assert window.delay.busy
        window.go(1)
        assert not window.delay.busy
        assert window.sheet.beside.currentWidget() is window.sheet.after
        window.go(0)
        assert window.delay.told.text() == "Not measured."
    finally:
        watching.stop()
        window.saved = True
        window.close()
