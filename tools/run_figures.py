"""How steadily a network outlines in fluoroscopy runs: found, false and flickering outlines.

A frame has an outline where the app would draw one: the view is a spine, a body is judged broken,
and the map holds a large enough object. Runs whose fracture is occult are left out, and frames in
which the fracture has left the view.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.bootstrap import interval
from tools.pictures import Entry, runs

HIT = 0.5
"""Least Dice of an outline that lies on the fracture."""
WORDS = {
    "detection": "frames of a fractured run with an outline",
    "hit": f"… of which on the fracture (Dice from {HIT})",
    "flicker": "pairs of frames of a fractured run in which the outline appears or vanishes",
    "false": "frames of a healthy run with an outline",
    "false_flicker": "pairs of frames of a healthy run in which it appears or vanishes",
}


@dataclass(frozen=True, slots=True)
class Steadiness:
    """One run, in parts of 1; NaN where there is none.

    Attributes:
        name, patient, centre, kind: which run.
        frames: that were counted.
        outlined: part of the frames with an outline.
        hit: part of these whose outline lies on the fracture.
        flicker: part of the pairs of following frames in which the outline appears or vanishes.
    """

    name: str
    patient: str
    centre: str
    kind: str
    frames: int
    outlined: float
    hit: float
    flicker: float


def steadiness(
    entries: Sequence[Entry], outlined: NDArray[np.bool_], dice: NDArray[np.float64]
) -> list[Steadiness]:
    """Every run that counts; `outlined` and `dice` (NaN where nothing is broken) per picture."""
    rows = []
    for run in runs(entries):
        first = entries[run[0]]
        broken = first.kind != "healthy"
        if first.kind == "other" or (broken and first.occult):
            continue
        at = np.array([k for k in run if not (broken and np.isnan(dice[k]))], int)
        if not len(at):
            continue
        seen = outlined[at]
        following = np.diff([entries[k].frame for k in at]) == 1
        changed = (seen[1:] != seen[:-1])[following]
        rows.append(
            Steadiness(
                *(first.run, f"{first.centre}/{first.patient}", first.centre, first.kind, len(at)),
                float(seen.mean()),
                float((dice[at][seen] >= HIT).mean()) if broken and seen.any() else np.nan,
                float(changed.mean()) if len(changed) else np.nan,
            )
        )
    return rows


def run_figures(rows: Sequence[Steadiness]) -> dict[str, list[float]]:
    """Each figure with its interval: the mean over the runs, [value, low, high]."""
    healthy = np.array([r.kind == "healthy" for r in rows])
    columns = {
        "detection": np.where(healthy, np.nan, [r.outlined for r in rows]),
        "hit": np.array([r.hit for r in rows]),
        "flicker": np.where(healthy, np.nan, [r.flicker for r in rows]),
        "false": np.where(healthy, [r.outlined for r in rows], np.nan),
        "false_flicker": np.where(healthy, [r.flicker for r in rows], np.nan),
    }
    patients = [r.patient for r in rows]
    every = np.arange(len(rows))
    figures: dict[str, list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no run of this kind: NaN
        for name, column in columns.items():

            def mean(k: NDArray[np.int_], column: NDArray[np.float64] = column) -> float:
                return float(np.nanmean(column[k]))

            figures[name] = [mean(every), *interval(mean, patients)]
    return figures


def run_table(name: str, rows: Sequence[Steadiness]) -> tuple[str, dict[str, dict]]:
    """Markdown and figures: all external runs, and each centre's."""
    groups = {"all": list(rows)}
    groups |= {f"centre {c}": [r for r in rows if r.centre == c] for c in _centres(rows)}
    figures = {group: run_figures(chosen) for group, chosen in groups.items()}
    counts = {
        group: [
            len({r.patient for r in chosen}),
            sum(r.kind != "healthy" for r in chosen),
            sum(r.kind == "healthy" for r in chosen),
        ]
        for group, chosen in groups.items()
    }
    lines = [
        f"### {name}: runs",
        "",
        f"| | {' | '.join(groups)} |",
        "|---" * (len(groups) + 1) + "|",
    ]
    said = [" / ".join(str(n) for n in counts[g]) for g in groups]
    lines.append(f"| patients / fractured runs / healthy runs | {' | '.join(said)} |")
    for key, words in WORDS.items():
        cells = [_cell(figures[g][key]) for g in groups]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    broken = [r for r in rows if r.kind != "healthy"]
    always, never = (sum(r.outlined == v for r in broken) for v in (1, 0))
    between = len(broken) - always - never
    lines += [
        "",
        f"Of the {len(broken)} fractured runs {always} have an outline in every frame, {never} in "
        f"none, {between} in some.",
    ]
    report = {g: figures[g] | {"patients_broken_healthy": counts[g]} for g in groups}
    return "\n".join(lines) + "\n", report | {"always_never_sometimes": [always, never, between]}


def _centres(rows: Sequence[Steadiness]) -> list[str]:
    return sorted({r.centre for r in rows})


def _cell(values: Sequence[float]) -> str:
    if np.isnan(values[0]):
        return "–"
    return "{:.3f} ({:.3f}-{:.3f})".format(*values)
