"""The surgeon's window: drains the mailboxes, paints at once, answers keys."""

import time
from datetime import datetime

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from orapp.display import theme
from orapp.display.gauges import Gauges
from orapp.display.strip import FootStrip, TopStrip
from orapp.display.view import PictureView
from orapp.display.wake import Wake
from orapp.display.words import Moment, words_for
from orapp.frames import Frame, Overlay, OverlayStyle, Segmentation
from orapp.live import LiveSession
from orapp.overlay import overlay_for

TICK_MS = 100
"""States and ages are looked at so often though no frame comes."""
HELP = """Space or pedal   hide or show the outline
F   full screen
H or ?   this help
Esc or Q   quit"""


class SurgeonWindow(QWidget):
    """Live picture with outline, states in words.

    `attach` a session built with `on_news=window.wake.ring`; every new frame is painted when it
    comes, and once more when its outline comes. The picture never waits for the engine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("orapp")
        self.view, self.top, self.foot = PictureView(), TopStrip(), FootStrip("")
        self.wake = Wake(self._news)
        self.session: LiveSession | None = None
        self.outline_hidden = False
        self._segmentation: Segmentation | None = None
        self._exposed_ns = 0
        self._clock = ""
        self._outlined_exposure = -1
        self._gauges = Gauges()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for widget, stretch in ((self.top, 8), (self.view, 88), (self.foot, 4)):
            layout.addWidget(widget, stretch)
        self._help = self._make_help()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)

    def attach(self, session: LiveSession) -> None:
        """Shows this session from now on."""
        self.session = session
        self._timer.start(TICK_MS)
        self._paint()

    def drain(self) -> None:
        """Paints what is still in the mailboxes; for the end of a run."""
        self._news()

    def _make_help(self) -> QLabel:
        label = QLabel(HELP, self)
        label.setStyleSheet(
            f"background: {theme.STRIP.name()}; color: {theme.TEXT.name()}; padding: 18px;"
        )
        label.setFont(theme.font(18))
        label.adjustSize()
        label.hide()
        return label

    def _news(self) -> None:
        """Something is in a mailbox, or a state has changed."""
        if self.session is None:
            return
        frame, segmentation = self.session.frames.take(), self.session.segmentations.take()
        if segmentation is not None:
            self._segmentation = segmentation
        if frame is not None:
            self._take(frame)
        self._paint(frame is not None)

    def _take(self, frame: Frame) -> None:
        before = self.view.frame
        if before is None or before.exposure != frame.exposure:
            self._exposed_ns = frame.captured_ns
        self._clock = f"{datetime.now():%H:%M:%S}"
        self.view.frame = frame

    def _overlay(self, now_ns: int) -> Overlay | None:
        frame, session = self.view.frame, self.session
        if frame is None or session is None or self.outline_hidden or not self._is_current():
            return None
        return overlay_for(
            frame,
            self._segmentation,
            now_ns,
            session.rules,
            scene_since_ns=session.scene_since_ns,
        )

    def _is_current(self) -> bool:
        """Whether the signal is still what it was when the frame came."""
        assert self.session is not None
        assert self.view.frame is not None
        return self.session.signal is self.view.frame.signal or self.session.ended

    def _paint(self, new: bool = False) -> None:
        """One decision, one painting, one stamp."""
        assert self.session is not None
        now_ns = time.monotonic_ns()
        frame, overlay = self.view.frame, self._overlay(now_ns)
        words = words_for(self._moment(overlay, now_ns))
        painted = self.view.present(frame, overlay, words)
        presented_ns = time.monotonic_ns()
        if painted and frame is not None:
            self.session.presented(frame, presented_ns, overlay)
            self._note(frame, overlay, presented_ns, new)
        self.top.say(words)

    def _note(self, frame: Frame, overlay: Overlay | None, presented_ns: int, new: bool) -> None:
        paired = overlay is not None and overlay.style is OverlayStyle.PAIRED
        outlined = paired and frame.exposure != self._outlined_exposure and not frame.repeat
        if outlined:
            self._outlined_exposure = frame.exposure
        self._gauges.note(frame.captured_ns, presented_ns, first=new, outlined=outlined)

    def _moment(self, overlay: Overlay | None, now_ns: int) -> Moment:
        assert self.session is not None
        self._gauges.refresh(now_ns)
        return Moment(
            signal=self.session.signal,
            signal_text=self.session.signal_text,
            ai=self.session.ai,
            frame=self.view.frame,
            segmentation=self._segmentation,
            overlay=overlay,
            hidden=self.outline_hidden,
            ended=self.session.ended,
            clock=self._clock,
            shown_ms=self._gauges.shown_ms,
            outline_ms=self._gauges.outline_ms,
            rate_hz=self._gauges.rate_hz,
            held_s=(now_ns - self._exposed_ns) / 1e9,
        )

    def _tick(self) -> None:
        """Ages grow and outlines expire though nothing comes."""
        if self.session is None:
            return
        now_ns = time.monotonic_ns()
        overlay = self._overlay(now_ns)
        words = words_for(self._moment(overlay, now_ns))
        identity = self.session.worker.identity
        if identity is not None:
            why = f" - {identity.why}" if identity.why else ""
            self.foot.name_engine(
                f"{identity.name} (trained on simulated images)\n{identity.backend}{why}"
            )
        said = self.view.words
        same_words = said is not None and (said.banner, said.veil, said.veil_note) == (
            words.banner,
            words.veil,
            words.veil_note,
        )
        if same_words and _drawn(overlay) == _drawn(self.view.overlay):
            self.top.say(words)
        else:
            self._paint()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Qt's call: the keys that HELP lists."""
        key = Qt.Key(event.key())
        if key is Qt.Key.Key_Space and not event.isAutoRepeat():
            self.outline_hidden = not self.outline_hidden
            self._repaint()
        elif key is Qt.Key.Key_F:
            self.showNormal() if self.isFullScreen() else self.showFullScreen()
        elif key in (Qt.Key.Key_H, Qt.Key.Key_Question):
            self._help.move(16, self.top.height() + 16)
            self._help.setVisible(not self._help.isVisible())
            self._help.raise_()
        elif key in (Qt.Key.Key_Escape, Qt.Key.Key_Q):
            self.close()
        else:
            super().keyPressEvent(event)

    def _repaint(self) -> None:
        if self.session is not None:
            self._paint()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Qt's call: nothing is painted any more."""
        self._timer.stop()
        event.accept()


def _drawn(overlay: Overlay | None) -> tuple[object, ...]:
    return () if overlay is None else (overlay.frame_index, overlay.style)
