"""Whether the machine gave the program its time: stalls, and how long its threads stood in line."""

import bisect
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

BEAT_S = 0.05
STALL_S = 0.05
"""A sleep that takes so much longer than asked is a stall."""


class MachineWatch:
    """Samples, in a thread of its own, how long threads waited for a core (schedstat).

    Each step adds the longest wait among the program's threads, the engine's, and the X server's:
    a picture needs all of them, one after the other. A stall of this very thread counts too: then
    the whole machine stood.

    Attributes:
        stalls: (time, seconds) of this thread's own stalls.
    """

    def __init__(self) -> None:
        self.stalls: list[tuple[float, float]] = []
        self._times, self._sums = [time.time()], [0.0]
        self._pids: dict[str, tuple[int, ...]] = {"server": _x_server()}
        self._before: dict[tuple[str, int, str], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-machine", daemon=True)
        self._thread.start()

    def watch(self, role: str, *pids: int) -> None:
        """From now on these processes are the `role` (program, engine)."""
        self._pids = {**self._pids, role: pids}

    def waited(self, begin: float, end: float) -> float:
        """Seconds between two wall times in which the machine gave the program no time."""
        times, sums = self._times, self._sums
        first = max(bisect.bisect_right(times, begin) - 1, 0)
        last = min(bisect.bisect_left(times, end), len(sums) - 1)
        return max(sums[last] - sums[first], 0.0)

    def long_waits(self, begin: float, end: float, least_s: float) -> float:
        """The same, of the steps only in which it was more than `least_s`: a frame's worth."""
        first = max(bisect.bisect_right(self._times, begin) - 1, 0)
        last = min(bisect.bisect_left(self._times, end), len(self._sums) - 1)
        sums = self._sums[first : last + 1]
        return sum(b - a for a, b in pairwise(sums) if b - a > least_s)

    def stop(self) -> None:
        """Ends the thread."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            asked = time.monotonic()
            if self._over.wait(BEAT_S):
                return
            late = time.monotonic() - asked - BEAT_S
            stalled = late if late > STALL_S else 0.0
            if stalled:
                self.stalls.append((time.time(), late))
            self._sums.append(self._sums[-1] + self._queued() + stalled)
            self._times.append(time.time())

    def _queued(self) -> float:
        """By how much the waits have grown since the last look: the worst thread of each role."""
        now: dict[tuple[str, int, str], float] = {}
        for role, pids in self._pids.items():
            for pid in pids:
                for task, waited in _waits(pid):
                    now[role, pid, task] = waited
        worst: dict[str, float] = {}
        for key, waited in now.items():
            grown = waited - self._before.get(key, waited)
            worst[key[0]] = max(worst.get(key[0], 0.0), grown)
        self._before = now
        return sum(worst.values())


def _waits(pid: int) -> list[tuple[str, float]]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, IndexError):
                text = (task / "schedstat").read_text()
                found.append((task.name, int(text.split()[1]) / 1e9))
    return found


def _x_server() -> tuple[int, ...]:
    return tuple(p.pid for p in psutil.process_iter() if p.name() in ("Xvfb", "Xorg"))


def sizes(pid: int) -> dict[str, float]:
    """Memory (MB), threads and open files of one process; raises psutil.Error if it is gone."""
    process = psutil.Process(pid)
    with process.oneshot():
        return {
            "rss_mb": process.memory_info().rss / 2**20,
            "threads": process.num_threads(),
            "files": process.num_fds(),
        }
