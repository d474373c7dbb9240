"""Programs that take the machine's cores, disk or memory for some seconds, and small disks."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_CODE = {
    "cpu": "while True: pass",
    "disk": """
import os, sys
piece = os.urandom(1 << 24)
while True:
    with open(sys.argv[1], "wb", buffering=0) as file:
        for _ in range(8):
            file.write(piece)
        os.fsync(file.fileno())
""",
    "memory": """
import os, time
free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
taken = bytearray(min(free // 4, 2 << 30))
while True:
    for at in range(0, len(taken), 4096):
        taken[at] = (taken[at] + 1) % 256
    time.sleep(0.1)
""",
}
SMALL_DISK_MB = 280
"""80 MB more than a recording must have free: some seconds of it."""


class Hog:
    """Processes that take much of one thing until they are ended.

    Args:
        kind: cpu, disk or memory.
        count: how many processes.
        folder: for what the disk hog writes.
    """

    def __init__(self, kind: str, count: int, folder: Path) -> None:
        self._file = folder / f"hog-{os.getpid()}-{id(self)}"
        command = [sys.executable, "-S", "-c", _CODE[kind], str(self._file)]
        self._processes = [subprocess.Popen(command) for _ in range(count)]

    def end(self) -> None:
        """Ends them; may be called twice."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._file.unlink(missing_ok=True)


class SmallDisk:
    """A file system of its own in memory; needs root.

    Raises:
        OSError: it can't be mounted.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "soak", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            raise OSError("no file system can be mounted here")

    def fill(self) -> None:
        """Leaves not a byte free."""
        with suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
            while file.write(b"\1" * (1 << 20)) == 1 << 20:
                pass

    def close(self) -> None:
        """Takes the file system away with all that is on it."""
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True)
        self.folder.rmdir()
