"""The report: one HTML file that opens anywhere, tells the verdict first, and names nobody."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orapp
from orapp.errors import OrappError
from orapp.files import replace_file
from orapp.qa.cases import read_mapping
from orapp.qa.compare import Comparison, Pair
from orapp.qa.figures import AT_LEAST, LIMITS, WORDS
from orapp.qa.page import Node, node, page, rows
from orapp.qa.pictures import frame_of, picture_at, side_by_side
from orapp.qa.plots import Plot, histogram
from orapp.qa.results import RunRecord, Summary, read_run, read_summary
from orapp.qa.table import cases_table
from orapp.settings import SiteProfile

REPORT = "report.html"
PURPOSE = "research use only, not a medical device"
MOST_PICTURES = 12
MOST_FAILED = 200
"""Listed one by one above the table, which has all."""

DISTRIBUTIONS: dict[str, Callable[[Summary], float]] = {
    "Detection rate of each run": lambda s: s.detection_rate,
    "Time of a frame, 95th percentile of each run, ms": lambda s: s.whole_ms.p95,
    "Flicker: change of the mask between frames (1 - IoU)": lambda s: s.flicker.change,
}

SHARES = frozenset({"Detection rate of each run"})


@dataclass(frozen=True, slots=True)
class Side:
    """One results folder as the report needs it.

    Attributes:
        folder: where it is.
        run: its record.
        summaries: by the number of the case; cases that failed have none.
    """

    folder: Path
    run: RunRecord
    summaries: dict[int, Summary] = field(default_factory=dict)


def read_side(folder: Path) -> Side:
    """Reads a results folder; raises OrappError if it is none."""
    side = Side(folder, read_run(folder))
    for case in side.run.cases:
        if case.state == "done":
            try:
                side.summaries[case.number] = read_summary(folder / case.label)
            except OrappError:
                continue  # the comparison, or the table, says that it is damaged
    return side


def write_report(
    path: Path,
    ours: Side,
    reference: Side | None = None,
    comparison: Comparison | None = None,
    pictures: bool = True,
    site: SiteProfile | None = None,
) -> None:
    """Writes the report of a run, or of a comparison of two.

    Args:
        path: of the HTML file.
        ours: the run (the candidate).
        reference: what it was compared with, if it was.
        comparison: of the two; None without a reference.
        pictures: draw the worst frames; this reads the runs' files again, where they still are.
        site: the site's profile: where text is burned in is blackened in them.

    Raises:
        OrappError: it can't be written.
    """
    body = [
        node("h1", "QA of fracture outlines"),
        node("p", f"orapp {orapp.__version__} · {PURPOSE}", class_="soft"),
        _verdict(ours, comparison),
        _cards(ours, comparison),
        *_compared(ours, reference),
        *(_tolerances(comparison) if comparison else []),
        *_failed(ours, comparison),
        *(_pictures(ours, reference, comparison, site) if pictures else []),
        *_plots(ours, reference, comparison),
        node("h2", "All runs"),
        node("p", "A click on a column's head sorts by it. Which file a run is, "
             "cases.csv in the results folder says; it is not part of this report.", class_="soft"),
        cases_table(ours.run, ours.summaries, comparison),
    ]  # fmt: skip
    text = page("QA of fracture outlines", *body)
    replace_file(path, partial(_write, text=text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def passed(ours: Side, comparison: Comparison | None) -> bool:
    """Whether every case could be read and, where compared, is within tolerance."""
    whole = all(case.state == "done" and case.number in ours.summaries for case in ours.run.cases)
    return whole and (comparison is None or comparison.passed)


def verdict_words(ours: Side, comparison: Comparison | None) -> str:
    """The verdict in one sentence."""
    errors = sum(case.number not in ours.summaries for case in ours.run.cases)
    if comparison is None:
        many = _runs(len(ours.run.cases))
        return f"Done: {many}" if not errors else f"Failed: {errors} of {many} could not be read"
    if comparison.problems:
        return f"Failed: {'; '.join(comparison.problems)}"
    many = _runs(len(comparison.pairs))
    if comparison.failed:
        return f"Failed: {len(comparison.failed)} of {many} differ beyond tolerance or have errors"
    return f"Passed: {many} within tolerance"


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _verdict(ours: Side, comparison: Comparison | None) -> Node:
    good = passed(ours, comparison)
    words = verdict_words(ours, comparison)
    if comparison is None:
        about = "Nothing was compared: no baseline was given."
    else:
        same = sum(pair.state == "identical" for pair in comparison.pairs)
        within = sum(pair.state == "within" for pair in comparison.pairs)
        about = f"{_runs(same)} with byte-identical masks, {within} within tolerance."
    mark = "✓ " if good else "✕ "
    class_ = "verdict" if good else "verdict failed"
    return node("div", node("strong", mark + words), about, class_=class_, id="verdict")


def _cards(ours: Side, comparison: Comparison | None) -> Node:
    frames = sum(summary.frames for summary in ours.summaries.values())
    outlined = sum(summary.outlined for summary in ours.summaries.values())
    cards = [
        ("runs", str(len(ours.run.cases))),
        ("frames", f"{frames:,}"),
        ("frames outlined", f"{outlined / frames:.1%}" if frames else "–"),
    ]
    if comparison is not None:
        cards.append(("failed", str(len(comparison.failed))))
    speed = ours.run.speed
    if speed.frames_per_s is not None and speed.times_real_time is not None:
        cards += [
            ("frames/s", f"{speed.frames_per_s:.0f}"),
            ("of a 15/s run", f"{speed.times_real_time:.1f}×"),
        ]
    if speed.ratio is not None:
        cards.append(("of the engine alone", f"{speed.ratio:.2f}"))
    parts = [node("div", node("dt", name), node("dd", value)) for name, value in cards]
    return node("dl", *parts, class_="figures")


def _compared(ours: Side, reference: Side | None) -> list[Node]:
    sides = [("this run", ours)]
    if reference is not None:
        sides.insert(0, ("baseline", reference))
    told = [_about(side.run) for _, side in sides]
    lines: list[list[str | Node]] = [[name, *(about[name] for about in told)] for name in told[0]]
    title = "What ran" if reference is None else "What was compared with what"
    table = rows(["", *(name for name, _ in sides)], lines, id="sides")
    return [node("h2", title), node("div", table, class_="wide")]


def _about(run: RunRecord) -> dict[str, str]:
    engine, machines = run.engine, run.machines
    libraries = {f"{name} {version}" for m in machines for name, version in m.libraries.items()}
    return {
        "model": engine.name,
        "engine": engine.backend,
        "precision": engine.precision,
        "model's SHA-256": engine.model_sha256[:16],
        "orapp": engine.orapp,
        "threshold": f"{engine.threshold:g}",
        "processor": "; ".join(f"{m.cpu}, {m.cores} cores" for m in machines),
        "system": "; ".join(m.system for m in machines),
        "libraries": ", ".join(sorted(libraries)),
        "workers": str(run.workers),
    }


def _tolerances(comparison: Comparison) -> list[Node]:
    lines: list[list[str | Node]] = []
    for name in LIMITS:
        limit, worst = getattr(comparison.tolerances, name), comparison.needed.get(name)
        sign = "≥" if name in AT_LEAST else "≤"
        found = "–" if worst is None else f"{worst:.4g}"
        broken = worst is not None and not (worst >= limit if sign == "≥" else worst <= limit)
        state = node("span", "broken", class_="failed-word") if broken else node("span", "held")
        lines.append([WORDS[name], f"{sign} {limit:g}", found, state])
    head = ["", "tolerance", "worst of all runs", ""]
    about = "The worst figure is the tolerance that would have let every run pass."
    return [node("h2", "Tolerances"), node("p", about, class_="soft"), rows(head, lines)]


def failures(ours: Side, comparison: Comparison | None) -> list[tuple[str, str]]:
    """Each case that failed, and what is wrong with it."""
    if comparison is not None:
        return [(pair.label, "; ".join(pair.broken)) for pair in comparison.failed]
    return [
        (case.label, case.error or "its results are damaged")
        for case in ours.run.cases
        if case.number not in ours.summaries
    ]


def _failed(ours: Side, comparison: Comparison | None) -> list[Node]:
    wrong = failures(ours, comparison)
    if not wrong:
        return []
    lines: list[list[str | Node]] = [[label, text] for label, text in wrong[:MOST_FAILED]]
    more = len(wrong) - len(lines)
    note = node("p", f"And {more} more, in the table of all runs.") if more else None
    parts = [node("h2", "Runs that failed"), rows(["run", "why"], lines, id="failed"), note]
    return [part for part in parts if part is not None]


def _pictures(
    ours: Side,
    reference: Side | None,
    comparison: Comparison | None,
    site: SiteProfile | None,
) -> list[Node]:
    cases = {case.number: case for case in read_mapping(ours.folder)}
    if comparison is None or reference is None:
        chosen = _restless(ours)
        about = "The frames whose outline changed most from the frame before."
    else:
        chosen = _worst(comparison)
        about = "The frame at left; at right the same with both outlines."
    figures = []
    for pair, number in chosen:
        old = None
        if reference is not None and pair.reference_number is not None:
            old = frame_of(reference.folder / f"run-{pair.reference_number:04d}", number)
        new = frame_of(ours.folder / pair.label, number)
        picture = side_by_side(picture_at(cases.get(pair.number), number, site), old, new)
        figures.append(_figure(pair, number, picture))
    if not figures:
        return []
    legend = node(
        "p", about + " These are pieces of the patients' X-rays. ",
        *([node("span", "Baseline: blue, dashed. ", class_="reference")] if comparison else []),
        node("span", "This run: orange.", class_="candidate"),
    )  # fmt: skip
    return [node("h2", "Worst frames"), legend, node("div", *figures, class_="pictures")]


def _figure(pair: Pair, number: int, picture: str) -> Node:
    seen = f"{pair.label}, frame {number}"
    if pair.figures is not None and pair.figures.dice_mean is not None:
        seen += f" (mean Dice of the run {pair.figures.dice_mean:.3f})"
    image = node("img", src=picture, alt=f"Outlines of {pair.label}, frame {number}")
    return node("figure", node("figcaption", seen), image)


def _worst(comparison: Comparison) -> list[tuple[Pair, int]]:
    """The furthest apart, those that failed first."""
    differing = [
        (pair, figures)
        for pair in comparison.pairs
        if (figures := pair.figures) is not None and pair.state != "identical"
    ]
    differing.sort(
        key=lambda d: (d[0].state != "failed", 2.0 if d[1].dice_mean is None else d[1].dice_mean)
    )
    return [(pair, figures.worst_frame) for pair, figures in differing[:MOST_PICTURES]]


def _restless(ours: Side) -> list[tuple[Pair, int]]:
    by_change = sorted(
        (s for s in ours.summaries.items() if s[1].outlined),
        key=lambda item: -item[1].flicker.change - item[1].flicker.appearing,
    )
    return [
        (
            Pair(number=number, reference_number=None, content="", state="within", broken=[]),
            summary.flicker.worst_frame,
        )
        for number, summary in by_change[: MOST_PICTURES // 2]
    ]


def _plots(ours: Side, reference: Side | None, comparison: Comparison | None) -> list[Node]:
    mine = list(ours.summaries.values())
    if not mine:
        return []
    theirs = list(reference.summaries.values()) if reference else []
    plots = []
    if comparison is not None:
        dices = [pair.figures.dice_mean for pair in comparison.pairs if pair.figures]
        known = [dice for dice in dices if dice is not None]
        limit = comparison.tolerances.dice_mean
        plots.append(Plot("Mean Dice of each run", known, limit=limit, most=1.0))
    for title, figure in DISTRIBUTIONS.items():
        most = 1.0 if title in SHARES else None
        new, old = [figure(s) for s in mine], [figure(s) for s in theirs]
        plots.append(Plot(title, new, old, least=0.0, most=most))
    legend = node(
        "p",
        node("span", "This run: orange bars. ", class_="candidate"),
        node("span", "Baseline: blue line.", class_="reference") if theirs else None,
    )
    drawn = node("div", *map(histogram, plots), class_="plots")
    return [node("h2", "Distributions"), legend, drawn]
