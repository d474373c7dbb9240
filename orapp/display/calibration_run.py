"""Opens the calibration's window on a source."""

from pathlib import Path

from PySide6.QtWidgets import QApplication

from orapp.calibrate.draft import Draft
from orapp.calibrate.watching import Watching
from orapp.display.calibrating import CalibrationWindow
from orapp.display.language import use_language
from orapp.display.run import application_for
from orapp.engines import EngineSpec
from orapp.settings import SiteProfile
from orapp.sources import open_source


def run_calibration(
    uri: str, out: Path, name: str, before: SiteProfile | None, spec: EngineSpec, language: str
) -> None:
    """Opens the window on a source, and returns when it is closed.

    Raises:
        OrappError: there is no display, no such language, or the source can't be opened.
    """
    application = application_for(headless=False)
    translator = use_language(application, language)
    watching = Watching(open_source(uri), spec)
    watching.start()
    try:
        window = CalibrationWindow(watching, Draft(name, before), out)
        room = window.screen().availableGeometry()
        window.resize(int(room.width() * 0.92), int(room.height() * 0.92))
        window.show()
        application.exec()
    finally:
        watching.stop()
        if translator is not None:
            application.removeTranslator(translator)
        QApplication.processEvents()
