"""The comparison as tables: on a terminal, and in Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from rich.console import Console
from rich.table import Table

from tools.compare_peers.plan import FAULTS, SCENES
from tools.compare_peers.records import Figures

EQUAL_MS, EQUAL_SHARE = 0.5, 0.05
"""Figures that are no further apart, in ms or as a share, are equal: the machine is not quiet."""
COLUMNS = {
    "picture_handed": "picture, before painting",
    "picture_painted": "picture, painted",
    "outline_handed": "outline, before painting",
    "outline_painted": "outline, painted",
}
PAIRED_ONLY = " (by design: an outline on its own frame only, and it came too late for that)"
PICTURE_FIRST = (
    " (by design: a picture is painted before its outline is there, and an outline that is not its "
    "own goes, or tells its age)"
)
AGES = ["", *COLUMNS.values(), "oldest outline", "missed", "unsaid", "with its age", "outlined"]


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one variant.

    Attributes:
        peer, label: its name, and its variant's name in the table.
        scene, rate_hz: as in `Plan`.
        figures: what came out.
    """

    peer: str
    label: str
    scene: str
    rate_hz: float
    figures: Figures


def tables(results: Sequence[Result]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, head and rows of each table."""
    made = []
    for rate in sorted({r.rate_hz for r in results}):
        here = [r for r in results if r.rate_hz == rate]
        for scene in ("real", "slow"):
            rows = [_ages(r) for r in here if r.scene == scene]
            if rows:
                made.append((f"{rate:g} frames/s, {SCENES[scene]}", AGES, rows))
        faults = [r for r in here if r.scene in FAULTS]
        if faults:
            asked = [s for s in FAULTS if any(r.scene == s for r in faults)]
            head = ["", *(SCENES[s] for s in asked)]
            made.append((f"{rate:g} frames/s, faults", head, _faults(faults, asked)))
    return made


def behind(results: Sequence[Result]) -> list[str]:
    """A line for each column in which a peer is ahead of orapp, in the same scene and rate.

    At p50 or p99; the maximum of a run is one frame.
    """
    lines = []
    for mine in (r for r in results if r.peer == "orapp" and r.scene in ("real", "slow")):
        peers = [
            r
            for r in results
            if r.peer != "orapp" and (r.scene, r.rate_hz) == (mine.scene, mine.rate_hz)
        ]
        where = f"{mine.label}, {mine.rate_hz:g}/s, {SCENES[mine.scene]}: "
        lines += [where + line for line in (*_older(mine, peers), *_worse(mine, peers))]
    return lines


def _older(mine: Result, peers: Sequence[Result]) -> Iterable[str]:
    for column, title in COLUMNS.items():
        own, told = getattr(mine.figures, column), []
        for key in ("p50", "p99"):
            known = [(getattr(p.figures, column), p.label) for p in peers]
            best, who = min([(a[key], label) for a, label in known if a], default=(inf, ""))
            if own is None and best < inf:
                told.append(f"{key} never, {who} {best:.1f}")
            elif own is not None and own[key] - best > max(EQUAL_MS, EQUAL_SHARE * own[key]):
                told.append(f"{key} {own[key]:.1f}, {who} {best:.1f}")
        if told:
            why = PAIRED_ONLY if own is None else ""
            yield f"{title}: {'; '.join(told)} ms{why}"


def _worse(mine: Result, peers: Sequence[Result]) -> Iterable[str]:
    for name in ("missed", "unsaid"):
        own = getattr(mine.figures, name)
        best, who = min([(getattr(p.figures, name), p.label) for p in peers], default=(own, ""))
        if own > best:
            yield f"{name}: {own}, {who} {best}"
    own = mine.figures.outlined
    best, who = max([(p.figures.outlined, p.label) for p in peers], default=(own, ""))
    if own < best - 0.01:
        yield f"outlined: {own:.0%}, {who} {best:.0%}{PICTURE_FIRST}"


def _ages(result: Result) -> list[str]:
    f = result.figures
    if not f.counted:
        return [result.label, f.told, *[""] * (len(AGES) - 2)]
    ages = [_age(getattr(f, column)) for column in COLUMNS]
    label = result.label + (" (died)" if f.died else "")
    missed = f"{f.missed} of {f.produced}"
    oldest = "-" if f.oldest_outline_ms is None else f"{f.oldest_outline_ms:.0f}"
    return [label, *ages, oldest, missed, str(f.unsaid), str(f.aged), f"{f.outlined:.0%}"]


def _age(ages: dict[str, float] | None) -> str:
    return "-" if ages is None else " / ".join(f"{ages[k]:.1f}" for k in ("p50", "p99", "max"))


def _faults(results: Sequence[Result], asked: Sequence[str]) -> list[list[str]]:
    rows = []
    for label in dict.fromkeys(r.label for r in results):
        own = {r.scene: r.figures.told for r in results if r.label == label}
        rows.append([label, *(own.get(scene, "-") for scene in asked)])
    return rows


def show(console: Console, results: Sequence[Result]) -> None:
    """Prints all tables."""
    for title, head, rows in tables(results):
        table = Table(title=title, title_justify="left")
        for name in head:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(results: Sequence[Result]) -> str:
    """All tables."""
    parts = []
    for title, head, rows in tables(results):
        lines = [f"### {title}", "", _row(head), _row(["---"] * len(head))]
        parts.append("\n".join([*lines, *(_row(row) for row in rows)]))
    return "\n\n".join(parts) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
