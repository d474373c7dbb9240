"""The picture with its outline, and the words that tell whether it is live."""

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QWidget

from orapp.display import theme
from orapp.display.words import Words
from orapp.frames import Frame, Gray, Overlay, OverlayStyle

FRESH_MARKS = 12
VEILED = 0.35
"""Brightness that is left of a picture that is not live."""


class PictureView(QWidget):
    """Paints one frame, one overlay and the words over them; decides nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.frame: Frame | None = None
        self.overlay: Overlay | None = None
        self.words: Words | None = None
        self.painted = 0
        self._scaled: tuple[object, ...] = ()
        self._pixels: Gray = np.zeros((1, 1), np.uint8)
        self._image = QImage()

    def present(self, frame: Frame | None, overlay: Overlay | None, words: Words) -> bool:
        """Paints now; False if nothing could be painted (the window is hidden)."""
        self.frame, self.overlay, self.words = frame, overlay, words
        before = self.painted
        self.repaint()
        return self.painted > before

    def target(self) -> QRectF:
        """Where the frame lies in the widget: centred, its aspect kept."""
        if self.frame is None:
            return QRectF(self.rect())
        height, width = self.frame.pixels.shape
        scale = min(self.width() / width, self.height() / height)
        w, h = round(width * scale), round(height * scale)
        return QRectF((self.width() - w) // 2, (self.height() - h) // 2, w, h)

    def to_widget(self, x: float, y: float) -> QPointF:
        """Widget position of a point in frame pixels (pixel centres at whole numbers)."""
        assert self.frame is not None
        box = self.target()
        height, width = self.frame.pixels.shape
        return QPointF(
            box.x() + (x + 0.5) * box.width() / width, box.y() + (y + 0.5) * box.height() / height
        )

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: picture, outline, freshness mark, words."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.BACKGROUND)
        if self.frame is not None:
            self._paint_picture(painter, self.frame)
            if self.overlay is not None:
                self._paint_outlines(painter, self.overlay)
            self._paint_freshness(painter, self.frame)
        if self.words is not None:
            self._paint_words(painter, self.words)
        painter.end()
        self.painted += 1

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the scaled picture no longer fits."""
        self._scaled = ()

    def _paint_picture(self, painter: QPainter, frame: Frame) -> None:
        box = self.target()
        ratio = self.devicePixelRatioF()
        size = (max(round(box.width() * ratio), 1), max(round(box.height() * ratio), 1))
        veiled = bool(self.words and self.words.veil)
        key = (frame.index, size, veiled)
        if key != self._scaled:
            self._scaled = key
            self._pixels = _fit(frame.pixels, size, veiled)
            self._image = QImage(
                self._pixels.data, *size, self._pixels.strides[0], QImage.Format.Format_Grayscale8
            )
            self._image.setDevicePixelRatio(ratio)
        painter.drawImage(box.topLeft(), self._image)

    def _paint_outlines(self, painter: QPainter, overlay: Overlay) -> None:
        width = max(min(self.width(), self.height()) / 300, 2.0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for outline in overlay.outlines:
            line = QPolygonF([self.to_widget(float(x), float(y)) for x, y in outline.points])
            for colour, factor in ((theme.HALO, 2.6), (theme.OUTLINE, 1.0)):
                pen = QPen(colour, width * factor)
                pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
                if overlay.style is OverlayStyle.AGED:
                    pen.setDashPattern([n / factor for n in (5.0, 4.0)])
                painter.setPen(pen)
                painter.drawPolygon(line)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_freshness(self, painter: QPainter, frame: Frame) -> None:
        """A row of marks of which one is lit; it moves with every frame and only then."""
        unit = max(self.height() / 120, 4.0)
        left = self.width() - (FRESH_MARKS + 1) * unit * 1.6
        for k in range(FRESH_MARKS):
            lit = k == frame.index % FRESH_MARKS
            spot = QRectF(left + k * unit * 1.6, self.height() - 2.5 * unit, unit, unit)
            painter.fillRect(spot, theme.TEXT if lit else QColor(70, 78, 86))

    def _paint_words(self, painter: QPainter, words: Words) -> None:
        unit = self.height() / 36
        if words.banner:
            band = QRectF(0, 0, self.width(), unit * 2)
            painter.fillRect(band, theme.TONES[words.banner_tone])
            painter.setPen(theme.ON_COLOUR)
            _write(painter, band, words.banner, unit * 1.05, bold=True)
        if words.veil:
            band = QRectF(0, self.height() * 0.42, self.width(), self.height() * 0.17)
            painter.fillRect(band, QColor(0, 0, 0, 215))
            painter.setPen(theme.TEXT)
            top, low = _split(band, 0.62)
            _write(painter, top, words.veil, unit * 2.6, bold=True)
            painter.setPen(theme.QUIET)
            _write(painter, low, words.veil_note, unit)


def _split(band: QRectF, share: float) -> tuple[QRectF, QRectF]:
    top = QRectF(band.x(), band.y(), band.width(), band.height() * share)
    low = QRectF(band.x(), top.bottom(), band.width(), band.height() * (1 - share) * 0.8)
    return top, low


def _write(painter: QPainter, box: QRectF, text: str, pixels: float, *, bold: bool = False) -> None:
    """Writes one line in the middle; what is too long for the box is set smaller."""
    painter.setFont(theme.font(pixels, bold=bold))
    wide = painter.fontMetrics().horizontalAdvance(text)
    if wide > box.width() * 0.96:
        painter.setFont(theme.font(pixels * box.width() * 0.96 / wide, bold=bold))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _fit(pixels: Gray, size: tuple[int, int], veiled: bool) -> Gray:
    """The picture at its size on screen, darker if it is not live; rows padded for Qt."""
    shrinking = size[0] < pixels.shape[1]
    how = cv2.INTER_AREA if shrinking and size[0] * 2 <= pixels.shape[1] else cv2.INTER_LINEAR
    row = (size[0] + 3) // 4 * 4
    out = np.empty((size[1], row), np.uint8)
    fitted = cv2.resize(pixels, size, interpolation=how)
    out[:, : size[0]] = cv2.convertScaleAbs(fitted, alpha=VEILED) if veiled else fitted
    return out
