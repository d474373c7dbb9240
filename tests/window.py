"""A real window on a real session, and what is painted in it."""

import numpy as np
from PySide6.QtGui import QImage

WAIT_MS = 60_000


def pixels_of(widget) -> np.ndarray:
    """(H, W, 3) int, red green blue, as painted."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def near_colour(pixels: np.ndarray, colour) -> np.ndarray:
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return np.abs(pixels - wanted).max(axis=2) < 30


def until(qtbot, true):
    qtbot.waitUntil(true, timeout=WAIT_MS)


def logged(session):
    return [(event.kind, event.text) for event in session.events.all()]


def outlined(window):
    return lambda: window.view.overlay is not None
