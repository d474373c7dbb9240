"""The strips above and below the picture: states in words and shapes."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QWidget

from orapp.display import theme
from orapp.display.language import say
from orapp.display.marks import LEFT, RIGHT, line
from orapp.display.theme import Tone
from orapp.display.words import Words

CHIPS = 0.55
"""Share of the top strip that its chips may take: the finding must stay readable beside them."""


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
            self.setAccessibleDescription(" | ".join(str(part) for part in _top(words)[:4]))
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
        chips = chip_width(words.signal, size) + chip_width(words.ai, size)
        size *= min(1.0, CHIPS * self.width() / chips)
        x = self._chip(painter, x, words.signal, words.signal_tone, size)
        x = self._chip(painter, x, words.ai, words.ai_tone, size)
        room = QRectF(x, 0, self.width() - x - self.height() * 0.35, self.height())
        painter.setPen(theme.CARE if words.finding_tone is Tone.CARE else theme.TEXT)
        taken = line(painter, room, words.finding, size * 0.85, LEFT)
        room.adjust(taken + size, 0, 0, 0)
        if room.width() < size * 4:
            return  # the finding is worth more than the figures
        painter.setPen(theme.QUIET)
        line(painter, room, words.figures, size * 0.62, RIGHT)

    def _chip(self, painter: QPainter, x: float, text: str, tone: Tone, size: float) -> float:
        return chip(painter, QPointF(x, self.height() / 2), text, tone, size)


def chip_width(text: str, size: float) -> float:
    """How far `chip` goes on."""
    return QFontMetricsF(theme.font(size, bold=True)).horizontalAdvance(text) + size * 2.45


def chip(painter: QPainter, at: QPointF, text: str, tone: Tone, size: float) -> float:
    """A shape and words, from `at` (left, middle) on; returns where the next one starts."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.TONES[tone])
    _shape(painter, tone, QPointF(at.x() + size / 2, at.y()), size * 0.48)
    painter.setPen(theme.TEXT if tone is not Tone.CALM else theme.QUIET)
    painter.setFont(theme.font(size, bold=True))
    x = at.x() + size * 1.35
    width = painter.fontMetrics().horizontalAdvance(text)
    painter.drawText(QRectF(x, at.y() - size, width + 2, 2 * size), LEFT, text)
    return x + width + size * 1.1


def _top(words: Words) -> tuple[object, ...]:
    tones = words.signal_tone, words.ai_tone, words.finding_tone
    return words.signal, words.ai, words.finding, words.figures, *tones


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


@dataclass(frozen=True, slots=True)
class CaseLine:
    """What the line under the top strip says.

    Attributes:
        case: the case's id, or empty.
        notice: what a key has just done; it stays for some seconds.
        chips: recording and disk, with their tones.
        clock: the wall time now.
    """

    case: str = ""
    notice: str = ""
    chips: tuple[tuple[str, Tone], ...] = ()
    clock: str = ""


class CaseStrip(QWidget):
    """Case, the last key's answer, recording and disk, the time of day."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._line = CaseLine()

    def say(self, line: CaseLine) -> None:
        """Repaints only if something has changed."""
        if line != self._line:
            self._line = line
            words = [line.case, line.notice, *(text for text, _ in line.chips)]
            self.setAccessibleDescription(" | ".join(words))
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.STRIP.darker(115))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        size, margin = self.height() * 0.52, self.height() * 0.7
        room = QRectF(margin, 0, self.width() - 2 * margin, self.height())
        painter.setPen(theme.TEXT)
        case = say("Case {id}").format(id=self._line.case) if self._line.case else ""
        taken = line(painter, room, case or say("no case id"), size, LEFT)
        painter.setPen(theme.QUIET)
        clock = line(painter, room, self._line.clock, size * 0.9, RIGHT)
        room.adjust(taken + margin, 0, -(clock + margin), 0)
        at = room.x()
        for text, tone in self._line.chips:
            at = chip(painter, QPointF(at, self.height() / 2), text, tone, size)
        room.setLeft(at)
        painter.setPen(theme.TEXT)
        line(painter, room, self._line.notice, size, RIGHT)


class FootStrip(QWidget):
    """What this is not, what computes, and the keys."""

    NOTICE = "Research use only - not a medical device"

    def __init__(self, engine: str, keys: str) -> None:
        super().__init__()
        self._engine, self._keys = engine, keys

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
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignLeft, say(self.NOTICE))
        taken = painter.fontMetrics().horizontalAdvance(say(self.NOTICE)) + margin
        painter.setPen(theme.QUIET)
        painter.setFont(theme.font(self.height() * 0.42))
        painter.drawText(box, middle | Qt.AlignmentFlag.AlignRight, self._keys)
        width = painter.fontMetrics().horizontalAdvance(self._keys)
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
