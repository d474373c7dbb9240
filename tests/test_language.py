"""German is whole, and Qt's own files carry it."""

import subprocess
import sys

import pytest
from PySide6.QtWidgets import QApplication

from orapp.display.language import languages, use_language
from orapp.errors import OrappError
from tests.window import outlined, until


def test_every_text_is_translated_and_compiled():
    told = subprocess.run(
        [sys.executable, "-m", "tools.translate", "--check"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr


def test_the_screen_speaks_german(qtbot, show):
    application = QApplication.instance()
    translator = use_language(application, "de")
    try:
        window, _, _ = show(rate_hz=15)
        until(qtbot, outlined(window))
        assert "STRAHLUNG AN | KI BEREIT" in window.top.accessibleDescription()
        assert "Umriss" in window.help.text()
        assert window.controls.buttons["quit"].text() == "Beenden"
    finally:
        application.removeTranslator(translator)


def test_an_unknown_language_is_one_sentence(qapp):
    assert languages() == ("en", "de")
    with pytest.raises(OrappError, match="there is no language 'fr'; use one of en, de"):
        use_language(qapp, "fr")
