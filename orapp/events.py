"""The bounded list of what happened, for the report and the log."""

import logging
import threading
import time
from collections import deque

from orapp.frames import Event

log = logging.getLogger("orapp")
LIMIT = 10_000


class EventLog:
    """Events in their order. Drop policy: past `LIMIT` the oldest go, and are counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=LIMIT)
        self.dropped = 0

    def add(self, kind: str, text: str) -> None:
        """Adds one event now. `kind` is a short word: signal, ai, view, format, watcher, run."""
        event = Event(time.monotonic_ns(), kind, text)
        log.info("%s: %s", kind, text)
        with self._lock:
            self.dropped += len(self._events) == LIMIT
            self._events.append(event)

    def all(self) -> tuple[Event, ...]:
        """A copy, oldest first."""
        with self._lock:
            return tuple(self._events)
