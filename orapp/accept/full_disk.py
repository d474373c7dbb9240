"""A disk that will be full at once: a small one in memory, or a limit on the size of files."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIZE = 4 * 2**20
READY = "ready"


@dataclass(frozen=True, slots=True)
class ScratchDisk:
    """Where to record to.

    Attributes:
        folder: on it.
        mounted: False where no file system could be mounted: `limited` stands in for it.
    """

    folder: Path
    mounted: bool

    @property
    def words(self) -> str:
        """What it is."""
        size = f"{SIZE / 2**20:.0f} MB"
        return f"a file system of {size}" if self.mounted else f"a limit of {size} on files"


@contextmanager
def scratch_disk() -> Iterator[ScratchDisk]:
    """A file system of 4 MB in a mount namespace of its own, which ends with its holder.

    Needs no rights where the system allows user namespaces.
    """
    with tempfile.TemporaryDirectory(prefix="orapp-scratch-") as place:
        holder = _hold(place)
        try:
            if holder is None:
                yield ScratchDisk(Path(place), mounted=False)
            else:
                yield ScratchDisk(Path(f"/proc/{holder.pid}/root{place}"), mounted=True)
        finally:
            if holder is not None:
                holder.kill()
                holder.communicate()


def _hold(place: str) -> subprocess.Popen[str] | None:
    """A process in whose namespace the file system is mounted; None where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'mount -t tmpfs -o size={SIZE} none "$1" && echo {READY} && read -r _'
    holder = subprocess.Popen(
        [unshare, "--mount", *user, "sh", "-c", script, "sh", place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert holder.stdout is not None
    if holder.stdout.readline().strip() == READY:
        return holder
    holder.kill()
    holder.communicate()
    return None


@contextmanager
def limited(disk: ScratchDisk) -> Iterator[None]:
    """No file of this process grows beyond the size, where the disk itself has no limit."""
    if disk.mounted or os.name != "posix":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
