"""Waiting for pipes and processes, with as little work as possible on each frame's way."""

import math
import select
from multiprocessing.connection import wait
from typing import Any


class Waiting:
    """Waits until one of its pipes or processes has something to say.

    They are registered once: `multiprocessing.connection.wait` builds a selector at each call,
    which costs 0.05 ms, several times a frame.

    Args:
        waitables: connections, or sentinels of processes; open for as long as this is used.
    """

    def __init__(self, *waitables: Any) -> None:
        self._waitables = waitables
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            for one in waitables:
                self._poll.register(one, select.POLLIN)

    def ready(self, timeout_s: float = 0.0) -> bool:
        """Whether one of them is readable, or closed, within the time."""
        if self._poll is None:
            return bool(wait(self._waitables, timeout_s))
        return bool(self._poll.poll(math.ceil(timeout_s * 1000)))
