"""What a soak has found: every breach with its evidence, and what was done and checked."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2

from orapp.machine import describe_machine
from tools.soak.plan import Plan
from tools.soak.screen import Pixels

MOST_BREACHES, MOST_ALIKE = 200, 3


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken promise.

    Attributes:
        time: wall time, ISO.
        contract: C1 to C5, or "log" or "end".
        run, seed, theme: of the run; with run and seed it can be planned again.
        fault: what was last done to the program.
        what: in words.
        waited_ms: how long the program got no core in the second before.
        picture: file of the window's pixels, or empty.
        log: the last lines before it.
    """

    time: str
    contract: str
    run: int
    seed: int
    theme: str
    fault: str
    what: str
    waited_ms: int
    picture: str
    log: tuple[str, ...]


@dataclass(slots=True)
class Record:
    """Collects while the soak runs.

    Args:
        folder: for the pictures of breaches; None keeps none.
    """

    folder: Path | None = None
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    excused: list[str] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    off_ms: list[float] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    lost_ms: list[float] = field(default_factory=list)
    age_ms: list[float] = field(default_factory=list)

    def breach(
        self,
        plan: Plan,
        contract: str,
        what: str,
        *,
        fault: str = "",
        waited_s: float = 0.0,
        pixels: Pixels | None = None,
        log: tuple[str, ...] = (),
    ) -> None:
        """Writes one down, with its picture if there is one."""
        same = [
            b for b in self.breaches if (b.run, b.contract, b.what) == (plan.number, contract, what)
        ]
        if len(same) >= MOST_ALIKE or len(self.breaches) >= MOST_BREACHES:
            return
        name = ""
        if pixels is not None and self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = f"breach-{len(self.breaches):03d}.png"
            cv2.imwrite(str(self.folder / name), pixels[..., :3])
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
        where = (stamp, contract, plan.number, plan.seed, plan.theme, fault, what)
        self.breaches.append(Breach(*where, round(waited_s * 1e3), name, log))
        print(f"BREACH {contract} in run {plan.number} ({plan.theme}): {what}", flush=True)

    def excuse(self, plan: Plan, what: str, waited_s: float) -> None:
        """Something came late while the machine gave no time: no breach, but told."""
        self.excused.append(f"run {plan.number}: {what}; no core for {waited_s * 1e3:.0f} ms")

    def as_json(self, minutes: float, seed: int) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "minutes": round(minutes, 1),
            "seed": seed,
            "machine": describe_machine(),
            "faults": dict(sorted(self.faults.items())),
            "checks": dict(sorted(self.checks.items())),
            "off_ms": spread(self.off_ms),
            "back_s": spread(self.back_s),
            "lost_ms": spread(self.lost_ms),
            "age_ms": spread(self.age_ms),
            "excused": self.excused,
            "breaches": [asdict(breach) for breach in self.breaches],
            "runs": self.runs,
        }

    def write(self, minutes: float, seed: int) -> None:
        """Writes soak.json and soak.md into the folder, if there is one."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        told = self.as_json(minutes, seed)
        (self.folder / "soak.json").write_text(json.dumps(told, indent=1) + "\n")
        (self.folder / "soak.md").write_text(markdown(told))


def spread(values: list[float]) -> dict[str, float]:
    """Count, median, 95th percentile and maximum."""
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    at = [ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.95)]
    return {
        "count": len(ordered),
        "p50": round(at[0], 1),
        "p95": round(at[1], 1),
        "max": round(ordered[-1], 1),
    }


def markdown(told: dict[str, Any]) -> str:
    """The record as a page."""
    runs, machine = told["runs"], told["machine"]
    lines = [
        f"# Soak: {told['minutes']:g} minutes, {len(runs)} runs, {len(told['breaches'])} breaches",
        f"`python -m tools.soak --minutes {told['minutes']:.0f} --seed {told['seed']}` on "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}.",
        "",
        *_table("Faults", told["faults"]),
        *_table("Checks", told["checks"]),
        "| measured | count | p50 | p95 | max |",
        "|---|---|---|---|---|",
        _row("engine killed to `AI off` in the log, ms", told["off_ms"]),
        _row("`AI off` to the engine ready again, s", told["back_s"]),
        _row("recording lost by kill -9 of the program, ms", told["lost_ms"]),
        _row("age of the picture on the screen, X-ray on, ms", told["age_ms"]),
        "",
        *_themes(runs),
        f"Said late, but not later than the machine gave time for: {len(told['excused'])}.",
        *(f"- {text}" for text in told["excused"][:20]),
        "",
        *_breaches(told["breaches"]),
    ]
    return "\n".join(lines) + "\n"


def _themes(runs: list[dict[str, Any]]) -> list[str]:
    """A line for each kind of run."""
    names = ("runs", "minutes", "frames", "not shown", "window hidden, s", "mispaired", "restarts")
    rows = [f"| theme | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for theme in sorted({run["theme"] for run in runs}):
        mine = [run for run in runs if run["theme"] == theme]
        figures = (
            len(mine),
            round(sum(run["seconds"] for run in mine) / 60, 1),
            sum(run["frames"].get("captured", 0) for run in mine),
            sum(run["frames"].get("dropped_before_display", 0) for run in mine),
            sum(run["hidden_s"] for run in mine),
            sum(run["mispaired"] for run in mine),
            sum(run["restarts"] or 0 for run in mine),
        )
        rows.append(f"| {theme} | " + " | ".join(f"{figure:g}" for figure in figures) + " |")
    return [*rows, ""]


def _table(title: str, counts: dict[str, int]) -> list[str]:
    rows = [f"| {name} | {count} |" for name, count in counts.items()]
    return [f"| {title} | |", "|---|---|", *rows, ""]


def _row(name: str, told: dict[str, float]) -> str:
    figures = (f"{told[key]:g}" if key in told else "-" for key in ("p50", "p95", "max"))
    return f"| {name} | {told['count']} | " + " | ".join(figures) + " |"


def _breaches(breaches: list[dict[str, Any]]) -> list[str]:
    if not breaches:
        return ["No breach."]
    rows = ["| time | contract | run | fault | what | no core, ms | picture |", "|" + "---|" * 7]
    for b in breaches:
        rows.append(
            f"| {b['time']} | {b['contract']} | {b['run']} ({b['theme']}) | {b['fault']} "
            f"| {b['what']} | {b['waited_ms']} | {b['picture']} |"
        )
    return rows
