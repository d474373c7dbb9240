"""The fields of each step of the calibration, below the pictures."""

from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from orapp.calibrate.draft import Draft
from orapp.calibrate.findings import Circle
from orapp.display.calibration_delay import DelayRow
from orapp.display.language import say
from orapp.errors import OrappError

ENOUGH_S = 10.0
"""So many seconds of video with X-ray on make all sure that can be."""
Change = Callable[[dict[str, Any]], None]
"""Called with fields of the findings that a person has changed."""


class Desk(Protocol):
    """What a page may ask of the window."""

    draft: Draft

    def change(self, fields: dict[str, Any]) -> None:
        """A person says otherwise."""
        ...


class Page(QWidget):
    """One step's fields, in rows from the upper left."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(12)
        self.column.addStretch(1)

    def row(self, *widgets: QWidget) -> QHBoxLayout:
        """Adds a row, pushed to the left."""
        line = QHBoxLayout()
        line.setSpacing(10)
        for widget in widgets:
            line.addWidget(widget)
        line.addStretch(1)
        self.column.insertLayout(self.column.count() - 1, line)
        return line

    def refresh(self) -> None:
        """Brings the fields up to date."""


class Number(QWidget):
    """A number with its name before it.

    Args:
        name: before it.
        limits: least, most.
        decimals: 0 for whole numbers.
        unit: behind it.
        changed: called with the number that a person gave.
    """

    def __init__(
        self,
        name: str,
        limits: tuple[float, float],
        decimals: int,
        unit: str,
        changed: Callable[[float], None],
    ) -> None:
        super().__init__()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        self.label = label = QLabel(name)
        self.box: QSpinBox | QDoubleSpinBox
        if decimals:
            self.box = QDoubleSpinBox(decimals=decimals)
            self.box.setRange(*limits)
        else:
            self.box = QSpinBox()
            self.box.setRange(round(limits[0]), round(limits[1]))
        self.box.setSuffix(f" {unit}" if unit else "")
        self.box.setKeyboardTracking(False)
        self.box.setAccessibleName(name)
        self.box.valueChanged.connect(changed)
        label.setBuddy(self.box)
        line.addWidget(label)
        line.addWidget(self.box)

    @property
    def value(self) -> float:
        """As it stands."""
        return float(self.box.value())

    def show_value(self, value: float) -> None:
        """Shows a number without telling anybody."""
        self.box.blockSignals(True)
        if isinstance(self.box, QSpinBox):
            self.box.setValue(round(value))
        else:
            self.box.setValue(float(value))
        self.box.blockSignals(False)


class Choice(QWidget):
    """Some buttons, one of which is on.

    Args:
        words: of each button, by its value.
        chosen: called with the value that a person chose.
    """

    def __init__(self, words: dict[Any, str], chosen: Callable[[Any], None]) -> None:
        super().__init__()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        self.buttons: dict[Any, QPushButton] = {}
        self._group = QButtonGroup(self)
        for value, word in words.items():
            button = QPushButton(word)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, value=value: chosen(value))
            self._group.addButton(button)
            self.buttons[value] = button
            line.addWidget(button)

    def show_value(self, value: Any) -> None:
        """Shows what is on; a value without a button turns all off."""
        self._group.setExclusive(False)
        for one, button in self.buttons.items():
            button.setChecked(one == value)
        self._group.setExclusive(True)


class VideoPage(Page):
    """Rates, how much has been seen, and the grabber's delay."""

    def __init__(self, desk: Desk, delay: DelayRow) -> None:
        super().__init__(desk)
        self._delay = delay
        self.seen = QProgressBar()
        self.seen.setRange(0, 100)
        self.seen.setTextVisible(False)
        self.seen.setFixedWidth(360)
        self.told = QLabel()
        self.row(self.seen, self.told)
        self.rate = Number(say("Video"), (0, 240), 2, "/s", lambda v: desk.change({"rate_hz": v}))
        self.pulse = Number(
            say("X-ray pulses (0: not known)"), (0, 120), 2, "/s", self._pulse_changed
        )
        self.repeats = Number(
            say("Frames per pulse"), (0, 120), 0, "", lambda v: desk.change({"repeats": round(v)})
        )
        self.row(self.rate, self.pulse, self.repeats)
        self.states = QLabel()
        self.row(self.states)
        self.row(delay)

    def _pulse_changed(self, value: float) -> None:
        found = self.desk.draft.found
        rate = found.rate_hz if found is not None else 0
        times = rate / value if value else 0
        whole = round(times) if abs(times - round(times)) < 0.01 else 0
        self.desk.change({"pulse_hz": value, "repeats": whole})

    def progress(self, seconds: float, exposures: int) -> None:
        """Says how much has been seen, and whether it is enough."""
        share = min(seconds / ENOUGH_S, exposures / 40, 1)
        self.seen.setValue(round(100 * share))
        text = say("{seconds} s of video, {exposures} exposures measured.")
        told = text.format(seconds=f"{seconds:.0f}", exposures=exposures)
        if share >= 1 and self.desk.draft.measured is not None:
            told += " " + say("That is enough: go on.")
        self.told.setText(told)

    def refresh(self) -> None:
        """Brings the fields up to date."""
        found = self.desk.draft.found
        self._delay.show_delay(self.desk.draft.delay, self.desk.draft.delay_before_ms)
        for number in (self.rate, self.pulse, self.repeats):
            number.setEnabled(found is not None)
        if found is None:
            self.states.setText("")
            return
        self.rate.show_value(found.rate_hz)
        self.pulse.show_value(found.pulse_hz)
        self.repeats.show_value(found.repeats)
        hold = say("not seen") if found.hold is None else say("seen")
        if found.hold is not None and found.hold.box is not None:
            hold = say("seen, with a mark")
        lost = say("seen") if found.no_signal else say("not seen")
        text = say("{width} x {height} pixels; last image hold: {hold}; no signal: {lost}")
        self.states.setText(
            text.format(width=found.width, height=found.height, hold=hold, lost=lost)
        )


class AreaPage(Page):
    """The rectangle and the circle in numbers."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        names = (say("Left"), say("Top"), say("Width"), say("Height"))
        self.sides = [Number(name, (0, 16384), 0, "px", self._area_changed) for name in names]
        self.row(*self.sides)
        self.round = QCheckBox(say("Round field"))
        self.round.clicked.connect(self._round_clicked)
        rounds = (say("Middle x"), say("y"), say("Radius"))
        self.circle = [
            Number(name, (-4096, 16384), 1, "px", self._circle_changed) for name in rounds
        ]
        self.row(self.round, *self.circle)

    def _area_changed(self, _value: float) -> None:
        self.desk.change({"area": tuple(round(one.value) for one in self.sides)})

    def _circle_changed(self, _value: float) -> None:
        x, y, radius = (one.value for one in self.circle)
        self.desk.change({"circle": Circle(x, y, max(radius, 16.0))})

    def _round_clicked(self, on: bool) -> None:
        found, measured = self.desk.draft.found, self.desk.draft.measured
        if found is None or measured is None:
            return
        x, y, w, h = found.area
        fitted = Circle(x + (w - 1) / 2, y + (h - 1) / 2, min(w, h) / 2)
        self.desk.change({"circle": (measured.circle or fitted) if on else None})

    def refresh(self) -> None:
        """Brings the fields up to date."""
        found = self.desk.draft.found
        if found is None:
            return
        for one, value in zip(self.sides, found.area, strict=True):
            one.show_value(value)
        self.round.setChecked(found.circle is not None)
        for one in self.circle:
            one.setVisible(found.circle is not None)
        if (c := found.circle) is not None:
            for one, size in zip(self.circle, (c.x, c.y, c.radius), strict=True):
                one.show_value(size)


class TextPage(Page):
    """The list of text and logos.

    Args:
        desk: the window.
        choose: called with the number of the block that is chosen.
        remove: removes it.
    """

    def __init__(
        self, desk: Desk, choose: Callable[[int], None], remove: Callable[[], None]
    ) -> None:
        super().__init__(desk)
        self.list = QListWidget()
        self.list.setFixedSize(430, 124)
        self.list.currentRowChanged.connect(choose)
        self.remove = QPushButton(say("Remove"))
        self.remove.clicked.connect(lambda _=False: remove())
        self.remove.setToolTip(say("Delete"))
        hint = QLabel(
            say("Draw with the mouse to add one.\nArrow keys move, with Shift they size.")
        )
        hint.setObjectName("quiet")
        beside = QVBoxLayout()
        beside.addWidget(self.remove)
        beside.addWidget(hint)
        beside.addStretch(1)
        line = self.row(self.list)
        line.insertLayout(1, beside)

    def refresh(self) -> None:
        """Brings the list up to date."""
        found = self.desk.draft.found
        if found is None:
            return
        lines = [f"{n}:  {w} x {h}  ({x}, {y})" for n, (x, y, w, h) in enumerate(found.text, 1)]
        if lines != [self.list.item(n).text() for n in range(self.list.count())]:
            row = self.list.currentRow()
            self.list.blockSignals(True)
            self.list.clear()
            self.list.addItems(lines)
            self.list.setCurrentRow(row if row < len(lines) else -1)
            self.list.blockSignals(False)

    def show_chosen(self, number: int) -> None:
        """Marks the block that is chosen in the picture."""
        if self.list.currentRow() != number:
            self.list.setCurrentRow(number)
        self.remove.setEnabled(number >= 0)


class GreyPage(Page):
    """Black, white, polarity."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        ranges = {
            (0, 255): say("Full: 0 to 255"),
            (16, 235): say("Limited: 16 to 235"),
            (30, 218): say("Twice limited: 30 to 218"),
        }
        self.range = Choice(ranges, lambda v: desk.change({"black": v[0], "white": v[1]}))
        self.black = Number(
            say("Black"), (0, 200), 0, "", lambda v: desk.change({"black": round(v)})
        )
        self.white = Number(
            say("White"), (33, 255), 0, "", lambda v: desk.change({"white": round(v)})
        )
        self.row(self.range, self.black, self.white)
        words = {False: say("Bone and metal are dark"), True: say("Bone and metal are bright")}
        self.polarity = Choice(words, lambda v: desk.change({"inverted": v}))
        self.row(QLabel(say("In the video, left:")), self.polarity)

    def refresh(self) -> None:
        """Brings the fields up to date."""
        found = self.desk.draft.found
        if found is None:
            return
        self.range.show_value((found.black, found.white))
        self.black.show_value(found.black)
        self.white.show_value(found.white)
        self.polarity.show_value(found.inverted)


class OrientationPage(Page):
    """Turn and mirror."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        turns = {0: say("As it is"), 90: "90°", 180: "180°", 270: "270°"}
        self.turn = Choice(turns, lambda v: desk.change(self._both(rotate=v)))
        mirrors = {False: say("As it is"), True: say("Mirror left and right")}
        self.mirror = Choice(mirrors, lambda v: desk.change(self._both(mirror=v)))
        self.row(QLabel(say("Turn clockwise:")), self.turn)
        self.row(QLabel(say("Then:")), self.mirror)

    def _both(self, **said: Any) -> dict[str, Any]:
        """Who chooses one of them has looked at both."""
        found = self.desk.draft.found
        rotate = 0 if found is None else found.rotate or 0
        mirror = False if found is None else bool(found.mirror)
        return {"rotate": rotate, "mirror": mirror} | said

    def refresh(self) -> None:
        """Brings the fields up to date."""
        found = self.desk.draft.found
        if found is None:
            return
        self.turn.show_value(found.rotate or 0)
        self.mirror.show_value(bool(found.mirror))


def complain(error: OrappError) -> str:
    """An error as the window says it."""
    return f"{error.what[:1].upper()}{error.what[1:]}; {error.do}."


def keyboard_only(button: QPushButton) -> None:
    """A button that Enter presses, too."""
    button.setAutoDefault(True)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
