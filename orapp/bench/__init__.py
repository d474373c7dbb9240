"""`orapp bench`: the live path with every stamp kept, beside the bare engine, to the glass."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orapp.bench.parts import Part

SIMULATED = "simulated:"


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What is measured.

    Attributes:
        engine, model: as for `orapp live`.
        source: its URI; `simulated:` without options is a run of `size` and `rate` whose pictures
            are made beforehand.
        size: side of the simulated picture in pixels.
        rate: X-ray pulses per second of the simulated run; of any other source, the rate at which
            the bare engine gets its frames where the source doesn't say.
        video: video frames per second of the simulated run, a multiple of `rate`; 0 is `rate`.
        seconds: how long is measured, after `warm_up_s` with a ready engine.
        warm_up_s: runs before anything counts.
        headless: paint offscreen; the glass is not looked at then.
        profile: the site's profile, or None.
        engine_delay_ms: test option: each inference takes so much longer.
        loopback: URI of a source that sees the screen, or empty.
        command: what the user typed, for the report.
    """

    engine: str = "auto"
    model: str = "pfnet-lite"
    source: str = SIMULATED
    size: int = 1024
    rate: float = 30.0
    video: float = 0.0
    seconds: float = 20.0
    warm_up_s: float = 3.0
    headless: bool = False
    profile: Path | None = None
    engine_delay_ms: int = 0
    loopback: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What was measured.

    Attributes:
        report: that of `LiveSession.report()`, with `parts`, `drops`, `gaps`, `overhead`,
            `glass`, `loopback`, `bench`, `command` and `raw`; ready for JSON.
        parts: every part of the way that was measured, as in `orapp.bench.parts.WORDS`.
    """

    report: dict[str, Any]
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, dict[str, float | None]]:
        """Of each part: n, p50, p95, p99, p99.9, max and jitter, in ms."""
        figures: dict[str, dict[str, float | None]] = self.report["parts"]
        return figures


def run(options: BenchOptions) -> BenchResult:
    """Measures: the bare engine, the live path, the bare engine again.

    Raises:
        OrappError: an option, the source, the model or the display is not possible; the engine
            did not start; the run was broken off.
    """
    from orapp.bench.run import measure

    return measure(options)
