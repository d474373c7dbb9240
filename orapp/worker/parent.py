"""SegmentationProcess: keeps a segmenting child alive, and never lets anybody wait for it."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import ParamSpec

from orapp.engines import EngineIdentity, EngineSpec
from orapp.events import EventLog
from orapp.frames import AiState, AiStatus, Frame, Segmentation
from orapp.latest import Latest
from orapp.text_cover import Box
from orapp.worker.offers import Doorbell, Offers
from orapp.worker.process import ChildFault, ChildProcess
from orapp.worker.slots import Desk, FrameSlot, sweep
from orapp.worker.waiting import Waiting
from orapp.worker.watch import Punctuality, WorkerLimits, judge

log = logging.getLogger("orapp")

P = ParamSpec("P")
_OVERSLEPT_NS = 100_000_000


class SegmentationProcess:
    """A spawned child that segments the newest exposure, restarted whenever it fails.

    Args:
        spec: the engine to open in the child.
        results: gets each segmentation; drop policy: newest wins.
        events: gets each change of the status, in words.
        on_status: called after each change of the status, from the supervisor's thread; must not
            block.
        on_segmented: called before a segmentation is put, with it, the monotonic ns from which
            the child could have had its frame (offered, and the child free), and the monotonic ns
            when the answer was there; must not block.
        limits: how patient it is.
        text: boxes (x, y, width, height) of burned-in text in the frames, which the engine sees
            painted over.
    """

    def __init__(
        self,
        spec: EngineSpec,
        *,
        results: Latest[Segmentation],
        events: EventLog,
        on_status: Callable[[], None] | None = None,
        on_segmented: Callable[[Segmentation, int, int], None] | None = None,
        limits: WorkerLimits | None = None,
        text: Sequence[Box] = (),
    ) -> None:
        self._spec, self._results, self._events = spec, results, events
        self._text = tuple(text)
        self._on_status, self._on_segmented = on_status, on_segmented
        self._limits = limits or WorkerLimits()
        self._offers = Offers()
        self._bell: Doorbell | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._handing = threading.Lock()
        self._child: ChildProcess | None = None
        self._identity: EngineIdentity | None = None
        self._status = AiStatus(AiState.STARTING, "loading the model", time.monotonic_ns())
        self._segmented = self._children = self._faults = 0
        self._punctuality = Punctuality()
        self._ready_ns: int | None = None
        self._awake_since_ns = 0

    @property
    def status(self) -> AiStatus:
        """Whether outlines can be expected, and why not."""
        return self._status

    @property
    def identity(self) -> EngineIdentity | None:
        """What exactly computes; None until a child has loaded it."""
        return self._identity

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    @property
    def segmented(self) -> int:
        """Exposures that were segmented."""
        return self._segmented

    @property
    def dropped(self) -> int:
        """Exposures that were offered and gave way to newer ones, or were lost with a child."""
        return self._offers.dropped

    @property
    def restarts(self) -> int:
        """How many children were started after the first."""
        return max(0, self._children - 1)

    def start(self) -> None:
        """Starts the supervisor and returns; the child loads its model meanwhile."""
        sweep()
        self._bell = Doorbell()
        self._thread = threading.Thread(target=self._supervise, name="orapp-worker", daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Offers a frame; never waits. Drop policy: the newest exposure wins."""
        if not self._offers.put(frame, time.monotonic_ns()) or self._bell is None:
            return
        # From here if it can be: one thread less on the way, and no wait for the interpreter lock.
        if not self._handing.acquire(blocking=False):
            self._bell.ring()
            return
        try:
            self._hand_over()
        finally:
            self._handing.release()

    def stop(self) -> None:
        """Ends the child and the supervisor within a few seconds; may be called twice."""
        self._stopping.set()
        if self._thread is not None and self._bell is not None:
            self._bell.ring()
            self._thread.join(3 * self._limits.stop_limit_s + 2)

    def _supervise(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # The children inherit it: Ctrl-C is the parent's, also while a child is starting.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        while not self._stopping.is_set():
            try:
                self._live_with_one_child()
            except ChildFault as fault:
                self._wait_before_restart(fault)
        self._status = AiStatus(AiState.OFF, "stopped", time.monotonic_ns())  # asked for: no event
        assert self._bell is not None
        self._bell.close()

    def _live_with_one_child(self) -> None:
        self._ready_ns, self._punctuality = None, Punctuality()
        with ExitStack() as belongings:
            try:
                slot = FrameSlot()
                belongings.callback(slot.close)
                desk = Desk.create()
                belongings.callback(desk.release)
                child = ChildProcess(self._spec, self._text, self._children, desk, slot)
                belongings.callback(self._end, child)
                self._child, self._children = child, self._children + 1
                self._serve(child)
            except ChildFault as fault:
                self._take_work_back()
                self._say(AiState.OFF, fault.reason)
                raise
            except Exception as error:  # no shared memory or no process left: try again later
                log.exception("segmentation could not go on")
                self._take_work_back()
                self._say(AiState.OFF, f"segmentation could not go on: {error}")
                raise ChildFault(str(error)) from error

    def _take_work_back(self) -> None:
        """Gives the child no more frames; the one that it had is new work again."""
        with self._handing:
            child, self._child = self._child, None
        if child is not None and child.in_work is not None:
            self._offers.lost(child.in_work.exposure)

    def _end(self, child: ChildProcess) -> None:
        with self._handing:
            self._child = None
        child.end(self._limits, politely=self._stopping.is_set())

    def _wait_before_restart(self, fault: ChildFault) -> None:
        waits_s, now_ns = self._limits.backoff_s, time.monotonic_ns()
        if self._ready_ns is not None:
            worked_s = (now_ns - self._ready_ns) / 1e9
            self._faults = 0 if worked_s > self._limits.good_work_s else self._faults
        step = len(waits_s) - 1 if fault.loading else min(self._faults, len(waits_s) - 1)
        self._faults += 1
        if not self._stopping.wait(waits_s[step]):
            self._events.add("ai", f"starting segmentation again (restart {self._children})")

    def _serve(self, child: ChildProcess) -> None:
        """Returns when it is to stop; raises ChildFault."""
        assert self._bell is not None
        news = Waiting(*child.waitables, self._bell.waitable)
        look_again_ns = child.started_ns
        while not self._stopping.is_set():
            self._wait_until(look_again_ns, news)
            for segmentation in child.answers():
                if segmentation is None:
                    self._identity, self._ready_ns = child.identity, child.free_ns
                else:
                    self._deliver(child, segmentation)
            look_again_ns = self._look_after(child)

    def _wait_until(self, deadline_ns: int, news: Waiting) -> None:
        assert self._bell is not None
        now_ns = time.monotonic_ns()
        planned_ns = max(deadline_ns, now_ns)
        news.ready((planned_ns - now_ns) / 1e9)
        self._bell.clear()
        now_ns = time.monotonic_ns()
        if now_ns - planned_ns > _OVERSLEPT_NS:
            # We were stopped or starved ourselves: a silence of that time is not the child's.
            self._awake_since_ns = now_ns

    def _deliver(self, child: ChildProcess, segmentation: Segmentation) -> None:
        segmentation.probability.flags.writeable = False
        for outline in segmentation.outlines:
            outline.points.flags.writeable = False
        self._segmented += 1
        self._punctuality.note(segmentation.exposure != self._offers.newest_exposure)
        if self._on_segmented is not None:
            self._call(self._on_segmented, segmentation, child.handed_ns, child.free_ns)
        self._call(self._results.put, segmentation)

    def _look_after(self, child: ChildProcess) -> int:
        """Judges the child, gives it work if it is free, and says when to look again (ns)."""
        now_ns = time.monotonic_ns()
        if child.identity is None:
            limit_ns = child.started_ns + int(self._limits.start_limit_s * 1e9)
            if now_ns > limit_ns:
                reason = f"segmentation did not start within {self._limits.start_limit_s:g} s"
                raise ChildFault(reason, loading=True)
            return limit_ns + 1_000_000
        verdict = judge(
            now_ns,
            max(child.heard_ns, self._awake_since_ns),
            None if child.in_work is None else max(child.sent_ns, self._awake_since_ns),
            child.last_answer_ms,
            self._limits,
            overtaken=self._punctuality.overtaken,
        )
        if verdict.lost:
            raise ChildFault(verdict.reason)
        self._say(verdict.state, verdict.reason or child.identity.backend)
        child.answering = verdict.state is not AiState.OFF
        with self._handing:
            self._hand_over()
        return verdict.look_again_ns

    def _hand_over(self) -> None:
        """Gives the newest exposure to the child if that is free. With `_handing` held."""
        child = self._child
        if child is not None and child.takes_work and (work := self._offers.take()):
            child.hand_over(*work)
            if child.trouble and self._bell is not None:
                self._bell.ring()

    def _say(self, state: AiState, reason: str) -> None:
        if (state, reason) == (self._status.state, self._status.reason):
            return
        self._status = AiStatus(state, reason, time.monotonic_ns())
        self._events.add("ai", f"{state}: {reason}")
        if self._on_status is not None:
            self._call(self._on_status)

    def _call(self, watcher: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """A watcher's exception is written down; it never stops the way of the frames."""
        try:
            watcher(*args, **kwargs)
        except Exception as error:
            log.exception("a watcher of the segmentation failed")
            self._events.add("watcher", f"a watcher of the segmentation failed: {error}")
