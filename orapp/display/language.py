"""The screen's language, by Qt's translation files; English is in the source."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QTranslator

from orapp.errors import OrappError

FOLDER = Path(__file__).parent / "i18n"
CONTEXT = "orapp"
Say = Callable[[str], str]
"""From the English words to the screen's."""


def languages() -> tuple[str, ...]:
    """Codes of the languages that there are."""
    return ("en", *sorted(path.stem.removeprefix("orapp_") for path in FOLDER.glob("*.qm")))


def say(text: str) -> str:
    """The text in the screen's language; the English words if it has none."""
    return QCoreApplication.translate(CONTEXT, text)


def use_language(application: QCoreApplication, code: str) -> QTranslator | None:
    """Switches to a language; returns what `removeTranslator` takes, None for English.

    Raises:
        OrappError: there is no such language.
    """
    if code == "en":
        return None
    translator = QTranslator(application)
    if code not in languages() or not translator.load(str(FOLDER / f"orapp_{code}.qm")):
        known = ", ".join(languages())
        raise OrappError(f"there is no language '{code}'", f"use one of {known}")
    application.installTranslator(translator)
    return translator
