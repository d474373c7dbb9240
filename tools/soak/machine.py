"""Whether the machine gave the program its time: stalls, and how long its threads stood in line."""

import bisect
import json
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

BEAT_S = 0.05
LONG_S = 0.03
"""A thread that stands in line for longer than this in one step may cost a frame."""
STALL_S = 0.05
"""A sleep that takes so much longer than asked is a stall."""


class MachineWatch:
    """Samples how long threads waited for a core (schedstat), in a process of its own.

    Each step adds the wait of the program's GUI thread and that of the X server: a picture needs
    both, one after the other. Of the engine it is the longest of all threads. A stall of the
    sampling process counts too: then the whole machine stood. For the engine so does one core that
    stood still: a thread that sleeps there is not woken, and in no line. The threads that compute
    much are left out, since on a busy machine they always stand in line, and would excuse
    everything.

    Attributes:
        stalls: (time, seconds) of the sampling process's own stalls.
    """

    def __init__(self) -> None:
        self.stalls: list[tuple[float, float]] = []
        self._times, self._sums, self._engine = [time.time()], [0.0], [0.0]
        self._reads = [0.0]
        self._roles: dict[str, tuple[int, ...]] = {"server": _x_server()}
        self._sampler = subprocess.Popen(
            [sys.executable, "-m", "tools.soak.machine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._thread = threading.Thread(target=self._read, name="soak-machine", daemon=True)
        self._thread.start()
        self._tell()

    def watch(self, role: str, *pids: int) -> None:
        """From now on these processes are the `role` (program, engine)."""
        if self._roles.get(role) != pids:
            self._roles[role] = pids
            self._tell()

    def _tell(self) -> None:
        assert self._sampler.stdin is not None
        self._sampler.stdin.write(json.dumps(self._roles) + "\n")

    def waited(self, begin: float, end: float) -> float:
        """Seconds between two wall times in which GUI thread or X server stood in line."""
        return self._between(self._sums, begin, end)

    def engine_waited(self, begin: float, end: float) -> float:
        """The same of the engine, or of the program that listens to it."""
        return max(self._between(self._engine, begin, end), self.waited(begin, end))

    def engine_reads(self, begin: float, end: float) -> int:
        """Pages of the engine that had been put out of memory, and were read again."""
        return round(self._between(self._reads, begin, end))

    def lost_for_long(self, begin: float, end: float) -> float:
        """Seconds in which frames may have been lost by the machine's fault.

        Of the time in line, only what took most of a step, and half of the whole at most; and all
        of the stalls.
        """
        first, last = self._places(begin, end)
        steps = pairwise(self._sums[first : last + 1])
        in_line = sum(b - a for a, b in steps if b - a > LONG_S)
        stalled = sum(seconds for at, seconds in self.stalls if begin <= at <= end)
        return min(in_line, (end - begin) / 2) + stalled

    def stop(self) -> None:
        """Ends the sampling process."""
        assert self._sampler.stdin is not None
        assert self._sampler.stdout is not None
        self._sampler.stdin.close()
        self._sampler.wait()
        self._thread.join()
        self._sampler.stdout.close()

    def _places(self, begin: float, end: float) -> tuple[int, int]:
        first = max(bisect.bisect_right(self._times, begin) - 1, 0)
        return first, min(bisect.bisect_left(self._times, end), len(self._times) - 1)

    def _between(self, sums: list[float], begin: float, end: float) -> float:
        first, last = self._places(begin, end)
        return max(sums[last] - sums[first], 0.0)

    def _read(self) -> None:
        assert self._sampler.stdout is not None
        for line in self._sampler.stdout:
            now, took, worst, core_s, reads = json.loads(line)
            stalled = took - BEAT_S if took - BEAT_S > STALL_S else 0.0
            if stalled:
                self.stalls.append((now, stalled))
            shown = worst.get("program", 0.0) + worst.get("server", 0.0) + stalled
            stood = worst.get("engine", 0.0) + max(stalled, core_s)
            self._engine.append(self._engine[-1] + min(stood, took + core_s))
            self._reads.append(self._reads[-1] + reads)
            self._sums.append(self._sums[-1] + min(shown, took))
            self._times.append(now)


class CoreWatch:
    """How long a core stood still: a thread that sleeps on it was not woken in time."""

    def __init__(self, core: int) -> None:
        self._core, self._longest_s = core, 0.0
        threading.Thread(target=self._watch, name=f"core-{core}", daemon=True).start()

    def take(self) -> float:
        """The longest standstill since the last call, s; 0 if none was longer than `STALL_S`."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest

    def _watch(self) -> None:
        with suppress(OSError, AttributeError):
            os.sched_setaffinity(0, {self._core})  # of this thread
        while True:
            asked = time.monotonic()
            time.sleep(BEAT_S / 2)
            late = time.monotonic() - asked - BEAT_S / 2
            if late > STALL_S:
                self._longest_s = max(self._longest_s, late)


def sample() -> None:
    """The sampling process: reads roles from the standard input, writes a line for each step."""
    cores = [CoreWatch(core) for core in range(os.cpu_count() or 1)]
    roles: dict[str, list[int]] = {}
    before: dict[tuple[str, int, str], float] = {}
    read: dict[int, int] = {}
    asked = time.monotonic()
    while True:
        time.sleep(BEAT_S)
        took, asked = time.monotonic() - asked, time.monotonic()
        if select.select([0], [], [], 0)[0]:
            told = os.read(0, 1 << 16).decode()
            if not told:
                return
            roles = json.loads(told.strip().rpartition("\n")[2])
        worst, before = _queued(roles, before)
        core_s = max(core.take() for core in cores)
        faults = {pid: _major_faults(pid) for pid in roles.get("engine", [])}
        reads = sum(max(count - read.get(pid, count), 0) for pid, count in faults.items())
        read = faults
        print(json.dumps([time.time(), took, worst, core_s, reads]), flush=True)


def _queued(
    roles: dict[str, list[int]], before: dict[tuple[str, int, str], float]
) -> tuple[dict[str, float], dict[tuple[str, int, str], float]]:
    """By how much the waits have grown since the last look, and the waits: the worst thread."""
    now: dict[tuple[str, int, str], float] = {}
    for role, pids in roles.items():
        for pid in pids:
            tasks = _waits(pid)
            for task, waited in tasks if role != "program" else tasks[:1]:
                now[role, pid, task] = waited
    worst: dict[str, float] = {}
    for key, waited in now.items():
        grown = waited - before.get(key, waited)
        worst[key[0]] = max(worst.get(key[0], 0.0), grown)
    return worst, now


def _waits(pid: int) -> list[tuple[str, float]]:
    """Each thread's time in line, in s, the main thread's first."""
    found = []
    with suppress(OSError):
        for task in sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda t: t.name != str(pid)):
            with suppress(OSError, IndexError):
                text = (task / "schedstat").read_text()
                found.append((task.name, int(text.split()[1]) / 1e9))
    return found


def _major_faults(pid: int) -> int:
    """Pages that a process has had to read from the disk (proc(5), stat, majflt)."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[9])
    return 0


def _x_server() -> tuple[int, ...]:
    """The server of our own display."""
    display = ":" + os.environ.get("DISPLAY", "").rpartition(":")[2].partition(".")[0]
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() in ("Xvfb", "Xorg") and display in process.cmdline():
                found.append(process.pid)
    return tuple(found)


def sizes(pid: int) -> dict[str, float]:
    """Memory (MB), threads and open files of one process; raises psutil.Error if it is gone."""
    process = psutil.Process(pid)
    with process.oneshot():
        return {
            "rss_mb": process.memory_info().rss / 2**20,
            "threads": process.num_threads(),
            "files": process.num_fds(),
        }


if __name__ == "__main__":
    sample()
