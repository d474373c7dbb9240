"""Recorder: writes what passes to disk in threads of its own; the live path never waits for it."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from orapp.backlog import TOO_SLOW, Backlog, RecordingLimits
from orapp.errors import OrappError
from orapp.events import EventLog
from orapp.frames import Event, Frame, Segmentation
from orapp.session_writer import SessionWriter, new_session_folder

log = logging.getLogger("orapp")

SYNC_S = 0.25
LOOK_S = 1.0
"""The disk's free space is looked at so often."""
SAY_EVERY_S = 10.0
STOP_S = 5.0
"""A write that the system never returns from is left behind after that."""


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """How the recording goes.

    Attributes:
        state: `off` if nothing was recorded yet, `recording`, or `stopped`.
        since_ns: since when it is so, monotonic; 0 if off.
        frames: that were written.
        dropped: frames that were not recorded since the start.
        free_bytes: on the disk, when it was last looked at.
        disk_low: whether that is less than 2 GB.
        error: what went wrong, in words; empty if nothing did.
        fault: why it stopped by itself, in words; empty if it did not.
    """

    state: Literal["off", "recording", "stopped"] = "off"
    since_ns: int = 0
    frames: int = 0
    dropped: int = 0
    free_bytes: int = 0
    disk_low: bool = False
    error: str = ""
    fault: str = ""


class Recorder:
    """Records into a new folder until it is stopped, or the disk stops it.

    All of `offer`, `note`, `segmented`, `presented` may be called from any thread and return at
    once. What the disk says against it ends the recording and nothing else; everything that was
    written before stays readable.

    Args:
        root: the session's folder is made in it.
        head: gives what `session_head` does; called in the recorder's thread, with the first
            frame, when the source's format is known.
        events: gets what there is to say, as kind `recording`.
        limits: what it holds and needs.
    """

    def __init__(
        self,
        root: Path,
        head: Callable[[], dict[str, Any]],
        events: EventLog,
        *,
        limits: RecordingLimits | None = None,
    ) -> None:
        self._root, self._head, self._events = root, head, events
        self._limits = limits or RecordingLimits()
        self._backlog = Backlog(self._limits)
        self._thread = threading.Thread(target=self._run, name="orapp-recorder", daemon=True)
        self._over = threading.Event()
        self._writer: SessionWriter | None = None
        self._engine_known = False
        self._folder: Path | None = None
        self._began = datetime.now(UTC), time.monotonic_ns()
        self._ended_ns = self._free_bytes = self._said_ns = 0
        self._why = self._error = ""
        self._complete = True

    @property
    def folder(self) -> Path | None:
        """Of the session; None before `start`."""
        return self._folder

    @property
    def status(self) -> RecordingStatus:
        """How it goes now."""
        writer, dropped = self._writer, self._backlog.dropped_frames
        slow = f"{TOO_SLOW}: {dropped} frames are not recorded" if dropped else ""
        return RecordingStatus(
            state="stopped" if self._ended_ns else "recording",
            since_ns=self._ended_ns or self._began[1],
            frames=writer.frames if writer else 0,
            dropped=dropped,
            free_bytes=self._free_bytes,
            disk_low=self._free_bytes < self._limits.low_bytes,
            error=self._error or slow,
            fault=self._error,
        )

    def start(self) -> None:
        """Makes the session's folder and starts.

        Raises:
            OrappError: the folder can't be written, or its disk is nearly full.
        """
        self._folder = new_session_folder(self._root)
        self._free_bytes = shutil.disk_usage(self._folder).free
        if self._free_bytes < self._limits.least_bytes:
            self._folder.rmdir()
            raise OrappError(f"can't record: {self._nearly_full()}", "choose another folder")
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """A frame came."""
        if self._backlog.put_frame(frame):
            return
        now_ns = time.monotonic_ns()
        if now_ns - self._said_ns > SAY_EVERY_S * 1e9 or not self._said_ns:
            self._said_ns = now_ns
            self._events.add("recording", f"{TOO_SLOW}: frames are not recorded")

    def note(self, event: Event) -> None:
        """An event was logged."""
        self._backlog.put(lambda writer: writer.event(event))

    def segmented(self, segmentation: Segmentation) -> None:
        """The engine has answered."""
        self._backlog.put(lambda writer: self._segmented(writer, segmentation))

    def presented(self, index: int, presented_ns: int, style: str | None) -> None:
        """A frame was painted, with what style of outline, if any."""
        if self._writer is not None:  # before the first frame there is nothing to have shown
            self._backlog.put(lambda writer: writer.presented(index, presented_ns, style))

    def ask_to_stop(self, why: str) -> None:
        """Takes nothing more, writes what waits, and ends by itself."""
        self._why = self._why or why  # the first reason counts
        self._backlog.close()

    def stop(self, why: str, complete: bool = True) -> None:
        """The same, and waits until it is done, 5 s at most; may be called twice.

        Args:
            why: in words.
            complete: False if its source broke.
        """
        if self._thread.is_alive():
            self._complete = complete
            self.ask_to_stop(why)
            self._thread.join(STOP_S)
            if self._thread.is_alive():
                text = "the disk did not return from writing and was left behind"
                self._error = self._error or text
                self._events.add("recording", text)

    def _run(self) -> None:
        try:
            if self._backlog.wait_for_frame():
                self._record()
            elif self._folder is not None:
                self._folder.rmdir()  # nothing came
        except Exception as error:
            self._fail(_reason(error))
        finally:
            self._over.set()
            if self._error:
                self._events.add("recording", f"recording stopped: {self._error}")
            else:
                self._events.add("recording", f"recording ended: {self._why}")
            self._ended_ns = time.monotonic_ns()

    def _record(self) -> None:
        assert self._folder is not None
        started, started_ns = self._began
        head = self._head() | {
            "started": started.isoformat(timespec="milliseconds"),
            "started_ns": started_ns,
        }
        self._engine_known = head["engine"] is not None
        writer = self._writer = SessionWriter(self._folder, head)
        syncing = threading.Thread(
            target=self._keep_synced, args=(writer,), name="orapp-recorder-sync", daemon=True
        )
        syncing.start()
        try:
            while (item := self._backlog.first()) is not None:
                writer.frame(item) if isinstance(item, Frame) else item(writer)
                self._backlog.done()
        except Exception as error:
            self._fail(_reason(error))
        finally:
            self._over.set()
            self._close(writer)
            syncing.join()

    def _close(self, writer: SessionWriter) -> None:
        """Says what is missing and why it ends, if the disk still takes that."""
        lost = self._backlog.give_up()
        try:
            if lost is not None:
                writer.gap(*lost, self._error or self._why)
            if self._backlog.dropped_lines:
                text = f"{self._backlog.dropped_lines} lines were not recorded: {TOO_SLOW}"
                writer.event(Event(time.monotonic_ns(), "recording", text))
        except OrappError as error:
            self._fail(error.what)
        try:
            writer.close(self._error or self._why, self._complete and not self._error)
        except OrappError as error:
            self._fail(error.what)

    def _keep_synced(self, writer: SessionWriter) -> None:
        """In a thread of its own, so that a slow flush holds up neither frames nor their lines."""
        looked_ns = 0
        try:
            while not self._over.wait(SYNC_S):
                writer.sync()
                if time.monotonic_ns() - looked_ns > LOOK_S * 1e9:
                    looked_ns = time.monotonic_ns()
                    self._look_at_disk()
        except Exception as error:
            self._fail(_reason(error))

    def _look_at_disk(self) -> None:
        assert self._folder is not None
        self._free_bytes = shutil.disk_usage(self._folder).free
        if self._free_bytes < self._limits.least_bytes:
            self._fail(self._nearly_full())

    def _nearly_full(self) -> str:
        return f"the disk is nearly full ({self._free_bytes / 1e6:.0f} MB free)"

    def _fail(self, why: str) -> None:
        """Ends the recording for this reason; the first one counts."""
        self._error = self._error or why
        self._backlog.close()

    def _segmented(self, writer: SessionWriter, segmentation: Segmentation) -> None:
        if not self._engine_known:
            identity = self._head()["engine"]
            if identity is not None:
                writer.engine(identity)
                self._engine_known = True
        writer.segmentation(segmentation)


def _reason(error: Exception) -> str:
    """For the status; what is nobody's disk is a fault of ours, and goes to the log whole."""
    if isinstance(error, OrappError):
        return error.what
    if isinstance(error, OSError):
        return f"the recording can't be written ({(error.strerror or 'unknown reason').lower()})"
    log.error("the recorder failed", exc_info=error)
    return f"the recorder failed ({type(error).__name__})"
