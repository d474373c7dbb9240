"""Wakes the GUI thread from any other, without ever flooding it."""

import socket
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QSocketNotifier


class Wake(QObject):
    """`ring` from any thread; `answer` is then called once in the GUI thread.

    Drop policy: rings before the answer count as one.
    """

    def __init__(self, answer: Callable[[], None]) -> None:
        super().__init__()
        self._answer = answer
        self._lock = threading.Lock()
        self._rung = False
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._notifier = QSocketNotifier(self._near.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._wake)

    def ring(self) -> None:
        """Never blocks; nothing happens after `close`."""
        with self._lock:
            if self._rung or self._far.fileno() < 0:
                return
            self._rung = True
            self._far.send(b"\0")

    def _wake(self) -> None:
        with self._lock:
            self._rung = False
            self._near.recv(16)
        self._answer()

    def close(self) -> None:
        """Ends the waking."""
        self._notifier.setEnabled(False)
        with self._lock:
            self._far.close()
            self._near.close()
