"""The fault drill: each fault in a run of its own, judged by what the window shows."""

import os
import shutil
import signal
from pathlib import Path

from orapp.accept.budget import Faults, Recording
from orapp.accept.checks import Check, at_least, at_most, failed, passed
from orapp.accept.full_disk import limited, scratch_disk
from orapp.accept.stage import NotSeen, Setup, Stand, Steps, play
from orapp.backlog import RecordingLimits
from orapp.errors import OrappError
from orapp.frames import AiState, Signal
from orapp.session import SessionReader

FAULTS, RECORDING = "faults", "recording"
PATIENCE_S = 15.0
RECORD_S = 4.0
UNPLUGGED_S = 1.0


def kill_engine(setup: Setup, limits: Faults) -> list[Check]:
    """Kill -9 of the segmenting process: video goes on, a banner says so, outlines come back."""
    checks: list[Check] = []

    def script(stand: Stand) -> Steps:
        yield from stand.until_ready()
        yield from stand.until_outlined()
        session, view = stand.session, stand.window.view
        pid = session.worker.pid
        if pid is None:
            raise NotSeen("the engine's process was gone before it could be killed")
        stand.stamps.begin()
        os.kill(pid, signal.SIGKILL)
        seen = yield from stand.until(
            lambda: (
                session.ai.state is AiState.OFF
                and view.words is not None
                and session.ai.reason in view.words.banner
            ),
            PATIENCE_S,
            lambda: f"no banner said that the engine was killed within {PATIENCE_S:.0f} s",
        )
        checks.append(at_most(FAULTS, "engine killed: banner after", seen, limits.banner_ms, "ms"))
        back = yield from stand.until(
            lambda: session.ai.state in (AiState.READY, AiState.LATE) and view.overlay is not None,
            2 * limits.back_ms / 1000,
            lambda: f"no outline came back ({session.ai.state}: {session.ai.reason})",
        )
        checks.append(
            at_most(FAULTS, "engine killed: outlines back after", seen + back, limits.back_ms, "ms")
        )

    played = play(setup, script)
    if played.reason:
        return [*checks, failed(FAULTS, "engine killed", played.reason)]
    name = f"engine killed: frames missed of {played.stamps.painted_frames}"
    return [*checks, at_most(FAULTS, name, played.stamps.missed, limits.missed_frames)]


def unplug_source(setup: Setup, limits: Faults) -> list[Check]:
    """The cable is pulled: NO SIGNAL covers the picture; plugged in, all comes back by itself."""
    checks: list[Check] = []

    def script(stand: Stand) -> Steps:
        yield from stand.until_ready()
        yield from stand.until_outlined()
        session, view = stand.session, stand.window.view
        stand.source.pull()
        seen = yield from stand.until(
            lambda: session.signal is Signal.LOST and bool(view.words and view.words.veil),
            PATIENCE_S,
            lambda: f"the screen did not say NO SIGNAL within {PATIENCE_S:.0f} s",
        )
        name = "source unplugged: NO SIGNAL after"
        checks.append(at_most(FAULTS, name, seen, limits.no_signal_ms, "ms"))
        yield from stand.wait(UNPLUGGED_S)
        stand.source.plug()
        back = yield from stand.until(
            lambda: session.signal in (Signal.XRAY_ON, Signal.HOLD) and view.overlay is not None,
            2 * limits.back_ms / 1000,
            lambda: f"picture and outline did not come back ({session.signal})",
        )
        name = "source unplugged: picture and outline back after"
        checks.append(at_most(FAULTS, name, back, limits.back_ms, "ms"))

    reason = play(setup, script).reason
    return [*checks, failed(FAULTS, "source unplugged", reason)] if reason else checks


def fill_disk(setup: Setup, limits: Faults) -> list[Check]:
    """A recording to a disk that gets full: it stops with a banner, the video does not."""
    checks: list[Check] = []
    kept: list[tuple[Path | None, int]] = []
    with scratch_disk() as disk:

        def script(stand: Stand) -> Steps:
            yield from stand.until_ready()
            session, view = stand.session, stand.window.view
            stand.stamps.begin()
            with limited(disk):
                session.start_recording(disk.folder)
                yield from stand.until(
                    lambda: session.recording.state == "stopped",
                    2 * PATIENCE_S,
                    lambda: "the recording went on: the disk did not get full",
                )
            fault = session.recording.fault
            if not fault:
                raise NotSeen("the recording ended without a word about the disk")
            seen = yield from stand.until(
                lambda: bool(view.words and fault in view.words.banner),
                PATIENCE_S,
                lambda: f"no banner said that the recording has stopped ({fault})",
            )
            name = f"disk full ({disk.words}): banner after"
            checks.append(at_most(FAULTS, name, seen, limits.banner_ms, "ms"))
            kept.append((session.recording_folder, session.recording.frames))
            yield from stand.wait(1.0)

        played = play(setup, script, limits=RecordingLimits(low_bytes=0, least_bytes=0))
        # Read only now: reading in the run would hold up its painting.
        checks += [_kept(*one) for one in kept]
    if played.reason:
        return [*checks, failed(FAULTS, "disk full", played.reason)]
    name = f"disk full: frames missed of {played.stamps.painted_frames}"
    return [*checks, at_most(FAULTS, name, played.stamps.missed, limits.missed_frames)]


def _kept(folder: Path | None, frames: int) -> Check:
    """Whether what was recorded before the disk was full can be read."""
    name = "disk full: what was recorded"
    if folder is None or frames == 0:
        return failed(FAULTS, name, "nothing was recorded before the disk was full")
    try:
        with SessionReader(folder) as reader:
            verdict = reader.verify()
    except OrappError as error:
        return failed(FAULTS, name, error.what)
    if verdict.problems:
        return failed(FAULTS, name, verdict.problems[0])
    return passed(FAULTS, name, f"{verdict.frames} frames are whole")


def record(setup: Setup, folder: Path, limits: Recording) -> list[Check]:
    """The disk that recordings go to: its space, and a short recording, removed afterwards."""
    try:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        free_gb = shutil.disk_usage(there).free / 1e9
    except OSError as error:
        return [failed(RECORDING, "disk", (error.strerror or "it can't be read").lower())]
    space = at_least(RECORDING, "free on the recordings' disk", free_gb, limits.free_gb, "GB")
    made: list[Path] = []
    checks: list[Check] = []

    def script(stand: Stand) -> Steps:
        yield from stand.until_ready()
        session = stand.session
        try:
            session.start_recording(folder)
        except OrappError as error:
            raise NotSeen(error.what) from None
        if session.recording_folder is not None:
            made.append(session.recording_folder)
        yield from stand.wait(RECORD_S)
        session.stop_recording()
        yield from stand.until(
            lambda: session.recording.state == "stopped",
            PATIENCE_S,
            lambda: "the disk did not return from writing",
        )
        status = session.recording
        if status.fault:
            raise NotSeen(status.fault)
        name = f"frames not recorded of {status.frames + status.dropped}"
        checks.append(at_most(RECORDING, name, status.dropped, limits.dropped_frames))
        with SessionReader(made[0]) as reader:
            whole = reader.verify().whole
        checks.append(
            passed(RECORDING, "read back", "whole")
            if whole
            else failed(RECORDING, "read back", "the recording is damaged")
        )

    try:
        reason = play(setup, script).reason
    finally:
        for session_folder in made:
            shutil.rmtree(session_folder, ignore_errors=True)
    return [space, *checks, *([failed(RECORDING, "short recording", reason)] if reason else [])]
