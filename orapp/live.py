"""LiveSession: the live path from source to mailboxes; screen and benchmark drive it."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orapp.backlog import RecordingLimits
from orapp.engines import EngineSpec
from orapp.engines.trust import check_model
from orapp.errors import OrappError
from orapp.events import EventLog
from orapp.frames import AiStatus, Event, Frame, Overlay, Segmentation, Signal
from orapp.grab import FrameGrabber
from orapp.latency import FrameCounts, LatencyLog
from orapp.latest import Latest
from orapp.overlay import NO_VIEW_AFTER_S, OverlayRules, SceneStart, ViewWatch
from orapp.picture import raw_with_text
from orapp.record import Recorder, RecordingStatus
from orapp.session_writer import session_head
from orapp.settings import SiteProfile
from orapp.site import FitWatch, SiteMap
from orapp.sources import Source
from orapp.sources.calibrated import CalibratedSource
from orapp.text_cover import Box
from orapp.worker import SegmentationProcess, WorkerLimits


class LiveSession:
    """Grabs, segments and counts until it is stopped. A context manager.

    Args:
        source: not yet opened.
        engine: the engine for the segmenting process.
        rules: how outlines may be drawn; kept for the display.
        on_news: called after each new frame, segmentation, signal and AI status, from any
            thread; must not block.
        recording_limits: what a recording holds and needs.
        profile: of the site; what it says of the picture is applied to the source's.
        latency: gets every stamp; a benchmark's keeps them.
        text: boxes (x, y, width, height) of burned-in text in frames that come calibrated; else
            the profile tells.

    Attributes:
        frames, segmentations: mailboxes for the display; drop policy: newest wins.
        events: what happened.
        latency: the display tells it what it has painted.
        rules: as given.
        text: boxes of text in the frames, which the engine sees painted over.
        grabber, worker: the two ends of the path.
    """

    def __init__(
        self,
        source: Source,
        engine: EngineSpec,
        *,
        rules: OverlayRules | None = None,
        on_news: Callable[[], None] | None = None,
        recording_limits: RecordingLimits | None = None,
        profile: SiteProfile | None = None,
        latency: LatencyLog | None = None,
        text: Sequence[Box] = (),
    ) -> None:
        news = on_news or _nobody_listens
        self.rules = rules or OverlayRules()
        self.frames: Latest[Frame] = Latest(news)
        self.segmentations: Latest[Segmentation] = Latest(news)
        self.events = EventLog(self._noted)
        self.latency = latency or LatencyLog()
        self._profile = profile or SiteProfile()
        if self._profile.picture is not None:
            signature = self._profile.signature
            source = CalibratedSource(source, self._profile.picture, signature)
        self._source, self._engine = source, engine
        self._fit = self._new_fit()
        self._doubt = ""
        self._scene = SceneStart()
        self._view = ViewWatch()
        self._view_lock = threading.Lock()
        self._no_view_told = False
        self._recorder: Recorder | None = None
        self._recording_limits = recording_limits
        self._ending: list[Recorder] = []
        known = self._profile.picture
        self.text = tuple(text if known is None else SiteMap(known).boxes())
        self.worker = SegmentationProcess(
            engine,
            results=self.segmentations,
            events=self.events,
            on_status=news,
            on_segmented=self._segmented,
            limits=WorkerLimits(overtaken_is_late=self.rules.mode == "paired"),
            text=self.text,
        )
        # The engine first: a copy and a word to it, while waking the display costs the lock.
        watchers = [self.worker.offer, self.frames.put, self._record]
        if self.rules.mode == "live":  # paired outlines ask for no scene
            watchers.insert(1, self._scene.see)
        if self._fit is not None:
            watchers.append(self._check_fit)
        self._news = news
        self.grabber = FrameGrabber(source, watchers, self.events, on_signal=self._signalled)
        self._running = ExitStack()
        self._started_ns = self._stopped_ns = 0

    def start(self) -> None:
        """Checks the model, opens the source, and lets both run.

        Raises:
            OrappError: the model is not to be trusted or the source does not open; nothing is
                left running then.
        """
        check_model(self._engine.model)
        self._started_ns = time.monotonic_ns()
        self._stopped_ns = 0
        with ExitStack() as started:
            started.callback(self._end_recordings)
            started.callback(self.worker.stop)
            started.callback(self.grabber.stop)
            self.worker.start()  # loads its model while the source opens
            self.grabber.start()
            self._running = started.pop_all()

    def stop(self) -> None:
        """Stops grabber, worker and recording, within a few seconds; may be called twice."""
        self._running.close()
        self._end_recordings()
        self._stopped_ns = self._stopped_ns or time.monotonic_ns()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def model(self) -> str:
        """Name or folder of the model."""
        return self._engine.model

    @property
    def signal(self) -> Signal:
        """What the video is now."""
        return self.grabber.signal

    @property
    def signal_text(self) -> str:
        """The same, with what there is to say about it."""
        return self.grabber.signal_text

    @property
    def ai(self) -> AiStatus:
        """Whether outlines can be expected."""
        return self.worker.status

    @property
    def ended(self) -> bool:
        """True if the source was finite and is through."""
        return self.grabber.ended

    @property
    def site_doubt(self) -> str:
        """Why the video does not look like that of the profile's device; empty if it does.

        Until a person says that it is right, nothing may be outlined.
        """
        return self._doubt

    def confirm_site(self) -> None:
        """A person says that the profile is to be used although the video looks different."""
        if self._doubt:
            self.events.add("site", f"used although {self._doubt}, by a person's word")
            self._doubt = ""

    @property
    def is_recorded(self) -> bool:
        """True if the source is finite: a recording, not a C-arm."""
        form = self.grabber.format
        return form is not None and form.finite

    @property
    def error(self) -> OrappError | None:
        """What ended the grabbing, if it was an error."""
        return self.grabber.error

    @property
    def scene_since_ns(self) -> int:
        """Capture stamp of the first frame of the present scene, for `overlay_for`; live mode."""
        return self._scene.since_ns

    def no_view_s(self, now_ns: int) -> float | None:
        """How long no spine has been seen, None while one is; logs what the screen is to say."""
        seconds = self._view.seconds(now_ns)
        no_view = seconds is not None and seconds >= NO_VIEW_AFTER_S
        with self._view_lock:
            changed, self._no_view_told = no_view != self._no_view_told, no_view
        if changed:
            self.events.add("view", "not supported" if no_view else "supported")
        return seconds

    def start_recording(
        self, root: Path, case: str = "", said: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Records from the next frame on; called before `start`, from the first.

        Does nothing while a recording runs. The video does not notice it.

        Args:
            root: where the session's folder is made.
            case: a case id, 200 characters at most; no patient's name.
            said: kind and text of events that hold from the first frame on, as the orientation.

        Raises:
            OrappError: the folder can't be written, or its disk is nearly full.
        """
        if self.recording.state == "recording":
            return
        recorder = Recorder(
            root, lambda: self._head(case[:200]), self.events, limits=self._recording_limits
        )
        recorder.start()
        ai, now_ns = self.ai, time.monotonic_ns()
        holds = [("ai", f"{ai.state}: {ai.reason}" if ai.reason else ai.state.value), *said]
        if self.grabber.captured:
            holds.insert(0, ("signal", self.signal.value))
        for kind, text in holds:  # before the first frame: it is seen by them
            recorder.note(Event(now_ns, kind, text))
        self._recorder = recorder
        self._ending = [r for r in self._ending if r.status.state != "stopped"] + [recorder]
        self.events.add("recording", "recording started")

    def stop_recording(self, why: str = "stopped by the user") -> None:
        """Ends the recording; returns at once, and what waits is still written."""
        if self._recorder is not None:
            self._recorder.ask_to_stop(why)

    @property
    def recording(self) -> RecordingStatus:
        """How the recording goes."""
        return RecordingStatus() if self._recorder is None else self._recorder.status

    @property
    def recording_folder(self) -> Path | None:
        """Of the newest recording; None if there was none."""
        return None if self._recorder is None else self._recorder.folder

    def presented(self, frame: Frame, presented_ns: int, overlay: Overlay | None) -> None:
        """The display has painted a frame, with `overlay` or without."""
        self.latency.shown(frame, presented_ns, overlay)
        if self._recorder is not None:
            style = None if overlay is None else overlay.style.value
            self._recorder.presented(frame.index, presented_ns, style)

    def report(self) -> dict[str, Any]:
        """The run in figures, ready for JSON; at any time, and after `stop`."""
        counts = FrameCounts(
            captured=self.grabber.captured,
            repeats=self.grabber.repeats,
            waiting=int(self.frames.waiting),
            dropped_before_segmentation=self.worker.dropped,
        )
        report = self.latency.report(
            counts, self.worker.identity, self.events.all(), self._started_ns
        )
        report["engine"]["restarts"] = self.worker.restarts
        report["run"] = {
            "seconds": ((self._stopped_ns or time.monotonic_ns()) - self._started_ns) / 1e9,
            "mode": self.rules.mode,
            "max_outline_age_ms": self.rules.max_outline_age_ms,
        }
        report["source"] = self._describe_source()
        report["profile"] = self._profile.told() | {"doubt": self._doubt}
        report["recording"] = self._describe_recording()
        return report

    def _describe_source(self) -> dict[str, Any]:
        """Without the URI's path: a file's name may hold a patient's."""
        kind, form = self._source.uri.partition(":")[0], self.grabber.format
        if form is None:
            return {"kind": kind, "width": None, "height": None, "rate_hz": None}
        size = {"width": form.width, "height": form.height, "rate_hz": form.rate_hz}
        facts = {"facts": dict(form.facts)} if form.facts else {}
        return {"kind": kind, **size, "description": form.description, **facts}

    def _describe_recording(self) -> dict[str, Any]:
        """Without its place: a folder's name may hold a patient's."""
        status = asdict(self.recording)
        return {name: status[name] for name in ("state", "frames", "dropped", "disk_low", "error")}

    def _head(self, case: str) -> dict[str, Any]:
        """What a recording begins with."""
        identity, source = self.worker.identity, self._describe_source()
        picture = self._profile.picture
        if picture is None and self.text and source["width"]:
            picture = raw_with_text(source["width"], source["height"], self.text)
        return session_head(
            source,
            None if identity is None else asdict(identity),
            {"mode": self.rules.mode, "max_outline_age_ms": self.rules.max_outline_age_ms},
            case,
            self._profile.told(),
            picture,
        )

    def _end_recordings(self) -> None:
        why = "the session ended"
        if self.error is not None:
            why = "the source failed"
        elif self.ended:
            why = "the source has ended"
        for recorder in self._ending:
            recorder.stop(why, complete=self.error is None)
        self._ending.clear()

    def _new_fit(self) -> FitWatch | None:
        picture = self._profile.picture
        return None if picture is None else FitWatch(picture)

    def _signalled(self) -> None:
        """Another device may come back: it is looked at anew."""
        if self._fit is not None and self.grabber.signal is Signal.LOST:
            self._fit = self._new_fit()
        self._news()

    def _check_fit(self, frame: Frame) -> None:
        if self._fit is None or frame.repeat or frame.signal is not Signal.XRAY_ON:
            return
        said = self._fit.see(frame.sent)
        if said is None:
            return
        self._doubt = said
        name = self._profile.name
        self.events.add("site", f"{said}: is this '{name}'?" if said else f"fits '{name}'")
        if said:
            self._news()

    def _record(self, frame: Frame) -> None:
        if self._recorder is not None:
            self._recorder.offer(frame)

    def _noted(self, event: Event) -> None:
        if self._recorder is not None:
            self._recorder.note(event)

    def _segmented(self, segmentation: Segmentation, handed_ns: int, received_ns: int) -> None:
        self.latency.segmented(segmentation, received_ns, handed_ns)
        self._view.see(segmentation)
        self.no_view_s(received_ns)
        if self._recorder is not None:
            self._recorder.segmented(segmentation)


def _nobody_listens() -> None:
    pass
