"""After a run: its report, what it leaves behind, whether it grew, and its recording."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from orapp.errors import OrappError
from orapp.session import SessionReader
from tools.soak.judge import Judge
from tools.soak.machine import MachineWatch
from tools.soak.plan import WINDOW_ACTS, Plan
from tools.soak.program import Program

LOST_MS = 1000.0
"""C5: a kill -9 costs the last second of a recording at most."""
GROWTH, GROWTH_MB = 1.05, 20.0
FRAMES_A_LAYOUT = 4
"""That a window may miss while it is laid out anew, twice for each act on it."""
WARM_S = 10.0
LEAST_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """Sizes of one process while nothing was being done to it: time in s of the run, MB, counts."""

    at_s: float
    rss_mb: float
    threads: float
    files: float


def judge_report(
    report: dict[str, Any], plan: Plan, judge: Judge, allowed_s: float, hidden_s: float
) -> None:
    """C1 and C2 by the program's own figures.

    Args:
        report: that the program has written.
        plan: of the run.
        judge: of the run.
        allowed_s: time in which the machine gave no time for long, or we ourselves kept the X
            server busy with a look.
        hidden_s: time in which the window was off the screen: nothing is shown then.
    """
    now = time.time()
    judge.check("report: no outline mispaired")
    if report["outlines"]["mispaired"]:
        judge.breach("C1", f"{report['outlines']['mispaired']} outlines mispaired", now)
    frames = report["frames"]
    missed, captured = frames["dropped_before_display"], frames["captured"]
    allowed = 0.01 * captured + 1 + (allowed_s + hidden_s) * plan.frame_rate
    allowed += FRAMES_A_LAYOUT * sum(act.kind in WINDOW_ACTS for act in plan.acts)
    judge.check("report: no frame missed while the machine had time")
    if missed > allowed:
        told = f"{missed} of {captured} frames were not shown, {allowed:.0f} can be explained"
        judge.breach("C2", told, now)
    judge.check("report: frames came at their rate")
    lost_s = sum(until - since + 3 for kind, since, until in plan.faults if kind in _SILENT)
    lost_s += sum(act.for_s / 2 for act in plan.acts if act.kind == "cpu")
    least = 0.8 * plan.frame_rate * (report["run"]["seconds"] - 3 - lost_s - allowed_s)
    if captured < least:
        judge.breach("C2", f"only {captured} frames were captured, not {least:.0f}", now)


_SILENT = ("unplug", "stall")


def judge_left_over(program: Program, judge: Judge, patience_s: float = 15.0) -> None:
    """C3: no process and no shared memory outlives the program."""
    judge.check("nothing outlives the program")
    deadline = time.monotonic() + patience_s
    while left := program.left_over():
        if time.monotonic() > deadline:
            judge.breach("C3", f"left behind: {', '.join(left)}", time.time())
            return
        time.sleep(0.05)


def judge_growth(samples: list[Sample], judge: Judge, who: str) -> None:
    """C3: memory, threads and files are flat, from the first third to the last.

    Of threads and files by the median: while the engine is away there are fewer for a moment, and
    a third may hold no such moment.
    """
    warm = [sample for sample in samples if sample.at_s >= WARM_S]
    if len(warm) < LEAST_SAMPLES:
        return
    third = len(warm) // 3
    early, late = warm[:third], warm[-third:]
    judge.check(f"flat: memory, threads, files of the {who}")
    before, after = min(s.rss_mb for s in early), min(s.rss_mb for s in late)
    if after > before * GROWTH + GROWTH_MB:
        judge.breach("C3", f"memory of the {who} grew: {before:.0f} to {after:.0f} MB", time.time())
    for name in ("threads", "files"):
        was, now = (median(getattr(s, name) for s in part) for part in (early, late))
        if now > was + 1:
            judge.breach("C3", f"{name} of the {who} grew: {was:g} to {now:g}", time.time())


def judge_recording(root: Path, judge: Judge) -> Path | None:
    """C5: the one recording in `root` opens and verifies; its folder, or None.

    After a kill it says that it was cut off; on a full disk it may, with no room for a last line.
    """
    now = time.time()
    folders = [folder for folder in root.iterdir() if folder.is_dir()]
    judge.check("recording: opens and verifies")
    if len(folders) != 1:
        judge.breach("C5", f"{len(folders)} sessions were recorded, not one", now)
        return None
    command = [sys.executable, "-m", "orapp", "session", "show", str(folders[0])]
    shown = subprocess.run(command, capture_output=True, text=True)
    said = (shown.stdout + shown.stderr)[-300:]
    if shown.returncode or "damage" in shown.stdout:
        judge.breach("C5", f"the recording is not whole ({shown.returncode}): {said}", now)
        return None
    judge.check("recording: says where it ends")
    ends = ["cut off after"] if judge.may_be_noisy else ["closed after"]
    ends += ["cut off after"] if judge.recording_stopped else []
    if not any(end in shown.stdout for end in ends):
        judge.breach("C5", f"it does not say where it ends: {said}", now)
    return folders[0]


def judge_loss(
    folder: Path, judge: Judge, machine: MachineWatch, at: float, at_ns: int
) -> float | None:
    """C5: what a kill -9 at this wall time and monotonic ns has cost, in ms."""
    try:
        with SessionReader(folder) as reader:
            whole = reader.rows[: reader.frame_count]
            last_ns = max((row.captured_ns for row in whole), default=None)
    except OrappError as error:
        judge.breach("C5", f"the recording does not open: {error}", at)
        return None
    if last_ns is None:
        judge.breach("C5", "the recording holds no frame", at)
        return None
    judge.check("recording: a second lost at most")
    lost_ms = (at_ns - last_ns) / 1e6
    if lost_ms > LOST_MS + machine.waited(at - 2, at) * 1e3:
        judge.breach("C5", f"{lost_ms:.0f} ms of the recording were lost", at)
    return lost_ms


def read_report(path: Path, judge: Judge) -> dict[str, Any] | None:
    """The program's report; None, and a breach, if there is none."""
    judge.check("report: written")
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        judge.breach("end", f"no report: {error}", time.time())
        return None
