"""From a runner's lines to figures, and to what happened on a fault in words. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tools.compare_peers.plan import GRACE_S, STALL_S, Plan

STOPPED_S = 0.25
"""From this on a gap between two frames is a stop; at 15/s they come every 0.067 s."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a runner ended.

    Attributes:
        died: it ended before its time.
        why: the error in one line, or that it hung.
    """

    died: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One painting of a frame; times in s from the first frame that counts, ages in ms."""

    index: int
    at_s: float
    handed_ms: float
    painted_ms: float | None
    outline_of: int | None
    outline_handed_ms: float | None
    outline_painted_ms: float | None
    said: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out of one run.

    Attributes:
        counted: whether the model ever answered, so that frames counted at all.
        produced, missed: frames of the source that count; of them, never shown.
        picture_handed, picture_painted: age of each frame when it was first with the step that
            shows it, and when it was first painted: p50, p99 and max in ms; None if never.
        outline_handed, outline_painted: age of each frame's outline when it was first shown, on
            whatever frame, the same; while frames come, as the last one waits for its outline.
        oldest_outline_ms: the oldest that was painted; None if there was none.
        outlined: share of the time during which an outline was on the picture.
        unsaid: frames that were shown with another frame's outline, without a word.
        aged: those that were shown with one, and with its age.
        longest_gap_s, longest_outline_gap_s: without a new frame, without an outline.
        told: what happened, in words.
        died: the runner ended before its time.
        error: why.
    """

    counted: bool = False
    produced: int = 0
    missed: int = 0
    picture_handed: dict[str, float] | None = None
    picture_painted: dict[str, float] | None = None
    outline_handed: dict[str, float] | None = None
    outline_painted: dict[str, float] | None = None
    oldest_outline_ms: float | None = None
    outlined: float = 0.0
    unsaid: int = 0
    aged: int = 0
    longest_gap_s: float = 0.0
    longest_outline_gap_s: float = 0.0
    told: str = ""
    died: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The lines of a run, cut to the time that counts."""

    plan: Plan
    ending: Ending
    produced: frozenset[int]
    shown: tuple[Shown, ...]
    said: tuple[tuple[float, str, str], ...] = field(default=())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What a runner wrote; a last line that was cut off is left out."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def figures(plan: Plan, lines: Sequence[dict[str, Any]], ending: Ending) -> Figures:
    """Everything about one run."""
    run = _cut(plan, lines, ending)
    if run is None:
        return Figures(told=f"never ran: {ending.why}", died=True, error=ending.why)
    first: dict[int, Shown] = {}
    for shown in run.shown:
        first.setdefault(shown.index, shown)
    shown_till_the_end = [s for s in run.shown if s.at_s < plan.seconds]
    outlined = [s for s in shown_till_the_end if s.outline_of is not None]
    new: dict[int | None, Shown] = {}
    for shown in outlined:
        new.setdefault(shown.outline_of, shown)
    strange = [s for s in outlined if s.outline_of != s.index]
    return Figures(
        counted=True,
        produced=len(run.produced),
        missed=len(run.produced - set(first)),
        picture_handed=spread([s.handed_ms for s in first.values()]),
        picture_painted=spread([s.painted_ms for s in first.values()]),
        outline_handed=spread([s.outline_handed_ms for s in new.values()]),
        outline_painted=spread([s.outline_painted_ms for s in new.values()]),
        oldest_outline_ms=max((_age_ms(s) for s in outlined), default=None),
        outlined=_outlined_share(run),
        unsaid=len({s.index for s in strange if not s.said}),
        aged=len({s.index for s in strange if s.said}),
        longest_gap_s=_longest(run, [s.at_s for s in first.values()])[0],
        longest_outline_gap_s=_longest(run, [s.at_s for s in outlined])[0],
        told=_told(run, [s.at_s for s in first.values()], outlined),
        died=ending.died,
        error=ending.why,
    )


def _age_ms(shown: Shown) -> float:
    """Of the outline, painted if it was."""
    return round(shown.outline_painted_ms or shown.outline_handed_ms or 0.0, 2)


def spread(ms: Sequence[float | None]) -> dict[str, float] | None:
    """p50, p99 (nearest rank) and max; None of nothing."""
    known = np.sort(np.array([m for m in ms if m is not None], float))
    if not len(known):
        return None
    rank = {f"p{p}": known[max(int(np.ceil(len(known) * p / 100)), 1) - 1] for p in (50, 99)}
    return {name: round(float(value), 2) for name, value in (rank | {"max": known[-1]}).items()}


def _cut(plan: Plan, lines: Sequence[dict[str, Any]], ending: Ending) -> Run | None:
    by = {line["what"]: line for line in lines if line["what"] in ("clock", "begin")}
    if len(by) < 2:
        return None
    begin_ns, interval_ns = by["begin"]["ns"], 1e9 / by["clock"]["rate_hz"]
    produced = set()
    first = max(int((begin_ns - by["clock"]["t0_ns"]) / interval_ns) - 1, 0)
    for index in range(first, first + int(plan.seconds * by["clock"]["rate_hz"]) + 3):
        due_ns = by["clock"]["t0_ns"] + round(index * interval_ns)
        at_s = (due_ns - begin_ns) / 1e9
        if 0 <= at_s < plan.seconds and not plan.stall_s[0] <= at_s < plan.stall_s[1]:
            produced.add(index)
    shown = [_shown(line, begin_ns) for line in lines if line["what"] == "shown"]
    said = [
        ((line["ns"] - begin_ns) / 1e9, line["kind"], line["text"])
        for line in lines
        if line["what"] == "said"
    ]
    kept = [s for s in shown if s.index in produced and s.at_s < plan.seconds + GRACE_S]
    return Run(plan, ending, frozenset(produced), tuple(kept), tuple(said))


def _shown(line: dict[str, Any], begin_ns: int) -> Shown:
    handed_ns, painted_ns = line["handed_ns"], line["painted_ns"]
    of_ns = line["outline_captured_ns"]
    return Shown(
        line["index"],
        ((painted_ns or handed_ns) - begin_ns) / 1e9,
        _ms(handed_ns, line["captured_ns"]) or 0.0,
        _ms(painted_ns, line["captured_ns"]),
        line["outline_of"],
        _ms(handed_ns, of_ns),
        _ms(painted_ns, of_ns),
        line["said"],
    )


def _ms(then_ns: int | None, from_ns: int | None) -> float | None:
    return None if then_ns is None or from_ns is None else (then_ns - from_ns) / 1e6


def _outlined_share(run: Run) -> float:
    """Of the time that counts, from the first painting on; a dead program shows none."""
    shown = [s for s in run.shown if s.at_s < run.plan.seconds]
    if not shown:
        return 0.0
    last_s = shown[-1].at_s if run.ending.died else run.plan.seconds
    ends = [*(s.at_s for s in shown[1:]), last_s]
    outlined_s = sum(
        e - s.at_s for s, e in zip(shown, ends, strict=True) if s.outline_of is not None
    )
    return round(outlined_s / (run.plan.seconds - shown[0].at_s), 3)


def _longest(run: Run, at_s: Sequence[float]) -> tuple[float, float]:
    """The longest time without one of these, and when it began; both ends of the run count."""
    times = [0.0, *at_s, max([run.plan.seconds, *at_s])]
    gaps = [(b - a, a) for a, b in pairwise(times)]
    length, since = max(gaps)
    return round(length, 3), since


def _told(run: Run, frames: Sequence[float], outlined: Sequence[Shown]) -> str:
    """What a surgeon would have seen of the scene's fault."""
    if run.ending.died:
        left = run.plan.seconds - max(frames, default=0.0)
        return f"program died ({run.ending.why}): no video and no outline for the last {left:.1f} s"
    if run.plan.scene == "stall":
        return "; ".join([_stood(run, frames), _words(run, "signal")])
    gap, _ = _longest(run, frames)
    video = f"video stopped for {gap:.1f} s" if gap > STOPPED_S else "video went on"
    words = [_words(run, "ai")] if run.plan.scene in ("raise", "spike") else []
    return "; ".join([video, *_told_of_outlines(run, outlined), *words])


def _told_of_outlines(run: Run, outlined: Sequence[Shown]) -> list[str]:
    if not outlined:
        return ["no outlines"]
    gap, _ = _longest(run, [s.at_s for s in outlined])
    told = [f"outlines back after {gap:.1f} s" if gap > STOPPED_S else "outlines stayed"]
    for said, how in ((False, "without a word"), (True, "with its age")):
        old = [s for s in outlined if s.outline_of != s.index and s.said == said]
        if old:
            oldest_s = max(_age_ms(s) for s in old) / 1000
            frames = len({s.index for s in old})
            told.append(f"another frame's on {frames} frames, up to {oldest_s:.2f} s old, {how}")
    return told


def _stood(run: Run, frames: Sequence[float]) -> str:
    gap, since = _longest(run, frames)
    back = run.plan.stall_s[1]
    late = min((at for at in frames if at >= back), default=None)
    if late is None:
        return f"picture stood from {since:.1f} s on and never came back"
    frame_s = 1 / run.plan.rate_hz
    when = f"back {max(late - back, 0) * 1000:.0f} ms after the source" if late else ""
    return f"picture stood for {gap:.1f} s ({STALL_S + frame_s:.1f} s without frames), {when}"


def _words(run: Run, kind: str) -> str:
    """What the program said about it, about half-way."""
    from_s = run.plan.seconds / 2 - 1.0
    told = [
        text.partition(":")[0]
        for at, k, text in run.said
        if k == kind and from_s <= at < run.plan.seconds
    ]
    bad = [t for t in dict.fromkeys(told) if t not in ("X-ray on", "AI ready", "signal is back")]
    return f"said “{'”, “'.join(bad)}”" if bad else "said nothing"
