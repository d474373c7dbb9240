"""FrameGrabber: the only capture thread. It stamps, recognises, and offers to its watchers."""

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from orapp.errors import OrappError, SignalLost
from orapp.events import EventLog
from orapp.frames import Frame, Signal, read_only
from orapp.scene import SceneWatch
from orapp.sources import EndOfSource, Picture, Source, SourceFormat

log = logging.getLogger("orapp")

READ_TIMEOUT_MS = 100
"""Bounds how long `stop` waits, and how late silence is noticed."""
SILENCE_S = 0.5
SILENCE_FRAMES = 4
BACK_OFF_S, LONGEST_BACK_OFF_S = 0.25, 2.0
STOP_S = 5.0
"""A read that a driver never returns from is left behind after that."""
WATCHER_EVENT_EVERY = 100

Watcher = Callable[[Frame], None]


class FrameGrabber:
    """Drains a source in its own thread and offers every picture as a Frame to each watcher.

    Reconnects for ever when a live source is lost, checking its format again. Keeps no queue:
    what a watcher drops is the watcher's policy.

    Args:
        source: not yet opened; from `start` on it belongs to the grabber.
        watchers: called in order in the grabber's thread with every frame; must not block. What
            one raises is logged and counted, and disturbs neither the others nor the grabber.
        events: gets every change of the signal and of the format.
        on_signal: called after every change of `signal`, in the grabber's thread; must not block.
    """

    def __init__(
        self,
        source: Source,
        watchers: Sequence[Watcher],
        events: EventLog,
        *,
        on_signal: Callable[[], None] | None = None,
    ) -> None:
        self._source, self._watchers, self._events = source, tuple(watchers), events
        self._on_signal = on_signal
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._state = (Signal.CONNECTING, Signal.CONNECTING.value)
        self._format: SourceFormat | None = None
        self._scene = SceneWatch()
        self._captured = self._repeats = self._watcher_errors = 0
        self._exposure = self._content = -1
        self._last_picture_ns = self._seen_ns = 0
        self._ended = False
        self._error: OrappError | None = None

    @property
    def signal(self) -> Signal:
        """What the video is now; asking also notices a read that does not return."""
        if self._thread is not None:
            self._notice_silence(time.monotonic_ns())
        return self._state[0]

    @property
    def signal_text(self) -> str:
        """The same in words, such as `no signal since 12:03:05: the device is unplugged`."""
        return self._state[1]

    @property
    def format(self) -> SourceFormat | None:
        """What the source really delivers now; None before `start`."""
        return self._format

    @property
    def captured(self) -> int:
        """Frames so far."""
        return self._captured

    @property
    def repeats(self) -> int:
        """Frames so far that only repeated an exposure."""
        return self._repeats

    @property
    def watcher_errors(self) -> int:
        """How often a watcher has raised."""
        return self._watcher_errors

    @property
    def ended(self) -> bool:
        """True if the source was finite and all its frames were offered."""
        return self._ended

    @property
    def error(self) -> OrappError | None:
        """What ended the grabbing for good, if it was an error; None else."""
        return self._error

    def start(self) -> None:
        """Opens the source in the calling thread, then grabs in its own.

        Raises:
            OrappError: the source can't be opened; nothing is left running then.
        """
        try:
            self._note_format(self._source.open())
        except BaseException:
            self._source.close()
            raise
        self._last_picture_ns = time.monotonic_ns()
        self._thread = threading.Thread(target=self._run, name="orapp-grabber", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and closes the source, in 5 s at most; may be called twice."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join(STOP_S)
        if thread.is_alive():
            self._events.add("run", "the source did not return from reading and was left behind")

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and self._step():
                pass
        finally:
            self._source.close()

    def _step(self) -> bool:
        """Reads once; False when there is no more to come."""
        try:
            picture = self._source.read(READ_TIMEOUT_MS)
            now_ns = time.monotonic_ns()
        except EndOfSource:
            self._end()
            return False
        except Exception as error:
            return self._failed(error)
        if picture is None:
            self._notice_silence(now_ns)
        else:
            frame = self._frame(picture, now_ns)
            self._offer(frame)
            # Only now: what is on the screen is not called live before its successor is there.
            self._set_signal(frame.signal)
        return True

    def _frame(self, picture: Picture, now_ns: int) -> Frame:
        """The picture with its stamp, its number, and what it shows."""
        self._last_picture_ns = now_ns
        if self._state[0] is Signal.LOST:
            height, width = picture.pixels.shape
            self._events.add("signal", f"signal is back: {width}x{height}")
            self._scene = self._new_scene()
        self._note_size(picture)
        look = self._scene.look(picture.pixels, self._scene_ns(picture, now_ns), picture.sent)
        self._exposure += look.exposure_changed
        self._repeats += not look.exposure_changed
        pixels, repeat = read_only(picture.pixels), not look.exposure_changed
        raw = None if picture.raw is None else read_only(picture.raw)
        self._content += look.changed
        told = self._exposure, repeat, look.signal, raw, self._content
        frame = Frame(self._captured, pixels, now_ns, *told)
        self._captured += 1
        return frame

    def _scene_ns(self, picture: Picture, now_ns: int) -> int:
        """The scene's clock; where a replay goes back in it a new scene starts."""
        scene_ns = round(picture.time_ms * 1e6) if picture.replayed else now_ns
        if scene_ns < self._seen_ns:
            self._scene = self._new_scene()
        self._seen_ns = scene_ns
        return scene_ns

    def _offer(self, frame: Frame) -> None:
        for watcher in self._watchers:
            try:
                watcher(frame)
            except Exception as error:
                self._watcher_failed(error)

    def _watcher_failed(self, error: Exception) -> None:
        """Counts them all, and tells of one in a hundred: one may fail at every frame."""
        self._watcher_errors += 1
        if self._watcher_errors % WATCHER_EVENT_EVERY == 1:
            log.error("a watcher failed", exc_info=error)
            name, count = type(error).__name__, self._watcher_errors
            self._events.add("watcher", f"a watcher failed: {name} (no. {count})")

    def _notice_silence(self, now_ns: int) -> None:
        """A live source that is only silent is lost too, long before its driver says so."""
        assert self._format is not None
        if self._format.finite or self._state[0] is Signal.LOST:
            return
        rate = self._format.rate_hz
        limit_s = max(SILENCE_S, SILENCE_FRAMES / rate if rate > 0 else 0)
        if now_ns - self._last_picture_ns > limit_s * 1e9:
            self._set_signal(Signal.LOST, f"no picture for {limit_s:.1f} s")

    def _failed(self, error: Exception) -> bool:
        """What a failed read means: reconnect (True), or the end of a file (False)."""
        assert self._format is not None
        told = error if isinstance(error, OrappError) else _unforeseen(error)
        self._set_signal(Signal.LOST, _without_names(told.what))
        if self._format.finite and not isinstance(error, SignalLost):
            self._error = told
            return False
        self._reconnect()
        return True

    def _reconnect(self) -> None:
        """Tries until the source opens again or the grabber is stopped."""
        back_off_s = BACK_OFF_S
        while True:
            self._source.close()
            if self._stopping.wait(back_off_s):
                return
            back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)
            try:
                self._note_format(self._source.open())
            except OrappError:
                continue
            except Exception as error:
                _unforeseen(error)
                continue
            self._last_picture_ns = time.monotonic_ns()
            return

    def _end(self) -> None:
        self._ended = True
        self._events.add("run", f"the source has ended after {self._captured} frames")
        self._state = (Signal.HOLD, "end of the recording")
        self._tell()

    def _new_scene(self) -> SceneWatch:
        return SceneWatch(self._format.rate_hz if self._format else 0)

    def _note_format(self, now: SourceFormat) -> None:
        """Takes over the format of a source that was just opened."""
        before, self._format = self._format, now
        self._scene = self._new_scene()
        if before is None:
            return
        self._note_change((now.width, now.height), (before.width, before.height))
        if now.rate_hz != before.rate_hz:
            text = f"rate is now {now.rate_hz:g}/s, was {before.rate_hz:g}/s"
            self._events.add("format", text)

    def _note_size(self, picture: Picture) -> None:
        """A picture of another size starts a scene of its own."""
        assert self._format is not None
        height, width = picture.pixels.shape
        before = self._format.width, self._format.height
        if (width, height) == before:
            return
        self._format = replace(self._format, width=width, height=height)
        self._scene = self._new_scene()
        self._note_change((width, height), before)

    def _note_change(self, now: tuple[int, int], before: tuple[int, int]) -> None:
        if now != before:
            text = f"picture is now {now[0]}x{now[1]}, was {before[0]}x{before[1]}"
            self._events.add("format", text)

    def _set_signal(self, signal: Signal, why: str = "") -> None:
        """Tells of a change in the log and to `on_signal`; the same signal again is no change."""
        live = signal in (Signal.XRAY_ON, Signal.HOLD)
        since = "" if live else time.strftime(" since %H:%M:%S")
        with self._lock:
            if signal is self._state[0]:
                return
            self._state = signal, f"{signal}{since}" + (f": {why}" if why else "")
        self._events.add("signal", f"{signal}: {why}" if why else signal.value)
        self._tell()

    def _tell(self) -> None:
        if self._on_signal is None:
            return
        try:
            self._on_signal()
        except Exception as error:
            self._watcher_failed(error)


def _without_names(text: str) -> str:
    """For log and report: the name of a file may be a patient's."""
    return re.sub(r"'[^']*'|'.*'", "the file", text)


def _unforeseen(error: Exception) -> OrappError:
    """An error that a source should have put into a sentence; the log has its trace."""
    log.error("the source failed", exc_info=error)
    return OrappError(f"the source failed: {type(error).__name__}", "see the log for the details")
