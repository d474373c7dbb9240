"""What may be drawn on a frame: contract C1, decided in one pure function."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from orapp.frames import Frame, Overlay, OverlayStyle, Segmentation, Signal

_SHOWS_AN_EXPOSURE = (Signal.XRAY_ON, Signal.HOLD)
_CUT_LEVELS = 32.0


@dataclass(frozen=True, slots=True)
class OverlayRules:
    """How outlines may be drawn; one setting of the site.

    Attributes:
        mode: `paired` draws an outline only on its own exposure; `live` also on newer frames,
            dashed and with its age.
        max_outline_age_ms: in live mode, the age at which an outline goes.
    """

    mode: Literal["paired", "live"] = "paired"
    max_outline_age_ms: float = 200.0


def overlay_for(
    frame: Frame,
    segmentation: Segmentation | None,
    now_ns: int,
    rules: OverlayRules,
    *,
    scene_since_ns: int = 0,
) -> Overlay | None:
    """What may be drawn on `frame` now, or None.

    Never an outline on another exposure in paired mode, never one from a newer exposure, never
    one on a picture that is not a live or held exposure of the size that was segmented.

    Args:
        frame: the frame that is being painted.
        segmentation: the newest that has come, of whatever frame.
        now_ns: monotonic time of the painting.
        rules: the site's setting.
        scene_since_ns: capture stamp of the first frame of the present scene; an older frame's
            outline is not carried over to it.
    """
    if segmentation is None or not segmentation.view_supported or not segmentation.outlines:
        return None
    if frame.signal not in _SHOWS_AN_EXPOSURE or segmentation.frame_size != frame.pixels.shape:
        return None
    age_ms = (now_ns - segmentation.captured_ns) / 1e6
    if segmentation.exposure == frame.exposure:
        style = OverlayStyle.PAIRED
    elif rules.mode == "live" and _may_age(frame, segmentation, age_ms, rules, scene_since_ns):
        style = OverlayStyle.AGED
    else:
        return None
    return Overlay(
        segmentation.frame_index, segmentation.exposure, segmentation.outlines, style, age_ms
    )


def _may_age(
    frame: Frame,
    segmentation: Segmentation,
    age_ms: float,
    rules: OverlayRules,
    scene_since_ns: int,
) -> bool:
    older = (
        segmentation.exposure < frame.exposure
        and segmentation.frame_index < frame.index
        and segmentation.captured_ns <= frame.captured_ns
    )
    same_scene = frame.signal is Signal.XRAY_ON and segmentation.captured_ns >= scene_since_ns
    return older and same_scene and age_ms <= rules.max_outline_age_ms


class SceneStart:
    """Since when the picture shows the scene that it shows now. Fed with every frame in turn.

    A new scene starts after anything but X-ray on or hold, with another size, and with a cut:
    most of the picture changing at once, as when the C-arm's monitor switches to a stored run.
    """

    def __init__(self) -> None:
        self.since_ns = 0
        self._signal: Signal | None = None
        self._thumbnail = np.empty((0, 0), np.int16)

    def see(self, frame: Frame) -> None:
        """Compares the frame with the one before it; microseconds at any size."""
        step = max(1, max(frame.pixels.shape) // 64)
        thumbnail = frame.pixels[::step, ::step].astype(np.int16)
        if self._signal not in _SHOWS_AN_EXPOSURE or self._is_cut(thumbnail):
            self.since_ns = frame.captured_ns
        self._signal, self._thumbnail = frame.signal, thumbnail

    def _is_cut(self, thumbnail: NDArray[np.int16]) -> bool:
        if thumbnail.shape != self._thumbnail.shape:
            return True
        return float(np.abs(thumbnail - self._thumbnail).mean()) > _CUT_LEVELS
