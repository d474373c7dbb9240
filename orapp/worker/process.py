"""One running child, seen from the parent."""

import multiprocessing
import os
import pickle
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from orapp.engines import EngineIdentity, EngineSpec
from orapp.frames import Frame, Segmentation
from orapp.text_cover import Box
from orapp.worker.child import run_child
from orapp.worker.messages import Done, Failed, Job, Ready, read_message
from orapp.worker.slots import Desk, FrameSlot
from orapp.worker.waiting import Waiting
from orapp.worker.watch import WorkerLimits

_spawning = threading.Lock()


class ChildFault(Exception):
    """The child is of no more use; the text says why, for the screen."""

    def __init__(self, reason: str, *, loading: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.loading = loading


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Keeps the child from running the program's main file again.

    It would cost a second, may import Qt, and breaks scripts without a `__main__` guard.
    """
    with _spawning:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class ChildProcess:
    """A spawned child with one frame in work at most.

    The supervisor thread owns it; `hand_over` may be called from any thread, one at a time.

    Attributes:
        generation: its number.
        identity: of its engine; None until it is ready.
        answering: the supervisor's opinion, so that a silent child gets no frame.
        in_work: the frame that it has; None while it is free.
        handed_ns: since when it could have had that frame.
        sent_ns: when it got it.
        last_answer_ms: how long the last answer took.
        started_ns, free_ns: when it was spawned; since when it had nothing to do.
        trouble: why no frame could be handed over, if so.
    """

    def __init__(
        self,
        spec: EngineSpec,
        text: tuple[Box, ...],
        generation: int,
        desk: Desk,
        slot: FrameSlot,
    ) -> None:
        self.generation = generation
        self.identity: EngineIdentity | None = None
        self.answering = False
        self.in_work: Frame | None = None
        self.last_answer_ms = 0.0
        self.handed_ns = self.sent_ns = 0
        self.started_ns = self.free_ns = time.monotonic_ns()
        self.trouble: str | None = None
        self._desk, self._slot = desk, slot
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=run_child,
            args=(theirs, generation, spec, text, desk.name, os.getpid()),
            name="orapp-segmentation",
            daemon=True,
        )
        try:
            with _main_left_alone():
                self._process.start()
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()
        self._spoken = Waiting(self._pipe)
        self._dead = Waiting(self._process.sentinel)

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    @property
    def waitables(self) -> list[Any]:
        """What becomes readable when the child speaks or dies."""
        return [self._pipe, self._process.sentinel]

    @property
    def heard_ns(self) -> int:
        """Its last sign of life: a heartbeat or an answer."""
        return max(self._desk.beat_ns, self.free_ns)

    @property
    def takes_work(self) -> bool:
        """Whether a frame may be handed over."""
        return self.answering and self.in_work is None

    def hand_over(self, frame: Frame, offered_ns: int) -> None:
        """Copies the frame into shared memory and tells the child. Raises nothing."""
        self.handed_ns = max(offered_ns, self.free_ns)
        self.sent_ns = time.monotonic_ns()
        self.in_work = frame
        height, width = frame.pixels.shape
        try:
            block = self._slot.write(frame.pixels)
        except OSError as error:
            self.trouble = f"no shared memory for a frame of {width}x{height}: {error.strerror}"
            return
        job = Job(
            block,
            (height, width),
            frame.index,
            frame.captured_ns,
            frame.exposure,
            frame.repeat,
            frame.signal,
        )
        with suppress(OSError):  # a dead child shows itself to the supervisor
            self._pipe.send_bytes(job.packed())

    def answers(self) -> Iterator[Segmentation | None]:
        """What the child has said meanwhile: None for "ready", else a segmentation.

        Raises:
            ChildFault: its last word, its death, or that it could be given no frame.
        """
        if self.trouble is not None:
            raise ChildFault(self.trouble)
        dead = self._dead.ready()  # asked first, so that its last word is read
        while (message := self._hear()) is not None:
            if message.generation == self.generation:
                yield self._read(message)
        if dead:
            raise self._death()

    def _hear(self) -> Ready | Done | Failed | None:
        try:
            return read_message(self._pipe.recv_bytes()) if self._spoken.ready() else None
        except (EOFError, OSError):
            raise self._death() from None

    def _read(self, message: Ready | Done | Failed) -> Segmentation | None:
        now_ns = time.monotonic_ns()
        if isinstance(message, Failed):
            raise ChildFault(message.reason, loading=message.loading)
        if isinstance(message, Ready):
            self.identity, self.free_ns = message.identity, now_ns
            return None
        reply = self._desk.collect(message.length) if message.length else self._pipe.recv_bytes()
        segmentation: Segmentation = pickle.loads(reply)
        if self.in_work is None or message.frame_index != self.in_work.index:
            raise ChildFault("segmentation answered for a frame that it was not given")
        self.last_answer_ms = (now_ns - self.sent_ns) / 1e6
        self.free_ns, self.in_work = now_ns, None
        return segmentation

    def _death(self) -> ChildFault:
        """Why it is gone; if only its pipe is, it goes now."""
        self._process.join(0.2)
        if self._process.exitcode is None:
            return ChildFault("the segmentation process closed its pipe")
        code = self._process.exitcode
        if code < 0:
            return ChildFault(f"the segmentation process was killed by signal {-code}")
        return ChildFault(f"the segmentation process stopped with code {code}")

    def end(self, limits: WorkerLimits, *, politely: bool) -> None:
        """Ends the process, by force if it must, and frees what belongs to it."""
        if politely and self.identity is not None:
            try:
                self._pipe.send_bytes(b"")
            except OSError:
                pass
            else:
                self._process.join(limits.stop_limit_s)
        self._pipe.close()
        if self._process.exitcode is None and self._process.pid is not None:
            self._process.kill()
            self._process.join(limits.stop_limit_s)
        if self._process.exitcode is not None:
            self._process.close()
