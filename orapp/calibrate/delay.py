"""The grabber's delay: from a code on this machine's screen to the same code in the video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orapp.barcode import BITS, Finder
from orapp.frames import Frame

LEAST = 15
"""Codes that must have been seen."""
_TORN = 1
"""Frames between two codes that may be unreadable: those in which the screen was changing."""


@dataclass(frozen=True, slots=True)
class GrabberDelay:
    """What was measured.

    Attributes:
        ms: median, from painting to the capture of the first frame that shows it.
        low_ms, high_ms: the 10th and the 90th percentile.
        count: of codes.
    """

    ms: float
    low_ms: float
    high_ms: float
    count: int

    @property
    def text(self) -> str:
        """In words, for the profile."""
        return (
            f"from this machine's screen to its frames, the screen's own delay included: median of "
            f"{self.count} bar codes, 8 of 10 within {self.low_ms:.0f} to {self.high_ms:.0f} ms"
        )


@dataclass(frozen=True, slots=True)
class Codes:
    """What some frames in a row showed: when they were captured (monotonic ns), and a code."""

    readings: tuple[tuple[int, int | None], ...]


def read_codes(finder: Finder, frames: Sequence[Frame]) -> Codes:
    """The codes in frames as they came.

    Looking for a code takes some ms, reading on where it was a fraction of one: if the newest
    frame shows none, the others aren't looked at.
    """
    newest = finder.read(frames[-1].sent) if frames else None
    if newest is None:
        return Codes(tuple((f.captured_ns, None) for f in frames))
    before = [(f.captured_ns, finder.read(f.sent)) for f in frames[:-1]]
    return Codes((*before, (frames[-1].captured_ns, newest)))


class DelayMeter:
    """Compares when codes were painted with when they were captured.

    A code counts if the frame before showed the code before it: else its first frame was missed.
    """

    def __init__(self) -> None:
        self._painted: dict[int, int] = {}
        self._delays: list[float] = []
        self._last: int | None = None
        self._torn = 0

    def painted(self, code: int, at_ns: int) -> None:
        """A code is on the screen since now; the first time counts."""
        self._painted.setdefault(code, at_ns)

    def seen(self, codes: Codes) -> None:
        """Takes what the frames showed that came since the last call."""
        for captured_ns, code in codes.readings:
            if code is None:
                self._torn += 1
                continue
            follows = self._last is not None and code == (self._last + 1) % 2**BITS
            since = captured_ns - self._painted.get(code, captured_ns + 1)
            if follows and self._torn <= _TORN and since >= 0:
                self._delays.append(since / 1e6)
            self._last, self._torn = code, 0

    @property
    def count(self) -> int:
        """Of the codes that have been measured by."""
        return len(self._delays)

    @property
    def delay(self) -> GrabberDelay | None:
        """None before there are enough."""
        if len(self._delays) < LEAST:
            return None
        low, middle, high = (float(q) for q in np.percentile(self._delays, [10, 50, 90]))
        return GrabberDelay(middle, low, high, len(self._delays))
