"""Which NVIDIA GPU this machine has, asked without loading a driver into this process."""

import re
import shutil
import subprocess
from dataclasses import dataclass

_ASK = ("--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader")


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a compiled engine depends on.

    Attributes:
        name: such as `NVIDIA RTX A4000`.
        compute: compute capability as TensorRT names it, such as `sm86`.
        driver: the driver's version.
    """

    name: str
    compute: str
    driver: str


def find_gpu() -> Gpu | None:
    """The first GPU that the driver's own tool lists; None without a driver or a GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        asked = subprocess.run([tool, *_ASK], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse(asked.stdout) if asked.returncode == 0 else None


def parse(text: str) -> Gpu | None:
    """The first line of the tool's answer: name, compute capability, driver."""
    found = re.match(r"\s*(.+?),\s*(\d+)\.(\d+),\s*([\d.]+)\s*$", (text.splitlines() or [""])[0])
    if found is None:
        return None
    name, major, minor, driver = found.groups()
    return Gpu(name, f"sm{major}{minor}", driver)
