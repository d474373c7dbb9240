"""Judges one run while it goes on: its log, and its pixels against what the log says."""

import re
from collections import deque
from collections.abc import Callable

from tools.soak.history import AI, NOT_LIVE, SHOWN, SIGNALS, Allowed, Expected, States
from tools.soak.machine import MachineWatch
from tools.soak.outlines import Seen, seen_outline
from tools.soak.plan import Plan
from tools.soak.program import Line
from tools.soak.record import Record
from tools.soak.screen import Look, Pixels

SAID_S = 0.25
"""C2: so soon the screen says AI off."""
PAINT_S = 0.2
"""What is in the log is on the screen so soon."""
SETTLE_S = 0.4
BACK, BACK_S = "the engine is ready again", 30.0
"""So soon a new engine is ready: the longest back-off and the model's loading, with room."""
STOPPED_S = 20.0
"""So long the banner says that a recording has stopped; then the line under the strip does."""
OUTLINE_S = 8.0
AGE_S = 0.25
"""A picture on the screen is not older, but for one frame's time."""
MOST_OUTLINES = 600
LOG_LAG_S = 0.6
"""A look is judged so much later, when the log of its time has surely come; and what needs the
machine's word too, since a thread's time in line is known only once it has got a core."""
BOOKED_S = 0.15
"""So soon after a wait for a core has ended, the machine has told of it."""
NOISE = re.compile(r"resource_tracker|warnings\.warn")
"""Python's own words about shared memory after a kill -9 of the whole program."""


class Judge:
    """Compares what is seen with what is said.

    Args:
        plan: of the run.
        machine: says when the program got no core.
        record: gets checks, excuses and breaches.

    Attributes:
        signal, ai: what the log says, over time.
        fault: what was last done to the program.
        recording_stopped: since when the log says that a recording has failed; 0 if never.
        expected: what has to be said yet.
        first_picture: wall time of the picture with number 0.
        numbers: of pictures that were seen while X-ray was on, with the wall time and how long
            the program got no core just before.
        outlines: that were seen, beside their numbers.
        may_be_noisy: the program was killed: what Python says about it is no breach.
    """

    def __init__(self, plan: Plan, machine: MachineWatch, record: Record) -> None:
        self._plan, self._machine, self._record = plan, machine, record
        self.signal, self.ai = States("signal", SIGNALS), States("ai", AI)
        self.view = States("view", ("supported", "not supported"))
        self.fault = ""
        self.recording_stopped = 0.0
        self.expected: list[Expected] = []
        self._allowed: list[Allowed] = []
        self.may_be_noisy = False
        self._lines: deque[Line] = deque(maxlen=12)
        self._looks: deque[Look] = deque()
        self._later: deque[tuple[float, Callable[[], None]]] = deque()
        self._before: Look | None = None
        self._changed = self._outline_missing_s = 0.0
        self._code_high = -1
        self.first_picture = 0.0
        self._lags: deque[float] = deque(maxlen=60)
        self.numbers: list[tuple[int, float, float]] = []
        self.outlines: list[Seen] = []

    def check(self, name: str) -> None:
        """Counts one check."""
        self._record.checks[name] += 1

    def breach(self, contract: str, what: str, at: float, pixels: Pixels | None = None) -> None:
        """Something did not hold at this wall time."""
        log = tuple(f"{line.time:.3f} {line.kind}: {line.text}" for line in self._lines)
        waited = self._machine.waited(at - 1, at)
        self._record.breach(
            self._plan,
            contract,
            what,
            fault=self.fault,
            waited_s=waited,
            pixels=pixels,
            log=log,
        )

    def expect(self, wanted: Expected) -> None:
        """From now on this has to be said."""
        self.expected.append(wanted)

    def allow_off(self, reason: str, begin: float, end: float = float("inf")) -> None:
        """AI off for this reason has been asked for."""
        self._allowed.append(Allowed(re.compile(f"AI off: .*({reason})"), begin, end))

    def hear(self, line: Line) -> None:
        """Takes the next line of the log."""
        self._lines.append(line)
        self.check("log lines")
        if not line.kind:
            if not (self.may_be_noisy and NOISE.search(line.text)):
                self.breach("log", f"an unexpected line: {line.text[:200]}", line.time)
            return
        for states in (self.signal, self.ai, self.view):
            states.hear(line)
        if line.kind == "watcher":
            self.breach("log", line.text[:200], line.time)
        if line.kind == "recording" and line.text.startswith("recording stopped"):
            self.recording_stopped = line.time
        if line.kind == "ai" and line.text.startswith("AI off"):
            self._hear_off(line)
        self._meet(line)

    def _hear_off(self, line: Line) -> None:
        """Every AI off has a cause, and the engine comes back."""
        self.check("AI off has a cause")
        if not any(
            a.pattern.match(line.text) and a.begin <= line.time + 0.002 and line.time <= a.end
            for a in self._allowed
        ):
            self._later.append((line.time, lambda: self._judge_off(line)))
        if not any(wanted.what == BACK for wanted in self.expected):
            ready = re.compile("AI (ready|late)")
            back = Expected("C2", BACK, "ai", ready, line.time, BACK_S)
            back.times = self._record.back_s.append
            self.expect(back)

    def _judge_off(self, line: Line) -> None:
        """AI off without a cause of ours: whether the engine got no core.

        It is said while the engine still waits, and the machine's word comes when that is over.
        """
        waited = self._machine.engine_waited(line.time - 0.5, line.time + BOOKED_S)
        if waited > 0.1:
            self._record.excuse(self._plan, line.text, waited)
        else:
            reads = self._machine.engine_reads(line.time - 0.5, line.time + BOOKED_S)
            told = (
                f"without a cause: {line.text}; the engine stood {waited * 1e3:.0f} ms in line, "
                f"and read {reads} pages from the disk"
            )
            self.breach("C2", told, line.time)

    def _meet(self, line: Line) -> None:
        for wanted in [w for w in self.expected if w.met_by(line)]:
            self.expected.remove(wanted)
            self.check(f"said in time: {wanted.what}")
            took = line.time - wanted.since
            if wanted.times is not None:
                wanted.times(took)
            if took > wanted.within_s:
                how = f"after {took * 1e3:.0f} ms"
                self._later.append(
                    (line.time, lambda w=wanted, how=how: self._late(w, line.time, how))
                )

    def _late(self, wanted: Expected, at: float, how: str) -> None:
        waited = self._machine.waited(wanted.since, at)
        told = f"{wanted.what}: {how}, not within {wanted.within_s * 1e3:.0f} ms"
        lag = self._source_lag(wanted)
        if lag > wanted.spare_s or at - wanted.since <= wanted.within_s + waited + lag:
            told += f"; the simulated C-arm was {lag * 1e3:.0f} ms late" if lag else ""
            self._record.excuse(self._plan, told, waited)
        else:
            self.breach(wanted.contract, told, at)

    def _source_lag(self, wanted: Expected) -> float:
        """By how much the simulated C-arm runs late, and so its faults, on a busy machine."""
        return max(self._lags, default=0.0) if wanted.contract == "C4" else 0.0

    def tick(self, now: float) -> None:
        """Notices what was never said; judges the looks whose log has come."""
        for wanted in list(self.expected):
            limit = wanted.within_s + self._machine.waited(wanted.since, now)
            if now > wanted.since + limit + self._source_lag(wanted) + 2:
                self.expected.remove(wanted)
                self._late(wanted, now, "not at all")
        while self._later and now - self._later[0][0] > LOG_LAG_S:
            self._later.popleft()[1]()
        while self._looks and now - self._looks[0].until > LOG_LAG_S:
            self._judge(self._looks.popleft())

    def see(self, look: Look) -> None:
        """Takes the next look at the window."""
        self._looks.append(look)

    def _judge(self, look: Look) -> None:
        before, self._before = self._before, look
        if look.settling or before is None or before.settling:
            self._changed = look.until
            return
        self.check("looks at the window")
        waited = self._machine.waited(look.time - 1, look.until)
        begin, end = look.time - SETTLE_S - waited, look.until + 0.02
        signals = self.signal.between(begin, end)
        self._judge_banner(look, waited, end)
        self._judge_veil(look, signals)
        self._judge_outline(look, waited, end)
        self._judge_change(look, before, end)
        self._judge_return(look, before, signals)
        self._judge_code(look)
        self._keep(look, waited, end)

    def _wants(self, contract: str, what: str, holds: bool, look: Look) -> None:
        self.check(f"pixels: {what}")
        if not holds:
            self.breach(contract, f"not so on the screen: {what}", look.time, look.pixels)

    def _judge_banner(self, look: Look, waited: float, end: float) -> None:
        """C2 and C4: AI off is said on the picture, and only then."""
        if self.ai.between(look.time - PAINT_S - waited, end) == {"AI off"}:
            self._wants("C2", "the banner while AI is off", look.banner, look)
            return
        calm = self.ai.between(look.time - SETTLE_S - waited, end) <= {"AI ready", "AI starting"}
        if not calm:
            return
        since = look.time - self.recording_stopped
        if not self.recording_stopped or since > STOPPED_S + 1 + waited:
            self._wants("C4", "no banner while all is well", not look.banner, look)
        elif SETTLE_S + waited < since < STOPPED_S - 1:
            self._wants("C5", "the banner after a recording has stopped", look.banner, look)

    def _judge_veil(self, look: Look, signals: set[str]) -> None:
        """C4: what is not live never looks so."""
        if len(signals) == 1 and signals <= NOT_LIVE:
            (signal,) = signals
            self._wants("C4", f"words over the picture: {signal}", look.veil, look)
            self._wants("C1", "no outline on what is not live", not look.outlined, look)
            if signal != "black picture":
                self._wants("C4", "a red mark in the strip", look.fault, look)
        elif signals <= SHOWN:
            self._wants("C4", "no veil over a live picture", not look.veil, look)

    def _judge_outline(self, look: Look, waited: float, end: float) -> None:
        """C1: without an engine no new exposure is outlined, and nothing older than allowed."""
        age_s = self._plan.max_age_ms / 1e3 if self._plan.mode == "live" else 0.0
        begin = look.time - SETTLE_S - waited - age_s - 1 / self._plan.rate
        if self.ai.between(begin, end) <= {"AI off", "AI starting"} and self.signal.between(
            begin, end
        ) == {"X-ray on"}:
            self._wants("C1", "no outline without an engine", not look.outlined, look)

    def _judge_change(self, look: Look, before: Look, end: float) -> None:
        """C2 and C4: while X-ray is on the picture goes on, whatever the engine does."""
        if look.mark != before.mark:
            self._changed = before.until
        stood = look.time - self._changed
        limit = max(0.5, 4 / self._plan.rate) + SETTLE_S
        if self.signal.between(look.time - limit, end) != {"X-ray on"}:
            return
        off = "AI off" in self.ai.between(look.time, end)
        what = "the picture goes on" + (" while AI is off" if off else "")
        limit += self._machine.lost_for_long(self._changed, look.until)
        self._wants("C2" if off else "C4", what, stood <= limit, look)

    def _judge_return(self, look: Look, before: Look, signals: set[str]) -> None:
        """C2: outlines come back by themselves."""
        seen = self.view.between(look.time - SETTLE_S, look.until) == {"supported"}
        ready = self.ai.between(look.time - SETTLE_S, look.until) == {"AI ready"}
        if look.outlined or self._plan.delay_ms or self._plan.rate > 30:
            self._outline_missing_s = 0.0
        elif seen and ready and signals <= SHOWN:
            self._outline_missing_s += look.time - before.time
        back = self._outline_missing_s < OUTLINE_S
        self._wants("C2", f"an outline within {OUTLINE_S:g} s of a ready engine", back, look)
        if not back:
            self._outline_missing_s = 0.0

    def _judge_code(self, look: Look) -> None:
        """C1: the numbers in the pictures never go backwards."""
        if look.code is None:
            return
        forward = look.code >= self._code_high
        self._wants("C1", "frame numbers never go backwards", forward, look)
        self._code_high = max(self._code_high, look.code)
        if self.first_picture and self.signal.now == "X-ray on":
            due = self.first_picture + look.code / self._plan.frame_rate
            self._lags.append(max(look.time - due, 0.0))

    def _keep(self, look: Look, waited: float, end: float) -> None:
        """For the recording, which says what belongs to the picture of this number."""
        plan = self._plan
        if plan.record != "disk" or plan.faults or look.code is None:
            return
        if self.signal.between(look.time - SETTLE_S, end) == {"X-ray on"}:
            self.numbers.append((look.code, look.until, waited))
        seen = seen_outline(look, waited)
        if seen is not None and len(self.outlines) < MOST_OUTLINES:
            self.outlines.append(seen)

    def finish(self, now: float) -> None:
        """Judges what is left, and notices what was to be said by now."""
        while self._later:
            self._later.popleft()[1]()
        while self._looks:
            self._judge(self._looks.popleft())
        for wanted in self.expected:
            limit = wanted.within_s + self._machine.waited(wanted.since, now)
            if now > wanted.since + limit + self._source_lag(wanted):
                self._late(wanted, now, "not until the end")
        self.expected.clear()
