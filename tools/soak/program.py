"""The program under test, as a process; its log is read while it runs."""

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) orapp (\w+): (.*)$")
SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: wall time in s, kind and text of the event; kind "" is no event."""

    time: float
    kind: str
    text: str


def parse(raw: str) -> Line:
    """A line of the standard error; what is no event of orapp's gets the time now."""
    found = LINE.match(raw)
    if found is None:
        return Line(time.time(), "", raw)
    at = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()
    return Line(at, found[2], found[3])


class Program:
    """`orapp --verbose live` with a window.

    Args:
        arguments: of `live`.
        command: what is run in place of it; for tests.
    """

    def __init__(self, arguments: list[str], command: tuple[str, ...] = ()) -> None:
        self.lines: list[Line] = []
        begin = command or (sys.executable, "-m", "orapp", "--verbose", "live")
        self.started = time.time()
        self.process = subprocess.Popen(
            [*begin, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "QT_QPA_PLATFORM": "xcb"},
        )
        self._reader = threading.Thread(target=self._read, name="soak-log", daemon=True)
        self._reader.start()
        self.everyone: set[int] = {self.pid}

    def _read(self) -> None:
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            if raw.strip():
                self.lines.append(parse(raw.rstrip()))

    @property
    def pid(self) -> int:
        """Of the program itself."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def engines(self) -> list[int]:
        """The segmenting children; one, or none between two of them."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return []
        self.everyone.update(child.pid for child in children)
        return [c.pid for c in children if _is_engine(c)]

    def close(self) -> None:
        """Ends it in any case, and what it has started."""
        for pid in (self.pid, *self.engines()):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self.process.wait()
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def left_over(self) -> list[str]:
        """What is still there of it after its end: processes and shared memory."""
        left = []
        for pid in self.everyone - {self.pid}:
            try:
                process = psutil.Process(pid)
                if process.create_time() >= self.started - 1:
                    left.append(f"process {pid} {' '.join(process.cmdline())[:80]}")
            except psutil.Error:
                continue
        left += [f"/dev/shm/{path.name}" for path in Path("/dev/shm").glob(f"orapp-{self.pid}-*")]
        return left


def _is_engine(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False
