"""What a session is worth: judged from its lines and from the pictures that are missing."""

from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

from orapp.session_lines import EndLine, FilmLine, FrameRow, GapLine

MAY_BE_CUT_NS = 1_500_000_000
"""A cut may cost the pictures of so long before it; more than that missing is damage."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a session is worth.

    Attributes:
        frames: that are whole and vouched for.
        seconds: from the first of them to the last.
        whole: it was closed properly, and nothing that it says it holds is missing or damaged.
        chain_ok: no line in the midst was changed or lost.
        problems: what is damaged, in words; a mere cut at the end is none.
        ended: where and why it ends, in words.
    """

    frames: int
    seconds: float
    whole: bool
    chain_ok: bool
    problems: tuple[str, ...]
    ended: str


@dataclass(slots=True)
class Contents:
    """What the lines say, without what is large."""

    frames: list[FrameRow] = field(default_factory=list)
    gaps: list[GapLine] = field(default_factory=list)
    films: dict[int, FilmLine] = field(default_factory=dict)
    end: EndLine | None = None
    engine: dict[str, Any] | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    event_kinds: dict[str, int] = field(default_factory=dict)
    broken: str = ""
    cut: bool = False


def may_be_cut(end: EndLine | None, at_end: list[FrameRow]) -> bool:
    """Whether a mere cut explains that these last frames, newest first, have no picture."""
    return end is None and (
        not at_end or at_end[0].captured_ns - at_end[-1].captured_ns < MAY_BE_CUT_NS
    )


def judge(found: Contents, missing: list[FrameRow]) -> Verdict:
    """The verdict, from what the lines say and the frames whose pictures are not there."""
    lines, lost = found.frames, {line.index for line in missing}
    at_cut = list(takewhile(lambda line: line.index in lost, reversed(lines)))
    last = lines[-1 - len(at_cut)] if len(at_cut) < len(lines) else None
    damaged = len(missing) - (len(at_cut) if may_be_cut(found.end, at_cut) else 0)
    problems = [f"the chain does not hold: {found.broken}"] if found.broken else []
    if damaged:
        first = missing[0].index
        problems.append(f"{damaged} pictures are missing or damaged, the first of frame {first}")
    if untold := _untold(lines, found.gaps):
        problems.append(f"{untold} frames are missing without a gap")
    if found.end is not None and found.end.frames != len(lines):
        problems.append(f"it was closed with {found.end.frames} frames but holds {len(lines)}")
    seconds = (last.captured_ns - lines[0].captured_ns) / 1e9 if last else 0.0
    return Verdict(
        frames=len(lines) - len(missing),
        seconds=seconds,
        whole=found.end is not None and not problems,
        chain_ok=not found.broken,
        problems=tuple(problems),
        ended=_ending(found, last, seconds, len(at_cut)),
    )


def _untold(lines: list[FrameRow], gaps: list[GapLine]) -> int:
    """How many indexes between two frames that follow each other are in no gap."""
    untold = 0
    for before, after in pairwise(lines):
        reached = before.index + 1
        if reached >= after.index:
            continue
        for gap in sorted(gaps, key=lambda gap: gap.first):
            if gap.last >= reached and gap.first < after.index:
                untold += max(gap.first - reached, 0)
                reached = gap.last + 1
        untold += max(after.index - reached, 0)
    return untold


def _ending(found: Contents, last: FrameRow | None, seconds: float, at_cut: int) -> str:
    where = "before the first frame" if last is None else f"after frame {last.index}"
    where += "" if last is None else f", {seconds:.1f} s after the first"
    unwritten = f"; {at_cut} more have no whole picture" if at_cut else ""
    if found.end is not None:
        return f"closed {where}: {found.end.why}"
    if found.broken:
        return f"damaged {where}: {found.broken}"
    return f"cut off {where}: it was never closed{unwritten}"
