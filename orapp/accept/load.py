"""Background load: processes of ours that burn cores and write to the disk, always ended."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from orapp.errors import OrappError

KINDS = ("cpu", "disk")
# Each ends by itself when its parent is gone, also by kill -9.
BURN = """
import os, sys
parent = int(sys.argv[1])
while os.getppid() == parent:
    sum(k * k for k in range(200_000))
"""
WRITE = """
import os, sys
parent, chunk = int(sys.argv[1]), os.urandom(4 * 2**20)
with open(sys.argv[2], "wb") as file:
    while os.getppid() == parent:
        for _ in range(16):
            file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        file.seek(0)
"""


def parse_load(text: str) -> tuple[str, ...]:
    """`cpu,disk`, one of them, or `none`; raises OrappError for anything else."""
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if kinds in ((), ("none",)):
        return ()
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise OrappError(f"--load knows no '{unknown[0][:40]}'", "use cpu,disk, cpu, disk or none")
    return kinds


class Load:
    """Runs the load while it is entered.

    `cpu` keeps all cores but one busy, at least one; `disk` writes 64 MB again and again and
    flushes every 4 MB.

    Args:
        kinds: as `parse_load` gives them.
        folder: on the disk that is written to; nothing is left there.
    """

    def __init__(self, kinds: tuple[str, ...], folder: Path) -> None:
        self._kinds, self._folder = kinds, folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._belongings = ExitStack()

    @property
    def words(self) -> str:
        """What the load is."""
        return " and ".join(self._kinds) or "no load"

    @property
    def held(self) -> bool:
        """Whether all of it is still running."""
        return all(process.poll() is None for process in self._processes)

    def __enter__(self) -> Self:
        with ExitStack() as belongings:
            belongings.callback(self._end)
            if "cpu" in self._kinds:
                for _ in range(max((os.cpu_count() or 1) - 1, 1)):
                    self._start(BURN)
            if "disk" in self._kinds:
                scratch = tempfile.TemporaryDirectory(prefix=".load-", dir=self._folder)
                place = belongings.enter_context(scratch)
                belongings.callback(self._end)
                self._start(WRITE, str(Path(place) / "load"))
            self._belongings = belongings.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._belongings.close()

    def _start(self, code: str, *arguments: str) -> None:
        command = [sys.executable, "-c", code, str(os.getpid()), *arguments]
        quiet = subprocess.DEVNULL
        self._processes.append(subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet))

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()
