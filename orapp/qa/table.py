"""The table of all runs, to be sorted by a click."""

from collections.abc import Iterator
from dataclasses import dataclass

from orapp.qa.compare import Comparison, Pair
from orapp.qa.page import Node, node
from orapp.qa.results import INCOMPLETE, CaseRecord, RunRecord, Summary

Cell = tuple[str, str]
"""What is sorted by, and what is shown."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in the page's address, its head, and whether it holds numbers."""

    key: str
    head: str
    number: bool = True


OURS = (
    Column("run", "run", number=False),
    Column("content", "content", number=False),
    Column("state", "state", number=False),
    Column("frames", "frames"),
    Column("detection", "detection rate"),
    Column("appearing", "flicker: comes and goes"),
    Column("change", "flicker: 1 − IoU"),
    Column("unsupported", "view not supported"),
    Column("p50", "frame p50, ms"),
    Column("p99", "frame p99, ms"),
)
COMPARED = (
    Column("dice_mean", "mean Dice"),
    Column("dice_min", "least Dice"),
    Column("one_sided", "one side only"),
    Column("distance_mean_px", "distance, px"),
    Column("distance_p95_px", "p95, px"),
)


def cases_table(
    run: RunRecord, summaries: dict[int, Summary], comparison: Comparison | None
) -> Node:
    """All cases; with a comparison those that failed first, else in their order."""
    columns = OURS if comparison is None else (*OURS[:3], *COMPARED, *OURS[3:])
    lines = list(_compared(summaries, comparison) if comparison else _alone(run, summaries))
    head = node("tr", *(_head(column) for column in columns))
    body = [
        node("tr", *(_cell(column, cells.get(column.key)) for column in columns)) for cells in lines
    ]
    table = node("table", node("thead", head), node("tbody", *body), id="cases")
    return node("div", table, class_="wide")


def _head(column: Column) -> Node:
    button = node("button", column.head, type="button")
    class_ = "number" if column.number else None
    return node("th", button, scope="col", data_key=column.key, class_=class_)


def _cell(column: Column, cell: Cell | None) -> Node:
    value, text = cell or ("", "–")
    failed = text in ("failed", "error")
    inside = node("span", text, class_="failed-word") if failed else text
    return node("td", inside, data_value=value, class_="number" if column.number else None)


def _alone(run: RunRecord, summaries: dict[int, Summary]) -> Iterator[dict[str, Cell]]:
    for case in run.cases:
        summary = summaries.get(case.number)
        yield _about(case, "error" if summary is None else "done") | _figures(summary)


def _compared(summaries: dict[int, Summary], comparison: Comparison) -> Iterator[dict[str, Cell]]:
    for pair in sorted(comparison.pairs, key=lambda p: (p.state != "failed", p.number)):
        summary = None if pair.only == "reference" else summaries.get(pair.number)
        yield _about(pair, pair.state) | _differences(pair) | _figures(summary)


def _about(case: CaseRecord | Pair, state: str) -> dict[str, Cell]:
    only = isinstance(case, Pair) and case.only == "reference"
    label = f"{case.label} of the baseline" if only else case.label
    content = case.content[:12]
    return {"run": (label, label), "content": (content, content or "–"), "state": (state, state)}


def _figures(summary: Summary | None) -> dict[str, Cell]:
    if summary is None:
        return {}
    cut_off = ", cut off" if INCOMPLETE in summary.states else ""
    return {
        "frames": (str(summary.frames), f"{summary.frames}{cut_off}"),
        "detection": _number(summary.detection_rate, 3),
        "appearing": _number(summary.flicker.appearing, 3),
        "change": _number(summary.flicker.change, 3),
        "unsupported": (n := str(summary.states.get("view_not_supported", 0)), n),
        "p50": _number(summary.whole_ms.p50, 1),
        "p99": _number(summary.whole_ms.p99, 1),
    }


def _differences(pair: Pair) -> dict[str, Cell]:
    if pair.figures is None:
        return {}
    values = {column.key: getattr(pair.figures, column.key) for column in COMPARED}
    return {key: _number(value, 3) for key, value in values.items() if value is not None}


def _number(value: float, decimals: int) -> Cell:
    return repr(value), f"{value:.{decimals}f}"
