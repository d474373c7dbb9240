"""Real-time pacing on an absolute clock."""

import time


class Pace:
    """Waits for the time of each picture on one absolute clock.

    A late picture is let through at once and never moves the ones after it: the schedule cannot
    drift. Unpaced, everything is let through at once.
    """

    def __init__(self, paced: bool) -> None:
        self._paced = paced
        self._start_ns: int | None = None

    def start(self) -> None:
        """Time 0 is now."""
        self._start_ns = time.monotonic_ns()

    def wait_until(self, time_ms: float, timeout_ms: float) -> bool:
        """Sleeps until `time_ms` after the start; False if `timeout_ms` were over before.

        The first call starts the clock if `start` didn't. Call again with the same `time_ms`
        after False.
        """
        if not self._paced:
            return True
        if self._start_ns is None:
            self.start()
        assert self._start_ns is not None
        wait_ms = time_ms - (time.monotonic_ns() - self._start_ns) / 1e6
        time.sleep(max(min(wait_ms, timeout_ms), 0) / 1000)
        return wait_ms <= timeout_ms
