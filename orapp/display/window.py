"""The surgeon's window: drains the mailboxes, paints at once."""

import time
from datetime import datetime, timedelta
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from orapp.display import theme
from orapp.display.actions import Actions
from orapp.display.assistant import AssistantWindow
from orapp.display.controls import HELD, ControlBar, HelpPanel, KeyMap
from orapp.display.gauges import Gauges
from orapp.display.language import say
from orapp.display.look import Look
from orapp.display.measuring import Measuring
from orapp.display.mouse import Mouse
from orapp.display.reference import Kind, ReferenceShelf
from orapp.display.replay import Replay
from orapp.display.side import SidePanel
from orapp.display.strip import CaseStrip, FootStrip, TopStrip
from orapp.display.transport_bar import TransportBar
from orapp.display.view import PictureView
from orapp.display.wake import Wake
from orapp.display.words import Moment, words_for
from orapp.frames import Frame, Overlay, OverlayStyle, Polygon, Segmentation, Signal
from orapp.live import LiveSession
from orapp.overlay import overlay_for, still_shown
from orapp.scene import FROZEN_NS
from orapp.settings import SiteProfile

MAP_STAYS_NS = 500_000_000
TICK_MS = 100
"""States and ages are looked at so often though no frame comes."""


class SurgeonWindow(QWidget):
    """Live picture with outline on the left, reference on the right, states in words.

    `attach` a session built with `on_news=window.wake.ring`; every new frame is painted when it
    comes, and once more when its outline comes. The picture never waits for the engine.

    Args:
        profile: the room's choices.
        case: id of the case for the case line; never a name.
        recordings: folder for the sessions that a key starts; None is a folder of the user's.
        replay: the recording that the session replays; None if the picture is live.

    Raises:
        OrappError: the profile names a key that there is not.
    """

    def __init__(
        self,
        profile: SiteProfile | None = None,
        *,
        case: str = "",
        recordings: Path | None = None,
        replay: Replay | None = None,
    ) -> None:
        super().__init__()
        self.profile = profile or SiteProfile()
        self.case = case
        self.setWindowTitle("orapp")
        self.setStyleSheet(f"SurgeonWindow {{ background: {theme.BACKGROUND.name()}; }}")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        keys = self.profile.keys
        self.replay = replay
        self._keys = KeyMap(keys, None if replay is None else self.profile.replay_keys)
        self.view, self.side, self.top = PictureView(), SidePanel(), TopStrip()
        self.view.label = self.side.view.label = self.profile.outline.label
        self.case_line = CaseStrip()
        self.foot = FootStrip("", say("{key} help").format(key=(*keys.help, "-")[0]))
        self.wake = Wake(self._news)
        self.session: LiveSession | None = None
        self.shelf = ReferenceShelf()
        self.actions_ = Actions(self, recordings)
        self.act = self.actions_.act
        self.controls = ControlBar(self.act, self.let_go)
        self.transport_bar = None if replay is None else TransportBar(replay, self.act)
        self.assistant = AssistantWindow() if self.profile.screen.assistant else None
        self.segmentation: Segmentation | None = None
        self._exposed_ns = self._held_key = 0
        self.clock = self.exposed_clock = ""
        self._outlined_exposure = -1
        self._gauges = Gauges()
        self._mouse = Mouse(self)
        self.measuring = Measuring(self.profile.measures, self._log)
        self._lay_out()
        self.help = HelpPanel(self, self._keys)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)

    def _lay_out(self) -> None:
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)  # else Qt complains
        self._halves = QHBoxLayout()
        self._halves.setSpacing(6)
        self._halves.addWidget(self.view, 1)
        self._halves.addWidget(self.side, 1)
        column.addWidget(self.top, 75)
        column.addWidget(self.case_line, 38)
        column.addLayout(self._halves, 800)
        if self.transport_bar is not None:
            column.addWidget(self.transport_bar, 62)
        column.addWidget(self.controls, 50)
        column.addWidget(self.foot, 37)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the live picture gets the larger part of a window that is not wide."""
        tall = self.height() * 0.8
        share = min(max(tall / max(self.width(), 1), 0.5), 0.64)
        self._halves.setStretch(0, round(share * 1000))
        self._halves.setStretch(1, round((1 - share) * 1000))
        self._place_help()

    def _place_help(self) -> None:
        self._column.activate()
        side = self.side.geometry()
        self.help.lay_over(side.x(), side.y(), side.width(), side.height())

    def attach(self, session: LiveSession) -> None:
        """Shows this session from now on."""
        self.session = session
        self._timer.start(TICK_MS)
        if self.assistant is not None:
            self.assistant.open_beside(self)
        self._paint()
        self.show_side()

    def drain(self) -> None:
        """Paints what is still in the mailboxes; for the end of a run."""
        self._news()

    @property
    def look(self) -> Look:
        """How pictures are shown."""
        return self.view.look

    @look.setter
    def look(self, look: Look) -> None:
        self.view.look = self.side.view.look = look
        self.repaint_all()

    @property
    def outline_hidden(self) -> bool:
        """Whether the surgeon hides the outline, by toggling or while holding a key."""
        return self.actions_.hidden or self.actions_.hidden_while_held or self.actions_.doubts

    def _news(self) -> None:
        """Something is in a mailbox, or a state has changed."""
        if self.session is None:
            return
        frame, segmentation = self.session.frames.take(), self.session.segmentations.take()
        if segmentation is not None:
            self.segmentation = segmentation
            self.shelf.answer(segmentation)
        if frame is not None:
            self._take(frame)
        self._paint(frame is not None)
        self.show_side()

    def _take(self, frame: Frame) -> None:
        before, now = self.view.frame, datetime.now()
        if self.replay is not None:
            self.clock = self.replay.clock(frame)
        elif frame.signal is not Signal.FROZEN:
            self.clock = f"{now:%H:%M:%S}"
        elif before is None or before.signal is not Signal.FROZEN:
            still = timedelta(microseconds=FROZEN_NS / 1e3)
            self.clock = f"{now - still:%H:%M:%S}"  # since then nothing has changed
        if before is None or before.exposure != frame.exposure:
            self._exposed_ns, self.exposed_clock = frame.captured_ns, self.clock
            self._gauges.exposed(frame.captured_ns)
        self.shelf.see(frame, self.segmentation, self.exposed_clock)
        self.view.frame = frame

    def _overlay(self, now_ns: int) -> Overlay | None:
        frame, session = self.view.frame, self.session
        if frame is None or session is None or self.outline_hidden or not self.is_current():
            return None
        return overlay_for(
            frame,
            self.segmentation,
            now_ns,
            session.rules,
            scene_since_ns=session.scene_since_ns,
        )

    def is_current(self) -> bool:
        """Whether there is a picture, and the signal is still what it was when it came."""
        if self.session is None or self.view.frame is None:
            return False
        now, then = self.session.signal, self.view.frame.signal
        return still_shown(then, now) or self.session.ended

    def _paint(self, new: bool = False) -> None:
        """One decision, one painting, one stamp."""
        assert self.session is not None
        now_ns = time.monotonic_ns()
        frame, overlay = self.view.frame, self._overlay(now_ns)
        words = words_for(self._moment(overlay, now_ns), say)
        self.view.points = self._points(overlay)
        painted = self.view.present(frame, overlay, words)
        presented_ns = time.monotonic_ns()
        if painted and frame is not None:
            self.session.presented(frame, presented_ns, overlay)
            self.session.latency.painted(presented_ns - now_ns)
            self._note(frame, overlay, presented_ns, new)
        self.top.say(words)
        if self.assistant is not None:
            self.assistant.follow(frame, overlay, words, self.look)

    def _points(self, overlay: Overlay | None) -> Polygon | None:
        """The measures' points where the picture stands still with its own outline."""
        frame = self.view.frame
        if frame is None or overlay is None or self.session is None:
            return None
        stopped = self.replay is not None and not self.replay.standing.playing
        still = frame.signal is Signal.HOLD or self.session.ended or stopped
        return self.measuring.points_on(frame, still=still)

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
            segmentation=self.segmentation,
            overlay=overlay,
            hidden=self.outline_hidden,
            ended=self.session.ended,
            clock=self.clock,
            shown_ms=self._gauges.shown_ms,
            outline_ms=self._gauges.outline_ms,
            rate_hz=self._gauges.rate_hz,
            pulse_hz=self._gauges.pulse_hz,
            held_s=(now_ns - self._exposed_ns) / 1e9,
            no_view_s=self.session.no_view_s(now_ns),
            question=self.actions_.question(now_ns),
            recording_fault=self.actions_.recording_fault(),
            replay="" if self.replay is None else self.replay.chip(),
            recorded=self.session.is_recorded,
        )

    def _log(self, kind: str, text: str) -> None:
        if self.session is not None:
            self.session.events.add(kind, text)

    def show_side(self) -> None:
        """Brings the right half up to date; the measures, too, come after the picture."""
        frame, now_ns = self.view.frame, time.monotonic_ns()
        if frame is not None:
            self.measuring.see(frame, self.view.overlay)
        measuring = self.measuring if self.measuring.on else None
        self.side.show_measures(measuring, self.look.orientation)
        if self.actions_.probability:
            seen = self.segmentation
            mine = seen is not None and frame is not None and seen.exposure == frame.exposure
            if mine and seen is not None and frame is not None and self.is_current():
                self.side.show_heat(frame, seen.probability, self._overlay(now_ns))
            elif frame is None or not self.is_current() or self._is_unanswered(now_ns):
                self.side.show_heat(None, None, None)
            return
        if self.actions_.explained is not None:
            explained, heat, clock = self.actions_.explained
            self.side.show_explained(explained, heat, clock)
            return
        kept = self.shelf.shown
        if self.replay is not None and (kept is None or kept.kind is Kind.HOLD):
            self.replay.show_beside(self.side, frame, hidden=self.outline_hidden)
            return
        if kept is None:
            keys = self.profile.keys.store_reference
            self.side.show_nothing((*keys, "-")[0])
            return
        overlay = None if self.outline_hidden else kept.overlay(now_ns)
        self.side.show_reference(kept, overlay)

    def _is_unanswered(self, now_ns: int) -> bool:
        """Whether the newest answer is so old that its map may be taken for the picture's."""
        seen = self.segmentation
        return seen is None or now_ns - seen.captured_ns > MAP_STAYS_NS

    def _tick(self) -> None:
        """Ages grow and outlines expire though nothing comes."""
        if self.session is None:
            return
        now_ns = time.monotonic_ns()
        overlay = self._overlay(now_ns)
        words = words_for(self._moment(overlay, now_ns), say)
        self._name_engine()
        self.case_line.say(self.actions_.case_line(now_ns))
        self.controls.light(self.actions_.lit())
        if self.transport_bar is not None:
            self.transport_bar.follow(self.view.frame)
        said = self.view.words
        same_words = said is not None and (said.banner, said.veil, said.veil_note) == (
            words.banner,
            words.veil,
            words.veil_note,
        )
        same_points = (self._points(overlay) is None) == (self.view.points is None)
        if same_words and same_points and _drawn(overlay) == _drawn(self.view.overlay):
            self.top.say(words)
        else:
            self._paint()

    def _name_engine(self) -> None:
        assert self.session is not None
        identity = self.session.worker.identity
        if identity is not None:
            why = f" - {identity.why}" if identity.why else ""
            trained = say("trained on {what}").format(what=identity.trained_on)
            self.foot.name_engine(f"{identity.name}, {trained}\n{identity.backend}{why}")

    def let_go(self, action: str) -> None:
        """The key, pedal or button is released."""
        if action == HELD:
            self.actions_.release()

    def toggle_help(self) -> None:
        """Shows or hides the list of keys."""
        self._place_help()
        self.help.setVisible(not self.help.isVisible())
        self.help.raise_()

    def repaint_all(self) -> None:
        """Paints now, with what has been chosen."""
        if self.session is not None:
            self._paint()
            self.show_side()
            self._tick()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Qt's call: the keys of the profile."""
        action = self._keys.action(event)
        if action is None:
            super().keyPressEvent(event)
        elif not event.isAutoRepeat() or action in self.actions_.REPEATING:
            if action == HELD:
                self._held_key = event.key()
            self.act(action)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Qt's call: a held key is let go, whatever else is pressed by now."""
        if not event.isAutoRepeat() and event.key() == self._held_key:
            self.let_go(HELD)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Qt's call: a key that was held when the window lost the keyboard is let go."""
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.let_go(HELD)
        super().changeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call."""
        self._mouse.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call."""
        self._mouse.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call."""
        self._mouse.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Qt's call: covers the screen, or no longer."""
        if event.button() == Qt.MouseButton.LeftButton and not self._mouse.holds(event):
            self.act("full_screen")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Qt's call: nothing is painted any more; while recording it asks first."""
        if not self.actions_.may_quit():
            event.ignore()
            return
        self._timer.stop()
        self.actions_.explaining.close()
        if self.assistant is not None:
            self.assistant.close()
        event.accept()


def _drawn(overlay: Overlay | None) -> tuple[object, ...]:
    return () if overlay is None else (overlay.frame_index, overlay.style)
