"""How the calibration's window looks: its style, its list of steps, a picture in colour."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from orapp.calibrate.draft import STEPS, Standing
from orapp.display import theme
from orapp.display.language import say

TITLES = {
    "video": "Video",
    "area": "Picture area",
    "text": "Text and logos",
    "grey": "Grey levels",
    "orientation": "Orientation",
    "geometry": "Geometry",
    "save": "Check and save",
}
TODO = {
    "video": "Press the pedal and move the C-arm or the table a little, for ten seconds. "
    "Then let go for two.",
    "area": "The blue frame holds all of the X-ray picture, and nothing else. "
    "Drag it where it does not.",
    "text": "Each burned-in text or logo has an amber frame. Draw what is missing, "
    "and remove what is none.",
    "grey": "On the right, bone and metal are dark, and black is really black. Else choose.",
    "orientation": "Lay a lead F or R on the detector and press the pedal. "
    "On the right it can be read. Else turn and mirror.",
    "geometry": "Lay the bead plate flat on the detector, press the pedal, and measure. "
    "Then the ruler, ball or cannula at the height of the spine.",
    "save": "orapp will see what you see on the right. Is it as it should be? Then save.",
}
"""What to do at each step."""


def style(size: int) -> str:
    """The window's style, with type of so many pixels."""
    t = theme
    field = "QSpinBox, QDoubleSpinBox, QLineEdit, QListWidget, QScrollArea"
    return f"""
CalibrationWindow {{ background: {t.BACKGROUND.name()}; }}
QWidget {{ color: {t.TEXT.name()}; font-size: {size}px; }}
QLabel#title {{ font-size: {round(size * 1.55)}px; font-weight: 600; }}
QLabel#todo {{ font-size: {round(size * 1.15)}px; }}
QLabel#quiet, QLabel#caption, QCheckBox:disabled {{ color: {t.QUIET.name()}; }}
QLabel#caption {{ font-size: {round(size * 0.92)}px; }}
QLabel#care {{ color: {t.CARE.name()}; }}
QLabel#said {{ background: {t.STRIP.name()}; padding: 6px 14px; }}
QLabel#said[tone="care"] {{ background: {t.CARE.name()}; color: {t.ON_COLOUR.name()}; }}
QLabel#said[tone="good"] {{ background: {t.OK.name()}; color: {t.ON_COLOUR.name()}; }}
QWidget#steps, QWidget#panel {{ background: {t.STRIP.name()}; }}
{field} {{ background: {t.BACKGROUND.name()}; border: 1px solid {t.EDGE.name()};
  border-radius: 5px; padding: 3px 6px; min-height: {round(size * 1.7)}px;
  selection-background-color: {t.EDGE.name()}; }}
QScrollArea > QWidget > QWidget {{ background: {t.BACKGROUND.name()}; }}
QListWidget::item:selected {{ background: {t.CARE.name()}; color: {t.ON_COLOUR.name()}; }}
QAbstractSpinBox QLineEdit {{ border: none; padding: 0; min-height: 0; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QSpinBox, QDoubleSpinBox {{ min-width: {round(size * 5.2)}px; }}
QSpinBox:focus, QDoubleSpinBox:focus, QLineEdit:focus, QListWidget:focus
  {{ border: 2px solid {t.OUTLINE.name()}; }}
QPushButton {{ background: {t.BUTTON.name()}; border: 1px solid {t.EDGE.name()};
  border-radius: 6px; padding: 4px 16px; min-height: {round(size * 2.0)}px; }}
QPushButton:focus {{ border: 2px solid {t.OUTLINE.name()}; }}
QPushButton:pressed {{ background: {t.EDGE.name()}; }}
QPushButton:checked {{ border: 2px solid {t.CARE.name()}; color: {t.CARE.name()}; }}
QPushButton:disabled {{ color: {t.EDGE.name()}; }}
QPushButton#main {{ background: {t.OUTLINE.name()}; color: {t.ON_COLOUR.name()};
  font-weight: 600; min-width: {round(size * 8)}px; }}
QPushButton#main:focus {{ border: 3px solid {t.TEXT.name()}; }}
QPushButton#main:disabled {{ background: {t.BUTTON.name()}; color: {t.EDGE.name()}; }}
QCheckBox::indicator {{ width: {size}px; height: {size}px; border: 1px solid {t.EDGE.name()};
  border-radius: 3px; }}
QCheckBox::indicator:checked {{ background: {t.OUTLINE.name()}; }}
QProgressBar {{ background: {t.BACKGROUND.name()}; border: 1px solid {t.EDGE.name()};
  border-radius: 5px; min-height: {size}px; max-height: {size}px; }}
QProgressBar::chunk {{ background: {t.OUTLINE.name()}; border-radius: 4px; }}
"""


class StepList(QWidget):
    """The steps, one below the other, with how each stands.

    Args:
        go: called with the number of the step that a person chose.
    """

    def __init__(self, go: Callable[[int], None]) -> None:
        super().__init__()
        self.setObjectName("steps")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 14, 10, 14)
        column.setSpacing(6)
        self.buttons: list[StepButton] = []
        for number, step in enumerate(STEPS):
            button = StepButton(number + 1, say(TITLES[step.name]))
            button.clicked.connect(lambda _=False, number=number: go(number))
            column.addWidget(button)
            self.buttons.append(button)
        column.addStretch(1)

    def show_standing(self, current: int, standings: list[Standing]) -> None:
        """Shows where we are, and how each step stands."""
        for number, (button, standing) in enumerate(zip(self.buttons, standings, strict=True)):
            button.show_standing(standing, current=number == current)


class StepButton(QPushButton):
    """A step: its number, its title, and a sign of its own for each standing."""

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number, self._title = number, title
        self._standing, self._current = Standing.WAITING, False
        self.setAccessibleName(title)
        self.setMinimumWidth(230)

    def show_standing(self, standing: Standing, *, current: bool) -> None:
        """Repaints only if something has changed."""
        if (standing, current) != (self._standing, self._current):
            self._standing, self._current = standing, current
            self.setAccessibleDescription(f"{standing}{', here' if current else ''}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        around = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(QPen(theme.OUTLINE, 2) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(theme.BUTTON if self._current else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(around, 6, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        if self._current:
            painter.setBrush(theme.OUTLINE)
            painter.drawRect(QRectF(around.left(), around.top() + 6, 4, around.height() - 12))
        middle = around.center().y()
        radius = min(around.height() * 0.28, 14.0)
        self._sign(painter, QPointF(around.left() + 26, middle), radius)
        painter.setPen(theme.TEXT if self._current else theme.QUIET)
        painter.setFont(theme.font(radius * 1.3, bold=self._current))
        words = around.adjusted(50, 0, -6, 0)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(words, flags, self._title)
        painter.end()

    def _sign(self, painter: QPainter, at: QPointF, r: float) -> None:
        """A tick on blue is sure, a mark on an amber triangle is not; else the number."""
        if self._standing is Standing.SURE:
            painter.setBrush(theme.OK)
            painter.drawEllipse(at, r, r)
            painter.setPen(QPen(theme.ON_COLOUR, r * 0.24))
            spots = [(-0.45, 0.02), (-0.1, 0.38), (0.48, -0.36)]
            painter.drawPolyline(QPolygonF([at + QPointF(x * r, y * r) for x, y in spots]))
            return
        if self._standing is Standing.UNSURE:
            painter.setBrush(theme.CARE)
            spots = [(0.0, -1.1), (1.12, 0.9), (-1.12, 0.9)]
            painter.drawPolygon(QPolygonF([at + QPointF(x * r, y * r) for x, y in spots]))
            text, colour, drop = "!", theme.ON_COLOUR, 0.16
        else:
            painter.setPen(QPen(theme.EDGE, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(at, r, r)
            text, colour, drop = str(self._number), theme.QUIET, 0.0
        painter.setPen(colour)
        painter.setFont(theme.font(r * 1.2, bold=True))
        box = QRectF(at.x() - r, at.y() - r + drop * r, 2 * r, 2 * r)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


class ColourView(QWidget):
    """A picture in colour, (H, W, 3) uint8 RGB, centred, its aspect kept."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._pixels: NDArray[np.uint8] | None = None

    def show_picture(self, pixels: NDArray[np.uint8] | None) -> None:
        """Shows it from now on; None is nothing."""
        self._pixels = None if pixels is None else np.ascontiguousarray(pixels)
        if self._pixels is not None:
            high, wide, _ = self._pixels.shape
            form = QImage.Format.Format_RGB888
            self._image = QImage(self._pixels.data, wide, high, 3 * wide, form)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.BACKGROUND)
        if self._pixels is not None:
            how = Qt.TransformationMode.SmoothTransformation
            size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            fitted = self._image.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, how)
            x, y = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
            painter.drawImage(x, y, fitted)
        painter.end()
