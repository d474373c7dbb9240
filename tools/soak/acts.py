"""Does to the program what a plan says, at its time, and tells the judge what must follow."""

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tools.soak.history import Expected
from tools.soak.hogs import Hog, SmallDisk
from tools.soak.judge import SAID_S, Judge
from tools.soak.plan import HOGS, Act, Plan
from tools.soak.program import Program
from tools.soak.record import Record
from tools.soak.screen import SCREEN
from tools.soak.xserver import XServer

CALM_S = 1.5
"""So long the engine must have been ready before the next fault from outside."""
PATIENCE_S = 20.0
SILENT_S = 0.2
CLOSE_LOOK_S = 1.0


@dataclass(slots=True)
class Actor:
    """Does the acts of one run, each once.

    Args:
        plan, program, judge, record: of the run.
        server: for the windows.
        folder: for what hogs write.
        disk: the small disk that is recorded on, if there is one.

    Attributes:
        size: (w, h) of the window now.
        unsettled_until: the window can't be judged until then.
        hidden_s: how long the window was hidden or covered.
        look_closely_until: looks must come often until then.
        calm_from: since then nothing has been done that changes memory, threads or files.
    """

    plan: Plan
    program: Program
    judge: Judge
    record: Record
    server: XServer
    folder: Path
    disk: SmallDisk | None = None
    size: tuple[int, int] = SCREEN
    unsettled_until: float = 0.0
    hidden_s: float = 0.0
    look_closely_until: float = 0.0
    _todo: list[Act] = field(default_factory=list)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _hogs: list[Hog] = field(default_factory=list)
    _since: float = 0.0
    _busy_until: float = 0.0

    def __post_init__(self) -> None:
        self._todo = list(self.plan.acts)

    def spread(self) -> None:
        """Has the window cover the screen, which no window manager does here."""
        if window := self._window():
            self._place(window, SCREEN)

    def start(self, now: float) -> None:
        """The engine is ready for the first time: the acts' clock starts."""
        self._since = now

    @property
    def started(self) -> bool:
        """Whether the clock runs."""
        return self._since > 0

    @property
    def loaded(self) -> bool:
        """Whether a hog is at work."""
        return bool(self._hogs)

    def tick(self, now: float) -> None:
        """Does what is due."""
        for at, undo in [item for item in self._later if item[0] <= now]:
            self._later.remove((at, undo))
            undo()
        if not self.started:
            return
        for act in [act for act in self._todo if self._since + act.at_s <= now]:
            if act.kind in HOGS:
                self._todo.remove(act)
                self._hog(act, now)
            elif self._is_calm(act, now):
                self._todo.remove(act)
                self._do(act, now)
                return

    def _is_calm(self, act: Act, now: float) -> bool:
        """Not before the last fault is over: what follows must have one cause."""
        ai = self.judge.ai
        calm = ai.now == "AI late" or (ai.now == "AI ready" and now - ai.since > CALM_S)
        late = act.kind not in ("kill", "stop") and now > self._since + act.at_s + PATIENCE_S
        return now > self._busy_until and (calm or late)

    def _do(self, act: Act, now: float) -> None:
        self.judge.fault = f"{act.kind} at {time.strftime('%H:%M:%S', time.localtime(now))}"
        self._busy_until = now + act.for_s + CALM_S
        {
            "kill": self._kill,
            "stop": self._stop,
            "fill": self._fill,
            "resize": self._resize,
            "cover": self._cover,
            "minimise": self._minimise,
        }[act.kind](act, now)

    def _count(self, kind: str) -> None:
        self.record.faults[kind] += 1

    def _kill(self, act: Act, now: float) -> None:  # noqa: ARG002
        for pid in self.program.engines():
            off = re.compile("AI off: .*killed by signal 9")
            at = time.time()
            self.judge.allow_off("killed by signal 9", at)
            wanted = Expected("C2", "AI off after kill -9", "ai", off, at, SAID_S)
            wanted.times = lambda took: self.record.off_ms.append(took * 1e3)
            self.judge.expect(wanted)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._count("engine killed (kill -9)")
            self.look_closely_until = at + CLOSE_LOOK_S

    def _stop(self, act: Act, now: float) -> None:
        for pid in self.program.engines():
            at = time.time()
            self.judge.allow_off("does not answer|no answer", at, at + act.for_s + 3)
            if act.for_s > SILENT_S + 0.2:
                off = re.compile("AI off: .*(does not answer|no answer)")
                what = "AI off after SIGSTOP"
                self.judge.expect(Expected("C2", what, "ai", off, at, SAID_S))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            self._later.append((now + act.for_s, lambda pid=pid: self._go_on(pid)))
            self._count(f"engine stopped for {act.for_s:g} s (SIGSTOP)")
            self.look_closely_until = at + CLOSE_LOOK_S

    def _go_on(self, pid: int) -> None:
        if pid in self.program.engines():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _hog(self, act: Act, now: float) -> None:
        hog = Hog(act.kind, act.detail[0], self.folder)
        self._hogs.append(hog)
        self._later.append((now + act.for_s, lambda: self._end_hog(hog)))
        self._count(f"{act.kind} hog" + (f" x{act.detail[0]}" if act.kind == "cpu" else ""))

    def _end_hog(self, hog: Hog) -> None:
        hog.end()
        self._hogs.remove(hog)

    def _fill(self, act: Act, now: float) -> None:  # noqa: ARG002
        if self.disk is None:
            return
        stopped = re.compile("recording stopped: ")
        what = "the recording stops on a full disk"
        self.judge.expect(Expected("C5", what, "recording", stopped, time.time(), 5.0))
        self.disk.fill()
        self._count("disk filled at once")

    def _window(self) -> int:
        return self.server.find(self.program.pid)

    def _resize(self, act: Act, now: float) -> None:
        if window := self._window():
            self._place(window, (act.detail[0], act.detail[1]))
            self._later.append((now + act.for_s, lambda: self._place(window, SCREEN)))
            self._count("window resized")

    def _place(self, window: int, size: tuple[int, int]) -> None:
        self.server.place(window, 0, 0, *size)
        self.size = size
        self._unsettle(1.0)

    def _unsettle(self, seconds: float) -> None:
        self.unsettled_until = max(self.unsettled_until, time.time() + seconds)

    def _cover(self, act: Act, now: float) -> None:
        self.server.cover(*SCREEN)
        self._unsettle(act.for_s + 1.5)
        self._later.append((now + act.for_s, self.server.uncover))
        self._count("window covered")

    def _minimise(self, act: Act, now: float) -> None:
        if window := self._window():
            self.server.hide(window)
            self._unsettle(act.for_s + 1.5)
            self.hidden_s += act.for_s + 0.5
            self._later.append((now + act.for_s, lambda: self.server.show(window)))
            self._count("window taken off the screen")

    def close(self) -> None:
        """Ends what still goes on."""
        for hog in list(self._hogs):
            self._end_hog(hog)
        self.server.uncover()
