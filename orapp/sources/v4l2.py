"""Frame grabbers and cameras through Video4Linux, drained by the grabber's thread."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError, SignalLost
from orapp.frames import Gray, read_only
from orapp.sources import Picture, SourceFormat

SELECT_TIMEOUT_S = "1"
"""Whole seconds that a read may block. OpenCV takes it from its environment at its first capture
of the process; without it, a read blocks for 10 s after the cable was pulled."""
LUMA_FIRST = ("YUYV", "YUY2")
LUMA_SECOND = ("UYVY",)
GREY = ("GREY", "Y800")


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def read(self) -> tuple[bool, NDArray[Any] | None]:
        """Whether a picture came, and the picture."""

    def get(self, setting: int) -> float:
        """A setting's value; 0 if the driver doesn't know it."""

    def set(self, setting: int, value: float) -> bool:
        """Whether the driver took it."""

    def release(self) -> None:
        """Gives the device back."""


class V4l2Source:
    """A device such as /dev/video0, live.

    Drop policy: the driver's. One buffer is asked for and every picture is fetched as it comes,
    so that none grows old in a queue. Where the device delivers luma (YUYV, UYVY, GREY), its bytes
    are taken as they are, without a range conversion: the site's settings say what is black and
    white. Other codings pass through OpenCV's BGR.

    Args:
        device: its path.
        capture: opens it; a test gives a device of its own.
    """

    def __init__(self, device: str, capture: Callable[[str], Capture] | None = None) -> None:
        self.uri = f"v4l2:{device}"
        self._device = device
        self._open_capture = capture or _open_device
        self._capture: Capture | None = None
        self._coding = ""
        self._start_ns = 0

    def open(self) -> SourceFormat:
        """Opens the device and reads one picture: what is reported is what really comes.

        Raises:
            OrappError: no such device, in use, or it gives no picture.
        """
        self.close()
        self._capture = capture = self._open_capture(self._device)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._coding = _coding(capture)
        if self._coding in (*LUMA_FIRST, *LUMA_SECOND) and not capture.set(
            cv2.CAP_PROP_CONVERT_RGB, 0
        ):
            self._coding = f"{self._coding} through BGR"
        try:
            height, width = self._picture().shape
        except SignalLost as lost:
            self.close()
            raise OrappError(lost.what, "check the cable and that the C-arm is on") from None
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        rate_hz = float(rate_hz) if 0 < rate_hz <= 1000 else 0.0
        self._start_ns = time.monotonic_ns()
        about = f"video device, {self._coding}, {width}x{height}, {rate_hz:g} pictures/s"
        return SourceFormat(width, height, rate_hz, about, finite=False)

    def read(self, timeout_ms: int) -> Picture:  # noqa: ARG002
        """The next picture; blocks as long as the driver does, 1 s at most.

        Raises:
            SignalLost: the device gives none any more.
        """
        pixels = self._picture()
        return Picture(pixels, (time.monotonic_ns() - self._start_ns) / 1e6)

    def close(self) -> None:
        """Releases the device."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _picture(self) -> Gray:
        if self._capture is None:
            raise SignalLost(f"{self._device} is not open", "open it first")
        try:
            good, picture = self._capture.read()
        except cv2.error:
            good, picture = False, None
        if not good or picture is None or picture.size == 0:
            raise SignalLost(f"{self._device} gives no picture", "check the cable")
        return luma(picture, self._coding)


def luma(picture: NDArray[Any], coding: str) -> Gray:
    """(H, W) uint8 from a picture as OpenCV gives it: grey, packed YUV (H, W, 2), or BGR(A).

    Args:
        picture: uint8.
        coding: four letters of the device's coding; says where the luma is in packed YUV.
    """
    if picture.ndim == 3 and picture.shape[2] == 2:
        picture = picture[:, :, 1 if coding in LUMA_SECOND else 0]
    elif picture.ndim == 3 and picture.shape[2] >= 3:
        picture = cv2.cvtColor(picture[:, :, :3], cv2.COLOR_BGR2GRAY)
    elif picture.ndim == 3:
        picture = picture[:, :, 0]
    return read_only(np.array(picture, np.uint8))


def _coding(capture: Capture) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC) or 0)
    letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24))
    return letters if letters.isascii() and letters.isalnum() else "unknown coding"


def _open_device(device: str) -> Capture:
    if sys.platform != "linux":
        raise OrappError("v4l2: needs Linux", "replay a file: or dicom: on this machine")
    if not device or not Path(device).exists():
        known = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
        raise OrappError(
            f"there is no device '{device}'", f"use one of {known}" if known else "plug one in"
        )
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it says, we say
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", SELECT_TIMEOUT_S)
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise OrappError(
            f"{device} can't be opened",
            "check that it is a video device, free, and that you are in the group video",
        )
    return capture
