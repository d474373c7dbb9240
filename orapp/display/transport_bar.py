"""The bar that plays, steps and winds a recording; events lie on it as marks."""

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from orapp.display import theme
from orapp.display.controls import REPLAY_ACTIONS, touch_button, touch_style
from orapp.display.language import say
from orapp.display.replay import Replay
from orapp.frames import Frame

TRANSPORT_BUTTONS: dict[str, str] = {
    "previous_event": "< Event",
    "step_back": "< Step",
    "play_pause": "Play / Pause",
    "step_forward": "Step >",
    "next_event": "Event >",
    "slower": "Slower",
    "faster": "Faster",
}
_LOUD = {"marker": theme.CARE, "gap": theme.FAULT}
"""Colours of the marks that are large; all others are small and grey."""


class TransportBar(QWidget):
    """Buttons that a gloved finger hits, and the line of the whole recording.

    Args:
        replay: that it moves.
        act: called with the action when a button is pressed.
    """

    def __init__(self, replay: Replay, act: Callable[[str], None]) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setSpacing(4)
        row.setContentsMargins(6, 3, 6, 3)
        self._replay = replay
        self.buttons: dict[str, QPushButton] = {}
        for action, word in TRANSPORT_BUTTONS.items():
            button = touch_button(say(word), say(REPLAY_ACTIONS[action]))
            button.pressed.connect(lambda action=action: act(action))
            row.addWidget(button, 6)
            self.buttons[action] = button
        self.line = RecordingLine(replay)
        row.addWidget(self.line, 60)

    def follow(self, frame: Frame | None) -> None:
        """Shows where the frame lies, and what the replay does."""
        word = say("Pause") if self._replay.standing.playing else say("Play")
        self.buttons["play_pause"].setText(word)
        self.line.follow(self._replay.place(frame))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the type follows the height."""
        size = max(min(round(self.height() * 0.34), round(self.width() / 105)), 7)
        self.setStyleSheet(touch_style("TransportBar", size))


class RecordingLine(QWidget):
    """The recording from left to right, what happened in it, and where the picture is.

    A press or a drag goes there.
    """

    def __init__(self, replay: Replay) -> None:
        super().__init__()
        self._replay = replay
        self._shown: tuple[int | None, int] = (None, 0)

    def follow(self, place: int | None) -> None:
        """Repaints only if it has changed."""
        shown = place, self._replay.standing.length
        if shown != self._shown:
            self._shown = shown
            self.setAccessibleDescription(f"{place} / {shown[1]}")
            self.update()

    def x_of(self, place: int) -> float:
        """Where a place lies, in pixels from the left."""
        last = max(self._replay.standing.length - 1, 1)
        return self._margin() + min(place / last, 1) * (self.width() - 2 * self._margin())

    def _margin(self) -> float:
        return self.height() * 0.3

    def _seek(self, x: float) -> None:
        share = (x - self._margin()) / max(self.width() - 2 * self._margin(), 1)
        self._replay.seek(round(share * (self._replay.standing.length - 1)))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call."""
        self._seek(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call: comes while a button is down."""
        self._seek(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call: the window behind it shall not see it."""
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, thick = self.height() * 0.62, max(self.height() * 0.09, 2.0)
        left, right = self._margin(), self.width() - self._margin()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(QRectF(left, middle - thick / 2, right - left, thick), theme.EDGE)
        for happening in self._replay.happenings:
            x = self.x_of(happening.place)
            self._mark(painter, x, middle, _LOUD.get(happening.kind))
        place = self._shown[0]
        if place is not None:
            painter.fillRect(
                QRectF(left, middle - thick / 2, self.x_of(place) - left, thick), theme.OUTLINE
            )
            painter.setPen(QPen(theme.BACKGROUND, 2))
            painter.setBrush(theme.TEXT)
            painter.drawEllipse(
                QPointF(self.x_of(place), middle), self.height() * 0.2, self.height() * 0.2
            )

    def _mark(self, painter: QPainter, x: float, middle: float, loud: QColor | None) -> None:
        """A triangle that points at the line, or a small stroke above it."""
        unit = self.height() * 0.14
        painter.setBrush(loud or theme.QUIET)
        if loud is None:
            painter.drawRect(QRectF(x - 1, middle - unit * 2.6, 2, unit * 1.8))
            return
        corners = [(-1.0, -3.6), (1.0, -3.6), (0.0, -1.4)]
        points = [QPointF(x + dx * unit, middle + dy * unit) for dx, dy in corners]
        painter.drawPolygon(QPolygonF(points))
