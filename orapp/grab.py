"""FrameGrabber: the only capture thread; stamps frames and offers them to its watchers."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from orapp.errors import OrappError, SignalLost
from orapp.events import EventLog
from orapp.frames import Frame, Signal, read_only
from orapp.scene import SceneWatch
from orapp.sources import EndOfSource, Picture, Source, SourceFormat

log = logging.getLogger("orapp")

READ_TIMEOUT_MS = 50
LOST_AFTER_S = 0.5
LOST_AFTER_FRAMES = 4.0
"""No picture for so long, in seconds and in frames of the nominal rate: there is no signal."""
BACKOFF_S = (0.25, 0.5, 1.0, 2.0)
STOP_LIMIT_S = 15.0
"""A device may block a read for 10 s (OpenCV's V4L2)."""


class FrameGrabber:
    """Drains a source and keeps nothing: every frame goes to each watcher, in order.

    Watchers run in the capture thread and must not block; an exception of theirs is logged and
    counted, never raised into the path. A lost signal is looked for again for ever.

    Args:
        source: not yet opened.
        watchers: called with every frame.
        events: gets what happens to the signal, in words.
        on_signal: called after each change of the signal, in the capture thread.
    """

    def __init__(
        self,
        source: Source,
        watchers: Sequence[Callable[[Frame], None]],
        events: EventLog,
        *,
        on_signal: Callable[[], None] | None = None,
    ) -> None:
        self._source, self._watchers, self._events = source, tuple(watchers), events
        self._on_signal = on_signal
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._format: SourceFormat | None = None
        self._signal, self._signal_text = Signal.CONNECTING, str(Signal.CONNECTING)
        self._scene = SceneWatch()
        self._size: tuple[int, int] | None = None
        self._exposure = -1
        self._heard_ns = 0
        self._failed_watchers: set[int] = set()
        self.captured = self.repeats = self.watcher_errors = 0
        self.ended = False
        self.error: OrappError | None = None

    @property
    def signal(self) -> Signal:
        """What the video is now."""
        return self._signal

    @property
    def signal_text(self) -> str:
        """The same in words, with since when and why where there is something to say."""
        return self._signal_text

    @property
    def format(self) -> SourceFormat | None:
        """What the source delivered when it was last opened; None before."""
        return self._format

    def start(self) -> None:
        """Opens the source and starts capturing.

        Raises:
            OrappError: the source can't be opened; nothing runs then.
        """
        try:
            self._format = self._source.open()
        except BaseException:
            self._source.close()
            raise
        self._size = (self._format.height, self._format.width)
        self._events.add("source", self._format.description)
        self._heard_ns = time.monotonic_ns()
        self._thread = threading.Thread(target=self._run, name="orapp-grabber", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and closes the source; may be called twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_LIMIT_S)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and not self.ended:
                try:
                    self._drain()
                except EndOfSource:
                    self._end("the source is through")
                except SignalLost as lost:
                    self._lose(lost.what)
                    self._reconnect()
                except OrappError as error:
                    self.error = error
                    self._end(str(error))
                except Exception as error:
                    log.exception("the source failed")
                    self._lose(f"the source failed ({type(error).__name__})")
                    self._reconnect()
        finally:
            self._source.close()

    def _drain(self) -> None:
        while not self._stopping.is_set():
            picture = self._source.read(READ_TIMEOUT_MS)
            now_ns = time.monotonic_ns()
            if picture is not None:
                self._heard_ns = now_ns
                self._capture(picture, now_ns)
            elif now_ns - self._heard_ns > self._patience_ns():
                self._lose("no picture comes")

    def _patience_ns(self) -> float:
        rate_hz = self._format.rate_hz if self._format else 0
        frames_s = LOST_AFTER_FRAMES / rate_hz if rate_hz else 0
        return 1e9 * max(LOST_AFTER_S, frames_s)

    def _capture(self, picture: Picture, now_ns: int) -> None:
        height, width = picture.pixels.shape
        if (height, width) != self._size:
            self._resized(height, width)
        if self._signal is Signal.LOST:
            self._scene = SceneWatch()
            self._events.add("signal", f"signal is back: {width}x{height}")
        look = self._scene.look(picture.pixels, now_ns)
        self._exposure += look.new_exposure
        self._turn(look.signal, str(look.signal))
        frame = Frame(
            self.captured,
            read_only(picture.pixels),
            now_ns,
            self._exposure,
            not look.new_exposure,
            look.signal,
        )
        self.captured += 1
        self.repeats += frame.repeat
        self._offer(frame)

    def _offer(self, frame: Frame) -> None:
        for number, watcher in enumerate(self._watchers):
            try:
                watcher(frame)
            except Exception as error:
                self.watcher_errors += 1
                if number not in self._failed_watchers:
                    self._failed_watchers.add(number)
                    log.exception("a watcher of the frames failed")
                    self._events.add("watcher", f"a watcher of the frames failed: {error}")

    def _resized(self, height: int, width: int) -> None:
        was = "" if self._size is None else f", was {self._size[1]}x{self._size[0]}"
        self._events.add("format", f"picture is now {width}x{height}{was}")
        self._size = (height, width)
        self._scene = SceneWatch()

    def _turn(self, signal: Signal, text: str) -> None:
        """Changes the signal; says so once."""
        if signal is self._signal:
            return
        self._signal = signal
        since = "" if signal is Signal.XRAY_ON else f" since {datetime.now():%H:%M:%S}"
        self._signal_text = text.replace(str(signal), f"{signal}{since}", 1)
        self._events.add("signal", text)
        if self._on_signal is not None:
            self._on_signal()

    def _lose(self, why: str) -> None:
        self._turn(Signal.LOST, f"{Signal.LOST}: {why}")

    def _end(self, text: str) -> None:
        self.ended = True
        self._events.add("source", text)
        if self._on_signal is not None:
            self._on_signal()

    def _reconnect(self) -> None:
        """Closes and opens the source until it is there again, with back-off."""
        tries = 0
        while not self._stopping.is_set():
            self._source.close()
            if self._stopping.wait(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)]):
                return
            tries += 1
            try:
                form = self._source.open()
            except OrappError:
                continue
            except Exception:
                log.exception("the source could not be opened again")
                continue
            self._check_format(form)
            self._heard_ns = time.monotonic_ns()
            return

    def _check_format(self, form: SourceFormat) -> None:
        before = self._format
        self._format = form
        if before is not None and before.rate_hz != form.rate_hz:
            self._events.add(
                "format", f"video rate is now {form.rate_hz:g}/s, was {before.rate_hz:g}/s"
            )
