"""The raw video with what was found in it, to be corrected by hand."""

from enum import StrEnum

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from orapp.calibrate.findings import Box, Circle, Findings
from orapp.display import theme
from orapp.display.handles import (
    box_handles,
    boxed,
    circle_handles,
    dragged_box,
    dragged_circle,
    holds,
)
from orapp.display.view import PictureView

AREA, ROUND, TEXT, HOLD = (
    theme.OUTLINE,
    QColor(120, 230, 150),
    theme.CARE,
    QColor(235, 120, 200),
)
REACH = 16
"""A handle is hit from so many logical pixels away: a finger is wide."""
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
Point = tuple[float, float]


class Editing(StrEnum):
    """What can be dragged."""

    NOTHING = "nothing"
    AREA = "area"
    TEXT = "text"


class MarkedView(PictureView):
    """Paints the raw frame and the marks over it; says what a person makes of them.

    Signals:
        edited: field of the findings (`area`, `circle`, `text`), and its new value.
        picked: number of the block of text that was chosen, -1 for none.

    Attributes:
        chosen: of the text's boxes, the one that keys move and delete; -1 is none.
    """

    edited = Signal(str, object)
    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__(live=False)
        self.tells_look = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(240, 180)
        self._found: Findings | None = None
        self._editing = Editing.NOTHING
        self.chosen = -1
        self._grip: tuple[str, str, Point] | None = None
        self._start: Findings | None = None
        self._new_box: tuple[Point, Point] | None = None

    def follow(self, found: Findings | None, editing: Editing) -> None:
        """Shows these findings; a drag that is going on goes on."""
        if editing is not self._editing:
            self.chosen, self._grip, self._new_box = -1, None, None
        self._found, self._editing = found, editing
        if found is not None and self.chosen >= len(found.text):
            self.chosen = -1
        self.update()

    @property
    def _fits(self) -> bool:
        """Whether the findings are about the frame that is shown."""
        if self.frame is None or self._found is None:
            return False
        return self.frame.pixels.shape == (self._found.height, self._found.width)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Qt's call: the picture, then the marks."""
        super().paintEvent(event)
        if self._fits:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_marks(painter)
            painter.end()

    def _paint_marks(self, painter: QPainter) -> None:
        found = self._found
        assert found is not None
        self._shade(painter, found.area)
        edits_area = self._editing is Editing.AREA
        self._paint_box(painter, found.area, AREA, strong=edits_area)
        if found.circle is not None:
            self._paint_circle(painter, found.circle, strong=edits_area)
        for n, box in enumerate(found.text):
            strong = self._editing is Editing.TEXT
            self._paint_box(painter, box, TEXT, strong=strong, filled=strong and n == self.chosen)
        if found.hold is not None and found.hold.box is not None:
            self._paint_box(painter, found.hold.box, HOLD, strong=False)
        if self._new_box is not None:
            self._paint_box(painter, boxed(*self._new_box, self._size), TEXT, strong=True)
        for at in self._grips().values():
            self._paint_handle(painter, self.to_widget(*at))

    @property
    def _size(self) -> tuple[int, int]:
        assert self._found is not None
        return self._found.width, self._found.height

    def _rect(self, box: Box) -> QRectF:
        x, y, w, h = box
        return QRectF(self.to_widget(x - 0.5, y - 0.5), self.to_widget(x + w - 0.5, y + h - 0.5))

    def _shade(self, painter: QPainter, area: Box) -> None:
        """Darkens what is cut away."""
        all_, kept = self.target(), self._rect(area)
        dim = QColor(0, 0, 0, 110)
        painter.fillRect(
            QRectF(all_.left(), all_.top(), all_.width(), kept.top() - all_.top()), dim
        )
        painter.fillRect(
            QRectF(all_.left(), kept.bottom(), all_.width(), all_.bottom() - kept.bottom()), dim
        )
        left = QRectF(all_.left(), kept.top(), kept.left() - all_.left(), kept.height())
        painter.fillRect(left, dim)
        painter.fillRect(
            QRectF(kept.right(), kept.top(), all_.right() - kept.right(), kept.height()), dim
        )

    def _pen(self, colour: QColor, *, strong: bool) -> QPen:
        seen = QColor(colour)
        seen.setAlpha(255 if strong else 150)
        return QPen(seen, 2.4 if strong else 1.4)

    def _paint_box(
        self, painter: QPainter, box: Box, colour: QColor, *, strong: bool, filled: bool = False
    ) -> None:
        painter.setPen(self._pen(colour, strong=strong))
        tint = QColor(colour)
        tint.setAlpha(60)
        painter.setBrush(tint if filled else Qt.BrushStyle.NoBrush)
        around = self._rect(box)
        painter.drawRect(around if colour is AREA else around.adjusted(-3, -3, 3, 3))

    def _paint_circle(self, painter: QPainter, circle: Circle, *, strong: bool) -> None:
        painter.setPen(self._pen(ROUND, strong=strong))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        radius = circle.radius * self.target().width() / self._size[0]
        painter.drawEllipse(self.to_widget(circle.x, circle.y), radius, radius)

    def _paint_handle(self, painter: QPainter, at: QPointF) -> None:
        painter.setPen(QPen(theme.BACKGROUND, 1.5))
        painter.setBrush(theme.TEXT)
        painter.drawRect(QRectF(at.x() - 5, at.y() - 5, 10, 10))

    # Dragging

    def _grips(self) -> dict[tuple[str, str], Point]:
        """Handles that can be dragged now: by field and handle, in frame pixels."""
        found = self._found
        if found is None:
            return {}
        if self._editing is Editing.AREA:
            grips = {("area", h): at for h, at in box_handles(found.area).items()}
            if found.circle is not None:
                circle = circle_handles(found.circle)
                diagonal = {h: at for (f, h), at in grips.items() if len(h) == 2}
                grips = {("area", h): at for h, at in diagonal.items()}
                grips |= {("circle", h): at for h, at in circle.items()}
            return grips
        if self._editing is Editing.TEXT and 0 <= self.chosen < len(found.text):
            box = found.text[self.chosen]
            return {("text", h): at for h, at in box_handles(box).items() if len(h) == 2}
        return {}

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call: takes a handle, chooses a box, or begins a new one."""
        if event.button() is not Qt.MouseButton.LeftButton or not self._fits:
            return
        assert self._found is not None
        self.setFocus()
        at, place = self.to_frame(event.position()), event.position()
        self._start = self._found
        near = [
            ((self.to_widget(*spot) - place).manhattanLength(), key)
            for key, spot in self._grips().items()
        ]
        if near and min(near)[0] <= REACH:
            self._grip = (*min(near)[1], at)
            return
        if self._editing is Editing.TEXT:
            boxes = list(enumerate(self._found.text))
            self.chosen = next((n for n, box in boxes if holds(box, at, margin=3)), -1)
            if self.chosen >= 0:
                self._grip = "text", "move", at
            else:
                self._new_box = at, at
            self.picked.emit(self.chosen)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call: drags."""
        if not self._fits:
            return
        at = self.to_frame(event.position())
        if self._new_box is not None:
            self._new_box = self._new_box[0], at
            self.update()
        elif self._grip is not None:
            field, handle, start = self._grip
            self._edit(field, handle, (at[0] - start[0], at[1] - start[1]), self._start)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the drag is over; a drawn box is one more block of text."""
        drawn, self._new_box, self._grip = self._new_box, None, None
        if drawn is not None and self._found is not None:
            box = boxed(*drawn, self._size)
            if min(box[2:]) >= 4:
                self.chosen = len(self._found.text)
                self.edited.emit("text", (*self._found.text, box))
        self.update()

    def _edit(self, field: str, handle: str, by: Point, start: Findings | None) -> None:
        """Says what a drag from `start` makes of a field."""
        if start is None:
            return
        if field == "circle" and start.circle is not None:
            self.edited.emit("circle", dragged_circle(start.circle, handle, by))
        elif field == "area":
            self.edited.emit("area", dragged_box(start.area, handle, by, self._size))
        elif field == "text" and 0 <= self.chosen < len(start.text):
            boxes = list(start.text)
            boxes[self.chosen] = dragged_box(boxes[self.chosen], handle, by, self._size)
            self.edited.emit("text", tuple(boxes))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Qt's call: arrows move, with Shift they size, Delete removes, Insert adds."""
        arrow = ARROWS.get(Qt.Key(event.key()))
        found = self._found
        if arrow is not None and self._fits and self._editing is not Editing.NOTHING:
            far = 10 if event.modifiers() & Qt.KeyboardModifier.ControlModifier else 1
            sizes = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            by = arrow[0] * far, arrow[1] * far
            self._edit(str(self._editing), "se" if sizes else "move", by, found)
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_chosen()
        else:
            QWidget.keyPressEvent(self, event)

    def choose(self, number: int) -> None:
        """Chooses a block of text by its number."""
        if number != self.chosen:
            self.chosen = number
            self.picked.emit(number)
            self.update()

    def remove_chosen(self) -> None:
        """Removes the chosen block of text."""
        found = self._found
        if found is None or not 0 <= self.chosen < len(found.text):
            return
        rest = tuple(box for n, box in enumerate(found.text) if n != self.chosen)
        self.chosen = -1
        self.edited.emit("text", rest)
