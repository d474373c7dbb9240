"""Draws pictures of an index side by side, plain and with their masks, for a person to judge.

    python -m tools.contact_sheet --data build/simulated/index.csv --out docs/simulated.jpg
    python -m tools.contact_sheet --data build/runs/index.csv --out docs/runs.jpg --runs 3

With --runs every run has a row, plain, and one below with its outlines; a fractured and a healthy
run take turns.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from tools.pictures import Entry, load, read_index, runs

TILE = 224
MOST_FRAMES = 8
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
    if entry.run:
        words += f" {entry.frame}"
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


def choose_runs(entries: Sequence[Entry], rows: int, seed: int) -> list[list[Entry]]:
    """Runs whose frames follow each other, fractured and healthy by turns, at random.

    No patient comes twice while there are others. Occult fractures are left out.
    """
    rng = np.random.default_rng(seed)
    found = [[entries[k] for k in run] for run in runs(entries)]
    found = [found[k] for k in rng.permutation(len(found)) if not found[k][0].occult]
    chosen: list[list[Entry]] = []
    while found and len(chosen) < rows:
        healthy = len(chosen) % 2 == 1
        patients = [r[0].patient for r in chosen]

        def order(
            run: list[Entry], healthy: bool = healthy, patients: list[str] = patients
        ) -> tuple[bool, int]:
            return (run[0].kind == "healthy") != healthy, patients.count(run[0].patient)

        best = min(found, key=order)
        found.remove(best)
        chosen.append(best)
    return chosen


def run_rows(run: Sequence[Entry], frames: int) -> NDArray[np.uint8]:
    """(2 TILE, frames TILE, 3) uint8: a run's first frames, plain and with their outlines."""
    tiles = [tile(e) for e in run[:frames]]
    tiles += [np.zeros_like(tiles[0])] * (frames - len(tiles))
    rows = (np.hstack([t[:, part] for t in tiles]) for part in (slice(TILE), slice(TILE, None)))
    return np.asarray(np.vstack(list(rows)), np.uint8)


def main() -> None:
    """Writes one sheet of three columns, or of runs."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--rows", type=int, default=10)
    arguments.add_argument("--runs", type=int, default=0, help="so many runs, in rows")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    try:
        entries = read_index(given.data)
        sheet = runs_sheet(entries, given) if given.runs else pictures_sheet(entries, given)
    except OrappError as error:
        arguments.exit(2, f"{error}\n")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(given.out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 76 if given.runs else 82])


def pictures_sheet(entries: Sequence[Entry], given: argparse.Namespace) -> NDArray[np.uint8]:
    """Pictures in three columns."""
    tiles = [tile(e) for e in choose(entries, given.rows, given.seed)]
    rows = [np.hstack(tiles[k : k + 3]) for k in range(0, len(tiles), 3)]
    return np.asarray(np.vstack(rows), np.uint8)


def runs_sheet(entries: Sequence[Entry], given: argparse.Namespace) -> NDArray[np.uint8]:
    """Runs, one below the other; raises OrappError if the index has none."""
    chosen = choose_runs(entries, given.runs, given.seed)
    if not chosen:
        raise OrappError("the index has no runs", "simulate some with --run-frames 6")
    frames = min(max(len(run) for run in chosen), MOST_FRAMES)
    return np.asarray(np.vstack([run_rows(run, frames) for run in chosen]), np.uint8)


if __name__ == "__main__":
    main()
