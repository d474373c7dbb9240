"""One live run in the real window, led by a script: what the measurements and the drill share."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from orapp.accept.spoiled import SpoiledSource
from orapp.accept.stamps import Stamps
from orapp.backlog import RecordingLimits
from orapp.display.run import RunOptions, run_live
from orapp.display.window import SurgeonWindow
from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.frames import AiState
from orapp.live import LiveSession
from orapp.settings import SiteProfile
from orapp.sources import open_source

READY_S = 60.0
OUTLINED_S = 40.0
Steps = Generator[None, None, None]


class NotSeen(Exception):
    """What a script waited for did not come; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What all runs have in common.

    Attributes:
        source: URI.
        engine: of the child, test options included.
        profile: of the site.
        headless: paint offscreen.
        leak_mb_per_s: test option: the source leaks.
    """

    source: str
    engine: EngineSpec
    profile: SiteProfile = field(default_factory=SiteProfile)
    headless: bool = False
    leak_mb_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stand:
    """What a script has in its hands; everything happens in the GUI thread."""

    window: SurgeonWindow
    session: LiveSession
    source: SpoiledSource
    stamps: Stamps

    def until(
        self, true: Callable[[], bool], limit_s: float, otherwise: Callable[[], str]
    ) -> Generator[None, None, float]:
        """Waits; returns how long in ms; raises NotSeen with `otherwise` after `limit_s`."""
        begin_ns = time.monotonic_ns()
        while not true():
            if time.monotonic_ns() - begin_ns > limit_s * 1e9:
                raise NotSeen(otherwise())
            yield
        return (time.monotonic_ns() - begin_ns) / 1e6

    def wait(self, seconds: float) -> Steps:
        """Lets it run."""
        end_ns = time.monotonic_ns() + seconds * 1e9
        while time.monotonic_ns() < end_ns:
            yield

    def until_ready(self) -> Steps:
        """Waits for the engine."""
        session, ready = self.session, (AiState.READY, AiState.LATE)

        def why() -> str:
            ai = session.ai
            return f"the engine was not ready after {READY_S:.0f} s ({ai.state}: {ai.reason})"

        yield from self.until(
            lambda: session.ai.state in ready and self.window.view.frame is not None,
            READY_S,
            why,
        )

    def until_outlined(self) -> Steps:
        """Waits for an outline on the screen."""
        yield from self.until(
            lambda: self.window.view.overlay is not None,
            OUTLINED_S,
            lambda: (
                f"no outline was on the screen within {OUTLINED_S:.0f} s: "
                "does the source show a fracture, and does the engine keep up?"
            ),
        )


@dataclass(frozen=True, slots=True)
class Played:
    """How a run went.

    Attributes:
        report: of the session.
        stamps: of its frames.
        reason: why the script could not go on; empty if it came to its end.
    """

    report: dict[str, Any]
    stamps: Stamps
    reason: str


def play(
    setup: Setup,
    script: Callable[[Stand], Steps],
    *,
    keep: bool = True,
    limits: RecordingLimits | None = None,
) -> Played:
    """Runs a session in the window until the script has come to its end.

    Raises:
        OrappError: the source or the model can't be opened, or a person has ended the run.
    """
    source = SpoiledSource(open_source(setup.source), setup.leak_mb_per_s)
    stamps = Stamps(keep)
    made: list[LiveSession] = []

    def make(on_news: Callable[[], None]) -> LiveSession:
        session = LiveSession(
            source,
            setup.engine,
            rules=setup.profile.outline.rules(),
            on_news=on_news,
            recording_limits=limits,
            profile=setup.profile,
        )
        session.latency = stamps
        made.append(session)
        return session

    leader = _Leader(script, source, stamps)
    options = RunOptions(
        headless=setup.headless,
        full_screen=not setup.headless,
        profile=setup.profile,
        watcher=leader,
    )
    with closing(leader):
        report, error = run_live(make, options)
    if leader.fault is not None:
        raise leader.fault
    if leader.over:
        return Played(report, stamps, leader.reason)
    if error is not None or made[0].ended:
        return Played(report, stamps, error.what if error else "the source has ended")
    raise OrappError("the acceptance was ended before it was through", "run it again")


class _Leader:
    """Leads a run through its script, a step at each of the window's looks."""

    def __init__(
        self, script: Callable[[Stand], Steps], source: SpoiledSource, stamps: Stamps
    ) -> None:
        self._script, self._source, self._stamps = script, source, stamps
        self._steps: Steps | None = None
        self.over, self.reason = False, ""
        self.fault: Exception | None = None

    def look(self, window: SurgeonWindow, session: LiveSession) -> bool:
        """True once there is no more to do. Raises nothing: Qt would go on for ever."""
        if self.over:
            return True
        try:
            if self._steps is None:
                self._steps = self._script(Stand(window, session, self._source, self._stamps))
            next(self._steps)
        except StopIteration:
            self.over = True
        except NotSeen as missing:
            self.over, self.reason = True, str(missing)
        except Exception as fault:
            self.over, self.fault = True, fault
        return self.over

    def close(self) -> None:
        """Undoes what the script has begun."""
        if self._steps is not None:
            self._steps.close()
