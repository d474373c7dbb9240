"""A second window for the assistant: the live picture and the states, no controls."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QVBoxLayout, QWidget

from orapp.display.look import Look
from orapp.display.strip import TopStrip
from orapp.display.view import PictureView
from orapp.display.words import Words
from orapp.frames import Frame, Overlay


class AssistantWindow(QWidget):
    """Shows what the surgeon's live picture shows, after it was shown there."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("orapp - assistant")
        # The keys and the pedal are the surgeon's window's, whatever screen was touched last.
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setWindowFlag(Qt.WindowType.WindowDoesNotAcceptFocus)
        self.top, self.view = TopStrip(), PictureView()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.top, 8)
        column.addWidget(self.view, 92)

    def open_beside(self, other: QWidget) -> None:
        """Covers another screen where there is one; else a window of half the size."""
        mine = other.screen()
        free = [screen for screen in QGuiApplication.screens() if screen is not mine]
        if free:
            self.setGeometry(free[0].geometry())
            self.showFullScreen()
        else:
            self.resize(other.width() // 2, other.height() // 2)
            self.show()

    def follow(
        self, frame: Frame | None, overlay: Overlay | None, words: Words, look: Look
    ) -> None:
        """Shows the same soon; never waits for the painting."""
        if not self.isVisible():
            return
        self.top.say(words)
        self.view.frame, self.view.overlay, self.view.words = frame, overlay, words
        self.view.look = look
        self.view.update()
