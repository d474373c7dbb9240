"""The command: soaks for so many minutes; exit code 1 if any promise was broken."""

import argparse
import os
import random
import sys
import time
from pathlib import Path

from PySide6.QtGui import QGuiApplication

from tools.soak.machine import MachineWatch
from tools.soak.plan import plan_run
from tools.soak.record import Record, markdown
from tools.soak.run import Run
from tools.soak.screen import SCREEN
from tools.soak.xserver import XServer

SHORTEST_S = 20.0


def soak(
    minutes: float,
    seed: int,
    folder: Path | None = None,
    *,
    first: int = 0,
    command: tuple[str, ...] = (),
) -> Record:
    """Runs the program again and again for so long; returns what was found.

    Args:
        minutes: of all runs together.
        seed: chooses the faults.
        folder: for pictures of breaches and the record; None keeps none.
        first: number of the first run, to see again what one of the seed's runs has found.
        command: what is run in place of `orapp --verbose live`; for tests.
    """
    record, machine, server = Record(folder), MachineWatch(), XServer()
    begin, number = time.monotonic(), first
    try:
        while (left_s := minutes * 60 - (time.monotonic() - begin)) > 0:
            plan = plan_run(seed, number, max(left_s - 5, SHORTEST_S))
            print(f"run {number}: {plan.theme}, {plan.seconds:.0f} s", flush=True)
            Run(plan, machine, record, server, command).execute()
            record.write((time.monotonic() - begin) / 60, seed)
            number += 1
    finally:
        server.close()
        machine.stop()
    return record


def main() -> int:
    """Reads the options; 0 is clean, 1 is a breach, 2 is no screen to look at."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--seed", type=int, default=None, help="chooses the faults")
    parser.add_argument(
        "--out", type=Path, default=Path("build/soak"), help="folder for the record"
    )
    parser.add_argument("--first", type=int, default=0, help="begin with the run of this number")
    given = parser.parse_args()
    if not 0 < given.minutes < 10_000:
        parser.error("--minutes takes a number above 0")
    if not os.environ.get("DISPLAY"):
        print("there is no X server: use `make soak`, or xvfb-run", file=sys.stderr)
        return 2
    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(
            f"the record can't be written ({error.strerror}): give another --out", file=sys.stderr
        )
        return 2
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    application = QGuiApplication([])
    size = application.primaryScreen().size()
    if (size.width(), size.height()) != SCREEN:
        print(f"the screen must have {SCREEN[0]}x{SCREEN[1]} pixels", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    begin = time.monotonic()
    record = soak(given.minutes, seed, given.out, first=given.first)
    print(markdown(record.as_json((time.monotonic() - begin) / 60, seed)))
    return 1 if record.breaches or not record.runs else 0


if __name__ == "__main__":
    sys.exit(main())
