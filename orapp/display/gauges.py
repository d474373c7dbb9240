"""The figures in the strip: steady enough to be read. No Qt, no clock."""

from collections import deque
from collections.abc import Iterable
from statistics import median

REFRESH_NS = 500_000_000
REACH_NS = 2_000_000_000


class Gauges:
    """Rate, and median latencies, of the last two seconds; they change twice a second.

    Attributes:
        rate_hz: frames per second that were shown.
        pulse_hz: exposures per second.
        shown_ms: capture to shown, or None before the first frame.
        outline_ms: capture to outline shown, or None while no outline is on its own frame.
    """

    def __init__(self) -> None:
        self.rate_hz = self.pulse_hz = 0.0
        self.shown_ms: float | None = None
        self.outline_ms: float | None = None
        self._shown: deque[tuple[int, float]] = deque(maxlen=256)
        self._outlined: deque[tuple[int, float]] = deque(maxlen=256)
        self._exposed: deque[int] = deque(maxlen=256)
        self._next_ns = 0

    def note(self, captured_ns: int, presented_ns: int, *, first: bool, outlined: bool) -> None:
        """A frame was painted: for the first time or again, with its own outline or without."""
        spot = presented_ns, (presented_ns - captured_ns) / 1e6
        if first:
            self._shown.append(spot)
        if outlined:
            self._outlined.append(spot)

    def exposed(self, captured_ns: int) -> None:
        """A frame that was captured then has started a new exposure."""
        self._exposed.append(captured_ns)

    def refresh(self, now_ns: int) -> None:
        """Takes new values if it is time."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + REFRESH_NS
        self.shown_ms = _median_ms(self._shown, now_ns)
        self.outline_ms = _median_ms(self._outlined, now_ns)
        self.rate_hz = _rate_hz([at_ns for at_ns, _ in self._shown], now_ns)
        self.pulse_hz = _rate_hz(self._exposed, now_ns)


def _rate_hz(times_ns: Iterable[int], now_ns: int) -> float:
    recent = [at_ns for at_ns in times_ns if now_ns - at_ns < REACH_NS]
    if len(recent) < 2 or recent[-1] == recent[0]:
        return 0.0
    return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0])


def _median_ms(spots: deque[tuple[int, float]], now_ns: int) -> float | None:
    recent = [ms for at_ns, ms in spots if now_ns - at_ns < REACH_NS]
    return median(recent) if recent else None
