"""The calibration's sheet: where title, pictures, sentences, fields and buttons lie."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from orapp.display.calibration_look import ColourView, StepList
from orapp.display.language import say
from orapp.display.marked_view import MarkedView
from orapp.display.view import PictureView


class Sheet:
    """Lays a window out, and holds what is in it.

    Args:
        window: that it fills.
        steps: on the left.
        raw: the video as it comes.
        pages: the fields of each step.
        summary: stands in the raw video's place on the last step.
    """

    def __init__(
        self,
        window: QWidget,
        steps: StepList,
        raw: MarkedView,
        pages: Sequence[QWidget],
        summary: QWidget,
    ) -> None:
        self.after, self.residuals = PictureView(live=False), ColourView()
        self.after.tells_look = False
        self.title, self.todo, self.said, self.why = QLabel(), QLabel(), QLabel(), QLabel()
        for label, name in ((self.title, "title"), (self.todo, "todo"), (self.said, "said")):
            label.setObjectName(name)
        for label in (self.todo, self.said, self.why):
            label.setWordWrap(True)
        room = self.said.sizePolicy()
        room.setRetainSizeWhenHidden(True)
        self.said.setSizePolicy(room)
        self.back, self.again = _button(say("Back")), _button(say("Measure again"))
        self.reset, self.next = _button(say("As measured")), _button(say("Next"))
        self.close_button = _button(say("Close"))
        self.next.setObjectName("main")
        self.stack = QStackedWidget()
        for page in pages:
            self.stack.addWidget(page)
        right = QVBoxLayout()
        right.setContentsMargins(18, 12, 18, 12)
        right.setSpacing(8)
        right.addWidget(self.title)
        right.addWidget(self.todo)
        right.addLayout(self._pictures(raw, summary), 1)
        right.addWidget(self.said)
        right.addWidget(self._panel())
        right.addLayout(self._buttons())
        whole = QHBoxLayout(window)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(steps)
        whole.addLayout(right, 1)

    def _pictures(self, raw: MarkedView, summary: QWidget) -> QHBoxLayout:
        halves = QHBoxLayout()
        halves.setSpacing(10)
        self.before, self.beside = QStackedWidget(), QStackedWidget()
        self.before.addWidget(raw)
        self.before.addWidget(summary)
        self.beside.addWidget(self.after)
        self.beside.addWidget(self.residuals)
        self.captions = QLabel(), QLabel()
        for caption, view in zip(self.captions, (self.before, self.beside), strict=True):
            caption.setObjectName("caption")
            column = QVBoxLayout()
            column.setSpacing(3)
            column.addWidget(caption)
            column.addWidget(view, 1)
            halves.addLayout(column, 1)
        return halves

    def _panel(self) -> QWidget:
        panel = QWidget()
        panel.setObjectName("panel")
        panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        panel.setFixedHeight(206)
        column = QVBoxLayout(panel)
        column.setContentsMargins(16, 12, 16, 10)
        column.addWidget(self.stack, 1)
        column.addWidget(self.why)
        return panel

    def _buttons(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(10)
        for button in (self.back, self.again, self.reset):
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(self.close_button)
        line.addWidget(self.next)
        return line

    def say(self, text: str, tone: str = "") -> None:
        """One sentence below the pictures; empty takes it away."""
        self.said.setText(text)
        self.said.setVisible(bool(text))
        if self.said.property("tone") != tone:
            self.said.setProperty("tone", tone)
            self.said.style().unpolish(self.said)
            self.said.style().polish(self.said)

    def say_why(self, text: str, *, unsure: bool) -> None:
        """How the step's values were found; in amber where a person should look."""
        self.why.setText(text)
        name = "care" if unsure else "quiet"
        if self.why.objectName() != name:
            self.why.setObjectName(name)
            self.why.style().unpolish(self.why)
            self.why.style().polish(self.why)


def _button(word: str) -> QPushButton:
    button = QPushButton(word)
    button.setAutoDefault(True)
    return button
