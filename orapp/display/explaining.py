"""Grad-CAM of the picture that is shown, computed by a child process: torch stays out of here."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PySide6.QtCore import QObject, QProcess, QTimer

from orapp.frames import Frame, Gray
from orapp.text_cover import Box, text_cover

Found = Callable[[Frame, Gray | None, str], None]
LONGEST_MS = 60_000


class Explaining(QObject):
    """Runs `orapp engine explain` on one frame at a time.

    Args:
        found: called in the GUI thread with the frame, and its heat map (h, w) uint8, or None and
            what is wrong.
    """

    def __init__(self, found: Found) -> None:
        super().__init__()
        self._found = found
        self._process: QProcess | None = None

    @property
    def busy(self) -> bool:
        """Whether a child is computing."""
        return self._process is not None

    def start(self, frame: Frame, model: str, text: tuple[Box, ...] = ()) -> None:
        """Starts a child for this frame; does nothing while one is at work.

        Args:
            frame: that is shown.
            model: name or folder.
            text: boxes in which the engine does not see the frame as it is, but painted over.
        """
        if self.busy:
            return
        folder = tempfile.TemporaryDirectory(prefix="orapp-explain-")
        picture, heat = Path(folder.name) / "frame.png", Path(folder.name) / "heat.png"
        size = frame.pixels.shape[0], frame.pixels.shape[1]
        seen_by_engine = text_cover(text, size, size).cover(frame.pixels)
        cv2.imwrite(str(picture), seen_by_engine, [cv2.IMWRITE_PNG_COMPRESSION, 0])  # at once
        process = self._process = QProcess(self)
        process.setProgram(sys.executable)
        told = ["-m", "orapp", "engine", "explain", str(picture), "--out", str(heat)]
        process.setArguments([*told, "--model", model])

        def over(*_: object) -> None:
            if self._process is not process:
                folder.cleanup()
                return
            self._process = None
            seen = cv2.imread(str(heat), cv2.IMREAD_GRAYSCALE) if heat.exists() else None
            said = bytes(process.readAllStandardError().data()).decode(errors="replace").strip()
            folder.cleanup()  # a patient's picture
            process.deleteLater()
            why = said.splitlines()[-1].removeprefix("orapp: ") if said else "it has failed"
            self._found(frame, None if seen is None else np.asarray(seen, np.uint8), why)

        process.finished.connect(over)
        process.errorOccurred.connect(over)
        QTimer.singleShot(LONGEST_MS, process, process.kill)
        process.start()

    def close(self) -> None:
        """Ends what runs; nothing is found any more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.waitForFinished(5000)
