"""A picture with its outline, and the words that tell what it is."""

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen, QPolygonF, QRegion, QResizeEvent
from PySide6.QtWidgets import QWidget

from orapp.display import marks, theme
from orapp.display.language import say
from orapp.display.look import Look
from orapp.display.words import Words
from orapp.frames import Frame, Gray, Overlay, OverlayStyle, Polygon

VEILED = 0.35
"""Brightness that is left of a picture that is not live."""
# A heat map's share of a pixel is heat / 510: what the picture keeps of 255, and each heat's colour
# times its share. As tables, for the window's thread blends with them in an eighth of the time.
_HEAT = np.arange(256, dtype=np.uint8)[:, None]
KEPT = (255 - _HEAT / 2).round().astype(np.uint8)
WARM = cv2.convertScaleAbs(
    cv2.applyColorMap(_HEAT, cv2.COLORMAP_INFERNO) * (_HEAT[..., None] / 510)
)


class PictureView(QWidget):
    """Paints one frame, one overlay and the words over them; decides nothing.

    Attributes:
        frame, overlay, words: what is shown.
        look: how it is shown.
        label: write the confidence beside an outline.
        points: points in frame pixels to draw as small crosses, or None.
        painted: how often it was painted.
        tells_look: say in the corner how the picture is turned.
    """

    def __init__(self, *, live: bool = True) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.frame: Frame | None = None
        self.overlay: Overlay | None = None
        self.words: Words | None = None
        self.look = Look()
        self.label = False
        self._heat: Gray | None = None
        self.points: Polygon | None = None
        self.painted = 0
        self.tells_look = True
        self._live = live
        self._whole: tuple[object, ...] | None = None  # what was last painted as a whole,
        self._kept: tuple[object, ...] = ()  # and what it names, so that no id is given anew
        self._scaled: tuple[object, ...] = ()
        self._pixels: Gray = np.zeros((1, 1), np.uint8)
        self._image = QImage()

    def present(self, frame: Frame | None, overlay: Overlay | None, words: Words) -> bool:
        """Paints now; False if nothing could be painted (the window is hidden)."""
        before = self.painted
        self.frame, self.overlay, self.words = frame, overlay, words
        if self._whole is not None and self._whole == self._drawn():
            self.repaint(marks.freshness_box(self.rect()))  # a held picture: only that has moved
        else:
            self.repaint()
            self._whole = self._drawn() if self.painted > before else None
            self._kept = overlay, self._heat
        return self.painted > before

    def _drawn(self) -> tuple[object, ...] | None:
        """What is painted, but for the marks; None if no two paintings are sure to be the same."""
        frame, overlay, words = self.frame, self.overlay, self.words
        if frame is None or frame.content < 0 or words is None or self.points is not None:
            return None
        outlines = None if overlay is None else (id(overlay.outlines), overlay.style)
        banner = words.banner, words.banner_tone, words.veil, words.veil_note
        return frame.content, outlines, banner, self.look, self.label, id(self._heat)

    def warm(self, heat: Gray | None) -> None:
        """Lays a map, (h, w) uint8, over the picture as colour from now on; None is none."""
        self._heat, self._scaled = heat, ()

    def seen_size(self) -> tuple[int, int]:
        """(H, W) of the frame as it is turned; (1, 1) without one."""
        if self.frame is None:
            return 1, 1
        height, width = self.frame.pixels.shape
        return (width, height) if self.look.orientation.quarter_turns % 2 else (height, width)

    def target(self) -> QRectF:
        """Where the picture lies in the widget: centred, its aspect kept."""
        if self.frame is None:
            return QRectF(self.rect())
        height, width = self.seen_size()
        scale = min(self.width() / width, self.height() / height)
        w, h = max(round(width * scale), 1), max(round(height * scale), 1)
        return QRectF((self.width() - w) // 2, (self.height() - h) // 2, w, h)

    def to_widget(self, x: float, y: float) -> QPointF:
        """Widget position of a point in frame pixels (pixel centres at whole numbers)."""
        return self._to_widget(np.array([[x, y]], np.float32))[0]

    def to_frame(self, at: QPointF) -> tuple[float, float]:
        """Point in frame pixels that is shown at a widget position."""
        assert self.frame is not None
        box = self.target()
        height, width = self.seen_size()
        x = (at.x() - box.x()) * width / box.width() - 0.5
        y = (at.y() - box.y()) * height / box.height() - 0.5
        return self.look.orientation.back(x, y, self.frame.pixels.shape)

    def _to_widget(self, points: Polygon) -> list[QPointF]:
        assert self.frame is not None
        box = self.target()
        height, width = self.seen_size()
        seen = self.look.orientation.points(points, self.frame.pixels.shape)
        x = box.x() + (seen[:, 0] + 0.5) * box.width() / width
        y = box.y() + (seen[:, 1] + 0.5) * box.height() / height
        return [QPointF(u, v) for u, v in zip(x.tolist(), y.tolist(), strict=True)]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Qt's call: picture, outline, marks, words."""
        only_marks = marks.freshness_box(self.rect()).contains(event.rect())
        painter = QPainter(self)
        self._paint_margins(painter)
        if self.frame is not None:
            self._paint_picture(painter, self.frame)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            if self.overlay is not None:
                self._paint_outlines(painter, self.overlay)
            if self.points is not None:
                marks.paint_points(painter, self._to_widget(self.points), self._line_width())
            if self.tells_look and not only_marks:
                marks.paint_look(painter, self.rect(), self.look, say)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            if self._live:
                marks.paint_freshness(painter, self.rect(), self.frame.index)
        if self.words is not None and self._live and not only_marks:
            marks.paint_words(painter, self.rect(), self.words)
        painter.end()
        self.painted += 1

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the scaled picture no longer fits."""
        self._scaled = ()

    def _paint_margins(self, painter: QPainter) -> None:
        """The ground that the picture leaves; all of it where there is none."""
        room = QRegion(self.rect())
        if self.frame is not None:
            room -= QRegion(self.target().toRect())
        for part in room:  # type: ignore[attr-defined]
            painter.fillRect(part, theme.BACKGROUND)

    def _line_width(self) -> float:
        return max(min(self.width(), self.height()) / 300, 2.0)

    def _paint_picture(self, painter: QPainter, frame: Frame) -> None:
        box = self.target()
        ratio = self.devicePixelRatioF()
        size = (max(round(box.width() * ratio), 1), max(round(box.height() * ratio), 1))
        veiled = bool(self._live and self.words and self.words.veil)
        shown = (frame.content,) if frame.content >= 0 else (frame.index, 0)
        key = (shown, size, veiled, self.look)
        if key != self._scaled:
            self._scaled = key
            grey = fit(frame.pixels, size, self.look, veiled=veiled)
            # In the screen's own form: Qt would convert it at each painting, on other threads.
            form = QImage.Format.Format_RGB32
            self._pixels = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGRA), np.uint8)
            if self._heat is not None:
                warm = self.look.orientation.apply(self._heat)
                self._pixels, form = heated(grey, size, warm), QImage.Format.Format_BGR888
            self._image = QImage(self._pixels.data, *size, self._pixels.strides[0], form)
            self._image.setDevicePixelRatio(ratio)
        painter.drawImage(box.topLeft(), self._image)

    def _paint_outlines(self, painter: QPainter, overlay: Overlay) -> None:
        width = self._line_width()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for outline in overlay.outlines:
            line = QPolygonF(self._to_widget(outline.points))
            for colour, factor in ((theme.HALO, 2.6), (theme.OUTLINE, 1.0)):
                pen = QPen(colour, width * factor)
                pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
                if overlay.style is OverlayStyle.AGED:
                    pen.setDashPattern([n / factor for n in (5.0, 4.0)])
                painter.setPen(pen)
                painter.drawPolygon(line)
            if self.label:
                text = f"{outline.mean_probability * 100:.0f} %"
                marks.paint_label(painter, line.boundingRect(), text, QRectF(self.rect()))


def fit(pixels: Gray, size: tuple[int, int], look: Look, *, veiled: bool = False) -> Gray:
    """The picture as it is shown, at its size (w, h) on screen; rows padded for Qt.

    Turned and with its grey levels by the look; darker if it is not live.
    """
    if look.orientation.is_changed:
        pixels = look.orientation.apply(pixels)
    shrinking = size[0] * 2 <= pixels.shape[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    fitted = cv2.resize(pixels, size, interpolation=how)
    levels = look.levels()
    if levels is not None:
        fitted = cv2.LUT(fitted, levels)
    row = (size[0] + 3) // 4 * 4
    out = np.empty((size[1], row), np.uint8)
    out[:, : size[0]] = cv2.convertScaleAbs(fitted, alpha=VEILED) if veiled else fitted
    return out


def heated(grey: Gray, size: tuple[int, int], heat: Gray) -> Gray:
    """The picture with a heat map over it, (h, w', 3) uint8 blue green red, rows padded for Qt.

    Args:
        grey: (h, w') uint8 as `fit` returns it.
        size: (w, h) on screen.
        heat: (n, m) uint8; 0 leaves the picture as it is, 255 covers half of it.
    """
    warm = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)
    kept = cv2.multiply(grey[:, : size[0]], cv2.LUT(warm, KEPT), scale=1 / 255)
    out = np.zeros((size[1], grey.shape[1], 3), np.uint8)
    out[:, : size[0]] = cv2.add(cv2.merge([kept] * 3), cv2.applyColorMap(warm, WARM))
    return out
