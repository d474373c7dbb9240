"""The program as its users start it: a real process with a real window on a real X server."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PySide6.QtGui import QGuiApplication, QImage

WAIT_S = 60.0


class Program:
    """`orapp live` as a process; its log is read while it runs.

    Args:
        folder: for its report.
        arguments: of `orapp live`.
    """

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._report = folder / "report.json"
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "orapp", "--verbose", "live"),
                *map(str, arguments),
                *("--report", str(self._report)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "QT_QPA_PLATFORM": "xcb"},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip())

    def wait_for(self, text: str, after: int = 0) -> int:
        """Waits for a line of the log with the text; returns the number of lines up to it."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for number, line in enumerate(self.lines[after:], after):
                if text in line:
                    return number + 1
            assert self._process.poll() is None, (text, self.lines)
            assert time.monotonic() < deadline, (text, self.lines)
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        """Of the program itself."""
        return self._process.pid

    @property
    def engine_pid(self) -> int:
        """Of the segmenting child."""
        children = psutil.Process(self._process.pid).children()
        (engine,) = [c.pid for c in children if "spawn_main" in " ".join(c.cmdline())]
        return engine

    def end(self) -> dict[str, Any]:
        """Waits for the end of the run; returns its report."""
        assert self._process.wait(WAIT_S) == 0, self.lines
        return json.loads(self._report.read_text())

    def close(self) -> None:
        """Ends it in any case."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()


def look_at_the_screen() -> np.ndarray:
    """(H, W, 3) int: what the X server shows, whoever painted it."""
    screen = QGuiApplication.primaryScreen()
    image = screen.grabWindow(0).toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def share_of(pixels: np.ndarray, colour: Any) -> float:
    """Share of the pixels that have this colour, nearly."""
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return float((np.abs(pixels - wanted).max(axis=2) < 30).mean())
