"""Watches the event loop: how long it did not come round while the machine could have let it."""

import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QTimer

BEAT_MS = 5
BLOCKED_S = 0.050


class Watchdog:
    """Beats in the GUI thread, and looks at the beat from another.

    Time in which the GUI thread was ready to run and got no core is the machine's, and so is that
    of a thread that it may be waiting for: both are taken off (/proc/*/schedstat).

    Attributes:
        blocked: (seconds, what the GUI thread was doing).
        beats: how often the loop came round.
    """

    def __init__(self) -> None:
        self.blocked: list[tuple[float, str]] = []
        self.beats = 0
        self._gui, self._task = threading.get_ident(), str(threading.get_native_id())
        self._beat = time.monotonic(), _queued_s()
        self._timer = QTimer()
        self._timer.timeout.connect(self._note)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog")

    def __enter__(self) -> "Watchdog":
        self._note()
        self._timer.start(BEAT_MS)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._timer.stop()

    def _note(self) -> None:
        self._beat = time.monotonic(), _queued_s()
        self.beats += 1

    def _watch(self) -> None:
        told = 0.0
        while not self._over.wait(BEAT_MS / 1000):
            at, queued = self._beat
            late = time.monotonic() - at
            if late < BLOCKED_S or at == told:
                continue
            more = {task: s - queued.get(task, 0.0) for task, s in _queued_s().items()}
            late -= more.pop(self._task, 0.0) + max(more.values(), default=0.0)
            if late > BLOCKED_S and at == self._beat[0]:
                told = at
                stack = sys._current_frames().get(self._gui)
                self.blocked.append((late, "".join(traceback.format_stack(stack)[-4:])))


def _queued_s() -> dict[str, float]:
    """How long each thread of this process has waited for a core, in seconds."""
    found = {}
    for task in Path("/proc/self/task").glob("*"):
        with suppress(OSError):
            found[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
    return found
