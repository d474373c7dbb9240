"""The right half: a reference picture under a head line that says that it is not live."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from orapp.display import theme
from orapp.display.language import say
from orapp.display.marks import write
from orapp.display.measures_panel import MeasuresPanel
from orapp.display.measuring import Measuring
from orapp.display.reference import Kind, Reference
from orapp.display.theme import Tone
from orapp.display.view import PictureView
from orapp.display.words import Words
from orapp.frames import Frame, Gray, Overlay
from orapp.orientation import Orientation

NOTHING = Words("", Tone.CALM, "", Tone.CALM, "", Tone.CALM, "")


class HeadLine(QWidget):
    """What the picture below is, framed in orange where somebody might take it for live."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._text, self._tone = "", Tone.CALM

    def say(self, text: str, tone: Tone) -> None:
        """Repaints only if it has changed."""
        if (text, tone) != (self._text, self._tone):
            self._text, self._tone = text, tone
            self.setAccessibleDescription(text)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.EDGE if self._tone is Tone.CALM else theme.CARE)
        painter.setPen(theme.TEXT if self._tone is Tone.CALM else theme.ON_COLOUR)
        write(painter, QRectF(self.rect()), self._text, self.height() * 0.56, bold=True)


class SidePanel(QWidget):
    """Head line, picture, and the measures below."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.view = HeadLine(), PictureView(live=False)
        self.measures = MeasuresPanel()
        self.measures.hide()
        self._shown: tuple[object, ...] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head, 4)
        column.addWidget(self.view, 76)
        column.addWidget(self.measures, 24)

    def show_nothing(self, key: str) -> None:
        """There is no reference yet; `key` stores one."""
        self.head.say(say("NO REFERENCE YET: {key} stores one").format(key=key), Tone.CALM)
        self._present(None, None)

    def show_reference(self, kept: Reference, overlay: Overlay | None) -> None:
        """A reference picture with its own outline, or why it has none."""
        text = say("REFERENCE: {kind}, {clock}").format(kind=say(kept.kind), clock=kept.clock)
        seen = kept.segmentation
        if seen is None:
            text += " - " + say("not segmented")
        elif not seen.outlines:
            unseen, none = say("no spine seen"), say("no fracture outlined")
            text += " - " + (none if seen.view_supported else unseen)
        self.head.say(text, Tone.CARE if kept.kind is Kind.FROZEN else Tone.CALM)
        self._present(kept.frame, overlay)

    def show_heat(self, frame: Frame | None, heat: Gray | None, overlay: Overlay | None) -> None:
        """The probability of the live picture, for the engineer."""
        none = "" if frame is not None else ": " + say("none for this picture")
        self.head.say(say("PROBABILITY MAP - engineer's view, not live") + none, Tone.CARE)
        self._present(frame, overlay, heat)

    def show_explained(self, frame: Frame, heat: Gray, clock: str) -> None:
        """Where the judgement of a picture looks, for the engineer."""
        self.head.say(say("GRAD-CAM of {clock} - not live").format(clock=clock), Tone.CARE)
        self._present(frame, None, heat)

    def show_recorded(self, text: str, frame: Frame | None, overlay: Overlay | None) -> None:
        """The picture that is replayed, with the outline as it was recorded."""
        self.head.say(text, Tone.CALM)
        self._present(frame, overlay)

    def show_measures(self, measuring: Measuring | None, orientation: Orientation) -> None:
        """The measures' newest figures; None takes the panel away."""
        self.measures.setVisible(measuring is not None)
        if measuring is not None:
            self.measures.follow(measuring, orientation)

    def _present(
        self, frame: Frame | None, overlay: Overlay | None, heat: Gray | None = None
    ) -> None:
        """Paints only what has changed: the live picture comes first."""
        outline = None if overlay is None else overlay.frame_index
        index = None if frame is None else frame.index
        shown = (index, outline, self.view.look, self.view.label, self._heat_number(heat))
        if shown == self._shown:
            return
        self._shown = shown
        self.view.frame, self.view.overlay, self.view.words = frame, overlay, NOTHING
        self.view.update()

    def _heat_number(self, heat: Gray | None) -> int:
        if heat is not self._heat:
            self._heat = heat
            self._heats += 1
            self.view.warm(heat)
        return self._heats

    _heat: Gray | None = None
    _heats = 0
