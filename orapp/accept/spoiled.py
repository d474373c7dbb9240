"""A source whose cable can be pulled, and that leaks if it is told to."""

import threading

from orapp.errors import SignalLost
from orapp.sources import Picture, Source, SourceFormat

GONE = "the cable is pulled (drill)"


class SpoiledSource:
    """Any source, behind a cable of its own.

    Args:
        source: not yet opened.
        leak_mb_per_s: test option: keeps so much memory of every second of video.

    Attributes:
        uri: of the source.
    """

    def __init__(self, source: Source, leak_mb_per_s: float = 0.0) -> None:
        self.uri = source.uri
        self._source, self._leak = source, leak_mb_per_s
        self._pulled = threading.Event()
        self._kept: list[bytes] = []
        self._rate_hz = 15.0

    def pull(self) -> None:
        """From now on reading and opening fail."""
        self._pulled.set()

    def plug(self) -> None:
        """The cable is back."""
        self._pulled.clear()

    def open(self) -> SourceFormat:
        """See `Source.open`."""
        self._refuse()
        form = self._source.open()
        self._rate_hz = form.rate_hz or self._rate_hz
        return form

    def read(self, timeout_ms: int) -> Picture | None:
        """See `Source.read`."""
        self._refuse()
        picture = self._source.read(timeout_ms)
        if self._leak and picture is not None:
            self._kept.append(b"\1" * int(self._leak * 2**20 / self._rate_hz))
        self._refuse()
        return picture

    def close(self) -> None:
        """See `Source.close`."""
        self._source.close()

    def _refuse(self) -> None:
        if self._pulled.is_set():
            raise SignalLost(GONE, "plug it in again")
