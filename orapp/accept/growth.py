"""What the app and its engine hold, read from /proc, and whether it grows."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

MOST = 600
HAS_PROC = Path("/proc/self/statm").exists()


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Attributes:
        s: since the first look.
        memory_mb: resident, of app and engine.
        threads, descriptors: of both together.
    """

    s: float
    memory_mb: float
    threads: int
    descriptors: int


class Sampler:
    """Looks at this process and the engine's every `period_s`, in a thread of its own.

    Keeps at most `MOST` looks. One at which the engine's process is missing is left out.

    Args:
        engine_pid: gives the engine's process id, None while there is none.
        period_s: between two looks.
    """

    def __init__(self, engine_pid: Callable[[], int | None], period_s: float) -> None:
        self._engine_pid, self._period_s = engine_pid, period_s
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orapp-sampler", daemon=True)

    def __enter__(self) -> Self:
        if HAS_PROC:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        begin_ns = time.monotonic_ns()
        while not self._over.wait(self._period_s) and len(self.samples) < MOST:
            pid = self._engine_pid()
            if pid is None:
                continue
            try:
                both = [_look(os.getpid()), _look(pid)]
            except OSError:  # it has just ended
                continue
            memory, threads, descriptors = (sum(column) for column in zip(*both, strict=True))
            seconds = (time.monotonic_ns() - begin_ns) / 1e9
            self.samples.append(Sample(seconds, memory, int(threads), int(descriptors)))


def _look(pid: int) -> tuple[float, int, int]:
    here = Path(f"/proc/{pid}")
    pages = int((here / "statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return memory, len(os.listdir(here / "task")), len(os.listdir(here / "fd"))  # noqa: PTH208


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Theil and Sen's slope per second: the median of the slopes of all pairs."""
    x, y = np.asarray(seconds, float), np.asarray(values, float)
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    steps = (y[second] - y[first])[apart > 0] / apart[apart > 0]
    return float(np.median(steps)) if len(steps) else 0.0
