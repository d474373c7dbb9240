"""From stamps to the report: contract C8. Every figure comes from frames that were really shown."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orapp.engines import EngineIdentity
from orapp.frames import Event, Frame, Overlay, OverlayStyle, Segmentation
from orapp.machine import describe_machine

_STEP_MS = 0.05
_REACH_MS = 5000.0
_REMEMBERED = 1024


class Distribution:
    """Durations in a bounded histogram: steps of 0.05 ms up to 5 s, exact maximum and count."""

    def __init__(self) -> None:
        self._bins = np.zeros(round(_REACH_MS / _STEP_MS) + 1, np.int64)
        self._max_ms = 0.0
        self.count = 0

    def add(self, ms: float) -> None:
        """Adds one duration in ms; what is below 0 counts as 0."""
        ms = max(0.0, ms)
        self._bins[min(int(ms / _STEP_MS), len(self._bins) - 1)] += 1
        self._max_ms = max(self._max_ms, ms)
        self.count += 1

    def percentile(self, percent: float) -> float | None:
        """The duration in ms that `percent` of all don't exceed, at most one step too high."""
        if self.count == 0:
            return None
        rank = max(1, int(np.ceil(self.count * percent / 100)))
        bin_ = int(np.searchsorted(np.cumsum(self._bins), rank))
        if bin_ == len(self._bins) - 1:
            return self._max_ms
        return min((bin_ + 1) * _STEP_MS, self._max_ms)

    @property
    def max_ms(self) -> float | None:
        """The longest duration in ms, exactly."""
        return self._max_ms if self.count else None

    def report(self) -> dict[str, float | None]:
        """p50, p95, p99 and max in ms; None where nothing was measured."""
        figures = {f"p{p}": self.percentile(p) for p in (50, 95, 99)} | {"max": self.max_ms}
        return {name: None if ms is None else round(ms, 3) for name, ms in figures.items()}


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What grabber, mailbox and worker have counted.

    Attributes:
        captured: frames that the source gave, repeats included.
        repeats: those that showed an exposure again.
        waiting: captured frames that the display may still take.
        dropped_before_segmentation: exposures that gave way to newer ones or were lost.
    """

    captured: int
    repeats: int
    waiting: int
    dropped_before_segmentation: int


class LatencyLog:
    """Counts what was shown, and when. Any thread may call; memory does not grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captures: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._last_index = -1
        self._last_had_outline = self._last_mispaired = False
        self._outlined_exposure = -1
        self.shown_frames = self.segmented_exposures = 0
        self.frames_with_outline = self.aged = self.mispaired = 0
        self._capture_to_shown, self._capture_to_outline = Distribution(), Distribution()
        self._inference, self._handover = Distribution(), Distribution()
        self._waiting, self._outline_age = Distribution(), Distribution()
        self._painting = Distribution()

    def segmented(
        self, segmentation: Segmentation, received_ns: int, handed_ns: int | None = None
    ) -> None:
        """A segmentation came back from the engine.

        Args:
            segmentation: with the stamps of its frame and of the child.
            received_ns: when it was there for the display.
            handed_ns: from when the free engine could have had the frame; its capture if unknown.
                The time before is `waiting`, the way there and back is `handover`.
        """
        handed_ns = segmentation.captured_ns if handed_ns is None else handed_ns
        there_ns = segmentation.started_ns - handed_ns
        back_ns = received_ns - segmentation.finished_ns
        with self._lock:
            self.segmented_exposures += 1
            self._remember(
                segmentation.frame_index, segmentation.exposure, segmentation.captured_ns
            )
            self._inference.add(segmentation.inferred_ns / 1e6)
            self._handover.add((there_ns + back_ns) / 1e6)
            self._waiting.add((handed_ns - segmentation.captured_ns) / 1e6)

    def shown(self, frame: Frame, presented_ns: int, overlay: Overlay | None) -> None:
        """A frame was painted, with `overlay` or without.

        A frame may be painted again, as when its outline comes later: it counts once, its
        latency is that of its first painting, and its outline's that of the first with it.
        """
        with self._lock:
            if frame.index != self._last_index:
                self._last_index = frame.index
                self._last_had_outline = self._last_mispaired = False
                self.shown_frames += 1
                self._remember(frame.index, frame.exposure, frame.captured_ns)
                self._capture_to_shown.add((presented_ns - frame.captured_ns) / 1e6)
            if overlay is not None:
                self._outline_shown(frame, presented_ns, overlay)

    def painted(self, took_ns: int) -> None:
        """Deciding and painting one picture took so long in the display's thread."""
        with self._lock:
            self._painting.add(took_ns / 1e6)

    def _outline_shown(self, frame: Frame, presented_ns: int, overlay: Overlay) -> None:
        first, self._last_had_outline = not self._last_had_outline, True
        self.frames_with_outline += first
        exposure, captured_ns = self._captures.get(overlay.frame_index, (None, None))
        if exposure not in (None, overlay.exposure) or not _allowed(frame, overlay):
            self.mispaired += not self._last_mispaired
            self._last_mispaired = True
        elif overlay.style is OverlayStyle.AGED:
            self.aged += first
            self._outline_age.add(overlay.age_ms)
        elif overlay.exposure != self._outlined_exposure and captured_ns is not None:
            self._outlined_exposure = overlay.exposure
            self._capture_to_outline.add((presented_ns - captured_ns) / 1e6)

    def _remember(self, index: int, exposure: int, captured_ns: int) -> None:
        self._captures[index] = (exposure, captured_ns)
        if len(self._captures) > _REMEMBERED:
            self._captures.popitem(last=False)

    def report(
        self,
        counts: FrameCounts,
        identity: EngineIdentity | None,
        events: Sequence[Event],
        started_ns: int,
    ) -> dict[str, Any]:
        """The run in figures, ready for JSON; None where nothing was measured.

        Args:
            counts: of the path before the display and the engine.
            identity: of the engine; None if it never came up.
            events: what happened.
            started_ns: monotonic time of the run's start; the events' times count from it, in s.
        """
        machine = describe_machine()
        with self._lock:
            return {
                "frames": self._frames(counts),
                "outlines": {
                    "frames_with": self.frames_with_outline,
                    "mispaired": self.mispaired,
                    "aged": self.aged,
                },
                "latency_ms": self._latencies(),
                "engine": {
                    "name": identity.name if identity else None,
                    "backend": identity.backend if identity else None,
                    "why": identity.why if identity else None,
                    "model_sha256": identity.model_sha256 if identity else None,
                },
                "machine": machine,
                "events": [
                    {
                        "time": round((event.time_ns - started_ns) / 1e9, 3),
                        "kind": event.kind,
                        "text": event.text,
                    }
                    for event in events
                ],
            }

    def _frames(self, counts: FrameCounts) -> dict[str, int]:
        unshown = counts.captured - self.shown_frames - counts.waiting
        return {
            "captured": counts.captured,
            "shown": self.shown_frames,
            "segmented": self.segmented_exposures,
            "repeats": counts.repeats,
            "dropped_before_display": max(0, unshown),
            "dropped_before_segmentation": counts.dropped_before_segmentation,
        }

    def _latencies(self) -> dict[str, dict[str, float | None]]:
        return {
            "capture_to_shown": self._capture_to_shown.report(),
            "capture_to_outline_shown": self._capture_to_outline.report(),
            "inference": self._inference.report(),
            "handover": self._handover.report(),
            "waiting_for_engine": self._waiting.report(),
            "outline_age": self._outline_age.report(),
            "painting": self._painting.report(),
        }


def _allowed(frame: Frame, overlay: Overlay) -> bool:
    """Whether C1 allows the overlay, judged anew from what was painted."""
    if overlay.style is OverlayStyle.PAIRED:
        return overlay.exposure == frame.exposure
    return overlay.frame_index < frame.index and overlay.exposure < frame.exposure
