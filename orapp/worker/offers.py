"""The frame that waits for the engine, and the wake-up that tells of it."""

import threading
from multiprocessing import Pipe

from orapp.frames import Frame


class Offers:
    """One slot for the newest exposure. Drop policy: newest wins, each loss is counted.

    A repeat of an exposure that was taken in is not new work, unless that work was lost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: tuple[Frame, int] | None = None
        self._newest_index = -1
        self._exposure = -1
        self._lost = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Exposures that were offered and never segmented."""
        return self._dropped

    @property
    def newest_exposure(self) -> int:
        """Of the frames that were offered; -1 before the first."""
        return self._exposure

    def put(self, frame: Frame, now_ns: int) -> bool:
        """Takes the frame in if it is new work; True if the slot now holds it."""
        with self._lock:
            known = frame.exposure == self._exposure
            if frame.index <= self._newest_index or (known and not self._lost):
                return False
            self._dropped += not known and (self._lost or self._waiting is not None)
            self._newest_index, self._exposure, self._lost = frame.index, frame.exposure, False
            self._waiting = (frame, now_ns)
            return True

    def take(self) -> tuple[Frame, int] | None:
        """The waiting frame and when it was offered (monotonic ns)."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            return waiting

    def lost(self, exposure: int) -> None:
        """The exposure was taken but not segmented: its next repeat is new work."""
        with self._lock:
            if exposure == self._exposure:
                self._lost = True
            else:
                self._dropped += 1


class Doorbell:
    """Wakes the supervisor out of its wait. Ringing never blocks; rings in between are one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.waitable, self._button = Pipe(duplex=False)
        self._rung = False

    def ring(self) -> None:
        """Wakes the waiter now, or at its next wait; does nothing once closed."""
        with self._lock:
            if not self._rung and not self._button.closed:
                self._rung = True
                self._button.send_bytes(b"!")

    def clear(self) -> None:
        """The waiter is awake and will look at everything after this."""
        with self._lock:
            if self._rung:
                self.waitable.recv_bytes()
                self._rung = False

    def close(self) -> None:
        """Closes both ends."""
        with self._lock:
            self._button.close()
            self.waitable.close()
