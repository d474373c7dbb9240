"""Who is compared, and how each is installed into an environment of its own."""

import importlib.metadata
import os
import re
import resource
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SHARED = ("numpy", "opencv-python", "openvino", "pydantic")
"""What the model call and the painting need, in the versions that orapp runs with here."""
STACK_BYTES = 32 * 2**20
"""Holoscan asks for as much."""
_INSTALL_S = 1800


class Unavailable(Exception):
    """A peer can't be installed or run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One pipeline.

    Attributes:
        name: for `--only`, and of its runner.
        variants: label for the table, by variant.
        packages: what its environment gets beside `SHARED`; none runs in this environment.
        module: imported to see whether it runs here.
        paints: what it paints, for the notes.
    """

    name: str
    variants: Mapping[str, str]
    paints: str
    packages: tuple[str, ...] = ()
    module: str = ""


IMSHOW = "the frame at its own size with the outline, by cv2.imshow"
PEERS = (
    Peer(
        "naive",
        {"queue": "naive loop", "newest": "naive loop, newest frame"},
        IMSHOW,
    ),
    Peer(
        "fast",
        {"default": "FAST, default", "newest": "FAST, newest frame only"},
        IMSHOW + " (its own window gives no stamp)",
        ("pyfast==4.18.0", "pocl-binary-distribution", "libusb-package"),
        "fast",
    ),
    Peer(
        "holoscan",
        {"default": "Holoscan, default", "pop": "Holoscan, POP + event scheduler"},
        IMSHOW + " (HolovizOp needs a GPU)",
        ("holoscan-cu12==4.6.0", "nvidia-cuda-runtime-cu12"),
        "holoscan",
    ),
    Peer(
        "orapp",
        {"paired": "orapp, paired", "live": "orapp, live"},
        "the whole screen of 1920x1080: frame, outline, marks, words",
    ),
)


@dataclass(frozen=True, slots=True)
class Environment:
    """How a peer's runner is started."""

    python: str
    variables: Mapping[str, str]


def environment(peer: Peer, folder: Path) -> Environment:
    """The peer's environment, made in `folder` if it is not there yet.

    Raises:
        Unavailable: it can't be installed, or what was installed does not run.
    """
    if not peer.packages:
        return Environment(sys.executable, {})
    home = folder / peer.name
    python = home / "bin" / "python"
    wanted = [*peer.packages, *(f"{name}=={_version(name)}" for name in SHARED)]
    stamp = home / "installed.txt"
    if not stamp.exists() or stamp.read_text().split() != wanted:
        _install(home, python, wanted)
        stamp.write_text("\n".join(wanted))
    ready = Environment(str(python), _variables(home))
    _check(peer, ready)
    return ready


def limit_stack() -> None:
    """In a runner before it starts: as much stack as Holoscan asks for."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard == resource.RLIM_INFINITY or hard >= STACK_BYTES:
        resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, hard))


def _version(name: str) -> str:
    return importlib.metadata.version(name)


def _install(home: Path, python: Path, wanted: list[str]) -> None:
    venv.create(home, clear=True, with_pip=True, symlinks=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-input", *wanted]
    done = _run(command, os.environ, _INSTALL_S)
    if done.returncode:
        raise Unavailable(f"can't be installed: {last_error(done.stderr)}")


def _check(peer: Peer, ready: Environment) -> None:
    command = [ready.python, "-c", f"import {peer.module}"]
    done = _run(command, {**os.environ, **ready.variables}, 120)
    if done.returncode:
        raise Unavailable(f"does not run here: {last_error(done.stdout + done.stderr)}")


def _run(
    command: list[str], variables: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=dict(variables),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            preexec_fn=limit_stack,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"does not end within {seconds:g} s") from None


def _variables(home: Path) -> dict[str, str]:
    """Where the libraries lie that a peer expects of the system, taken from packages instead."""
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    libraries = home / "libraries"
    libraries.mkdir(exist_ok=True)
    usb, link = packages / "libusb_package" / "libusb-1.0.so", libraries / "libusb-1.0.so.0"
    if usb.exists() and not link.exists():
        link.symlink_to(usb.resolve())
    cuda = packages / "nvidia" / "cuda_runtime" / "lib"
    found = {"LD_LIBRARY_PATH": f"{libraries.resolve()}:{cuda.resolve()}"}
    for opencl in packages.glob("pyopencl/.libs/libpocl*.so"):
        found["OCL_ICD_FILENAMES"] = str(opencl.resolve())
    return found


def last_error(text: str) -> str:
    """The line of a program's output that says best why it ended."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [n for n in lines if re.match(r"(\w+\.)*\w*(Error|Exception|ERROR)\b", n)]
    return (told or lines or ["it says nothing"])[-1][:160]
