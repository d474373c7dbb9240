"""Reading ahead: pictures are decoded while the engine computes."""

import queue
import threading

from orapp.sources import Picture, Source, SourceFormat

DEPTH = 8
"""Pictures decoded ahead; 8 MB at 1024x1024."""
PATIENCE_S = 0.1


class AheadSource:
    """Another source, decoded in a thread of its own, up to `DEPTH` pictures ahead.

    Drop policy: none. The thread waits while the queue is full; pictures, the end and errors come
    in the order in which the source gave them.
    """

    def __init__(self, source: Source) -> None:
        self.uri = source.uri
        self._source = source
        self._queue: queue.Queue[Picture | Exception] = queue.Queue(DEPTH)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> SourceFormat:
        """Opens the source and begins to read; raises what the source raises."""
        self.close()
        form = self._source.open()
        self._closing.clear()
        self._thread = threading.Thread(target=self._read_all, name="orapp-ahead", daemon=True)
        self._thread.start()
        return form

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture, or None if it isn't decoded yet; raises what the source raised."""
        try:
            item = self._queue.get(timeout=timeout_ms / 1000)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            self._queue.put(item)  # it stays the answer
            raise item
        return item

    def close(self) -> None:
        """Ends the thread and closes the source."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._queue = queue.Queue(DEPTH)
        self._source.close()

    def _read_all(self) -> None:
        while not self._closing.is_set():
            try:
                picture = self._source.read(timeout_ms=100)
            except Exception as error:  # the end, too; `read` raises it
                self._put(error)
                return
            if picture is not None:
                self._put(picture)

    def _put(self, item: Picture | Exception) -> None:
        while not self._closing.is_set():
            try:
                self._queue.put(item, timeout=PATIENCE_S)
                return
            except queue.Full:
                continue
