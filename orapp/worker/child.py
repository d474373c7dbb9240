"""The child process: loads the engine, segments what lies in the slot, answers."""

import ctypes
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orapp.engines import EngineSpec, beside_a_display
from orapp.errors import OrappError
from orapp.frames import Frame
from orapp.machine import keep_in_memory
from orapp.text_cover import Box
from orapp.worker.messages import Done, Failed, Job, Ready, packed
from orapp.worker.slots import Desk, FrameReader

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from orapp.segment import Segmenter

_BEAT_S = 0.02
_PR_SET_PDEATHSIG = 1


def run_child(
    pipe: "Connection[Any, Any]",
    generation: int,
    spec: EngineSpec,
    text: tuple[Box, ...],
    desk_name: str,
    parent_pid: int,
) -> None:
    """The child's whole life. Ends the process: a driver's teardown must not keep it alive."""
    _stand_behind_the_picture(parent_pid)
    desk = Desk.attach(desk_name)
    threading.Thread(target=_beat, args=(desk, parent_pid), name="heartbeat", daemon=True).start()
    failure = _work(pipe, generation, spec, text, desk)
    try:
        if failure is not None:
            pipe.send_bytes(packed(failure))
        pipe.close()
    finally:
        os._exit(0 if failure is None else 1)


def _stand_behind_the_picture(parent_pid: int) -> None:
    """Dies with the parent, leaves Ctrl-C to it, and is the first to go when memory is short."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # meant for the program: the parent ends us
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        Path("/proc/self/oom_score_adj").write_text("500")
    if os.getppid() != parent_pid:
        os._exit(1)


def _beat(desk: Desk, parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        desk.beat_ns = time.monotonic_ns()
        time.sleep(_BEAT_S)
    os._exit(1)


def _work(
    pipe: "Connection[Any, Any]",
    generation: int,
    spec: EngineSpec,
    text: tuple[Box, ...],
    desk: Desk,
) -> Failed | None:
    try:
        import cv2

        from orapp.segment import Segmenter
        from orapp.verify import open_verified

        cv2.setNumThreads(1)  # the engine and the display need the cores more
        engine = open_verified(beside_a_display(spec))
    except OrappError as error:
        return Failed(generation, str(error), loading=True)
    except Exception as error:
        return Failed(generation, f"the engine could not be loaded: {_say(error)}", loading=True)
    try:
        with engine:
            keep_in_memory()
            pipe.send_bytes(packed(Ready(generation, engine.identity)))
            _answer_jobs(pipe, generation, Segmenter(engine, text), desk)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return None  # the parent is gone: nobody to tell
    except Exception as error:
        return Failed(generation, f"the engine failed: {_say(error)}", loading=False)
    return None


def _say(error: Exception) -> str:
    """The error in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]


def _answer_jobs(
    pipe: "Connection[Any, Any]", generation: int, segmenter: "Segmenter", desk: Desk
) -> None:
    reader = FrameReader()
    while asked := pipe.recv_bytes():  # nothing is the end
        job = Job.unpacked(asked)
        reply = _segment(segmenter, job, reader)
        length = len(reply) if desk.leave(reply) else 0
        pipe.send_bytes(Done(generation, job.index, length).packed())
        if length == 0:
            pipe.send_bytes(reply)


def _segment(segmenter: "Segmenter", job: Job, reader: FrameReader) -> bytes:
    frame = Frame(
        job.index,
        reader.pixels(job.block, job.size),
        job.captured_ns,
        job.exposure,
        job.repeat,
        job.signal,
    )
    return pickle.dumps(segmenter.segment(frame), protocol=5)
