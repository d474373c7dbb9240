"""The calibration's window: steps on the left, the video before and after, what to do, fields."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QPushButton, QWidget

import orapp
from orapp.calibrate.delay import Codes, GrabberDelay
from orapp.calibrate.draft import STEPS, Draft, Standing, Step
from orapp.calibrate.findings import Findings
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.spacing import Spacing
from orapp.calibrate.watching import Answer, Watching
from orapp.calibrate.writing import write_profile
from orapp.display.calibration_delay import DelayRow
from orapp.display.calibration_last import GeometryPage, SavePage
from orapp.display.calibration_look import TITLES, TODO, StepList, style
from orapp.display.calibration_pages import (
    AreaPage,
    GreyPage,
    OrientationPage,
    Page,
    TextPage,
    VideoPage,
    complain,
)
from orapp.display.calibration_sheet import Sheet
from orapp.display.language import say
from orapp.display.marked_view import Editing, MarkedView
from orapp.display.words import state_word
from orapp.errors import OrappError
from orapp.frames import Frame, Overlay, OverlayStyle, Segmentation, Signal

TICK_MS = 40
MEASURE_EVERY_S = 2.5
LIVE = (Signal.XRAY_ON, Signal.HOLD)


class CalibrationWindow(QWidget):
    """Leads through the calibration; nothing is written before the last step's button.

    Args:
        watching: the source, started.
        draft: what is found and corrected.
        out: where the profile goes.

    Attributes:
        step: number of the step that is shown.
        saved: whether the profile has been written as it stands.
    """

    def __init__(self, watching: Watching, draft: Draft, out: Path) -> None:
        super().__init__()
        self.watching, self.draft, self.out = watching, draft, out
        self.step, self.saved, self._closing = 0, True, False
        self._measured_s, self._wanted, self._lost_told = 0.0, "", False
        self._by = f"orapp {orapp.__version__}, in the window"
        self.setWindowTitle(say("orapp: calibration"))
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumSize(1080, 680)
        self.raw = MarkedView()
        self.raw.edited.connect(lambda field, value: self.change({field: value}))
        self.raw.picked.connect(lambda _: self._show_page())
        self.steps = StepList(self.go)
        self.delay = DelayRow(self._show_code, self._delay_measured)
        self.pages: dict[str, Page] = {
            "video": VideoPage(self, self.delay),
            "area": AreaPage(self),
            "text": TextPage(self, self.raw.choose, self.raw.remove_chosen),
            "grey": GreyPage(self),
            "orientation": OrientationPage(self),
            "geometry": GeometryPage(self, self._measure_plate, self._measure_spacing),
            "save": SavePage(self, out, self.save),
        }
        last = self.pages["save"]
        assert isinstance(last, SavePage)
        self.sheet = Sheet(self, self.steps, self.raw, list(self.pages.values()), last.summary)
        self.sheet.beside.addWidget(self.delay.panel)
        self._bind_buttons()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)
        self.go(0)

    def _bind_buttons(self) -> None:
        does: dict[QPushButton, Callable[[], object]] = {
            self.sheet.back: self._go_back,
            self.sheet.again: self.measure_again,
            self.sheet.reset: self._reset,
            self.sheet.next: self._go_on,
            self.sheet.close_button: self.close,
        }
        for button, do in does.items():
            button.clicked.connect(lambda _=False, do=do: do())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Qt's call: page keys walk, Ctrl and a figure jumps; all else is Tab and Space."""
        does: dict[str, Callable[[], object]] = {
            "PgDown": self._go_on,
            "Alt+Right": self._go_on,
            "PgUp": self._go_back,
            "Alt+Left": self._go_back,
            "Ctrl+S": self.save,
            "Ctrl+Q": self.close,
            "F5": self.measure_again,
        }
        does |= {f"Ctrl+{n + 1}": partial(self.go, n) for n in range(len(STEPS))}
        do = does.get(QKeySequence(event.keyCombination()).toString())
        if do is None:
            super().keyPressEvent(event)
        else:
            do()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the type follows the window."""
        self.setStyleSheet(style(max(min(round(self.width() / 112), self.height() // 60), 11)))

    # Steps

    @property
    def now(self) -> Step:
        """The step that is shown."""
        return STEPS[self.step]

    def go(self, number: int) -> None:
        """Shows a step; all but the first want findings."""
        if self.draft.measured is None and number > 0:
            self._say(say("First press the pedal: nothing has been measured yet."), "care")
            return
        self.delay.stop()
        self.step = min(max(number, 0), len(STEPS) - 1)
        step = self.now
        self.sheet.title.setText(say(TITLES[step.name]))
        self.sheet.todo.setText(say(TODO[step.name]))
        self.sheet.stack.setCurrentWidget(self.pages[step.name])
        self.sheet.beside.setCurrentWidget(self.sheet.after)
        last = self.step == len(STEPS) - 1
        self.sheet.before.setCurrentIndex(int(last))
        self.sheet.back.setEnabled(self.step > 0)
        self.sheet.next.setVisible(not last)
        self.sheet.again.setVisible(bool(step.fields))
        self.sheet.reset.setVisible(bool(step.fields))
        self._say("")
        self.show_draft()
        page = self.pages["save"]
        (page.save if last and isinstance(page, SavePage) else self.sheet.next).setFocus()

    def _go_on(self) -> None:
        self.go(self.step + 1)

    def _go_back(self) -> None:
        self.go(self.step - 1)

    def _say(self, text: str, tone: str = "") -> None:
        """One sentence below the pictures; empty takes it away."""
        self.sheet.say(text, tone)

    # What a person does

    def change(self, fields: dict[str, Any]) -> None:
        """A person says otherwise; what can't be is told, and stays as it was."""
        try:
            self.draft.change(**fields)
            self._say("")
        except OrappError as error:
            self._say(complain(error), "care")
        self.saved = False
        self.show_draft()

    def _reset(self) -> None:
        self.draft.as_measured(self.now)
        self.saved = False
        self.show_draft()

    def measure_again(self) -> None:
        """Forgets what was seen, and takes this step's values anew once there is enough."""
        self.watching.restart()
        self._measured_s, self._wanted = 0.0, self.now.name
        self._say(say("Measuring: press the pedal ..."))

    def _show_code(self, on: bool) -> None:
        self.watching.look_for_codes(on)
        self.raw.frame = None  # the grabber must see one code, not its own picture of it beside
        if not on:
            self._say(say("Connect the C-arm's video again, then press 'Measure again'."), "care")
        self.sheet.beside.setCurrentWidget(self.delay.panel if on else self.sheet.after)
        self.show_draft()

    def _delay_measured(self, delay: GrabberDelay) -> None:
        self.draft.delay = delay
        self.saved = False
        self._show_page()

    def _measure_plate(self) -> None:
        found = self.draft.found
        if found is not None:
            self.watching.ask_plate(found)

    def _measure_spacing(self, thing: str, size_mm: float) -> None:
        found, site = self.draft.found, self.draft.site
        if found is not None and site is not None:
            self.watching.ask_spacing(thing, size_mm, found, site)

    def save(self) -> None:
        """Writes the profile; what can't be written is told, and nothing is lost."""
        proposal = self.draft.proposal(self._by)
        if proposal is None:
            return
        try:
            write_profile(proposal, self.out, replace=True)
        except OrappError as error:
            self.saved = False
            self._say(complain(error), "care")
            return
        self.saved = True
        text = say("Saved: {path}. From now on: orapp live --profile {path}")
        self._say(text.format(path=self.out), "good")
        self.sheet.close_button.setFocus()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Qt's call: what was measured and not saved is asked for once."""
        if not self.saved and not self._closing:
            self._closing = True
            self._say(say("Nothing is saved yet. Close once more to leave it so."), "care")
            event.ignore()
            return
        self._timer.stop()
        super().closeEvent(event)

    # What comes

    def _tick(self) -> None:
        frame = self.watching.frames.take()
        if frame is not None and not self.delay.busy:
            self.raw.frame = frame
            self.raw.update()
            self._show_after(frame)
        for answer in self.watching.answers():
            self._answered(answer)
        self._measure()
        self._progress()

    def _measure(self) -> None:
        """Asks for findings on the first step, and where somebody wants to measure again."""
        if self.delay.busy:
            self.watching.ask_codes()
            return
        if self.now.name != "video" and not self._wanted:
            return
        now_s = time.monotonic()
        due = now_s - self._measured_s > MEASURE_EVERY_S
        if self.watching.ready and due and not self.watching.asks("findings"):
            self._measured_s = now_s
            self.watching.ask_findings()

    def _answered(self, answer: Answer) -> None:
        if isinstance(answer, OrappError):
            self._say(complain(answer), "care")
            self._wanted = ""
            self._show_page()
            return
        if isinstance(answer, Findings):
            if not self._wanted and self.draft.is_of_another_size(answer):
                self._say(say("The video has another size: 'Measure again' takes it over."), "care")
                return
            wanted = next((s.fields for s in STEPS if s.name == self._wanted), None)
            self.draft.take(answer, wanted if self._wanted not in ("", "video") else None)
            self.saved, self._wanted = False, ""
            self._say("")
        elif isinstance(answer, PlateFit):
            self.draft.set_plate(answer)
            self._show_residuals(answer)
        elif isinstance(answer, Spacing):
            self.draft.spacing = answer
            self.saved = False
        elif isinstance(answer, Codes):
            self.delay.take(answer)
            return
        else:
            self._outlined(answer)
            return
        self.show_draft()

    def _show_residuals(self, plate: PlateFit) -> None:
        frame, found = self.raw.frame, self.draft.found
        if frame is None or found is None:
            return
        x, y, w, h = found.area
        crop = frame.pixels[y : y + h, x : x + w]
        if crop.shape == (h, w):
            self.sheet.residuals.show_picture(plate.picture(crop))
            self.sheet.beside.setCurrentWidget(self.sheet.residuals)

    def _outlined(self, seen: Segmentation) -> None:
        self.draft.timed((seen.finished_ns - seen.started_ns) / 1e6, self.watching.engine_name)
        style_ = OverlayStyle.PAIRED
        self.sheet.after.overlay = Overlay(
            seen.frame_index, seen.exposure, seen.outlines, style_, 0.0
        )
        self.sheet.after.update()
        if self.now.name == "save":
            self._show_page()

    def _show_after(self, frame: Frame) -> None:
        site = self.draft.site
        found = self.draft.found
        fits = found is not None and frame.pixels.shape == (found.height, found.width)
        if site is None or not fits:
            self.sheet.after.frame = self.sheet.after.overlay = None
            self.sheet.after.update()
            return
        seen = Frame(
            frame.index, site.apply(frame.pixels), frame.captured_ns, frame.exposure, frame.repeat
        )
        self.sheet.after.frame = seen
        if self.now.name == "save":
            self.watching.ask_outline(seen, site.boxes())
        else:
            self.sheet.after.overlay = None
        self.sheet.after.update()

    def _progress(self) -> None:
        page = self.pages["video"]
        assert isinstance(page, VideoPage)
        page.progress(self.watching.seconds, self.watching.exposures)
        self._name_pictures()
        if self.watching.complaint:
            self._say(self.watching.complaint, "care")
        elif self._is_lost() != self._lost_told and not (self._is_lost() and self._says()):
            self._lost_told = self._is_lost()
            lost = say("There is no picture: check the cable, and that the C-arm is on.")
            self._say(lost if self._lost_told else "", "care")
        self.sheet.next.setEnabled(self.draft.measured is not None)
        if self.now.name == "geometry":
            geometry = self.pages["geometry"]
            assert isinstance(geometry, GeometryPage)
            geometry.busy(plate=self.watching.asks("plate"), spacing=self.watching.asks("spacing"))

    def _says(self) -> bool:
        return bool(self.sheet.said.text())

    def _name_pictures(self) -> None:
        signal = say(state_word(self.watching.signal))
        raw = say("The video as it comes: {signal}").format(signal=signal)
        if self.watching.ended:
            raw = say("The end of the clip")
        if self.now.name == "save":
            raw = say("What will be written, and how it was found")
        after = say("As orapp will see it")
        if self.draft.measured is None:
            after = say("As orapp will see it: not known yet")
        if self.delay.busy:
            after = say("Let the grabber see this code")
        for caption, text in zip(self.sheet.captions, (raw, after), strict=True):
            if caption.text() != text:
                caption.setText(text)

    def _is_lost(self) -> bool:
        return self.watching.signal not in LIVE and not self.watching.ended

    def show_draft(self) -> None:
        """Brings everything up to date with what is found and corrected."""
        found, step = self.draft.found, self.now
        editing = {"area": Editing.AREA, "text": Editing.TEXT}.get(step.name, Editing.NOTHING)
        self.raw.follow(found, editing)
        frame = self.raw.frame
        if frame is not None:
            self._show_after(frame)
        self.steps.show_standing(self.step, [self.draft.standing(one) for one in STEPS])
        self._show_why(step)
        spacing = self.draft.spacing
        shown = spacing is not None and step.name == "geometry"
        self.sheet.after.points = (
            np.asarray(spacing.points, np.float32) if shown and spacing is not None else None
        )
        self._show_page()

    def _show_why(self, step: Step) -> None:
        unsure = self.draft.standing(step) is Standing.UNSURE and bool(step.fields)
        why = self.draft.why(step)
        text = say("How it was found: {why}").format(why=why) if why else ""
        if unsure:
            text = say("Not sure, please look: {why}").format(why=why)
        self.sheet.say_why(text, unsure=unsure)
        self.sheet.reset.setEnabled(any(f in self.draft.changes for f in step.fields))

    def _show_page(self) -> None:
        page = self.pages[self.now.name]
        page.refresh()
        if isinstance(page, SavePage):
            page.show_proposal(self.draft.proposal(self._by))
        if isinstance(page, TextPage):
            page.show_chosen(self.raw.chosen)
