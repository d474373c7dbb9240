"""The engine alone: the same frames at the same rate in a process of its own, nothing around it."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from orapp.bench.observer import Observer, Sighting
from orapp.engines import EngineSpec, beside_a_display
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
    alone = Observer(_infer, spec, list(frames), rate_hz, seconds)
    try:
        done = alone.result()
    finally:
        alone.close()
    return np.stack([done[:, 0], done[:, 1] - done[:, 0]], 1)


def _infer(
    spec: EngineSpec, frames: list[Gray], rate_hz: float, seconds: float
) -> Iterator[Sighting]:
    import cv2

    from orapp.verify import open_verified

    cv2.setNumThreads(1)  # as in the segmenting process
    with open_verified(beside_a_display(spec)) as engine:
        for frame in frames[:WARM_UP]:
            engine.infer(frame)
        due_ns, count = time.monotonic_ns(), 0
        end_ns = due_ns + int(seconds * 1e9)
        while due_ns < end_ns:
            time.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
            began_ns = time.monotonic_ns()
            try:
                engine.infer(frames[count % len(frames)])
            except Exception as error:
                raise OrappError(f"the engine failed: {error}", "try another --engine") from None
            now_ns = time.monotonic_ns()
            yield began_ns, now_ns, count
            due_ns, count = max(due_ns + int(1e9 / rate_hz), now_ns), count + 1
