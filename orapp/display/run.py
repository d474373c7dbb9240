"""Runs a live session in a window, or offscreen, to its end."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
from PySide6.QtCore import QBuffer, QIODevice, QTimer
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication

from orapp.display.language import use_language
from orapp.display.replay import Replay
from orapp.display.window import SurgeonWindow
from orapp.errors import OrappError
from orapp.files import replace_file
from orapp.frames import AiState
from orapp.live import LiveSession
from orapp.machine import keep_in_memory
from orapp.settings import SiteProfile

OUTLINE_GRACE_S = 0.3
"""The screenshot waits so long for the outline of the frame that is shown."""


class RunWatcher(Protocol):
    """Looks on from the display's thread, as a benchmark does."""

    def look(self, window: SurgeonWindow, session: LiveSession) -> bool:
        """Called every 20 ms; True ends the run."""
        ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the window runs.

    Attributes:
        seconds: length of the run; 0 is until somebody quits.
        headless: paint offscreen; a finite source's end is the run's end.
        full_screen: cover the screen.
        screenshot: PNG of the window at the run's end, or None.
        profile: the room's choices.
        case: id of the case, or empty.
        recordings: folder for the sessions that a key starts; None is a folder of the user's.
        replay: the recording that is replayed, or None.
        watcher: looks on, and may end the run; or None.
    """

    seconds: float = 0.0
    headless: bool = False
    full_screen: bool = False
    screenshot: Path | None = None
    profile: SiteProfile = field(default_factory=SiteProfile)
    case: str = ""
    recordings: Path | None = None
    replay: Replay | None = None
    watcher: RunWatcher | None = None


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
    picture = options.profile.picture
    if picture is None or picture.distortion is None:
        cv2.setNumThreads(1)  # the engine needs the cores more, and a picture is small
    application = application_for(headless=options.headless)
    translator = use_language(application, options.profile.screen.language)
    window = SurgeonWindow(
        options.profile,
        case=options.case,
        recordings=options.recordings,
        replay=options.replay,
    )
    session = make_session(window.wake.ring)
    try:
        _show(window, options)
        window.attach(session)
        session.start()
        keep_in_memory()
        ending = _Ending(window, session, options)
        application.exec()
        ending.stop()
        if options.screenshot is not None and ending.picture is None:
            ending.picture = window.grab()  # the surgeon has closed it
        session.grabber.stop()
        window.drain()
    finally:
        session.stop()
        window.wake.close()
        window.close()
        if translator is not None:
            application.removeTranslator(translator)
    error = session.error
    if options.screenshot is not None and ending.picture is not None:
        try:
            save_picture(ending.picture, options.screenshot)
        except OrappError as unsaved:
            error = error or unsaved
    return session.report(), error


def application_for(*, headless: bool) -> QApplication:
    """Qt's application, on the display or offscreen; raises OrappError if there is no display."""
    if os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH", "").endswith("cv2/qt/plugins"):
        del os.environ["QT_QPA_PLATFORM_PLUGIN_PATH"]  # opencv-python's, for a Qt of its own
    if headless:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    elif sys.platform == "linux":
        _check_display()
    existing = QApplication.instance()
    return existing if isinstance(existing, QApplication) else QApplication(["orapp"])


def _check_display() -> None:
    """Qt ends the program where there is no display: asked before, it is one sentence."""
    if (os.environ.get("QT_QPA_PLATFORM") or "xcb") != "xcb" or os.environ.get("WAYLAND_DISPLAY"):
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        raise OrappError("there is no display", "set DISPLAY, or run with --headless")
    host, _, number = display.rpartition(":")
    if host not in ("", "unix") or not number.partition(".")[0].isdigit():
        return
    with socket.socket(socket.AF_UNIX) as server:
        number = number.partition(".")[0]
        for path in (f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"):
            if server.connect_ex(path) == 0:
                return
    raise OrappError(f"display {display} does not answer", "set DISPLAY, or run with --headless")


def _show(window: SurgeonWindow, options: RunOptions) -> None:
    if options.headless:
        window.resize(1920, 1080)
    else:
        room = window.screen().availableGeometry()
        window.resize(int(room.width() * 0.9), int(room.height() * 0.9))
    window.showFullScreen() if options.full_screen else window.show()
    QApplication.processEvents()
    whole = window.screen().geometry()
    if options.full_screen and not options.headless and window.geometry() != whole:
        window.setGeometry(whole)  # where there is no window manager to do it, as on a kiosk
        QApplication.processEvents()


class _Ending:
    """Ends the run: at its time, at the end of a finite source, on a signal, with a screenshot."""

    def __init__(self, window: SurgeonWindow, session: LiveSession, options: RunOptions) -> None:
        self._window, self._session, self._options = window, session, options
        self._end_ns = time.monotonic_ns() + int(options.seconds * 1e9) if options.seconds else 0
        self._asked_ns = 0
        self.picture: QPixmap | None = None
        asked = [signal.SIGINT, signal.SIGTERM]
        asked += [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
        self._old = {s: signal.signal(s, self._ask) for s in asked}
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(20)

    def _ask(self, *_: object) -> None:
        self._asked_ns = self._asked_ns or time.monotonic_ns()

    def _look(self) -> None:
        now_ns = time.monotonic_ns()
        over = self._session.ended and self._options.headless
        watcher = self._options.watcher
        over = (watcher is not None and watcher.look(self._window, self._session)) or over
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
