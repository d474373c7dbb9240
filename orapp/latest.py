"""One slot between two threads: the newest item wins, the writer never waits."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A mailbox with one slot. Drop policy: newest wins, and what it replaces is counted.

    `put` takes one lock and never blocks on a reader. `on_put` (if given) is called after each
    put, in the putting thread, to wake a reader that has its own event loop; it must not block.
    """

    def __init__(self, on_put: Callable[[], None] | None = None) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._dropped = 0
        self._on_put = on_put

    @property
    def dropped(self) -> int:
        """How many items were replaced before anybody took them."""
        return self._dropped

    @property
    def waiting(self) -> bool:
        """Whether an item lies in the slot."""
        return self._item is not None

    def put(self, item: T) -> None:
        """Puts the item into the slot; an item that nobody took is dropped and counted."""
        with self._condition:
            if self._item is not None:
                self._dropped += 1
            self._item = item
            self._condition.notify()
        if self._on_put is not None:
            self._on_put()

    def take(self, timeout_s: float = 0.0) -> T | None:
        """Takes the newest item out; None if none came within `timeout_s` seconds."""
        with self._condition:
            if self._item is None and timeout_s > 0:
                self._condition.wait_for(lambda: self._item is not None, timeout_s)
            item, self._item = self._item, None
            return item
