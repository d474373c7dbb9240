"""A check and its outcome in words; the verdict over all of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        part: of the acceptance: engine, calibration, latency, faults, recording, soak.
        name: what was looked at.
        figure: what was seen, in words with its unit.
        limit: what it must be, in words; empty where there is no figure to it.
        state: `not checked` is told, and is no failure.
        reason: why it failed or was not checked; empty if it passed.
    """

    part: str
    name: str
    figure: str
    limit: str
    state: State
    reason: str = ""

    @property
    def line(self) -> str:
        """For the terminal."""
        return f"{self.part}: {self.name}: {self.reason or self.figure}"


def at_most(part: str, name: str, value: float | None, limit: float, unit: str = "") -> Check:
    """Passes up to the limit; what was not measured fails."""
    wanted = f"at most {_figure(limit, unit)}"
    if value is None:
        return Check(part, name, "-", wanted, "failed", "nothing was measured")
    seen = _figure(value, unit)
    if value <= limit:
        return Check(part, name, seen, wanted, "passed")
    return Check(part, name, seen, wanted, "failed", f"{seen} is more than {_figure(limit, unit)}")


def at_least(part: str, name: str, value: float, limit: float, unit: str = "") -> Check:
    """Passes from the limit on."""
    seen, wanted = _figure(value, unit), f"at least {_figure(limit, unit)}"
    if value >= limit:
        return Check(part, name, seen, wanted, "passed")
    return Check(part, name, seen, wanted, "failed", f"{seen} is less than {_figure(limit, unit)}")


def passed(part: str, name: str, figure: str) -> Check:
    """It is so."""
    return Check(part, name, figure, "", "passed")


def failed(part: str, name: str, reason: str) -> Check:
    """It is not so."""
    return Check(part, name, "-", "", "failed", reason)


def not_checked(part: str, name: str, reason: str) -> Check:
    """Nobody looked."""
    return Check(part, name, "-", "", "not checked", reason)


def is_fit(checks: Sequence[Check]) -> bool:
    """Whether nothing failed; a look at nothing is no pass."""
    return any(c.state == "passed" for c in checks) and not failures(checks)


def failures(checks: Sequence[Check]) -> list[Check]:
    """What failed, in order."""
    return [check for check in checks if check.state == "failed"]


def verdict_words(checks: Sequence[Check]) -> str:
    """The verdict in one sentence."""
    wrong, open_ = failures(checks), [c for c in checks if c.state == "not checked"]
    if not is_fit(checks):
        return f"NOT FIT: {len(wrong)} of {len(checks)} checks failed"
    left = ", ".join(dict.fromkeys(c.part for c in open_))
    return f"FIT: {len(checks) - len(open_)} checks passed" + (
        f"; not checked: {left}" * bool(left)
    )


def _figure(value: float, unit: str) -> str:
    text = f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"
    return f"{text} {unit}".strip()
