"""The acceptance from its first part to its last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from orapp.accept.budget import Budget
from orapp.accept.checks import Check, failed, failures, not_checked
from orapp.accept.drill import fill_disk, kill_engine, record, unplug_source
from orapp.accept.equipment import check_calibration, check_engine, check_video
from orapp.accept.measured import WARM_S, Measured, measure_latency, soak
from orapp.accept.stage import Setup
from orapp.errors import OrappError
from orapp.machine import describe_machine
from orapp.sources import SourceFormat, open_source

PARTS = ("engine", "calibration", "latency", "faults", "recording", "soak")
Tell = Callable[[str, float], None]
"""What is tested now, and how long it is likely to take in seconds."""


@dataclass(frozen=True, slots=True)
class AcceptOptions:
    """What is to be accepted, and how.

    Attributes:
        setup: of all live runs.
        profile: the file of the site profile, if one was given.
        budget, budget_sha256: the limits, and the hash of their file.
        load: kinds of background load.
        seconds: of the measured stretch.
        soak_minutes: 0 is no soak.
        out: folder of the document; the load's disk.
        recordings: folder whose disk is tried.
        parts: those that are done.
    """

    setup: Setup
    profile: Path | None
    budget: Budget
    budget_sha256: str
    load: tuple[str, ...]
    seconds: float
    soak_minutes: float
    out: Path
    recordings: Path
    parts: tuple[str, ...] = PARTS


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All that the document says.

    Attributes:
        checks: in the order of the parts.
        latency, soak: what was measured.
        hashes: SHA-256 by name.
        source: in words.
        began: wall time.
        machine: as `describe_machine`.
    """

    checks: list[Check]
    latency: Measured
    soak: Measured
    hashes: dict[str, str]
    source: str
    began: datetime
    machine: dict[str, Any] = field(default_factory=describe_machine)


def check_source(uri: str) -> SourceFormat:
    """Opens the source and closes it again.

    Raises:
        OrappError: it does not open, or is a file that ends.
    """
    source = open_source(uri)
    try:
        form = source.open()
    finally:
        source.close()
    if form.finite:
        raise OrappError("the acceptance needs a live source, not a file", "give another --source")
    return form


def accept(options: AcceptOptions, form: SourceFormat, tell: Tell) -> Acceptance:
    """Goes through all parts; a failed one is no reason to leave out the others.

    Raises:
        OrappError: a person has ended it.
    """
    began, budget = datetime.now().astimezone(), options.budget
    setup, hashes = options.setup, {"budget": options.budget_sha256}
    if setup.profile.sha256:
        hashes["site profile"] = setup.profile.sha256
    checks: list[Check] = []
    if "engine" in options.parts:
        tell("engine: against its model", 10)
        checks, more = check_engine(setup.engine)
        hashes |= more
    if "calibration" in options.parts:
        checks += check_calibration(setup.profile, options.profile, form, budget.calibration)
    blocked = [c for c in checks if c.state == "failed" and c.name in ("in use", "picture")]
    latency = soaked = Measured([])
    if blocked:
        checks += [
            not_checked(part, "all", f"{blocked[0].part} failed first")
            for part in PARTS[2:]
            if part in options.parts
        ]
    else:
        latency = _latency(options, tell)
        checks += latency.checks
        checks += check_video(setup.profile, latency.report)
        checks += _drill(options, tell)
        soaked = _soak(options, tell)
        checks += soaked.checks
    left = [part for part in PARTS if part not in options.parts]
    if left:
        checks.append(failed("acceptance", "complete", f"left out by --only: {', '.join(left)}"))
    return Acceptance(checks, latency, soaked, hashes, form.description, began)


def _latency(options: AcceptOptions, tell: Tell) -> Measured:
    if "latency" not in options.parts:
        return Measured([])
    tell(f"latency under {' and '.join(options.load) or 'no load'}", options.seconds + WARM_S + 4)
    return measure_latency(
        options.setup, options.load, options.seconds, options.budget.latency, options.out
    )


def _soak(options: AcceptOptions, tell: Tell) -> Measured:
    if "soak" not in options.parts:
        return Measured([])
    if options.soak_minutes:
        tell(f"soak of {options.soak_minutes:g} minutes", options.soak_minutes * 75 + 5)
    return soak(options.setup, options.load, options.soak_minutes, options.budget.soak, options.out)


def _drill(options: AcceptOptions, tell: Tell) -> list[Check]:
    setup = replace(options.setup, leak_mb_per_s=0.0)
    limits = options.budget.faults
    faults: Sequence[tuple[str, str, Callable[[], list[Check]]]] = (
        ("faults", "fault drill: engine killed", partial(kill_engine, setup, limits)),
        ("faults", "fault drill: source unplugged", partial(unplug_source, setup, limits)),
        ("faults", "fault drill: disk full", partial(fill_disk, setup, limits)),
        (
            "recording",
            "a short recording",
            partial(record, setup, options.recordings, options.budget.recording),
        ),
    )
    checks: list[Check] = []
    for part, title, drill in faults:
        if part in options.parts:
            tell(title, 8)
            checks += drill()
    return checks


def failed_lines(done: Acceptance) -> list[str]:
    """A line for each check that failed."""
    return [check.line for check in failures(done.checks)]
