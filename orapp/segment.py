"""Segmenter: one frame in, one segmentation out; the same for live, replay and QA."""

import time
from collections.abc import Sequence

import cv2
import numpy as np

from orapp.engines import Engine, EngineIdentity, Inference
from orapp.frames import Frame, Gray, Outline, Segmentation, read_only
from orapp.outline import find_outlines
from orapp.shrink import shrink
from orapp.text_cover import Box, text_cover

LEAST_DEVIATION = 4.0
"""A picture with less contrast than this (grey levels) is no view: a blank screen, a cap."""
MOST_SATURATED = 0.95
"""Nor is one with more of its pixels at the ends of the scale."""


class Segmenter:
    """Runs an open engine on frames; keeps no state between them (C7).

    Args:
        engine: open.
        text: boxes (x, y, width, height) of burned-in text in the frames; the engine sees them
            painted over.
        shrunk_from: size (H, W) of the frames where only what `shrink` made of them for this
            engine is at hand, and is given in their place; None if they are given themselves.
    """

    def __init__(
        self,
        engine: Engine,
        text: Sequence[Box] = (),
        shrunk_from: tuple[int, int] | None = None,
    ) -> None:
        self._engine, self._text, self._shrunk_from = engine, tuple(text), shrunk_from

    def segment(self, frame: Frame) -> Segmentation:
        """Segments one frame: shrink, cover text, infer, outline.

        A picture that shows no spine gets no outline, and a score of 0. One in which the model
        sees no fracture as a whole gets no outline either, whatever single pixels say.
        """
        started_ns = time.monotonic_ns()
        identity = self._engine.identity
        height, width = self._shrunk_from or frame.pixels.shape
        small = shrink(frame.pixels, identity.input_size)
        small = text_cover(self._text, (height, width), identity.input_size).cover(small)
        inferring_ns = time.monotonic_ns()
        seen = self._engine.infer(small)
        probability = read_only(seen.probability.copy())
        inferred_ns = time.monotonic_ns() - inferring_ns
        supported = can_be_view(small) and seen.spine >= identity.least_spine
        outlines = outlines_of(seen, identity, (height, width)) if supported else ()
        return Segmentation(
            frame_index=frame.index,
            exposure=frame.exposure,
            frame_size=(height, width),
            probability=probability,
            outlines=outlines,
            score=seen.broken if supported else 0.0,
            view_supported=supported,
            captured_ns=frame.captured_ns,
            started_ns=started_ns,
            finished_ns=time.monotonic_ns(),
            inferred_ns=inferred_ns,
            engine=identity.name,
        )


def outlines_of(
    seen: Inference, identity: EngineIdentity, size: tuple[int, int]
) -> tuple[Outline, ...]:
    """Outlines in a picture of a size (H, W); none where the model sees no spine or no fracture."""
    if not (seen.spine >= identity.least_spine and seen.broken >= identity.least_broken):
        return ()  # NaN, too, is no reason to outline anything
    return find_outlines(seen.probability, identity.threshold, identity.min_area, size)


def can_be_view(small: Gray) -> bool:
    """False for a picture that is nearly uniform or nearly all black and white."""
    deviation = float(cv2.meanStdDev(small)[1][0, 0])
    ends = small + np.uint8(2) < 4  # 254, 255, 0, 1: it wraps around
    saturated = np.count_nonzero(ends) / small.size
    return deviation >= LEAST_DEVIATION and bool(saturated <= MOST_SATURATED)
