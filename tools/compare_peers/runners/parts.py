"""What all runners share, so that only the pipeline differs: camera, model, painting, records."""

import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.engines import EngineSpec, open_engine
from orapp.frames import Frame, Gray
from orapp.segment import Segmenter
from tools.compare_peers.plan import GRACE_S, SETTLE_S, SLOW_MS, Plan

WINDOW = "fluoroscopy"
Lines = Sequence[NDArray[np.float32]]


class EndOfClip(Exception):
    """The camera has given its last frame."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of the camera.

    Attributes:
        index: from 0.
        captured_ns: when it was there to be taken, monotonic.
        pixels: (H, W) uint8.
    """

    index: int
    captured_ns: int
    pixels: Gray


class Notes:
    """The lines that the comparison is computed from; each is on disk before the next."""

    def __init__(self, plan: Plan) -> None:
        self._file = Path(plan.records).open("ab", buffering=0)  # noqa: SIM115

    def write(self, what: str, **values: object) -> None:
        """One line; from any thread."""
        self._file.write((json.dumps({"what": what, **values}) + "\n").encode())

    def close(self) -> None:
        """No more lines."""
        self._file.close()

    def shown(
        self,
        shot: Shot,
        handed_ns: int,
        painted_ns: int | None,
        outline: Shot | None,
        *,
        said: bool = False,
    ) -> None:
        """A frame was shown.

        Args:
            shot: the frame.
            handed_ns: when it was with the step that shows it, before painting.
            painted_ns: when it was painted; None if this peer paints nothing.
            outline: the frame from which the outline was computed; None without one.
            said: the picture tells that its outline is another frame's.
        """
        of = (None, None) if outline is None else (outline.index, outline.captured_ns)
        self.write(
            "shown",
            index=shot.index,
            captured_ns=shot.captured_ns,
            handed_ns=handed_ns,
            painted_ns=painted_ns,
            outline_of=of[0],
            outline_captured_ns=of[1],
            said=said,
        )


class Camera:
    """Frames that are there at their times, whether anybody takes them or not.

    Args:
        plan: the run.
        notes: get the clock of the frames, and which of them count.
        buffers: frames that wait; 1 is the newest only, more are a driver's queue, which is
            given no new frame while it is full.
    """

    def __init__(self, plan: Plan, notes: Notes, buffers: int = 1) -> None:
        self._plan, self._notes, self._buffers = plan, notes, buffers
        self._clip = np.load(plan.clip)
        self._clip.flags.writeable = False
        self._waiting: deque[int] = deque()
        self._next = 0
        self._begin_ns: int | None = None
        self._t0_ns = 0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return self._clip.shape[1], self._clip.shape[2]

    def start(self) -> None:
        """The first frame is there now."""
        self._t0_ns = time.monotonic_ns()
        self._notes.write("clock", t0_ns=self._t0_ns, rate_hz=self._plan.rate_hz)

    def ready(self) -> None:
        """The model has answered: a second later frames begin to count. Again is no matter."""
        if self._begin_ns is None:
            self._begin_ns = time.monotonic_ns() + int(SETTLE_S * 1e9)
            self._notes.write("begin", ns=self._begin_ns)

    @property
    def over(self) -> bool:
        """Whether nothing counts any more."""
        end_ns = self._end_ns()
        return end_ns is not None and time.monotonic_ns() > end_ns + GRACE_S * 1e9

    def shot(self, index: int) -> Shot:
        """A frame by its index."""
        return Shot(index, self._due_ns(index), self._clip[index % len(self._clip)])

    def read(self, timeout_s: float = 60.0) -> Shot | None:
        """The next frame that waits or comes; None if none came in time.

        Raises:
            EndOfClip: there is none any more.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            now_ns = time.monotonic_ns()
            self._take_in(now_ns)
            if self._waiting:
                return self.shot(self._waiting.popleft())
            end_ns = self._end_ns()
            if end_ns is not None and self._due_ns(self._next) >= end_ns:
                raise EndOfClip
            if now_ns >= deadline_ns:
                return None
            wake_ns = min(self._due_ns(self._next), deadline_ns)
            time.sleep(max(wake_ns - time.monotonic_ns(), 0) / 1e9)

    def _take_in(self, now_ns: int) -> None:
        """What has come since the last call, in its order."""
        end_ns = self._end_ns()
        while (due_ns := self._due_ns(self._next)) <= now_ns:
            if end_ns is not None and due_ns >= end_ns:
                return
            if not self._stalled(due_ns):
                if self._buffers == 1:
                    self._waiting.clear()
                if len(self._waiting) < self._buffers:
                    self._waiting.append(self._next)
            self._next += 1

    def _due_ns(self, index: int) -> int:
        return self._t0_ns + round(index * 1e9 / self._plan.rate_hz)

    def _end_ns(self) -> int | None:
        return None if self._begin_ns is None else self._begin_ns + int(self._plan.seconds * 1e9)

    def _stalled(self, due_ns: int) -> bool:
        if self._begin_ns is None:
            return False
        first, last = self._plan.stall_s
        return first <= (due_ns - self._begin_ns) / 1e9 < last


def engine_spec(plan: Plan) -> EngineSpec:
    """The engine that all have, with the fault of the scene."""
    return EngineSpec(
        plan.model,
        "openvino",
        delay_ms=SLOW_MS if plan.scene == "slow" else 0,
        raise_at=plan.fault_at if plan.scene == "raise" else 0,
        spike_at=plan.fault_at if plan.scene == "spike" else 0,
    )


class Model:
    """orapp's own model call: resize, OpenVINO, outline. In the thread that calls it."""

    def __init__(self, plan: Plan, camera: Camera) -> None:
        self._segmenter = Segmenter(open_engine(engine_spec(plan)))
        self._camera = camera

    def outlines(self, shot: Shot) -> Lines:
        """Outlines on a frame, each (N, 2) float32 in its pixels; may raise, by plan."""
        frame = Frame(shot.index, shot.pixels, shot.captured_ns, shot.index)
        seen = self._segmenter.segment(frame)
        self._camera.ready()
        return [outline.points for outline in seen.outlines]


class Painter:
    """cv2.imshow, with the outline drawn into a copy. From one thread only."""

    def __init__(self) -> None:
        cv2.namedWindow(WINDOW, cv2.WINDOW_AUTOSIZE)

    def paint(self, pixels: Gray, outlines: Lines) -> int:
        """Shows a frame; returns when that was done, monotonic ns."""
        picture = pixels.copy()
        if outlines:
            lines = [np.round(points * 16).astype(np.int32) for points in outlines]
            cv2.polylines(picture, lines, isClosed=True, color=255, thickness=3, shift=4)
        cv2.imshow(WINDOW, picture)
        cv2.pollKey()
        return time.monotonic_ns()
