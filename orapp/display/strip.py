"""The strips above and below the picture: states in words and shapes."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QWidget

from orapp.display import theme
from orapp.display.theme import Tone
from orapp.display.words import Words


class TopStrip(QWidget):
    """Signal, AI, finding, figures."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._words: Words | None = None

    def say(self, words: Words) -> None:
        """Repaints only if something that it shows has changed."""
        before, self._words = self._words, words
        if before is None or _top(before) != _top(words):
            self.setAccessibleDescription(" | ".join(str(part) for part in _top(words)))
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.STRIP)
        if self._words is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        words, size = self._words, self.height() * 0.42
        x = self.height() * 0.35
        x = self._chip(painter, x, words.signal, words.signal_tone, size)
        x = self._chip(painter, x, words.ai, words.ai_tone, size)
        painter.setPen(theme.TEXT if "HIDDEN" not in words.finding else theme.CARE)
        painter.setFont(theme.font(size * 0.85))
        rest = QRectF(x, 0, self.width() - x - self.height() * 0.35, self.height())
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(rest, middle | Qt.AlignmentFlag.AlignLeft, words.finding)
        painter.setPen(theme.QUIET)
        painter.setFont(theme.font(size * 0.62))
        painter.drawText(rest, middle | Qt.AlignmentFlag.AlignRight, words.figures)

    def _chip(self, painter: QPainter, x: float, text: str, tone: Tone, size: float) -> float:
        """A shape and words; returns where the next one starts."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.TONES[tone])
        _shape(painter, tone, QPointF(x + size / 2, self.height() / 2), size * 0.48)
        painter.setPen(theme.TEXT if tone is not Tone.CALM else theme.QUIET)
        painter.setFont(theme.font(size, bold=True))
        x += size * 1.35
        width = painter.fontMetrics().horizontalAdvance(text)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(x, 0, width + 2, self.height()), flags, text)
        return x + width + size * 1.1


def _top(words: Words) -> tuple[object, ...]:
    return words.signal, words.ai, words.finding, words.figures, words.signal_tone, words.ai_tone


def _shape(painter: QPainter, tone: Tone, at: QPointF, r: float) -> None:
    """A disc is good, two bars are calm, a triangle asks for care, a cross is a fault."""
    if tone is Tone.GOOD:
        painter.drawEllipse(at, r, r)
    elif tone is Tone.CALM:
        for dx in (-0.75, 0.2):
            painter.drawRect(QRectF(at.x() + dx * r, at.y() - r, 0.55 * r, 2 * r))
    elif tone is Tone.CARE:
        corners = [(0.0, -1.1), (1.1, 0.9), (-1.1, 0.9)]
        painter.drawPolygon(QPolygonF([at + QPointF(x * r, y * r) for x, y in corners]))
    else:
        painter.save()
        painter.translate(at)
        for angle in (45, 90):
            painter.rotate(angle)
            painter.drawRect(QRectF(-1.3 * r, -0.28 * r, 2.6 * r, 0.56 * r))
        painter.restore()


class FootStrip(QWidget):
    """What this is not, what computes, and the keys."""

    NOTICE = "Research use only - not a medical device"
    KEYS = "H help"

    def __init__(self, engine: str) -> None:
        super().__init__()
        self._engine = engine

    def name_engine(self, text: str) -> None:
        """What computes, once it is known; one or two lines."""
        if text != self._engine:
            self._engine = text
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.STRIP)
        margin = self.height() * 0.6
        box = QRectF(margin, 0, self.width() - 2 * margin, self.height())
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.TEXT)
        painter.setFont(theme.font(self.height() * 0.48, bold=True))
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignLeft, self.NOTICE)
        taken = painter.fontMetrics().horizontalAdvance(self.NOTICE) + margin
        painter.setPen(theme.QUIET)
        painter.setFont(theme.font(self.height() * 0.42))
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignRight, self.KEYS)
        width = painter.fontMetrics().horizontalAdvance(self.KEYS)
        box.adjust(taken, 0, -(width + margin), 0)
        painter.setFont(theme.font(self.height() * 0.33))
        self._draw_engine(painter, box)

    def _draw_engine(self, painter: QPainter, box: QRectF) -> None:
        """One row a line, cut to the box: model, then backend and why it was taken."""
        rows = self._engine.splitlines()
        for k, row in enumerate(rows):
            part = QRectF(
                box.x(), box.height() * k / len(rows), box.width(), box.height() / len(rows)
            )
            cut = painter.fontMetrics().elidedText(
                row, Qt.TextElideMode.ElideRight, int(box.width())
            )
            painter.drawText(part, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, cut)
