"""A child of the tests: the window at a scale, measured; prints one line of JSON.

Usage: python -m tests.system.scaled WIDTH HEIGHT MODEL   (QT_SCALE_FACTOR says the scale)
"""

import json
import sys
import time

from PySide6.QtCore import QPoint
from PySide6.QtGui import QFontInfo, QFontMetricsF
from PySide6.QtWidgets import QApplication

from orapp.display import theme
from orapp.display.run import application_for
from orapp.display.window import SurgeonWindow
from orapp.engines import EngineSpec
from orapp.live import LiveSession
from orapp.settings import Measures, SiteProfile
from tests.sources import SquareSource, exposure_of
from tests.window import near_colour, pixels_of

WAIT_S = 60


def wait(application, true):
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        application.processEvents()
        time.sleep(0.002)


def measured(window, squares) -> dict[str, object]:
    """Sizes, whether every text fits, and how far the outline lies from its square."""
    ratio = window.devicePixelRatioF()
    picture = pixels_of(window.view)
    ys, xs = near_colour(picture, theme.OUTLINE).nonzero()
    x0, y0, x1, y1 = squares.square_at(exposure_of(window.view.frame.pixels))
    corners = [window.view.to_widget(x, y) * ratio for x, y in ((x0, y0), (x1 - 1, y1 - 1))]
    sides = [xs.min() - corners[0].x(), ys.min() - corners[0].y()]
    sides += [xs.max() - corners[1].x(), ys.max() - corners[1].y()]
    buttons = [
        button.text()
        for button in window.controls.buttons.values()
        if button.fontMetrics().horizontalAdvance(button.text()) > button.width()
        or button.fontMetrics().height() > button.height()
    ]
    window.act("help")
    QApplication.processEvents()
    labels = [
        label.text()
        for label in window.help.findChildren(type(window.help._labels[0]))
        if label.sizeHint().width() > label.width()
        or label.geometry().bottom() > window.help.height()
    ]
    inside = window.rect().contains(window.foot.mapTo(window, QPoint(0, window.foot.height() - 1)))
    coarse = [
        pixels
        for pixels in (4.0, 5.5, 8.0, 13.0, 30.0)
        if not 0.9 * pixels <= QFontInfo(theme.font(pixels)).pixelSize() <= 1.3 * pixels
        and QFontMetricsF(theme.font(pixels)).height() > 1.4 * pixels
    ]
    return {
        "coarse": coarse,
        "ratio": ratio,
        "pixels": [picture.shape[1], picture.shape[0]],
        "view": [window.view.width(), window.view.height()],
        "off": max(abs(float(side)) for side in sides) / ratio,
        "cut": buttons + labels,
        "inside": inside,
    }


def main() -> None:
    """Opens the window, waits for an outline, measures."""
    width, height, model = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    application = application_for(headless=False)
    window = SurgeonWindow(SiteProfile(measures=Measures(shown=True, anterior="left")))
    squares = SquareSource(rate_hz=5, size=(640, 640), side=200, repeats=40)
    session = LiveSession(squares, EngineSpec(model, "openvino"), on_news=window.wake.ring)
    scale = window.devicePixelRatioF()
    window.resize(round(width / scale), round(height / scale))
    window.show()
    try:
        window.attach(session)
        session.start()
        wait(application, lambda: window.view.overlay is not None)
        print(json.dumps(measured(window, squares)))
    finally:
        session.stop()
        window.wake.close()
        window.close()


if __name__ == "__main__":
    main()
