"""Real-time pacing on an absolute clock."""

import time


class Pace:
    """Waits for the time of each picture; a late picture never moves the ones after it."""

    def __init__(self, paced: bool) -> None:
        self._paced = paced
        self._start_ns: int | None = None

    def start(self) -> None:
        """Time 0 is now."""
        self._start_ns = time.monotonic_ns()

    def wait_until(self, time_ms: float, timeout_ms: float) -> bool:
        """Waits until `time_ms` after the start; False if that is later than `timeout_ms` from now.

        The first call starts the clock if `start` didn't. Unpaced, it is True at once.
        """
        if not self._paced:
            return True
        if self._start_ns is None:
            self.start()
        assert self._start_ns is not None
        wait_ms = time_ms - (time.monotonic_ns() - self._start_ns) / 1e6
        if wait_ms > timeout_ms:
            time.sleep(timeout_ms / 1000)
            return False
        if wait_ms > 0:
            time.sleep(wait_ms / 1000)
        return True
