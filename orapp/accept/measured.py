"""Latency under load, and the soak: what was measured, against the budget."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orapp.accept import budget
from orapp.accept.checks import Check, at_least, at_most, failed, not_checked, passed
from orapp.accept.growth import HAS_PROC, Sample, Sampler, slope
from orapp.accept.load import Load
from orapp.accept.stage import Played, Setup, Stand, Steps, play
from orapp.accept.stamps import Stamps, percentile

WARM_S = 2.0
LEAST_SAMPLES = 10
LATENCY, SOAK = "latency", "soak"


@dataclass(slots=True)
class Stretch:
    """What passed in the measured stretch of a run.

    Attributes:
        seconds: its length.
        captured, exposures, unsegmented: frames and exposures in it.
        rate_hz: what the source promises; 0 if unknown.
    """

    seconds: float
    captured: int = 0
    exposures: int = 0
    unsegmented: int = 0
    rate_hz: float = 0.0

    def measure(self, stand: Stand) -> Steps:
        """Lets it run so long, and counts."""
        session = stand.session
        grabber, worker = session.grabber, session.worker
        stand.stamps.begin()
        before = grabber.captured, grabber.captured - grabber.repeats, worker.dropped
        yield from stand.wait(self.seconds)
        after = grabber.captured, grabber.captured - grabber.repeats, worker.dropped
        counts = [late - early for early, late in zip(before, after, strict=True)]
        self.captured, self.exposures, self.unsegmented = counts
        self.rate_hz = grabber.format.rate_hz if grabber.format else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Checks, and what the document draws.

    Attributes:
        checks: in order.
        report: of the session; empty if there was none.
        pictures, outlines: as in `Stamps`.
        samples: of the soak.
    """

    checks: list[Check]
    report: dict[str, Any] = field(default_factory=dict)
    pictures: list[tuple[float, float]] = field(default_factory=list)
    outlines: list[tuple[float, float]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def measure_latency(
    setup: Setup, kinds: tuple[str, ...], seconds: float, limits: budget.Latency, folder: Path
) -> Measured:
    """Runs it for so long under load, from when the engine is ready and warm."""
    stretch = Stretch(seconds)

    def script(stand: Stand) -> Steps:
        yield from stand.until_ready()
        yield from stand.wait(WARM_S)
        yield from stretch.measure(stand)

    with Load(kinds, folder) as load:
        played = play(setup, script)
        words, held = load.words, load.held
    if played.reason:
        return Measured([failed(LATENCY, "run", played.reason)], played.report)
    stamps = played.stamps
    checks = [
        _load_check(LATENCY, words, held),
        *_rate(stretch, limits),
        at_most(
            LATENCY, "picture p99", percentile(stamps.pictures, 99), limits.picture_p99_ms, "ms"
        ),
        _outline_check(stamps, stretch, limits),
        *_counts(LATENCY, played, limits.missed_frames, limits.mispaired),
        at_most(
            LATENCY,
            "exposures without an answer",
            100 * stretch.unsegmented / stretch.exposures if stretch.exposures else None,
            limits.unsegmented_percent,
            "%",
        ),
    ]
    return Measured(checks, played.report, stamps.pictures, stamps.outlines)


def _load_check(part: str, words: str, held: bool) -> Check:
    if not held:
        return failed(part, "background load", f"{words} stopped by itself: is the disk full?")
    return passed(part, "background load", words)


def _rate(stretch: Stretch, limits: budget.Latency) -> list[Check]:
    if not stretch.rate_hz:
        return [not_checked(LATENCY, "frames from the source", "it promises no rate")]
    share = 100 * stretch.captured / (stretch.rate_hz * stretch.seconds)
    return [at_least(LATENCY, "frames from the source", share, limits.rate_percent, "%")]


def _outline_check(stamps: Stamps, stretch: Stretch, limits: budget.Latency) -> Check:
    if not stamps.outlines:
        why = f"no outline was shown in time on any of {stretch.exposures} exposures"
        return failed(LATENCY, "outline age p99", why)
    p99 = percentile(stamps.outlines, 99)
    return at_most(LATENCY, "outline age p99", p99, limits.outline_p99_ms, "ms")


def _counts(part: str, played: Played, missed: int, mispaired: int) -> list[Check]:
    seen = played.stamps
    return [
        at_most(part, f"frames missed of {seen.painted_frames}", seen.missed, missed),
        at_most(part, "outlines on another exposure", seen.mispaired, mispaired),
        at_most(part, "restarts of the engine", played.report["engine"]["restarts"], 0),
    ]


def soak(
    setup: Setup, kinds: tuple[str, ...], minutes: float, limits: budget.Soak, folder: Path
) -> Measured:
    """Runs it for so long, and looks whether anything grows; 0 minutes is no soak."""
    if minutes < limits.least_minutes:
        why = f"{minutes:g} minutes are less than the budget's {limits.least_minutes:g}"
        return Measured([failed(SOAK, "length", f"{why}: give --soak")])
    if minutes == 0:
        return Measured([not_checked(SOAK, "growth", "no --soak was given")])
    if not HAS_PROC:
        return Measured([not_checked(SOAK, "growth", "this system tells no figures in /proc")])
    stretch, samples = Stretch(minutes * 60), list[Sample]()

    def script(stand: Stand) -> Steps:
        yield from stand.until_ready()
        yield from stand.wait(min(60.0, minutes * 60 / 4))
        with ExitStack() as belongings:
            period_s = max(0.25, minutes * 60 / 500)
            sampler = belongings.enter_context(Sampler(lambda: stand.session.worker.pid, period_s))
            yield from stretch.measure(stand)
        samples.extend(sampler.samples)

    with Load(kinds, folder) as load:
        played = play(setup, script, keep=False)
        words, held = load.words, load.held
    if played.reason:
        return Measured([failed(SOAK, "run", played.reason)], played.report)
    checks = [_load_check(SOAK, words, held), *growth_checks(samples, limits)]
    return Measured(
        [*checks, *_counts(SOAK, played, limits.missed_frames, 0)], played.report, samples=samples
    )


def growth_checks(samples: list[Sample], limits: budget.Soak) -> list[Check]:
    """Whether memory, threads and descriptors stay as they are, by the slope over all looks."""
    if len(samples) < LEAST_SAMPLES:
        return [failed(SOAK, "growth", f"only {len(samples)} looks: give a longer --soak")]
    seconds = [s.s for s in samples]
    length = seconds[-1] - seconds[0]
    memory = slope(seconds, [s.memory_mb for s in samples]) * length
    threads = slope(seconds, [s.threads for s in samples]) * length
    files = slope(seconds, [s.descriptors for s in samples]) * length
    most = limits.memory_mb_per_hour * length / 3600 + limits.memory_slack_mb
    over = f"in {length / 60:.1f} minutes"
    return [
        at_most(SOAK, f"growth of memory {over}", max(memory, 0.0), most, "MB"),
        at_most(SOAK, f"growth of threads {over}", max(threads, 0.0), limits.threads),
        at_most(SOAK, f"growth of descriptors {over}", max(files, 0.0), limits.descriptors),
    ]
