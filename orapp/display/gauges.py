"""The figures in the strip: steady enough to be read. No Qt, no clock."""

from collections import deque
from statistics import median

REFRESH_NS = 500_000_000
REACH_NS = 2_000_000_000


class Gauges:
    """Rate, and median latencies, of the last two seconds; they change twice a second.

    Attributes:
        rate_hz: frames per second that were shown.
        shown_ms: capture to shown, or None before the first frame.
        outline_ms: capture to outline shown, or None while no outline is on its own frame.
    """

    def __init__(self) -> None:
        self.rate_hz = 0.0
        self.shown_ms: float | None = None
        self.outline_ms: float | None = None
        self._shown: deque[tuple[int, float]] = deque(maxlen=256)
        self._outlined: deque[tuple[int, float]] = deque(maxlen=256)
        self._next_ns = 0

    def note(self, captured_ns: int, presented_ns: int, *, first: bool, outlined: bool) -> None:
        """A frame was painted: for the first time or again, with its own outline or without."""
        spot = presented_ns, (presented_ns - captured_ns) / 1e6
        if first:
            self._shown.append(spot)
        if outlined:
            self._outlined.append(spot)

    def refresh(self, now_ns: int) -> None:
        """Takes new values if it is time."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + REFRESH_NS
        self.shown_ms = _median_ms(self._shown, now_ns)
        self.outline_ms = _median_ms(self._outlined, now_ns)
        times = [at_ns for at_ns, _ in self._shown if now_ns - at_ns < REACH_NS]
        long_enough = len(times) > 1 and times[-1] > times[0]
        self.rate_hz = (len(times) - 1) * 1e9 / (times[-1] - times[0]) if long_enough else 0.0


def _median_ms(spots: deque[tuple[int, float]], now_ns: int) -> float | None:
    recent = [ms for at_ns, ms in spots if now_ns - at_ns < REACH_NS]
    return median(recent) if recent else None
