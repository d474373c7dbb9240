"""A live source under calibration: watched in the grabber's thread, measured in one beside it."""

import copy
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from orapp.barcode import Finder
from orapp.calibrate.analyse import Watch
from orapp.calibrate.delay import Codes, read_codes
from orapp.calibrate.findings import Findings
from orapp.calibrate.geometry import measured, measured_plate
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.spacing import Spacing
from orapp.engines import Engine, EngineSpec
from orapp.errors import OrappError
from orapp.events import EventLog
from orapp.frames import Frame, Gray, Segmentation, Signal
from orapp.grab import FrameGrabber
from orapp.latest import Latest
from orapp.segment import Segmenter
from orapp.site import SiteMap
from orapp.sources import Source
from orapp.text_cover import Box
from orapp.verify import open_verified

KEPT = 8
"""Newest exposures that a plate, ruler or ball is measured in."""
CODED = 60
"""Newest frames that wait to be looked at for codes."""
Answer = Findings | PlateFit | Spacing | Segmentation | Codes | OrappError


class Watching:
    """Grabs, watches, and answers what takes long without holding anybody up.

    Args:
        source: not yet opened.
        spec: the engine that is timed.

    Attributes:
        frames: mailbox for the display; drop policy: newest wins.
        complaint: what is wrong with the pictures, or empty.
    """

    def __init__(self, source: Source, spec: EngineSpec) -> None:
        self.frames: Latest[Frame] = Latest()
        self.complaint = ""
        self._spec = spec
        self._lock = threading.Lock()
        self._watch, self._began_ns, self._seconds = Watch(), 0, 0.0
        self._exposures: deque[Gray] = deque(maxlen=KEPT)
        self._coded: deque[Frame] | None = None
        self._finder, self._paused = Finder(), False
        self._grabber = FrameGrabber(source, [self.frames.put, self._see], EventLog())
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="orapp-calibrate")
        self._asked: dict[str, Future[Answer]] = {}
        self._opened = ExitStack()
        self._engine: Engine | None = None

    def start(self) -> None:
        """Opens the source; raises OrappError if that can't be, and leaves nothing running."""
        try:
            self._grabber.start()
        except BaseException:
            self._beside.shutdown()
            raise

    def stop(self) -> None:
        """Ends both threads, as soon as what is being measured is done; may be called twice."""
        self._grabber.stop()
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()
        try:
            self._beside.submit(self._opened.close)
        except RuntimeError:
            return  # it has ended already
        self._beside.shutdown(wait=True)

    @property
    def signal(self) -> Signal:
        """What the video is now."""
        return self._grabber.signal

    @property
    def signal_text(self) -> str:
        """The same, with what there is to say about it."""
        return self._grabber.signal_text

    @property
    def ended(self) -> bool:
        """Whether a finite source is through."""
        return self._grabber.ended

    @property
    def exposures(self) -> int:
        """How many exposures have been measured since the start, or `restart`."""
        return self._watch.exposures

    @property
    def seconds(self) -> float:
        """How long has been watched since then."""
        return self._seconds

    @property
    def ready(self) -> bool:
        """Whether there is enough to go by."""
        return self._watch.ready

    def restart(self) -> None:
        """Forgets what was seen, and watches from now on."""
        with self._lock:
            self._watch, self._began_ns, self._seconds = Watch(), 0, 0.0
            self.complaint, self._paused = "", False

    def _see(self, frame: Frame) -> None:
        """The grabber's: one more frame."""
        with self._lock:
            self._began_ns = self._began_ns or frame.captured_ns
            self._seconds = (frame.captured_ns - self._began_ns) / 1e9
            if self._coded is not None:
                self._coded.append(frame)
            if self._coded is not None or self._paused:
                return
            if not frame.repeat and frame.signal is Signal.XRAY_ON:
                self._exposures.append(frame.sent)
            try:
                self._watch.see(frame.sent, frame.captured_ns / 1e9)
            except OrappError as error:
                self.complaint = str(error)

    def asks(self, name: str) -> bool:
        """Whether an answer of this name is awaited."""
        return name in self._asked

    def answers(self) -> list[Answer]:
        """What has been answered since the last call; never waits."""
        done = [(name, future) for name, future in self._asked.items() if future.done()]
        for name, _ in done:
            del self._asked[name]
        return [future.result() for _, future in done]

    def _ask(self, name: str, job: Callable[[], Answer]) -> None:
        if name in self._asked:
            return

        def answer() -> Answer:
            try:
                return job()
            except OrappError as error:
                return error

        self._asked[name] = self._beside.submit(answer)

    def ask_findings(self) -> None:
        """Wants to know what the video said so far; the answer is called `findings`."""
        with self._lock:
            watch = copy.deepcopy(self._watch)
        self._ask("findings", watch.findings)

    def ask_plate(self, findings: Findings) -> None:
        """Wants the plate measured that lies in the area now; `plate`."""
        pictures = self._newest(findings)
        self._ask("plate", lambda: measured_plate(_mean(pictures), findings))

    def ask_spacing(self, thing: str, size_mm: float, findings: Findings, site: SiteMap) -> None:
        """Wants the spacing by a ruler, ball or cannula that is in view now; `spacing`."""
        pictures = self._newest(findings)
        self._ask(
            "spacing",
            lambda: measured(_mean([site.apply(raw) for raw in pictures]), thing, size_mm, site),
        )

    def _newest(self, findings: Findings) -> list[Gray]:
        with self._lock:
            pictures = list(self._exposures)
        return [p for p in pictures if p.shape == (findings.height, findings.width)]

    def look_for_codes(self, on: bool) -> None:
        """Frames are kept for `ask_codes`; nothing is measured as X-ray video until `restart`.

        After it, too: the grabber still sees the screen then.
        """
        with self._lock:
            self._coded = deque(maxlen=CODED) if on else None
            self._finder, self._paused = Finder(), True

    def ask_codes(self) -> None:
        """Wants to know what the frames show that came since the last time; `codes`."""
        if self.asks("codes"):
            return
        with self._lock:
            frames = list(self._coded or ())
            if self._coded is not None:
                self._coded.clear()
        if frames:
            self._ask("codes", lambda: read_codes(self._finder, frames))

    def ask_outline(self, frame: Frame, text: Sequence[Box]) -> None:
        """Wants a calibrated frame, with text in some boxes, segmented; `outline`."""
        self._ask("outline", lambda: self._segmenter(text).segment(frame))

    def _segmenter(self, text: Sequence[Box]) -> Segmenter:
        """In the thread beside: opens the engine once."""
        if self._engine is None:
            self._engine = self._opened.enter_context(open_verified(self._spec))
        return Segmenter(self._engine, text)

    @property
    def engine_name(self) -> str:
        """The model and what computes it; empty before the first outline."""
        if self._engine is None:
            return ""
        return f"{self._engine.identity.name} on {self._engine.identity.backend}"


def _mean(pictures: list[Gray]) -> NDArray[np.float32]:
    if not pictures:
        raise OrappError("there is no picture to measure in", "press the pedal, then measure")
    return np.asarray(np.mean(pictures, axis=0), np.float32)
