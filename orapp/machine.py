"""What a report says about the machine: what matters for speed, and nothing that names it.

And what the machine is asked for: to leave a process's pages where they are.
"""

import ctypes
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

_LIBRARIES = ("numpy", "opencv-python", "openvino", "torch", "tensorrt", "PySide6-Essentials", "av")

_MCL_CURRENT, _MCL_ONFAULT = 1, 4  # linux/mman.h, x86 and Arm


def keep_in_memory() -> bool:
    """Asks Linux to keep what this process has mapped in memory, once it has been used.

    Else a page that was not used for a while may be put out, code too, and who needs it stands
    until it has been read again: a heartbeat was late by 0.2 s, and the screen said "AI off". What
    is mapped later is not kept: call it when all is loaded.

    Returns:
        False where the system refuses: it wants CAP_IPC_LOCK, or a high `ulimit -l`.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_ONFAULT) == 0)


def describe_machine() -> dict[str, Any]:
    """CPU, cores, memory, system and library versions; no host name, no user name."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def _cpu() -> str:
    """The CPU's model name, as far as the system tells."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
