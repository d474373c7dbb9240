"""The measures below the reference: figures with their bands, and the trend since the baseline."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from orapp.display import theme
from orapp.display.language import say
from orapp.display.marks import LEFT, line
from orapp.display.measuring import Measuring, lines
from orapp.measure.change import REPEAT_BAND
from orapp.orientation import Orientation

_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
_COLOURS = (theme.OUTLINE, theme.TEXT, theme.CARE)


class MeasuresPanel(QWidget):
    """Repaints when it is told what has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._lines: list[str] = []
        self._tracks: list[list[tuple[float, float]]] = []
        self._names: tuple[str, ...] = ()
        self._band = 0.0
        self._shown: tuple[object, ...] = ()

    def follow(self, measuring: Measuring, orientation: Orientation) -> None:
        """Takes the newest figures; repaints only if there are new ones."""
        said, points = lines(measuring, say, orientation), measuring.trend.points
        shown = (said, len(points), points[-1].exposure if points else None)
        if shown == self._shown:
            return
        self._shown = shown
        self._lines = said
        self.setAccessibleDescription("\n".join(said))
        self._tracks = []
        if points:
            first, start_ns = points[0].measures, points[0].time_ns
            self._names = first.names
            self._band = 100 * REPEAT_BAND * first.points.area_px**0.5 / first.heights[1].value
            for k in range(3):
                whole = first.heights[k].value
                self._tracks.append(
                    [
                        ((p.time_ns - start_ns) / 1e9, 100 * p.measures.heights[k].value / whole)
                        for p in points[-300:]
                    ]
                )
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.STRIP)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row, margin = self.height() / 7.4, self.height() * 0.06
        painter.setPen(theme.CARE)
        painter.setFont(theme.font(row * 0.5, bold=True))
        wide = self.width() * 0.62
        box = QRectF(margin, margin / 2, wide - margin, row * 0.9)
        painter.drawText(box, LEFT, say("MEASURES - on lateral views only"))
        painter.setPen(theme.TEXT)
        for text in self._lines:
            box.translate(0, row)
            line(painter, box, text, row * 0.56, LEFT)
        room = QRectF(wide, margin, self.width() - wide - margin, self.height() - 2 * margin)
        self._paint_trend(painter, room)

    def _paint_trend(self, painter: QPainter, room: QRectF) -> None:
        """The three heights in per cent of the first one, with the band of 100 %."""
        painter.fillRect(room, theme.BACKGROUND)
        painter.setFont(theme.font(room.height() * 0.11))
        painter.setPen(theme.QUIET)
        if not self._tracks or len(self._tracks[0]) < 2:
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, say("trend"))
            return
        values = [v for track in self._tracks for _, v in track]
        low = min(*values, 100 - self._band) - 5
        high = max(*values, 100 + self._band) + 5
        start, end = self._tracks[0][0][0], self._tracks[0][-1][0]
        across = max(end - start, 1.0)

        def spot(t: float, v: float) -> QPointF:
            x = room.x() + (t - start) / across * room.width()
            return QPointF(x, room.bottom() - (v - low) / (high - low) * room.height())

        band = QRectF(spot(start, 100 + self._band), spot(end, 100 - self._band))
        painter.fillRect(band.normalized(), QColor(86, 200, 255, 38))
        painter.drawLine(spot(start, 100), spot(end, 100))
        for track, style, colour in zip(self._tracks, _STYLES, _COLOURS, strict=True):
            painter.setPen(QPen(colour, max(room.height() / 60, 1.5), style))
            painter.drawPolyline(QPolygonF([spot(t, v) for t, v in track]))
        painter.setPen(theme.TEXT)
        inner = room.adjusted(4, 2, -4, -2)
        top = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
        painter.drawText(inner, top, f"{high:.0f} %")
        low_left = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft
        painter.drawText(inner, low_left, f"{low:.0f} %")
        low_right = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight
        painter.drawText(inner, low_right, f"{across:.0f} s")
