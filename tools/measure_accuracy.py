"""Measures heights on simulated lateral pictures whose true loss of height is known.

    python -m tools.measure_accuracy --data build/simulated/index.csv --anatomy build/anatomy.npz
    python -m tools.measure_accuracy … --split val      # where the bands come from

Two kinds of outline: of the true mask (the six-point method's own error), and of the shipped model
through the same Segmenter as in the app. Two references: the same body's healthy twin in the same
view, and the body's own posterior height. Prints the tables of docs/measures.md.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from orapp.engines import EngineSpec, open_engine
from orapp.errors import OrappError
from orapp.frames import Frame
from orapp.measure import (
    Baseline,
    GenantRange,
    Measures,
    Reading,
    change_since,
    genant,
    loss_against,
    measure,
    own_loss,
    six_points,
)
from orapp.measure.heights import MODEL_BAND, grade_of
from orapp.segment import Segmenter
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.evaluate_demo import FIRST_SEED
from tools.measured_truth import Truth, overlap, truths
from tools.simulate_fluoroscopy.ct import take_apart
from tools.simulate_fluoroscopy.patients import LAWS

SAME_BODY = 0.3
"""An outline is of the broken body if it overlaps it by this much; others measure another body."""
METHOD_BAND = 0.11
"""As MODEL_BAND, of outlines of the true masks: the error of the six-point method alone."""
COLUMNS = ("anterior", "middle", "posterior")


@dataclass(frozen=True, slots=True)
class Case:
    """One outline of one broken body: its measures, the truth, and the healthy twin's measures."""

    truth: Truth
    now: Measures
    healthy: Measures

    @property
    def heights(self) -> NDArray[np.float64]:
        """(3,) in mm."""
        return _values(self.now)

    @property
    def true_heights(self) -> NDArray[np.float64]:
        """(3,) in mm: the healthy twin's, less what the law takes."""
        return _values(self.healthy) * (1 - self.truth.lost / 100)

    @property
    def root(self) -> float:
        """Square root of the outline's area in mm."""
        return float(np.sqrt(self.now.points.area_px)) * (self.now.mm_per_px or 1)


def _values(measures: Measures) -> NDArray[np.float64]:
    return np.array([h.value for h in measures.heights_mm or measures.heights])


def by_mask(all_truth: Sequence[Truth]) -> list[Case]:
    """One case per patient, from the outline of the true mask."""
    cases = []
    for t in all_truth:
        before, after = (
            measure(six_points(o, t.anterior), t.mm, METHOD_BAND) for o in (t.healthy, t.broken)
        )
        cases.append(Case(t, after, before))
    return cases


def by_model(all_truth: Sequence[Truth], segmenter: Segmenter) -> tuple[list[Case], dict[str, int]]:
    """One case per picture on which the model outlines the broken body; and what became of all."""
    cases, counts = [], dict.fromkeys(("pictures", "not outlined", "no body's shape"), 0)
    for t in track(all_truth, "model"):
        before = measure(six_points(t.healthy, t.anterior), t.mm, METHOD_BAND)
        for number, shot in enumerate(t.shots):
            counts["pictures"] += 1
            seen = segmenter.segment(Frame(number, shot.picture, 0, number)).outlines
            found = max(seen, key=lambda o: overlap(o, shot.mask), default=None)
            if found is None or overlap(found, shot.mask) < SAME_BODY:
                counts["not outlined"] += 1
                continue
            try:
                points = six_points(found, t.anterior)
                cases.append(Case(t, measure(points, shot.mm, MODEL_BAND), before))
            except OrappError:
                counts["no body's shape"] += 1
    return cases, counts


def _kinds(cases: Sequence[Case]) -> Iterator[tuple[str, list[Case]]]:
    for kind in (*LAWS, "all"):
        chosen = [c for c in cases if kind in ("all", c.truth.kind)]
        if chosen:
            yield kind, chosen


def agreement(errors: NDArray[np.float64]) -> str:
    """Bias, SD and 95 % limits of agreement (Bland and Altman 1986) as cells of a table."""
    bias, sd = float(errors.mean()), float(errors.std(ddof=1))
    return f"{bias:+.1f} | {sd:.1f} | {bias - 1.96 * sd:+.1f} to {bias + 1.96 * sd:+.1f}"


def losses(cases: Sequence[Case], name: str) -> Iterator[str]:
    """Loss of each height against the healthy twin, minus the law's, in per cent of the height."""
    for kind, chosen in _kinds(cases):
        error = np.array(
            [100 * (1 - c.heights / _values(c.healthy)) - c.truth.lost for c in chosen]
        )
        inside = np.array([_covered(c) for c in chosen])
        for k, column in enumerate(COLUMNS):
            cells = f"{agreement(error[:, k])} | {inside[:, k].mean():.2f}"
            yield f"| {name} | {kind} | {column} | {len(chosen)} | {cells} |"


def _covered(case: Case) -> NDArray[np.bool_]:
    bands = np.array([h.band for h in case.now.heights_mm or case.now.heights])
    return np.asarray(np.abs(case.heights - case.true_heights) <= bands)


def grades(cases: Sequence[Case], name: str) -> Iterator[str]:
    """Largest loss and Genant's range, with the healthy twin, and by the own posterior height."""
    for against, lost, graded in _ESTIMATES:
        for kind, chosen in _kinds(cases):
            true = np.array([c.truth.lost.max() for c in chosen])
            readings = [lost(c) for c in chosen]
            error = np.array([r.value for r in readings]) - true
            inside = np.abs(error) <= [r.band for r in readings]
            ranges = [graded(c) for c in chosen]
            hit = [g.lowest <= grade_of(t) <= g.highest for g, t in zip(ranges, true, strict=True)]
            wide = np.mean([g.highest - g.lowest + 1 for g in ranges])
            yield (
                f"| {name} | {against} | {kind} | {len(chosen)} | {agreement(error)} | "
                f"{np.mean(inside):.2f} | {np.mean(hit):.2f} | {wide:.1f} |"
            )


_ESTIMATES: tuple[tuple[str, Callable[[Case], Reading], Callable[[Case], GenantRange]], ...] = (
    ("healthy twin", lambda c: loss_against(c.now, c.healthy), lambda c: genant(c.now, c.healthy)),
    ("own posterior height", lambda c: own_loss(c.now), lambda c: genant(c.now)),
)


def repeats(cases: Sequence[Case]) -> tuple[NDArray[np.float64], list[bool], list[float]]:
    """Pairs of pictures of the same body, on which nothing has changed.

    Returns:
        Differences of heights (pairs * 3), as a part of the square root of the area; whether the
        band of `change_since` holds 0; differences in per cent of the height.
    """
    parts, held, percents = [], [], []
    for a, b in combinations(cases, 2):
        if a.truth.patient != b.truth.patient:
            continue
        parts.extend((a.heights - b.heights) / a.root)
        change = change_since(Baseline(b.now, 0, 0), a.now)
        held.extend(not beyond for beyond in change.is_beyond_band)
        percents.extend(h.value for h in change.height_percent)
    return np.array(parts), held, percents


def bands(masks: Sequence[Case], model: Sequence[Case]) -> Iterator[str]:
    """What the bands have to be, so that 95 of 100 lie inside."""
    for name, cases in (("METHOD_BAND", masks), ("MODEL_BAND", model)):
        error = np.abs(np.concatenate([(c.heights - c.true_heights) / c.root for c in cases]))
        yield f"{name}: {np.percentile(error, 95):.3f} ({len(error)} heights)"
    parts, _, _ = repeats(model)
    yield f"REPEAT_BAND: {np.percentile(np.abs(parts), 95):.3f} ({len(parts)} differences)"
    truth = {c.truth.patient: c.now.area_mm2 for c in masks}
    error = np.array([_area(c) / truth[c.truth.patient].value - 1 for c in model])
    yield f"AREA_BAND: {np.percentile(np.abs(error), 95):.3f} ({len(error)} areas)"


def _area(case: Case) -> float:
    area = case.now.area_mm2
    assert area is not None
    return area.value


def steadiness(segmenter: Segmenter, runs: int, size: int = 1024) -> Iterator[str]:
    """How much heights and their change scatter over the exposures of the app's simulated C-arm."""
    scatter, held = [], []
    for seed in track(range(FIRST_SEED, FIRST_SEED + runs), "runs"):
        run = SimulatedRun(parse_options(f"simulated:?seed={seed}&size={size}"))
        found = [m for k in range(0, 180, 15) if (m := _exposure(run, k, segmenter)) is not None]
        if len(found) < 2:
            continue
        heights = np.array([_values(m) for m in found])
        scatter.extend(100 * heights.std(axis=0, ddof=1) / heights.mean(axis=0))
        for now in found[1:]:
            held.extend(not b for b in change_since(Baseline(found[0], 0, 0), now).is_beyond_band)
    middle, high = np.percentile(scatter, (50, 95))
    yield (
        f"\n{runs} simulated runs, 12 exposures each, nothing changes: SD of a height over a run "
        f"{middle:.1f} % of it (median; 95th percentile {high:.1f} %); the band of the change "
        f"holds 0 in {np.mean(held):.3f} of {len(held)}"
    )


def _exposure(run: SimulatedRun, exposure: int, segmenter: Segmenter) -> Measures | None:
    mask = run.truth(exposure)
    seen = segmenter.segment(Frame(exposure, run.picture(exposure), 0, exposure)).outlines
    found = max(seen, key=lambda o: overlap(o, mask), default=None)
    if found is None or overlap(found, mask) < SAME_BODY:
        return None
    try:
        return measure(six_points(found))
    except OrappError:
        return None


def wedges(masks: Sequence[Case], model: Sequence[Case]) -> Iterator[str]:
    """Wedge angle by the model against that of the true mask, degrees."""
    true = {c.truth.patient: c.now.wedge_deg.value for c in masks}
    for kind, chosen in _kinds(model):
        error = np.array([c.now.wedge_deg.value - true[c.truth.patient] for c in chosen])
        inside = np.mean(np.abs(error) <= [c.now.wedge_deg.band for c in chosen])
        yield f"| {kind} | {len(chosen)} | {agreement(error)} | {inside:.2f} |"


def report(masks: Sequence[Case], model: Sequence[Case], counts: dict[str, int]) -> Iterator[str]:
    """All tables, in Markdown."""
    yield ", ".join(f"{n} {what}" for what, n in counts.items())
    limits = "bias | SD | limits of agreement"
    yield f"\n| outline | kind | height | n | {limits} | in the band |"
    yield "|---" * 8 + "|"
    yield from losses(masks, "true mask")
    yield from losses(model, "pfnet-lite")
    held = "in the band | grade in the range | grades in it"
    yield f"\n| outline | against | kind | n | {limits} | {held} |"
    yield "|---" * 10 + "|"
    yield from grades(masks, "true mask")
    yield from grades(model, "pfnet-lite")
    yield f"\n| wedge angle, kind | n | {limits} | in the band |"
    yield "|---" * 6 + "|"
    yield from wedges(masks, model)
    parts, held, percents = repeats(model)
    yield (
        f"\nNothing has changed, {len(parts) // 3} pairs of pictures: the band of the change holds "
        f"0 in {np.mean(held):.2f}; SD of the difference {np.std(percents):.1f} % of the height"
    )
    yield from bands(masks, model)


def main() -> None:
    """Reads the command line, prints the tables."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="index.csv")
    arguments.add_argument("--anatomy", type=Path, required=True, help="anatomy.npz")
    arguments.add_argument("--split", choices=("external", "val"), default="external")
    arguments.add_argument("--most", type=int, default=1000, help="patients")
    arguments.add_argument("--runs", type=int, default=20, help="of the simulated C-arm")
    arguments.add_argument("--model", default="pfnet-lite")
    given = arguments.parse_args()
    anatomy = take_apart(Path(), given.anatomy)
    all_truth = list(track(truths(given.data, anatomy, given.split, given.most), "patients"))
    with open_engine(EngineSpec(given.model, "openvino")) as engine:
        segmenter = Segmenter(engine)
        model, counts = by_model(all_truth, segmenter)
        steady = list(steadiness(segmenter, given.runs))
    print("\n".join([*report(by_mask(all_truth), model, counts), *steady]))


if __name__ == "__main__":
    main()
