"""Colours, type and line widths: dark, colour-vision-safe, read from two metres."""

from enum import StrEnum

from PySide6.QtGui import QColor, QFont, QGuiApplication

BACKGROUND = QColor(10, 12, 14)
STRIP = QColor(22, 26, 30)
BUTTON = QColor(38, 44, 50)
EDGE = QColor(78, 88, 98)
TEXT = QColor(232, 236, 240)
QUIET = QColor(150, 160, 170)
OUTLINE = QColor(86, 200, 255)
"""Sky blue (after Okabe and Ito), bright on grey."""
HALO = QColor(0, 0, 0, 190)
OK = QColor(86, 200, 255)
CARE = QColor(240, 170, 60)
FAULT = QColor(232, 74, 58)
"""Red is for faults only."""
ON_COLOUR = QColor(8, 10, 12)
LEAST = 3.0
"""Smallest type, logical pixels: 7 of a screen at 250 %."""
FAMILIES = ["Inter", "DejaVu Sans", "Noto Sans", "Sans Serif"]


class Tone(StrEnum):
    """How loud a state is; each has a colour and a shape of its own."""

    GOOD = "good"
    CALM = "calm"
    CARE = "care"
    FAULT = "fault"


TONES = {Tone.GOOD: OK, Tone.CALM: QUIET, Tone.CARE: CARE, Tone.FAULT: FAULT}


def font(pixels: float, *, bold: bool = False) -> QFont:
    """The typeface at a height in logical pixels; figures don't jump as they change.

    In points, since Qt takes whole pixels only: at 250 % a logical pixel is coarse.
    """
    face = QFont(FAMILIES)
    screen = QGuiApplication.primaryScreen()
    dots = screen.logicalDotsPerInchY() if screen is not None else 96.0
    face.setPointSizeF(max(pixels, LEAST) * 72 / dots)
    face.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    face.setFeature(QFont.Tag("tnum"), 1)
    return face
