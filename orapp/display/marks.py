"""What is painted over a picture: freshness, orientation, labels, words. Small pure painters."""

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from orapp.display import theme
from orapp.display.language import Say
from orapp.display.look import Look
from orapp.display.words import Words

FRESH_MARKS = 12
LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
_DIM = QColor(70, 78, 86)
_SHADE = QColor(0, 0, 0, 170)


def freshness_box(room: QRect) -> QRect:
    """Where the marks are."""
    unit = max(room.height() / 120, 4.0)
    left = room.width() - (FRESH_MARKS + 1) * unit * 1.6
    wide = FRESH_MARKS * unit * 1.6
    return QRectF(left, room.height() - 2.5 * unit, wide, unit).toAlignedRect()


def paint_freshness(painter: QPainter, room: QRect, index: int) -> None:
    """A row of marks of which one is lit; it moves with every frame and only then."""
    unit = max(room.height() / 120, 4.0)
    left = room.width() - (FRESH_MARKS + 1) * unit * 1.6
    for k in range(FRESH_MARKS):
        lit = k == index % FRESH_MARKS
        spot = QRectF(left + k * unit * 1.6, room.height() - 2.5 * unit, unit, unit)
        painter.fillRect(spot, theme.TEXT if lit else _DIM)


def paint_words(painter: QPainter, room: QRect, words: Words) -> None:
    """Banner and veil."""
    unit = room.height() / 36
    if words.banner:
        band = QRectF(0, 0, room.width(), unit * 2)
        painter.fillRect(band, theme.TONES[words.banner_tone])
        painter.setPen(theme.ON_COLOUR)
        write(painter, band, words.banner, unit * 1.05, bold=True)
    if words.veil:
        band = QRectF(0, room.height() * 0.42, room.width(), room.height() * 0.17)
        painter.fillRect(band, QColor(0, 0, 0, 215))
        painter.setPen(theme.TEXT)
        top = QRectF(band.x(), band.y(), band.width(), band.height() * 0.62)
        low = QRectF(band.x(), top.bottom(), band.width(), band.height() * 0.3)
        write(painter, top, words.veil, unit * 2.6, bold=True)
        painter.setPen(theme.QUIET)
        write(painter, low, words.veil_note, unit)


def paint_look(painter: QPainter, room: QRect, look: Look, say: Say) -> None:
    """The orientation mark, always: an F as the C-arm's picture is turned; words if it is turned.

    Changed grey levels are told beside it.
    """
    unit = max(room.height() / 30, 9.0)
    box = QRectF(unit * 0.5, room.height() - unit * 2.0, unit * 1.5, unit * 1.5)
    words = look_words(look, say)
    turned = look.orientation.is_changed
    painter.setFont(theme.font(unit * 0.8, bold=turned))
    wide = painter.fontMetrics().horizontalAdvance(words) if words else 0.0
    back = QRectF(box.x(), box.y(), box.width() + (wide + unit if words else 0), box.height())
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_SHADE)
    painter.drawRect(back)
    colour = theme.CARE if turned else theme.QUIET
    _paint_letter(painter, box, look, colour)
    painter.setPen(theme.CARE if turned else theme.TEXT)
    painter.setFont(theme.font(unit * 0.8, bold=turned))
    text = QRectF(box.right() + unit * 0.35, box.y(), wide + unit, box.height())
    painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)


def look_words(look: Look, say: Say) -> str:
    """How the picture is changed for the eye; empty if it is as sent."""
    parts = []
    if look.orientation.quarter_turns:
        parts.append(say("TURNED {angle}").format(angle=90 * look.orientation.quarter_turns))
    if look.orientation.mirrored:
        parts.append(say("MIRRORED"))
    if look.inverted:
        parts.append(say("inverted"))
    if look.brightness:
        parts.append(say("brightness {steps}").format(steps=f"{look.brightness:+d}"))
    if look.contrast:
        parts.append(say("contrast {steps}").format(steps=f"{look.contrast:+d}"))
    return "  ".join(parts)


def _paint_letter(painter: QPainter, box: QRectF, look: Look, colour: QColor) -> None:
    """The letter F, drawn of three lines so that no typeface can turn it."""
    painter.save()
    painter.translate(box.center())
    painter.scale(-1 if look.orientation.mirrored else 1, 1)
    painter.rotate(90 * look.orientation.quarter_turns)
    pen = QPen(colour, box.width() * 0.13)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.setPen(pen)
    u = box.width() * 0.3
    painter.drawLine(QPointF(-0.6 * u, -u * 1.1), QPointF(-0.6 * u, u * 1.1))
    painter.drawLine(QPointF(-0.6 * u, -u * 0.9), QPointF(0.9 * u, -u * 0.9))
    painter.drawLine(QPointF(-0.6 * u, 0), QPointF(0.5 * u, 0))
    painter.restore()


def paint_label(painter: QPainter, around: QRectF, text: str, room: QRectF) -> None:
    """A small word above an outline, or below it; thin letters, no box: it hides no instrument."""
    unit = max(room.height() / 42, 6.0)
    face = theme.font(unit, bold=True)
    painter.setFont(face)
    wide = painter.fontMetrics().horizontalAdvance(text)
    x = max(min(around.left(), room.right() - wide - unit), room.left() + unit)
    above = around.top() - unit * 0.7
    path = QPainterPath()
    path.addText(
        QPointF(x, above if above > unit * 2.5 else around.bottom() + unit * 1.5), face, text
    )
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme.HALO, unit * 0.22))
    painter.drawPath(path)
    painter.fillPath(path, theme.TEXT)


def paint_points(painter: QPainter, points: list[QPointF], width: float) -> None:
    """Small crosses in orange with a dark halo; they cover nothing."""
    arm = width * 4
    for colour, factor in ((theme.HALO, 2.2), (theme.CARE, 0.8)):
        painter.setPen(QPen(colour, width * factor))
        for at in points:
            painter.drawLine(at - QPointF(arm, 0), at + QPointF(arm, 0))
            painter.drawLine(at - QPointF(0, arm), at + QPointF(0, arm))


def write(painter: QPainter, box: QRectF, text: str, pixels: float, *, bold: bool = False) -> None:
    """Writes one line in the middle; what is too long for the box is set smaller."""
    painter.setFont(theme.font(pixels, bold=bold))
    wide = painter.fontMetrics().horizontalAdvance(text)
    if wide > box.width() * 0.96:
        painter.setFont(theme.font(pixels * box.width() * 0.96 / wide, bold=bold))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def line(painter: QPainter, room: QRectF, text: str, size: float, flags: Qt.AlignmentFlag) -> float:
    """One line in the room, set smaller if it is too long; returns the width that it takes."""
    painter.setFont(theme.font(size))
    wide = painter.fontMetrics().horizontalAdvance(text)
    if wide > room.width() > 0:
        painter.setFont(theme.font(size * room.width() / wide))
        wide = painter.fontMetrics().horizontalAdvance(text)
    painter.drawText(room, flags, text)
    return wide
