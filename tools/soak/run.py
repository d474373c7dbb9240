"""One run: starts the program, looks at it all the time, does its faults, judges its end."""

import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tools.soak.acts import Actor
from tools.soak.ending import (
    Sample,
    judge_growth,
    judge_left_over,
    judge_loss,
    judge_recording,
    judge_report,
    read_report,
)
from tools.soak.history import Expected
from tools.soak.hogs import SmallDisk
from tools.soak.judge import AGE_S, Judge
from tools.soak.machine import MachineWatch, sizes
from tools.soak.outlines import ages, judge_outlines
from tools.soak.plan import Plan
from tools.soak.program import Program
from tools.soak.record import Record
from tools.soak.screen import look
from tools.soak.xserver import XServer

LOOK_EVERY_S, CLOSE_LOOK_EVERY_S = 0.16, 0.04
SAMPLE_EVERY_S = 1.0
START_S, END_S = 60.0, 20.0
FAULTS = {
    "unplug": ("signal", "no signal", 1.0, "signal is back", 3.5),
    "stall": ("signal", "no signal", 1.2, "signal is back", 1.5),
    "freeze": ("signal", "input frozen", 4.2, "(X-ray on|last image hold)", 1.5),
    "black": ("signal", "black picture", 1.0, "(X-ray on|last image hold)", 1.0),
    "resize": ("format", "picture is now", 1.0, "picture is now", 1.0),
}
"""Kind of the line, what it says and how soon (s), what it says afterwards and how soon (s)."""
SEEN_AFTER_S = {"unplug": 0.0, "stall": 0.7, "freeze": 3.3, "black": 0.2, "resize": 0.0}
"""So long a fault must last before it can be noticed."""


class Run:
    """Executes one plan.

    Args:
        plan: what is done.
        machine: watches the machine.
        record: gets what is found.
        server: for the window.
        command: what is run in place of `orapp --verbose live`; for tests.
    """

    def __init__(
        self,
        plan: Plan,
        machine: MachineWatch,
        record: Record,
        server: XServer,
        command: tuple[str, ...] = (),
    ) -> None:
        self._plan, self._machine, self._record = plan, machine, record
        self._folder = Path(tempfile.mkdtemp(prefix="soak-"))
        self._judge = Judge(plan, machine, record)
        self._disk = self._small_disk()
        self._report = self._folder / "report.json"
        root = self._disk.folder if self._disk else self._folder / "records"
        self._root = root if plan.record else None
        if self._root is not None:
            self._root.mkdir(exist_ok=True)
        words = [*plan.arguments(), "--report", str(self._report)]
        words += ["--record", str(self._root)] if self._root else []
        self._program = Program(words, command)
        self._actor = Actor(
            plan, self._program, self._judge, record, server, self._folder, self._disk
        )
        self._heard = 0
        self._first_picture = self._next_look = self._next_sample = 0.0
        self._killed: tuple[float, int] | None = None
        self._program_samples: list[Sample] = []
        self._looks = 0
        self._looked_s = 0.0

    def _small_disk(self) -> SmallDisk | None:
        if self._plan.record != "small disk":
            return None
        try:
            return SmallDisk(self._folder / "small")
        except OSError:
            self._record.faults["left out: small disk (no mount)"] += 1
            return None

    def execute(self) -> None:
        """Runs it to its end; what does not hold is in the record."""
        self._note_options()
        try:
            self._follow()
            self._end()
        finally:
            self._actor.close()
            self._program.close()
            if self._disk is not None:
                self._disk.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _note_options(self) -> None:
        plan, faults = self._plan, self._record.faults
        faults[f"mode {plan.mode}"] += 1
        if plan.delay_ms:
            faults[f"engine slower by {plan.delay_ms} ms"] += 1
            self._judge.allow_off("no answer", 0)
        if plan.raise_at:
            faults["engine raises"] += 1
            self._judge.allow_off("engine failed", 0)
        if plan.rate != 15 or plan.video:
            faults[f"rate {plan.rate:g}, video {plan.frame_rate:g}, {plan.size} px"] += 1
        if plan.record:
            faults[f"recording ({plan.record})"] += 1
            if self._disk is not None:
                stopped = re.compile("recording stopped: ")
                begin = self._program.started
                what = "the recording stops on a small disk"
                limit = plan.seconds - 2
                self._judge.expect(Expected("C5", what, "recording", stopped, begin, limit))

    def _follow(self) -> None:
        """Until it ends, or must be ended."""
        deadline = time.time() + START_S + self._plan.seconds + END_S
        while self._program.running:
            now = time.time()
            self._hear()
            if now > deadline:
                self._judge.breach("end", "the program did not end in time", now)
                return
            if self._first_picture and now > self._last_look():
                if self._plan.end == "time" or self._over(now):
                    return
            elif self._first_picture:
                self._look(now)
                self._sample(now)
                self._actor.tick(now)
            self._judge.tick(now)
            time.sleep(0.01)

    def _last_look(self) -> float:
        """Wall time after which the window may be going."""
        return self._first_picture + self._plan.seconds - 0.8

    def _over(self, now: float) -> bool:
        """Ends it by a signal, if that is how it ends; True once it was sent."""
        if self._plan.end == "kill":
            self._judge.may_be_noisy = True
            self._program.engines()
            self._killed = now, time.monotonic_ns()
            os.kill(self._program.pid, signal.SIGKILL)
            self._record.faults["program killed (kill -9)"] += 1
        else:
            os.kill(self._program.pid, signal.SIGTERM)
            self._record.faults["program ended by SIGTERM"] += 1
        return True

    def _hear(self) -> None:
        lines = self._program.lines
        while self._heard < len(lines):
            line = lines[self._heard]
            self._heard += 1
            self._judge.hear(line)
            if line.kind == "signal" and not self._first_picture and line.text == "X-ray on":
                self._first_picture = self._judge.first_picture = line.time
                self._actor.spread()
                self._expect_faults(line.time)
            if line.kind == "ai" and line.text.startswith("AI ready") and not self._actor.started:
                self._actor.start(line.time)
                self._machine.watch("engine", *self._program.engines())

    def _expect_faults(self, first: float) -> None:
        for kind, begin, end in self._plan.faults:
            line, said, soon_s, back, back_s = FAULTS[kind]
            self._record.faults[f"source: {kind}"] += 1
            since, until = first + begin - 0.2, first + end - 0.2
            if until > self._last_look() - 4:
                continue
            spare_s = end - begin - SEEN_AFTER_S[kind]
            for text, pattern, from_s, within_s in (
                (f"{kind} is said", said, since, soon_s),
                (f"the end of {kind} is said", back, until, back_s),
            ):
                wanted = re.compile(pattern)
                self._judge.expect(Expected("C4", text, line, wanted, from_s, within_s, spare_s))

    def _look(self, now: float) -> None:
        if now < self._next_look:
            return
        close = now < self._actor.look_closely_until
        self._next_look = now + (CLOSE_LOOK_EVERY_S if close else LOOK_EVERY_S)
        settling = now < self._actor.unsettled_until or now < self._first_picture + 1
        seen = look(self._actor.size, settling=settling)
        self._judge.see(seen)
        self._looks += 1
        self._looked_s += max(seen.until - seen.time - 1 / self._plan.frame_rate, 0.0)

    def _sample(self, now: float) -> None:
        """Sizes of the program, while nothing has been done to it for a while."""
        if now < self._next_sample:
            return
        self._next_sample = now + SAMPLE_EVERY_S
        self._machine.watch("program", self._program.pid)
        self._machine.watch("engine", *self._program.engines())
        ai = self._judge.ai
        steady = ai.now == "AI ready" and now - ai.since > 2 and not self._actor.loaded
        if steady and now > self._actor.unsettled_until:
            with suppress(psutil.Error):
                at_s = now - self._first_picture
                self._program_samples.append(Sample(at_s, **sizes(self._program.pid)))

    def _end(self) -> None:
        """The end of the program, and what is left of it."""
        program, judge = self._program, self._judge
        try:
            code = program.process.wait(END_S)
        except Exception:
            judge.breach("end", f"it does not end within {END_S:g} s", time.time())
            program.close()
            code = program.process.returncode
        time.sleep(0.2)
        self._hear()
        judge.finish(time.time())
        judge.check("ends as it should")
        if code != (-signal.SIGKILL if self._killed else 0):
            judge.breach("end", f"exit code {code}", time.time())
        judge_left_over(program, judge)
        if not self._disk:  # a recording that has ended frees its threads
            judge_growth(self._program_samples, judge, "program")
        if self._root is not None:
            self._judge_recording(self._root)
        report = None if self._killed else read_report(self._report, judge)
        waits = self._machine.lost_for_long(program.started, time.time())
        if report is not None:
            allowed_s = waits + self._looked_s
            judge_report(report, self._plan, judge, allowed_s, self._actor.hidden_s)
        self._note_run(report, waits)

    def _judge_recording(self, root: Path) -> None:
        folder = judge_recording(root, self._judge)
        if folder is None:
            return
        if self._killed is not None:
            lost_ms = judge_loss(folder, self._judge, self._machine, *self._killed)
            self._record.lost_ms += [] if lost_ms is None else [lost_ms]
        self._judge_pictures(folder)

    def _judge_pictures(self, folder: Path) -> None:
        """What was on the screen, by the recording."""
        judge, record = self._judge, self._record
        judged, wrong = judge_outlines(folder, judge.outlines, self._plan)
        record.checks["pixels: the outline is that of its picture"] += judged
        for one in wrong:
            told = f"the outline on picture {one.code} is not its own"
            judge.breach("C1", told, one.time, one.pixels)
        for number, age_s, waited_s in ages(folder, judge.numbers):
            record.age_ms.append(age_s * 1e3)
            judge.check("pixels: the picture is of now, by its number")
            if age_s > AGE_S + 1 / self._plan.frame_rate + waited_s:
                told = f"picture {number} was on the screen {age_s * 1e3:.0f} ms after its capture"
                judge.breach("C2", told, time.time())
            if age_s < 0:
                judge.breach("C2", f"picture {number} was shown before its time", time.time())

    def _note_run(self, report: dict[str, Any] | None, waits: float) -> None:
        plan, samples = self._plan, self._program_samples
        latency = (report or {}).get("latency_ms", {})
        self._record.runs.append(
            {
                "number": plan.number,
                "theme": plan.theme,
                "seconds": plan.seconds,
                "source": plan.source(),
                "mode": plan.mode,
                "end": plan.end,
                "looks": self._looks,
                "hidden_s": self._actor.hidden_s,
                "no_core_s": round(waits, 2),
                "looked_s": round(self._looked_s, 2),
                "frames": report["frames"] if report else {},
                "mispaired": report["outlines"]["mispaired"] if report else 0,
                "outlined": report["outlines"]["frames_with"] if report else 0,
                "restarts": report["engine"]["restarts"] if report else None,
                "capture_to_shown": latency.get("capture_to_shown"),
                "rss_mb": [round(s.rss_mb) for s in samples[:: max(len(samples) // 5, 1)]],
            }
        )
