"""One benchmark: bare engine, live path with a warm-up and a window of time, bare engine."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orapp.bench import SIMULATED, BenchOptions, BenchResult
from orapp.bench.bare import measure_bare
from orapp.bench.looped import PICTURES, LoopedSource, take
from orapp.bench.observer import Observer, look_through_camera
from orapp.bench.parts import Part, drops_of, gaps_of, parts_of
from orapp.bench.sightings import judge_sightings
from orapp.bench.stamps import StampedLog, Window
from orapp.display.glass import look_at_screen, place_of_code
from orapp.display.run import RunOptions, run_live
from orapp.display.window import SurgeonWindow
from orapp.engines import EngineSpec
from orapp.engines.trust import find_model, load_manifest
from orapp.errors import OrappError
from orapp.frames import AiState, Gray
from orapp.live import LiveSession
from orapp.recorded import as_recorded, text_of
from orapp.settings import SiteProfile, load_profile
from orapp.shrink import shrink
from orapp.site import SiteMap
from orapp.sources import Source, open_source
from orapp.sources.calibrated import CalibratedSource
from orapp.sources.coded import CodedSource
from orapp.text_cover import Box

START_LIMIT_S = 90.0
GRACE_S = 1.0
"""The last exposures of the window may still be answered and painted for so long."""
_NO_GLASS = "not measured: painted offscreen, there is no screen to look at"


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is benched: a source, its exposures' rate, frames of the network's size, its text."""

    source: Source
    rate_hz: float
    small: list[Gray]
    text: tuple[Box, ...] = ()


@dataclass(slots=True)
class _Look:
    """Watches the run from the display's thread: waits, warms up, measures, ends it."""

    options: BenchOptions
    began_ns: int = 0
    window: Window | None = None
    observed: bool = False
    done: bool = False
    glass: Observer | None = None
    loopback: Observer | None = None
    seen: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    not_seen: dict[str, str] = field(default_factory=dict)
    trouble: OrappError | None = None

    def look(self, window: SurgeonWindow, session: LiveSession) -> bool:
        """See `RunWatcher`."""
        if self.trouble is not None or self.done:
            return True
        now_ns = time.monotonic_ns()
        self.began_ns = self.began_ns or now_ns
        try:
            if self.window is None:
                if self._is_ready(window, session, now_ns):
                    start_ns = now_ns + int(self.options.warm_up_s * 1e9)
                    self.window = Window(start_ns, start_ns + int(self.options.seconds * 1e9))
            elif now_ns >= self.window.end_ns + GRACE_S * 1e9:
                self._end()
            elif session.ended:
                self.window = Window(self.window.start_ns, now_ns)
                raise OrappError(
                    "the source ended before the time was over", "measure for fewer --seconds"
                )
        except OrappError as error:
            self.trouble = error
        return self.done or self.trouble is not None

    def _is_ready(self, window: SurgeonWindow, session: LiveSession, now_ns: int) -> bool:
        """Whether engine, picture and those who look at the screen are there."""
        ai = session.ai
        if ai.state is AiState.OFF:
            raise OrappError(f"the engine is off: {ai.reason}", "run 'orapp engine verify'")
        if (now_ns - self.began_ns) / 1e9 > START_LIMIT_S:
            raise OrappError("engine and picture did not come", "try 'orapp live'")
        if session.ended:
            raise OrappError("the source ended before the engine was ready", "take a longer one")
        if ai.state is AiState.STARTING or window.view.frame is None:
            return False
        if not self.observed:
            self.observed = True
            self._observe(window)
        return all(o.looking for o in (self.glass, self.loopback) if o is not None)

    def _observe(self, window: SurgeonWindow) -> None:
        place = None if self.options.headless else place_of_code(window.view)
        if place is not None:
            self.glass = Observer(look_at_screen, place)
        if self.options.loopback:
            self.loopback = Observer(look_through_camera, self.options.loopback)

    def _end(self) -> None:
        for name, observer in (("glass", self.glass), ("loopback", self.loopback)):
            if observer is not None:
                try:
                    self.seen[name] = observer.stop()
                except OrappError as error:  # the other figures are good all the same
                    self.not_seen[name] = f"not measured: {error.what}"
        self.done = True

    def close(self) -> None:
        """Ends the observers in any case."""
        for observer in (self.glass, self.loopback):
            if observer is not None:
                observer.close()


def measure(options: BenchOptions) -> BenchResult:
    """See `orapp.bench.run`."""
    load = _load()
    profile = load_profile(options.profile)
    subject = _subject(options, profile)
    spec = EngineSpec(options.model, options.engine, options.engine_delay_ms)
    half_s = max(options.seconds / 2, 1.0)
    before = measure_bare(spec, subject.small, subject.rate_hz, half_s)
    log, look = StampedLog(), _Look(options)
    report = _live(subject, spec, look, profile, log)
    after = measure_bare(spec, subject.small, subject.rate_hz, half_s)
    assert look.window is not None
    result = _result(options, report, log, look, (before, after))
    result.report["bench"]["load_before"] = load
    return result


def _load() -> float | None:
    """How many programs wanted a core in the last minute, where the system tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _subject(options: BenchOptions, profile: SiteProfile) -> _Subject:
    """The source, calibrated and coded; and frames of it for the bare engine, taken before.

    Raises:
        OrappError: a source or the model can't be used.
    """
    manifest = load_manifest(find_model(options.model))
    size = manifest.input_height, manifest.input_width
    if options.loopback:
        take(open_source(options.loopback), 1)
    made_here = options.source == SIMULATED
    profile = as_recorded(options.source, profile)
    uri = _simulated(options) if made_here else options.source
    form, pictures = take(_seen(uri, profile, fast=True, real=not made_here), PICTURES)
    if not pictures:
        raise OrappError("the source gave no picture", "check it with 'orapp live'")
    small = [shrink(pixels, size) for pixels in pictures]
    if not made_here:
        source = CodedSource(_seen(uri, profile))
        known = profile.picture
        text = text_of(uri) if known is None else tuple(SiteMap(known).boxes())
        return _Subject(source, form.rate_hz or options.rate, small, text)
    video = options.video or options.rate
    about = f"{form.description}, {len(pictures)} pictures made beforehand, in turns"
    form = replace(form, rate_hz=video, description=about)
    source = CodedSource(LoopedSource(pictures, form, round(video / options.rate)))
    return _Subject(source, options.rate, small)


def _seen(uri: str, profile: SiteProfile, *, fast: bool = False, real: bool = True) -> Source:
    """A real source is seen through the site's profile."""
    source = open_source(uri, as_fast_as_possible=fast)
    if profile.picture is None or not real:
        return source
    return CalibratedSource(source, profile.picture)


def _simulated(options: BenchOptions) -> str:
    video = options.video or options.rate
    if round(video / options.rate, 6) % 1 or video < options.rate:
        raise OrappError(
            f"--video {video:g} is not a multiple of --rate {options.rate:g}",
            "choose one, such as --video 60 --rate 15",
        )
    return f"{SIMULATED}?size={options.size}&rate={options.rate:g}&hold=off"


def _live(
    subject: _Subject, spec: EngineSpec, look: _Look, profile: SiteProfile, log: StampedLog
) -> dict[str, Any]:
    """The live path, as `orapp live` runs it; its report."""

    def make(on_news: Callable[[], None]) -> LiveSession:
        rules, text = profile.outline.rules(), subject.text
        return LiveSession(
            subject.source, spec, rules=rules, on_news=on_news, latency=log, text=text
        )

    run_options = RunOptions(headless=look.options.headless, profile=profile, watcher=look)
    with ExitStack() as ending:
        ending.callback(look.close)
        report, error = run_live(make, run_options)
    if error is not None or look.trouble is not None:
        raise error or look.trouble  # type: ignore[misc]
    if not look.done:
        raise OrappError("the measurement was broken off", "let it run for its --seconds")
    return report


def _result(
    options: BenchOptions,
    report: dict[str, Any],
    log: StampedLog,
    look: _Look,
    halves: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> BenchResult:
    """Everything that follows from the stamps."""
    assert look.window is not None
    window, answers, paintings = look.window, log.answers.all(), log.paintings.all()
    parts = parts_of(answers, paintings, window)
    bare = np.concatenate(halves)
    parts["bare"] = Part((bare[:, 0] - window.start_ns) / 1e9, bare[:, 1] / 1e6)
    words: dict[str, Any] = {"glass": _NO_GLASS, "loopback": "not asked for"} | look.not_seen
    for name, seen in look.seen.items():
        parts[f"capture_to_{name}"], told = judge_sightings(seen, answers, paintings, window)
        words[name] = told.report()
    report |= words
    report["parts"] = {name: part.figures() for name, part in parts.items()}
    report["drops"] = drops_of(answers, paintings, window)
    report["gaps_ms"] = gaps_of(answers, paintings, window)
    report["overhead"] = overhead_of(parts, [float(np.median(h[:, 1])) / 1e6 for h in halves])
    report["command"] = options.command
    report["bench"] = {
        "engine_asked": options.engine,
        "seconds": options.seconds,
        "warm_up_s": options.warm_up_s,
        "headless": options.headless,
        "simulated": options.source == SIMULATED,
    }
    report["raw"] = {
        name: {"at_s": np.round(part.at_s, 4).tolist(), "ms": np.round(part.ms, 3).tolist()}
        for name, part in parts.items()
    }
    return BenchResult(report, parts)


def overhead_of(parts: dict[str, Part], halves_ms: list[float]) -> dict[str, Any]:
    """How many times the engine's time passes from a capture to its outline.

    Returns:
        p50 and p99 against the bare engine; `own_p50` against each exposure's own inference, which
        a change of the machine's load disturbs less; `bare_before_ms` and `bare_after_ms`, the bare
        engine's p50 before and after the live part; `quiet`, whether these agree within a fifth.
    """
    bare, whole = parts["bare"].figures(), parts["capture_to_outline"].figures()
    ratios: dict[str, Any] = {}
    for name in ("p50", "p99"):
        alone, both = bare[name], whole[name]
        ratios[name] = round(both / alone, 3) if alone and both is not None else None
    own = parts["capture_to_outline"].ms / np.maximum(parts["inference"].ms, 1e-3)
    before, after = halves_ms
    return ratios | {
        "own_p50": round(float(np.median(own)), 3) if len(own) else None,
        "bare_before_ms": round(before, 3),
        "bare_after_ms": round(after, 3),
        "quiet": bool(max(before, after) <= 1.2 * min(before, after)),
    }
