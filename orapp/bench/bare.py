"""The engine alone: the same frames at the same rate in a process of its own, nothing around it."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from numpy.typing import NDArray

from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.frames import Gray

WARM_UP = 10


def measure_bare(
    spec: EngineSpec, frames: Sequence[Gray], rate_hz: float, seconds: float
) -> NDArray[np.int64]:
    """Runs the engine as the segmenting process does, and times `infer` alone.

    Args:
        spec: the engine.
        frames: (h, w) uint8 each, at the network's size; in turns.
        rate_hz: it gets a frame so often, or when it is through with the last.
        seconds: how long.

    Returns:
        (N, 2) int64: when each call began (monotonic ns), and how long it took in ns.

    Raises:
        OrappError: the engine can't be opened, or it failed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        try:
            return pool.submit(_measure, spec, list(frames), rate_hz, seconds).result()
        except BrokenProcessPool:
            raise OrappError(
                "the bare engine's process has died", "run 'orapp engine verify'"
            ) from None


def _measure(
    spec: EngineSpec, frames: list[Gray], rate_hz: float, seconds: float
) -> NDArray[np.int64]:
    import cv2

    from orapp.verify import open_verified

    cv2.setNumThreads(1)  # as in the segmenting process
    parent = os.getppid()
    took: list[tuple[int, int]] = []
    with open_verified(spec) as engine:
        for frame in frames[:WARM_UP]:
            engine.infer(frame)
        due_ns = time.monotonic_ns()
        end_ns = due_ns + int(seconds * 1e9)
        while due_ns < end_ns and os.getppid() == parent:
            time.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
            began_ns = time.monotonic_ns()
            try:
                engine.infer(frames[len(took) % len(frames)])
            except Exception as error:
                raise OrappError(f"the engine failed: {error}", "try another --engine") from None
            now_ns = time.monotonic_ns()
            took.append((began_ns, now_ns - began_ns))
            due_ns = max(due_ns + int(1e9 / rate_hz), now_ns)
    return np.array(took, np.int64).reshape(-1, 2)
