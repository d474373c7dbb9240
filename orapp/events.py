"""The bounded list of what happened, for the report and the log."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from orapp.frames import Event

log = logging.getLogger("orapp")
LIMIT = 10_000


class EventLog:
    """Events in their order. Drop policy: past `LIMIT` the oldest go, and are counted.

    Args:
        listener: called with every event, in the thread that adds it; must not block.
    """

    def __init__(self, listener: Callable[[Event], None] | None = None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=LIMIT)
        self.dropped = 0

    def add(self, kind: str, text: str) -> None:
        """Adds one event now. `kind` is a short word: signal, ai, view, format, watcher, run,
        recording.
        """
        event = Event(time.monotonic_ns(), kind, text)
        log.info("%s: %s", kind, text)
        with self._lock:
            self.dropped += len(self._events) == LIMIT
            self._events.append(event)
        if self._listener is not None:
            self._listener(event)

    def all(self) -> tuple[Event, ...]:
        """A copy, oldest first."""
        with self._lock:
            return tuple(self._events)
