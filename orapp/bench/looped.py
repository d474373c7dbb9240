"""A run's pictures made before it starts, so that making them costs the measurement nothing."""

from collections.abc import Sequence

from orapp.frames import Gray
from orapp.sources import EndOfSource, Picture, Source, SourceFormat
from orapp.sources.pace import Pace

PICTURES = 48


def take(source: Source, count: int) -> tuple[SourceFormat, list[Gray]]:
    """Format and the first different pictures of a source, `count` at most; then it is closed.

    Raises:
        OrappError: it can't be opened or read.
    """
    pictures: list[Gray] = []
    try:
        form = source.open()
        for _ in range(20 * count):
            picture = source.read(500)
            if picture is not None and (not pictures or picture.pixels is not pictures[-1]):
                pictures.append(picture.pixels)
            if len(pictures) == count:
                break
    except EndOfSource:
        pass
    finally:
        source.close()
    return form, pictures


class LoopedSource:
    """Hands pictures over in turns for ever, at a rate, each as often as it is repeated."""

    def __init__(self, pictures: Sequence[Gray], form: SourceFormat, repeats: int) -> None:
        self.uri = "simulated:"
        self._pictures, self._form, self._repeats = pictures, form, repeats
        self._pace, self._next = Pace(True), 0

    def open(self) -> SourceFormat:
        """The format of the pictures; the clock starts."""
        self._pace.start()
        return self._form

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture at its time."""
        time_ms = self._next * 1000 / self._form.rate_hz
        if not self._pace.wait_until(time_ms, timeout_ms):
            return None
        pixels = self._pictures[self._next // self._repeats % len(self._pictures)][:]  # not frozen
        self._next += 1
        return Picture(pixels, time_ms)

    def close(self) -> None:
        """Nothing to release."""
