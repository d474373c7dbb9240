"""What flows through orapp: frames, segmentations, outlines, overlays, states.

Frozen, with read-only arrays, so that any thread may keep one. Times are `time.monotonic_ns()`,
which all processes of one machine share.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
"""One grey picture, (H, W) uint8, C-contiguous."""

Polygon = NDArray[np.float32]
"""A closed polygon, (N, 2) float32, x then y; pixel centres lie at whole numbers."""


class Signal(StrEnum):
    """What the source's video is, in the words that the screen shows."""

    CONNECTING = "connecting"
    XRAY_ON = "X-ray on"
    HOLD = "last image hold"
    FROZEN = "input frozen"
    BLACK = "black picture"
    LOST = "no signal"


class AiState(StrEnum):
    """Whether outlines can be expected, in the words that the screen shows."""

    STARTING = "AI starting"
    READY = "AI ready"
    LATE = "AI late"
    OFF = "AI off"


@dataclass(frozen=True, slots=True)
class AiStatus:
    """State of the segmentation, why, and since when (monotonic ns)."""

    state: AiState
    reason: str
    since_ns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One video frame as it was captured.

    Attributes:
        index: running number of the grabber, from 0, never used twice, also not after a reconnect.
        pixels: (H, W) uint8, read-only.
        captured_ns: when the source handed it over.
        exposure: number of the X-ray exposure that it starts or repeats, from 0; a reconnect
            always starts a new one.
        repeat: True if an earlier frame already showed this exposure.
        signal: what the video was when this frame came.
        raw: the frame as the source sent it, (H', W') uint8, where a site profile calibrates it;
            None where `pixels` is just that.
        content: frames with the same number, 0 or more, are the same in every pixel.
    """

    index: int
    pixels: Gray
    captured_ns: int
    exposure: int
    repeat: bool = False
    signal: Signal = Signal.XRAY_ON
    raw: Gray | None = None
    content: int = -1

    @property
    def sent(self) -> Gray:
        """The frame as the source sent it: what is recorded."""
        return self.pixels if self.raw is None else self.raw


@dataclass(frozen=True, slots=True)
class Outline:
    """One closed outline.

    Attributes:
        points: (N, 2) float32 in frame pixels, N >= 3, the last point is not the first again.
        area_px: enclosed area in frame pixels squared.
        mean_probability: mean of the engine's probability inside it, 0 to 1.
    """

    points: Polygon
    area_px: float
    mean_probability: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What the engine saw on one frame.

    Attributes:
        frame_index, exposure: those of the frame that it was computed from.
        frame_size: (H, W) of that frame.
        probability: (h, w) uint8 at the network's size, 255 is certain, read-only.
        outlines: largest first, in frame pixels.
        score: probability that the view holds a fracture, 0 to 1.
        view_supported: False if the picture shows no spine (blank, saturated, something else).
        captured_ns: the frame's stamp.
        started_ns, finished_ns: stamps of the segmenting process, resize and tracing included.
        inferred_ns: duration of the engine alone, in ns.
        engine: name of the engine.
    """

    frame_index: int
    exposure: int
    frame_size: tuple[int, int]
    probability: Gray
    outlines: tuple[Outline, ...]
    score: float
    view_supported: bool
    captured_ns: int
    started_ns: int
    finished_ns: int
    inferred_ns: int
    engine: str


class OverlayStyle(StrEnum):
    """How an outline may be drawn: on its own exposure, or aged on a newer frame."""

    PAIRED = "paired"
    AGED = "aged"


@dataclass(frozen=True, slots=True)
class Overlay:
    """What may be drawn on a frame, as `overlay_for` decided.

    Attributes:
        frame_index, exposure: of the frame that the outlines were computed from.
        outlines: in frame pixels.
        style: PAIRED (solid) or AGED (dashed, with its age).
        age_ms: now minus the capture of the frame that the outlines were computed from.
    """

    frame_index: int
    exposure: int
    outlines: tuple[Outline, ...]
    style: OverlayStyle
    age_ms: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a line in the report: time (monotonic ns), kind, text."""

    time_ns: int
    kind: str
    text: str


def read_only(pixels: Gray) -> Gray:
    """Marks the array read-only and returns it (C-contiguous; copies only if it must)."""
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return pixels
