"""Starts runners as processes of their own, one at a time, and leaves none behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from orapp.errors import OrappError
from tools.compare_peers.peers import Environment, Peer, last_error, limit_stack
from tools.compare_peers.plan import Plan
from tools.compare_peers.records import Ending

REPOSITORY = Path(__file__).parents[2]
START_S = 90.0
"""For loading libraries and model; a peer that needs longer hangs."""


@contextlib.contextmanager
def display() -> Iterator[str]:
    """An X display: the one that there is, or an Xvfb of 1920x1080 for as long as this lasts.

    Raises:
        OrappError: there is none, and no Xvfb.
    """
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    if shutil.which("Xvfb") is None:
        raise OrappError("there is no display and no Xvfb", "set DISPLAY, or install xvfb")
    told, tells = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(tells), "-screen", "0", "1920x1080x24", "-noreset"],
        pass_fds=[tells],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(tells)
    try:
        with os.fdopen(told) as number:
            name = number.readline().strip()
        if not name:
            raise OrappError("Xvfb does not start", "run Xvfb by hand to see why")
        yield f":{name}"
    finally:
        server.terminate()
        server.wait()


def run_peer(peer: Peer, plan: Plan, ready: Environment, screen: str) -> Ending:
    """Runs a peer to its end; whatever happens, none of its processes is left."""
    records, log = Path(plan.records), Path(plan.records).with_suffix(".log")
    records.unlink(missing_ok=True)
    command = [ready.python, "-m", f"tools.compare_peers.runners.{peer.name}", plan.to_json()]
    variables = {
        **os.environ,
        **ready.variables,
        "DISPLAY": screen,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=limit_stack,
        )
        try:
            code = process.wait(START_S + plan.seconds)
        except subprocess.TimeoutExpired:
            return Ending(died=True, why=f"it hung: no end within {START_S:g} s of its time")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code == 0:
        return Ending()
    told = last_error(log.read_text(errors="replace"))
    return Ending(died=True, why=told if code > 0 else f"signal {-code}: {told}")


def end_on_sigterm() -> None:
    """SIGTERM ends the comparison as Ctrl-C does, so that its processes end with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
