"""What may be drawn on a frame: contract C1, decided in one pure function."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.frames import Frame, Overlay, OverlayStyle, Segmentation, Signal
from orapp.shrink import shrink

_SHOWS_AN_EXPOSURE = (Signal.XRAY_ON, Signal.HOLD)
_CUT_LEVELS = 32.0
_SIDE = 96
"""Of the small picture that motion is looked for in."""
_SURE = 0.3
"""Response of the phase correlation; a shifted run of the simulated C-arm gives 0.7 and more,
mottle alone under 0.15 where it says that something has moved (sizes 64 to 1024)."""
NO_VIEW_AFTER_S = 0.4
"""So long no spine must be seen before screen and log say so: one exposure in a hundred is
misjudged, and a word that flashes is no word. Such an exposure is not outlined in any case."""


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


def still_shown(then: Signal, now: Signal) -> bool:
    """Whether a picture that came with one signal is what is shown under another.

    X-ray on and hold are told a moment after the frame that brings them; an outline must not blink
    for that. After anything else the picture is of before.
    """
    return now is then or {now, then} <= set(_SHOWS_AN_EXPOSURE)


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

    A new scene starts after anything but X-ray on or hold, with another size, with a cut (most of
    the picture changing at once, as when the C-arm's monitor switches to a stored run), and when
    the picture as a whole has moved by more than `MOVED` of its side: the C-arm or the patient
    moves, and an outline of before lies beside its body.
    """

    MOVED = 0.025

    def __init__(self) -> None:
        self.since_ns = 0
        self._signal: Signal | None = None
        self._size: tuple[int, ...] = ()
        self._before = self._first = np.empty((0, 0), np.float32)
        self._window = cv2.createHanningWindow((_SIDE, _SIDE), cv2.CV_32F)

    def see(self, frame: Frame) -> None:
        """Compares the frame with those before it; a millisecond at most, nothing for a repeat."""
        signal, self._signal = self._signal, frame.signal
        if frame.repeat and signal in _SHOWS_AN_EXPOSURE and frame.signal in _SHOWS_AN_EXPOSURE:
            return
        small = shrink(frame.pixels, (_SIDE, _SIDE))
        seen = small.astype(np.float32)
        size, self._size = self._size, frame.pixels.shape
        is_new = signal not in _SHOWS_AN_EXPOSURE or size != self._size
        pattern = _pattern(seen)
        if is_new or self._is_cut(seen) or self._has_moved(pattern):
            self.since_ns, self._first = frame.captured_ns, pattern
        self._before = seen

    def _is_cut(self, seen: NDArray[np.float32]) -> bool:
        return float(np.abs(seen - self._before).mean()) > _CUT_LEVELS

    def _has_moved(self, pattern: NDArray[np.float32]) -> bool:
        """Since the scene's first picture, by phase correlation."""
        (x, y), response = cv2.phaseCorrelate(self._first, pattern, self._window)
        return response > _SURE and float(np.hypot(x, y)) > self.MOVED * _SIDE


def _pattern(seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Its texture, everywhere equally strong: a moving instrument counts by its area only."""
    fine = seen - cv2.GaussianBlur(seen, (0, 0), 4)
    strength = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 4))
    return np.asarray(fine / (strength + 2), np.float32)


class ViewWatch:
    """Since when no spine is seen, over exposures; the truth that screen and log share."""

    def __init__(self) -> None:
        self._since_ns: int | None = None

    def see(self, segmentation: Segmentation) -> None:
        """Takes the answers in their order."""
        if segmentation.view_supported:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = segmentation.captured_ns

    def seconds(self, now_ns: int) -> float | None:
        """How long no spine has been seen; None while one is."""
        since_ns = self._since_ns  # once: another thread may write it
        return None if since_ns is None else max(now_ns - since_ns, 0) / 1e9
