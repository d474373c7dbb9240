"""Two results folders of the same runs: what differs, and whether that is within tolerance."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from orapp.errors import OrappError
from orapp.qa.cases import read_mapping
from orapp.qa.figures import AT_LEAST, LIMITS, Figures, figures_of, identical_figures
from orapp.qa.results import CaseRecord, Summary, read_run, read_summary
from orapp.qa.tolerances import Tolerances

State = Literal["identical", "within", "failed"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pair(_Record):
    """One case on both sides.

    Attributes:
        number: of the candidate's case, or of the reference's where only that has it.
        reference_number: None if the reference doesn't have it.
        only: the side that has it, if it is only one.
        state: `identical` (masks byte for byte), `within` tolerance, or `failed`.
        broken: why it failed, each in words.
    """

    number: int
    reference_number: int | None
    only: Literal["reference", "candidate", ""] = ""
    content: str
    state: State
    broken: list[str]
    figures: Figures | None = None

    @property
    def label(self) -> str:
        """What the case is called."""
        return f"run-{self.number:04d}"


class Comparison(_Record):
    """All cases, and the verdict.

    Attributes:
        problems: what fails the comparison as a whole.
        needed: of each tolerance the figure that would have let every case pass.
    """

    format: Literal[1] = 1
    passed: bool
    problems: list[str]
    pairs: list[Pair]
    needed: dict[str, float]
    tolerances: Tolerances

    @property
    def failed(self) -> list[Pair]:
        """The cases that failed."""
        return [pair for pair in self.pairs if pair.state == "failed"]


def compare_results(reference: Path, candidate: Path, tolerances: Tolerances) -> Comparison:
    """Compares two results folders, case by case.

    Cases belong together by the content of their files, else by their name in `cases.csv`.

    Raises:
        OrappError: one of the folders holds no finished results.
    """
    if reference.resolve() == candidate.resolve():
        raise OrappError("both sides are the same folder", "give two results folders")
    couples = _couples(reference, candidate)
    pairs = [_pair(reference, candidate, one, two, tolerances) for one, two in couples]
    figures = [pair.figures for pair in pairs if pair.figures is not None]
    problems = []
    if not any(f.outlined for f in figures):
        problems.append("no frame with an outline was compared")
    needed = {name: _needed(name, figures) for name in LIMITS}
    return Comparison(
        passed=not problems and all(pair.state != "failed" for pair in pairs),
        problems=problems,
        pairs=sorted(pairs, key=lambda pair: (pair.only == "reference", pair.number)),
        needed={name: value for name, value in needed.items() if value is not None},
        tolerances=tolerances,
    )


def _needed(name: str, figures: Sequence[Figures]) -> float | None:
    values: list[float] = [v for f in figures if (v := getattr(f, name)) is not None]
    if not values:
        return None
    return min(values) if name in AT_LEAST else max(values)


Couple = tuple[CaseRecord | None, CaseRecord | None]


def _couples(reference: Path, candidate: Path) -> Iterator[Couple]:
    """Which cases belong together; what is left on one side comes with None."""
    ours, theirs = (
        {case.number: case for case in read_run(folder).cases} for folder in (candidate, reference)
    )
    names = [{c.number: c.name for c in read_mapping(f)} for f in (candidate, reference)]
    for keys in (
        ({n: c.content for n, c in ours.items()}, {n: c.content for n, c in theirs.items()}),
        ({n: names[0].get(n, "") for n in ours}, {n: names[1].get(n, "") for n in theirs}),
    ):
        for mine, other in _matches(*keys):
            if mine in ours and other in theirs:
                yield theirs.pop(other), ours.pop(mine)
    yield from ((None, case) for case in ours.values())
    yield from ((case, None) for case in theirs.values())


def _matches(ours: dict[int, str], theirs: dict[int, str]) -> Iterator[tuple[int, int]]:
    """Numbers with the same key, in their order where a key comes several times."""
    waiting: dict[str, list[int]] = {}
    for number, key in sorted(theirs.items(), reverse=True):
        waiting.setdefault(key, []).append(number)
    for number, key in sorted(ours.items()):
        if key and waiting.get(key):
            yield number, waiting[key].pop()


def _pair(
    reference: Path,
    candidate: Path,
    one: CaseRecord | None,
    two: CaseRecord | None,
    tolerances: Tolerances,
) -> Pair:
    if one is None or two is None:
        return _one_sided(one, two)
    pair = partial(
        Pair, number=two.number, reference_number=one.number, content=two.content, state="failed"
    )
    for side, case in (("the baseline", one), ("this run", two)):
        if case.state == "error":
            return pair(broken=[f"error in {side}: {case.error}"])
    folders = reference / one.label, candidate / two.label
    try:
        summaries = read_summary(folders[0]), read_summary(folders[1])
        same = summaries[0].masks_sha256 == summaries[1].masks_sha256
        figures = identical_figures(summaries[1]) if same else figures_of(folders, summaries)
    except OrappError as error:
        return pair(broken=[str(error)])
    broken = _beyond(*summaries, same, figures, tolerances)
    state: State = "failed" if broken else "identical" if same else "within"
    return pair(state=state, broken=broken, figures=figures)


def _one_sided(one: CaseRecord | None, two: CaseRecord | None) -> Pair:
    case = one or two
    assert case is not None
    missing = "this run" if one else "the baseline"
    broken = [f"missing in {missing}"]
    if case.state == "error":
        broken.append(case.error)
    return Pair(
        number=case.number,
        reference_number=one.number if one else None,
        only="reference" if one else "candidate",
        content=case.content,
        state="failed",
        broken=broken,
    )


def _beyond(
    one: Summary, two: Summary, same: bool, figures: Figures, tolerances: Tolerances
) -> list[str]:
    """What is wrong with a pair: what always fails first, then the tolerances."""
    broken = []
    if one.content != two.content:
        broken.append(f"other files than the baseline's ({one.content[:12]})")
    if one.frames != two.frames:
        broken.append(f"{two.frames} frames, the baseline has {one.frames}")
    alike = (one.content, one.engine, one.machine) == (two.content, two.engine, two.machine)
    if tolerances.identical_when_same and alike and not same:
        broken.append("the same engine and machine gave other masks")
    return broken + figures.beyond(tolerances)
