"""Runs a live session in a window, or offscreen, to its end."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QTimer
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication

from orapp.display.window import SurgeonWindow
from orapp.errors import OrappError
from orapp.files import replace_file
from orapp.frames import AiState
from orapp.live import LiveSession

OUTLINE_GRACE_S = 0.3
"""The screenshot waits so long for the outline of the frame that is shown."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the window runs.

    Attributes:
        seconds: length of the run; 0 is until somebody quits.
        headless: paint offscreen; a finite source's end is the run's end.
        full_screen: cover the screen.
        screenshot: PNG of the window at the run's end, or None.
    """

    seconds: float = 0.0
    headless: bool = False
    full_screen: bool = False
    screenshot: Path | None = None


def run_live(
    make_session: Callable[[Callable[[], None]], LiveSession], options: RunOptions
) -> tuple[dict[str, Any], OrappError | None]:
    """Shows a session until it ends; returns its report, and what went wrong, if anything did.

    That is what broke off its source, or a screenshot that can't be written.

    Args:
        make_session: builds the session from the `on_news` that it is to call.
        options: how.

    Raises:
        OrappError: the source or the model can't be opened.
    """
    application = _application(options)
    window = SurgeonWindow()
    session = make_session(window.wake.ring)
    try:
        _show(window, options)
        window.attach(session)
        session.start()
        ending = _Ending(window, session, options)
        application.exec()
        ending.stop()
        session.grabber.stop()
        window.drain()
    finally:
        session.stop()
        window.wake.close()
        window.close()
    error = session.error
    if options.screenshot is not None and ending.picture is not None:
        try:
            save_picture(ending.picture, options.screenshot)
        except OrappError as unsaved:
            error = error or unsaved
    return session.report(), error


def _application(options: RunOptions) -> QApplication:
    if options.headless:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    elif sys.platform == "linux" and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise OrappError("there is no display", "set DISPLAY, or run with --headless")
    existing = QApplication.instance()
    return existing if isinstance(existing, QApplication) else QApplication(["orapp"])


def _show(window: SurgeonWindow, options: RunOptions) -> None:
    if options.headless:
        window.resize(1280, 1080)
    else:
        room = window.screen().availableGeometry()
        window.resize(int(room.width() * 0.9), int(room.height() * 0.9))
    window.showFullScreen() if options.full_screen else window.show()
    QApplication.processEvents()


class _Ending:
    """Ends the run: at its time, at the end of a finite source, on a signal, with a screenshot."""

    def __init__(self, window: SurgeonWindow, session: LiveSession, options: RunOptions) -> None:
        self._window, self._session, self._options = window, session, options
        self._end_ns = time.monotonic_ns() + int(options.seconds * 1e9) if options.seconds else 0
        self._asked_ns = 0
        self.picture: QPixmap | None = None
        self._old = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(20)

    def _ask(self, *_: object) -> None:
        self._asked_ns = self._asked_ns or time.monotonic_ns()

    def _look(self) -> None:
        now_ns = time.monotonic_ns()
        over = self._session.ended and self._options.headless
        if over or self._session.error is not None or (self._end_ns and now_ns >= self._end_ns):
            self._ask()
        if not self._window.isVisible():
            QApplication.exit()
        elif self._asked_ns and self._may_end(now_ns):
            if self._options.screenshot is not None:
                self.picture = self._window.grab()
            QApplication.exit()  # quit() would close the window, and the last frame go unseen

    def _may_end(self, now_ns: int) -> bool:
        waited = (now_ns - self._asked_ns) / 1e9 > OUTLINE_GRACE_S
        ready = self._session.ai.state is AiState.READY
        return waited or not ready or self._window.view.overlay is not None

    def stop(self) -> None:
        """Gives the signals back."""
        self._timer.stop()
        for number, old in self._old.items():
            signal.signal(number, old)


def save_picture(picture: QPixmap, path: Path) -> None:
    """Writes a PNG; the file appears whole or not at all."""
    buffer = QBuffer()  # not straight to the file: libpng has words of its own for a full disk
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    replace_file(path, lambda part: _write(part, bytes(buffer.data().data())))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
