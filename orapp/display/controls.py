"""What can be done, by key, pedal, mouse and touch: one list for all of them and for the help."""

from collections.abc import Callable, Iterable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from orapp.display import theme
from orapp.display.language import say
from orapp.errors import OrappError
from orapp.settings import Keys, ReplayKeys

HELD = "hide_while_held"
ACTIONS: dict[str, str] = {
    HELD: "hide the outline while held",
    "toggle_outline": "outline off / on",
    "store_reference": "store the picture as reference",
    "clear_reference": "clear the stored reference",
    "freeze": "freeze the picture beside the live one",
    "set_baseline": "set the baseline of the measures",
    "measures": "measures off / on (lateral views only)",
    "marker": "set a mark in the recording",
    "record": "recording on / off",
    "rotate": "turn the picture",
    "mirror": "mirror the picture",
    "invert": "invert the grey levels",
    "brighter": "brighter",
    "darker": "darker",
    "more_contrast": "more contrast",
    "less_contrast": "less contrast",
    "window_reset": "grey levels as sent",
    "probability": "probability map (for the engineer)",
    "grad_cam": "where the judgement looks (for the engineer)",
    "full_screen": "full screen",
    "help": "this help",
    "quit": "quit",
}
BUTTONS: dict[str, str] = {
    HELD: "Hide",
    "toggle_outline": "Outline",
    "store_reference": "Store",
    "clear_reference": "Clear",
    "freeze": "Freeze",
    "measures": "Measures",
    "set_baseline": "Baseline",
    "marker": "Mark",
    "record": "Record",
    "rotate": "Turn",
    "mirror": "Mirror",
    "invert": "Invert",
    "brighter": "Brighter",
    "darker": "Darker",
    "window_reset": "Levels",
    "help": "Help",
    "quit": "Quit",
}
"""Those with a button, and its word."""
REPLAY_ACTIONS: dict[str, str] = {
    "play_pause": "play / pause",
    "step_back": "one picture back",
    "step_forward": "one picture on",
    "previous_event": "to the previous event",
    "next_event": "to the next event",
    "slower": "slower",
    "faster": "faster",
    "to_start": "to the start",
}
"""Only while a recording is replayed."""
_MODIFIERS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.GroupSwitchModifier


class KeyMap:
    """From key presses to actions, by the site's profile.

    Args:
        keys: the site's.
        replay: those of a replay, where it is one; a key that `keys` has stays with it.

    Raises:
        OrappError: a name is no key.
    """

    def __init__(self, keys: Keys, replay: ReplayKeys | None = None) -> None:
        self._actions: dict[tuple[int, int], str] = {}
        self.names: dict[str, list[str]] = {}
        """Of each action, those that work, as the profile writes them."""
        self._take(ACTIONS, keys)
        if replay is not None:
            self._take(REPLAY_ACTIONS, replay)

    def _take(self, actions: Iterable[str], keys: Keys | ReplayKeys) -> None:
        for action in actions:
            self.names[action] = []
            for name in getattr(keys, action):
                other = self._actions.setdefault(_key_of(name), action)
                if other == action:
                    self.names[action].append(name)
                elif action in ACTIONS:
                    raise OrappError(
                        f"the profile's '{name}' is a key of {other} and of {action}", "choose one"
                    )

    def action(self, event: QKeyEvent) -> str | None:
        """The action of a key press or release; None if it has none."""
        modifiers = event.modifiers() & ~_MODIFIERS
        shiftless = modifiers & ~Qt.KeyboardModifier.ShiftModifier  # `?` is Shift on most keyboards
        for held in (modifiers, shiftless):
            action = self._actions.get((event.key(), held.value))
            if action is not None:
                return action
        return None


def _key_of(name: str) -> tuple[int, int]:
    sequence = QKeySequence(name)
    pressed = sequence[0] if sequence.count() == 1 else None  # type: ignore[index]
    if pressed is None or pressed.key() == Qt.Key.Key_unknown:
        raise OrappError(
            f"the profile's '{name}' is no key", "use names such as Space, F5, PgDown or Ctrl+Q"
        )
    return int(pressed.key()), pressed.keyboardModifiers().value


class ControlBar(QWidget):
    """One row of buttons that a gloved finger hits.

    Args:
        act: called with the action when a button is pressed.
        let_go: called with the action when it is released.
    """

    def __init__(self, act: Callable[[str], None], let_go: Callable[[str], None]) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setSpacing(4)
        row.setContentsMargins(6, 3, 6, 3)
        self.buttons: dict[str, QPushButton] = {}
        for action, word in BUTTONS.items():
            button = touch_button(say(word), say(ACTIONS[action]))
            if action == HELD:
                button.pressed.connect(lambda: act(HELD))
                button.released.connect(lambda: let_go(HELD))
            else:  # a finger that slides off does nothing
                button.clicked.connect(lambda _=False, action=action: act(action))
            row.addWidget(button, max(len(button.text()), 6))
            self.buttons[action] = button

    def light(self, actions: Sequence[str]) -> None:
        """Shows which of them are on."""
        for action, button in self.buttons.items():
            on = action in actions
            if button.property("lit") != on:
                button.setProperty("lit", on)
                button.style().unpolish(button)
                button.style().polish(button)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: the type follows the height."""
        size = max(min(round(self.height() * 0.36), round(self.width() / 110)), 7)
        self.setStyleSheet(touch_style("ControlBar", size))


def touch_button(word: str, what: str) -> QPushButton:
    """A button for a gloved finger; it takes no keyboard and all the room that it is given."""
    button = QPushButton(word)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setSizePolicy(button.sizePolicy().Policy.Ignored, button.sizePolicy().Policy.Ignored)
    button.setToolTip(what)
    return button


def touch_style(name: str, size: int) -> str:
    """The style of a bar of such buttons, of a class of this name, with type of so many pixels."""
    return (
        f"{name} {{ background: {theme.STRIP.name()}; }}"
        f"QPushButton {{ background: {theme.BUTTON.name()}; color: {theme.TEXT.name()};"
        f" border: 1px solid {theme.EDGE.name()}; border-radius: 6px; font-size: {size}px; }}"
        f"QPushButton:pressed {{ background: {theme.EDGE.name()}; }}"
        f'QPushButton[lit="true"] {{ border: 2px solid {theme.CARE.name()};'
        f" color: {theme.CARE.name()}; }}"
    )


class HelpPanel(QWidget):
    """The list of keys; lies over the right picture, never over the live one."""

    def __init__(self, parent: QWidget, keys: KeyMap) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        grid = QGridLayout(self)
        self._labels: list[QLabel] = []
        for row, (action, names) in enumerate(keys.names.items()):
            what = ACTIONS.get(action) or REPLAY_ACTIONS[action]
            for column, text in enumerate((say(" or ").join(names) or "-", say(what))):
                label = QLabel(text)
                grid.addWidget(label, row, column)
                self._labels.append(label)
        grid.setColumnStretch(1, 1)
        self.hide()

    def text(self) -> str:
        """All of it, for the eyes that read to you."""
        return "\n".join(label.text() for label in self._labels)

    def lay_over(self, x: int, y: int, width: int, height: int) -> None:
        """Takes this place in the parent; the type follows the height."""
        self.setGeometry(x, y, width, height)
        rows = len(self._labels) / 2
        size = max(min(round(height / (rows * 1.9)), round(width / 34)), 7)
        self.setStyleSheet(
            f"HelpPanel {{ background: {theme.STRIP.name()}; }}"
            f"QLabel {{ color: {theme.TEXT.name()}; font-size: {size}px; }}"
        )
