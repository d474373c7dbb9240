"""`orapp qa run`: all cases through an engine, into a results folder."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from orapp.engines import Engine, EngineSpec
from orapp.errors import OrappError
from orapp.files import check_writable
from orapp.qa.case import Outcome, machine_here, measure_alone
from orapp.qa.cases import RESULTS, find_cases, number_cases
from orapp.qa.crew import Crew, hire
from orapp.qa.results import CaseRecord, EngineRecord, Machine, RunRecord, Speed, write_record

RATE_HZ = 15
"""What `times_real_time` is measured by: a run of 15 frames/s."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `run_qa` is asked for.

    Attributes:
        paths: files, sessions and folders of them.
        out: the results folder.
        spec: which engine.
        workers: processes on this machine.
        cluster: address of a Dask cluster; then `workers` does not count.
        resume: keep the cases that are done.
    """

    paths: Sequence[Path]
    out: Path
    spec: EngineSpec = field(default_factory=EngineSpec)
    workers: int = 1
    cluster: str | None = None
    resume: bool = True


def run_qa(plan: Plan, on_case: Callable[[Outcome, int], None] = lambda *_: None) -> RunRecord:
    """Runs every case and writes the results folder; broken cases are recorded as such.

    Args:
        plan: what to run.
        on_case: called after each case, with the number of cases that there are.

    Raises:
        OrappError: a path doesn't exist, there is no case, the folder can't be written, or the
            engine can't be opened. Cases that were done before stay.
    """
    found = find_cases(plan.paths)
    check_writable(plan.out / RESULTS)
    cases = number_cases(found, plan.out)
    with hire(plan.spec, plan.workers, plan.cluster) as crew:
        engine, machines = _same_engine(crew)
        (plan.out / RESULTS).unlink(missing_ok=True)  # an unfinished run has none
        begin, outcomes = time.monotonic(), []
        for outcome in crew.run(cases, plan.out.resolve(), plan.resume):
            outcomes.append(outcome)
            on_case(outcome, len(cases))
        seconds = time.monotonic() - begin
        speed = _speed(outcomes, seconds, _measure_alone(crew, outcomes))
        record = RunRecord(
            engine=engine,
            machines=machines,
            workers=crew.size,
            cases=_records(outcomes),
            speed=speed,
        )
    write_record(plan.out / RESULTS, record)
    return record


def _describe(engine: Engine) -> tuple[EngineRecord, Machine]:
    return EngineRecord.of(engine.identity), machine_here()


def _same_engine(crew: Crew) -> tuple[EngineRecord, list[Machine]]:
    """The engine that all workers have, and the different machines that there are."""
    described = crew.everywhere(_describe)
    engine = described[0][0]
    if any(other != engine for other, _ in described):
        raise OrappError(
            "the workers have different engines or versions of orapp", "make them the same"
        )
    machines: list[Machine] = []
    for _, machine in described:
        if machine not in machines:
            machines.append(machine)
    return engine, machines


def _measure_alone(crew: Crew, outcomes: list[Outcome]) -> float:
    """Inferences per second of the engines alone, on a case that was computed now; else 0."""
    computed = [outcome.case for outcome in outcomes if outcome.frames]
    if not computed:
        return 0.0
    case = min(computed, key=lambda case: case.number)
    try:
        return sum(crew.everywhere(partial(measure_alone, case=case)))
    except OrappError:
        return 0.0


def _speed(outcomes: list[Outcome], seconds: float, alone: float) -> Speed:
    frames = sum(outcome.frames for outcome in outcomes)
    if not frames:
        return Speed()
    rate = frames / seconds
    return Speed(
        frames=frames,
        seconds=seconds,
        frames_per_s=rate,
        times_real_time=rate / RATE_HZ,
        engine_alone_per_s=alone or None,
        ratio=rate / alone if alone else None,
    )


def _records(outcomes: list[Outcome]) -> list[CaseRecord]:
    ordered = sorted(outcomes, key=lambda outcome: outcome.case.number)
    return [
        CaseRecord(
            number=o.case.number,
            content=o.content,
            state="error" if o.error else "done",
            error=o.error,
            pictures=o.pictures,
        )
        for o in ordered
    ]
