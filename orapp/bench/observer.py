"""A process that looks at something, stamps what it sees, and tells at the end."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LIMIT = 2_000_000
"""Sightings that are kept: an hour of 500/s. What comes later is not."""
STOP_S = 10.0

Sighting = tuple[int, int, int]
"""When a look began and when it was done (monotonic ns), and a number; -1 if unreadable."""

Look = Callable[..., Iterator[Sighting | None]]
"""A function of a module that looks for ever, or until its source ends; None is nothing seen."""


class Observer:
    """Looks in a process of its own, so that the display is timed by somebody else.

    Args:
        look: what looks; it and its arguments go to the process.
        arguments: for it.
    """

    def __init__(self, look: Look, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._looking = False
        self._told: OrappError | NDArray[np.int64] | None = None
        self._process = context.Process(
            target=_observe, args=(theirs, os.getpid(), look, arguments), daemon=True
        )
        with _ctrl_c_is_ours():
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    @property
    def looking(self) -> bool:
        """Whether it has looked for the first time, or has nothing more to look at."""
        with suppress(OSError, EOFError):
            self._hear(0)
        return self._looking or self._told is not None or not self._process.is_alive()

    def result(self) -> NDArray[np.int64]:
        """Waits until it has ended by itself; else as `stop`."""
        return self._take(None)

    def _hear(self, timeout_s: float | None) -> bool:
        """Takes one message; False if none came. None says that it is looking."""
        if not self._pipe.poll(timeout_s):
            return False
        self._told = self._pipe.recv()
        self._looking = True
        return True

    def stop(self) -> NDArray[np.int64]:
        """Ends the process; returns (N, 3) int64, its sightings in their order.

        Raises:
            OrappError: what broke off its looking.
        """
        with suppress(OSError):
            self._pipe.send(None)
        return self._take(STOP_S)

    def _take(self, patience_s: float | None) -> NDArray[np.int64]:
        """Its last word; then it is closed."""
        with suppress(OSError, EOFError):
            while self._told is None and self._hear(patience_s):
                pass
        self.close()
        if isinstance(self._told, OrappError):
            raise self._told
        if self._told is None:
            raise OrappError("a process of the benchmark has died", "run the bench again")
        return self._told

    def close(self) -> None:
        """Ends the process in any case; may be called twice."""
        if self._pipe.closed:
            return
        self._pipe.close()
        if self._process.is_alive():
            self._process.join(0.5)
            self._process.kill()
        self._process.join()
        self._process.close()


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """A process that is started meanwhile doesn't hear it: its parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _observe(
    pipe: "Connection[Any, Any]", parent: int, look: Look, arguments: tuple[Any, ...]
) -> None:
    seen: list[Sighting] = []
    told: OrappError | NDArray[np.int64]
    try:
        for count, sighting in enumerate(look(*arguments)):
            if count == 0:
                pipe.send(None)
            if sighting is not None and len(seen) < LIMIT:
                seen.append(sighting)
            if pipe.poll() or os.getppid() != parent:
                break
        told = np.array(seen, np.int64).reshape(-1, 3)
    except OrappError as error:
        told = error
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        told = OrappError(f"a process of the benchmark failed: {said}", "run the bench again")
    with suppress(OSError, EOFError):
        pipe.send(told)
        while os.getppid() == parent and not pipe.poll():  # the other end closes it
            time.sleep(0.02)


def look_through_camera(uri: str) -> Iterator[Sighting | None]:
    """Reads codes from any source of pictures, such as a grabber that is fed from the screen."""
    from orapp.barcode import Finder
    from orapp.sources import EndOfSource, open_source

    source, finder = open_source(uri), Finder()
    try:
        source.open()
        while True:
            picture = source.read(100)
            now_ns = time.monotonic_ns()
            if picture is None:
                yield None
                continue
            code = finder.read(picture.pixels)
            yield now_ns, now_ns, -1 if code is None else code
    except EndOfSource:
        pass
    finally:
        source.close()
