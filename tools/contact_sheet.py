"""Draws pictures of an index side by side, plain and with their masks, for a person to judge.

python -m tools.contact_sheet --data build/simulated/index.csv --out docs/simulated.jpg
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.pictures import Entry, load, read_index

TILE = 224
BODIES, BROKEN, WORDS = (255, 200, 0), (0, 120, 255), (0, 220, 220)
"""Blue, green, red."""


def tile(entry: Entry) -> NDArray[np.uint8]:
    """(TILE, 2 TILE, 3) uint8: the picture, and again with its outlines and what it is."""
    planes = load(entry, TILE)
    plain = cv2.cvtColor(planes[0], cv2.COLOR_GRAY2BGR)
    drawn = plain.copy()
    for mask, colour in ((planes[2], BODIES), (planes[1], BROKEN)):
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, colour, 1)
    words = f"{entry.centre} {entry.view} {entry.kind}{' occult' if entry.occult else ''}"
    cv2.putText(drawn, words, (4, TILE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, WORDS, 1, cv2.LINE_AA)
    return np.asarray(np.hstack([plain, drawn]), np.uint8)


def choose(entries: Sequence[Entry], rows: int, seed: int) -> list[Entry]:
    """As many of each centre and view as fit, fractured and healthy alike, at random."""
    rng = np.random.default_rng(seed)
    centres = sorted({e.centre for e in entries if e.view == "ap"})
    chosen = []
    for row in range(rows):
        for view in ("lateral", "ap", "oblique"):
            centre = centres[row % len(centres)]
            healthy = rng.uniform() < 0.3
            fit = [
                e
                for e in entries
                if e.view == view and e.centre == centre and (e.kind == "healthy") == healthy
            ]
            chosen.append(fit[rng.integers(len(fit))])
    return chosen


def main() -> None:
    """Writes one sheet of three columns."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--rows", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    tiles = [tile(e) for e in choose(read_index(given.data), given.rows, given.seed)]
    sheet = np.vstack([np.hstack(tiles[k : k + 3]) for k in range(0, len(tiles), 3)])
    given.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
