"""Two benchmarks side by side: what differs, with a bootstrap interval, in plain words."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orapp.bench.parts import WORDS, Durations
from orapp.errors import OrappError

RESAMPLES = 1000
BLOCK = 10
"""Neighbours resemble each other: they are drawn together."""
_AT_ONCE = 500_000
LEAST = {50: 20, 99: 200}
"""Exposures that a percentile needs to be compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one part at one percentile.

    Attributes:
        part: as in `WORDS`.
        percent: 50 or 99.
        one_ms, other_ms: the two figures.
        low_ms, high_ms: 95 % interval of other minus one.
        verdict: `faster`, `slower`, `no difference shown` or `too few exposures`.
    """

    part: str
    percent: int
    one_ms: float
    other_ms: float
    low_ms: float
    high_ms: float
    verdict: str


def read_bench(path: Path) -> dict[str, Any]:
    """A file that `orapp bench --json` wrote.

    Raises:
        OrappError: it is something else.
    """
    wrong = OrappError(f"'{path.name}' is no benchmark", "give a file of 'orapp bench --json'")
    try:
        report = json.loads(path.read_bytes())
        raw = report["raw"]
        for part in raw.values():
            ms = np.asarray(part["ms"], np.float64)
            if ms.ndim != 1 or not np.isfinite(ms).all():
                raise wrong
        if not all(isinstance(report[k], dict) for k in ("machine", "engine", "source")):
            raise wrong
        str(report["command"])
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise OrappError(f"'{path.name}' can't be read ({why})", "check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise wrong from None
    return dict(report)


def compare(one: dict[str, Any], other: dict[str, Any], seed: int = 0) -> list[Difference]:
    """Every part that both have, at p50 and p99."""
    rng = np.random.default_rng(seed)
    found = []
    for part in WORDS:
        pair = [np.asarray(b["raw"].get(part, {"ms": []})["ms"], np.float64) for b in (one, other)]
        if len(pair[0]) and len(pair[1]):
            found += [_difference(part, pair[0], pair[1], percent, rng) for percent in LEAST]
    return found


def _difference(
    part: str, one: Durations, other: Durations, percent: int, rng: np.random.Generator
) -> Difference:
    a, b = (float(np.percentile(ms, percent)) for ms in (one, other))
    apart = _resampled(other, percent, rng) - _resampled(one, percent, rng)
    low, high = (float(v) for v in np.percentile(apart, [2.5, 97.5]))
    verdict = "no difference shown"
    if min(len(one), len(other)) < LEAST[percent]:
        verdict = "too few exposures"
    elif high < 0:
        verdict = "faster"
    elif low > 0:
        verdict = "slower"
    return Difference(part, percent, a, b, low, high, verdict)


def _resampled(ms: Durations, percent: int, rng: np.random.Generator) -> Durations:
    """(RESAMPLES,) percentiles of runs made of blocks of the run."""
    block = min(BLOCK, len(ms))
    blocks = -(-len(ms) // block)
    found: list[float] = []
    some = max(_AT_ONCE // len(ms), 1)
    while len(found) < RESAMPLES:
        starts = rng.integers(0, len(ms) - block + 1, (some, blocks))
        drawn = ms[(starts[:, :, None] + np.arange(block)).reshape(some, -1)[:, : len(ms)]]
        found += np.percentile(drawn, percent, axis=1).tolist()
    return np.array(found[:RESAMPLES])


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What is not the same in the two runs, beside their speed; a sentence each."""
    said = []
    for words, keys in (
        ("machine", ("machine", "cpu")),
        ("cores", ("machine", "cores")),
        ("model", ("engine", "model_sha256")),
        ("engine", ("engine", "backend")),
        ("rate", ("source", "rate_hz")),
        ("size", ("source", "width")),
    ):
        a, b = (run.get(keys[0], {}).get(keys[1]) for run in (one, other))
        if a != b:
            said.append(f"the {words} differs: {a} and {b}")
    return said
