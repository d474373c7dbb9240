"""What the screen really shows, read from the X server by a process that does not paint."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QGuiApplication, QImage

from orapp.barcode import box, read_box
from orapp.display.view import PictureView
from orapp.errors import OrappError

EVERY_S = 0.002
_MARGIN = 3
_NO_SCREEN = ("offscreen", "minimal")


@dataclass(frozen=True, slots=True)
class CodePlace:
    """Where a view paints its picture's code.

    Attributes:
        platform: Qt's word for the kind of screen.
        screen: name of the screen.
        part: x, y, width, height on that screen of the part to be grabbed, in whole points.
        at: x, y, width, height of the code inside that part, in points.
    """

    platform: str
    screen: str
    part: tuple[int, int, int, int]
    at: tuple[float, float, float, float]


def place_of_code(view: PictureView) -> CodePlace | None:
    """Where the code of the picture that a view shows now is on the screen.

    None if there is no picture, a turned one, or no screen but memory that is painted in.
    """
    platform = QGuiApplication.platformName()
    if view.frame is None or view.look.orientation.is_changed or platform in _NO_SCREEN:
        return None
    target, screen = view.target(), view.screen()
    scale = target.width() / view.frame.pixels.shape[1]
    x, y, width, height = (value * scale for value in box(view.frame.pixels.shape))
    corner = view.mapToGlobal(QPointF(target.x() + x, target.y() + y))
    corner -= QPointF(screen.geometry().topLeft())
    left, top = int(corner.x()) - _MARGIN, int(corner.y()) - _MARGIN
    part = (left, top, round(width) + 2 * _MARGIN + 1, round(height) + 2 * _MARGIN + 1)
    return CodePlace(
        platform, screen.name(), part, (corner.x() - left, corner.y() - top, width, height)
    )


def look_at_screen(place: CodePlace) -> Iterator[tuple[int, int, int]]:
    """Grabs the code from the screen again and again: began, done (monotonic ns), number or -1.

    Raises:
        OrappError: this screen can't be grabbed.
    """
    os.environ["QT_QPA_PLATFORM"] = place.platform
    application = QGuiApplication(["orapp"])
    named = [s for s in application.screens() if s.name() == place.screen]
    screen = (named or application.screens())[0]
    before: bytes | None = None
    code = -1
    while True:
        began_ns = time.monotonic_ns()
        image = screen.grabWindow(0, *place.part).toImage()
        done_ns = time.monotonic_ns()
        if image.isNull():
            raise OrappError("this screen can't be grabbed", "run orapp on X11, or use --loopback")
        image.convertTo(QImage.Format.Format_Grayscale8)
        data = bytes(image.constBits())
        if data != before:
            before, code = data, _read(data, image, place)
        yield began_ns, done_ns, code
        time.sleep(max(EVERY_S - (time.monotonic_ns() - began_ns) / 1e9, 0))


def _read(data: bytes, image: QImage, place: CodePlace) -> int:
    rows = np.frombuffer(data, np.uint8).reshape(image.height(), image.bytesPerLine())
    ratio = image.width() / place.part[2]
    x, y, width, height = (value * ratio for value in place.at)
    code = read_box(np.ascontiguousarray(rows[:, : image.width()]), (x, y, width, height))
    return -1 if code is None else code
