"""What the video is: a new exposure or a repeat, X-ray on, held, frozen, black.

Pure: everything is decided from the pixels and times given in.

A C-arm's video shows each exposure several times over, and its last one for ever (last image
hold), with a clock or a hold mark burned in beside it. Two pictures are of the same exposure if

- not one pixel of the *image area* differs, the centred square of 3/4 of the shorter side
  (quantum noise makes every real exposure differ there almost everywhere, and an instrument's
  tip that moves in a noise-free file differs there too), and
- less than 0.5 % of the frame's pixels differ at all (a clock's digits and a hold mark of
  70x70 pixels in 1024x1024).

When in doubt this says "new exposure": an outline that blinks for a frame is a lesser evil than
one drawn on another exposure. A capture card that adds noise of its own to a held picture is
therefore not recognised as holding. What changes only outside the image area in less than 0.5 %
of the frame is taken for a mark.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np

from orapp.frames import Gray, Signal

IMAGE_AREA = 0.75
MARK_AREA = 0.005
HOLD_NS = 350_000_000
"""Longer than the pulse interval of the slowest usual fluoroscopy, 3.75 pulses/s = 267 ms."""
HOLD_INTERVALS = 2.5
FROZEN_NS = 3_000_000_000
"""A burned-in clock ticks once a second; three ticks missed is no clock, or no video."""
UNIFORM_STD = 2.0
"""Grey levels; quantum noise alone is more, a blanked screen with capture noise is less."""
BLACK_NS = 100_000_000
INTERVALS_KEPT = 9
SOME_ROWS = 32
"""Each 32nd row of the image area is compared first."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one picture showed: whether it starts a new exposure, and what the video now is.

    `changed` is False if not one pixel differs from the picture before.
    """

    exposure_changed: bool
    signal: Signal
    changed: bool = True


class SceneWatch:
    """Looks at every picture of one unbroken stretch of video, in order.

    Args:
        rate_hz: nominal pictures per second, for the first guess of the pulse interval; 0 if
            unknown.
    """

    def __init__(self, rate_hz: float = 0) -> None:
        first_guess = [1e9 / rate_hz] if rate_hz > 0 else []
        self._intervals: deque[float] = deque(first_guess, maxlen=INTERVALS_KEPT)
        self._exposure: Gray | None = None
        self._previous: Gray | None = None
        self._sent: Gray | None = None
        self._exposed_ns = self._changed_ns = 0
        self._uniform_since_ns: int | None = None
        self._seen_image = False

    def look(self, pixels: Gray, now_ns: int, sent: Gray | None = None) -> Look:
        """Takes the next picture.

        Args:
            pixels: (H, W) uint8; kept until the next ones come, so it must not be written to.
            now_ns: when it was captured, never earlier than the last one.
            sent: the picture as it was sent, where `pixels` is cut out of it: what goes on beside
                the cut, such as a clock, tells a held picture from a frozen one. Kept, too.
        """
        new = self._exposure is None or not same_exposure(self._exposure, pixels)
        if new:
            if self._exposure is not None:
                self._intervals.append(now_ns - self._exposed_ns)
            self._exposure, self._exposed_ns = pixels, now_ns
        changed = new or _changed_pixels(self._previous, pixels) > 0
        if changed or (sent is not None and _changed_pixels(self._sent, sent) > 0):
            self._changed_ns = now_ns
        if new:
            self._note_uniform(pixels, now_ns)
        self._previous, self._sent = pixels, sent
        return Look(new, self._signal(now_ns), changed)

    def _signal(self, now_ns: int) -> Signal:
        if self._is_black(now_ns):
            return Signal.BLACK
        if now_ns - self._exposed_ns <= self._hold_after_ns():
            return Signal.XRAY_ON
        return Signal.FROZEN if now_ns - self._changed_ns > FROZEN_NS else Signal.HOLD

    def _hold_after_ns(self) -> float:
        interval = median(self._intervals) if self._intervals else 0
        return max(HOLD_NS, HOLD_INTERVALS * interval)

    def _note_uniform(self, pixels: Gray, now_ns: int) -> None:
        if not _is_uniform(image_area(pixels)):
            self._seen_image, self._uniform_since_ns = True, None
        elif self._uniform_since_ns is None:
            self._uniform_since_ns = now_ns

    def _is_black(self, now_ns: int) -> bool:
        """One black picture between two images is no news; from the start it is."""
        if self._uniform_since_ns is None:
            return False
        return not self._seen_image or now_ns - self._uniform_since_ns >= BLACK_NS


def image_area(pixels: Gray) -> Gray:
    """The centred square where an image is and no burned-in text; a view, not a copy."""
    height, width = pixels.shape
    side = max(round(IMAGE_AREA * min(height, width)), 1)
    y, x = (height - side) // 2, (width - side) // 2
    return pixels[y : y + side, x : x + side]


def same_exposure(one: Gray, other: Gray) -> bool:
    """Whether two pictures, (H, W) uint8, show the same exposure, as this page's head says."""
    if one.shape != other.shape:
        return False
    image, before = image_area(one), image_area(other)
    if not np.array_equal(image[::SOME_ROWS], before[::SOME_ROWS]):
        return False  # by noise, as nearly every new exposure: no need to look at the rest
    if cv2.norm(image, before, cv2.NORM_INF):
        return False
    return _changed_pixels(one, other) < max(MARK_AREA * one.size, 1)


def _changed_pixels(one: Gray | None, other: Gray) -> int:
    if one is None:
        return other.size
    return 0 if one is other else int(np.count_nonzero(one != other))


def _is_uniform(pixels: Gray) -> bool:
    """Most pictures show that they are not by every 8th pixel of every 8th row."""
    return all(_deviation(part) < UNIFORM_STD for part in (pixels[::8, ::8], pixels))


def _deviation(pixels: Gray) -> float:
    return float(cv2.meanStdDev(pixels)[1][0, 0])
