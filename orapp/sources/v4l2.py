"""Frame grabbers and cameras through Video4Linux, drained by the grabber's thread."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from orapp.errors import OrappError, SignalLost
from orapp.frames import Gray, read_only
from orapp.sources import Picture, SourceFormat

SELECT_TIMEOUT_S = "1"
"""OpenCV blocks a read for 10 s where this is not in its environment before the first capture."""


class V4l2Source:
    """A device such as /dev/video0. Drop policy: the driver's; drained at once, so few buffers.

    Args:
        device: its path.
        capture: opens it; only tests give another.
    """

    def __init__(self, device: str, capture: Callable[[str], Any] | None = None) -> None:
        self.uri = f"v4l2:{device}"
        self._device = device
        self._open_capture = capture or _open_device
        self._capture: Any = None
        self._start_ns = 0

    def open(self) -> SourceFormat:
        """Opens the device and reads one picture, so that what is reported is what comes.

        Raises:
            OrappError: no such device, in use, or it gives no picture.
        """
        self.close()
        self._capture = self._open_capture(self._device)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        good, picture = self._capture.read()
        if not good or picture is None:
            self.close()
            raise OrappError(
                f"{self._device} gives no picture", "check the cable and that the C-arm is on"
            )
        height, width = picture.shape[:2]
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS) or 0)
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC) or 0)
        letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24))
        word = letters if letters.isalnum() else "unknown coding"
        self._start_ns = time.monotonic_ns()
        return SourceFormat(width, height, rate_hz, f"video device, {word}", finite=False)

    def read(self, timeout_ms: int) -> Picture:  # noqa: ARG002
        """The next picture; blocks as long as the driver does (1 s at most).

        Raises:
            SignalLost: the device gives none any more.
        """
        if self._capture is None:
            raise SignalLost(f"{self._device} is not open", "open it first")
        good, picture = self._capture.read()
        if not good or picture is None:
            raise SignalLost(f"{self._device} gives no picture", "check the cable")
        return Picture(_grey(picture), (time.monotonic_ns() - self._start_ns) / 1e6)

    def close(self) -> None:
        """Releases the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _open_device(device: str) -> Any:
    if sys.platform != "linux":
        raise OrappError("v4l2: needs Linux", "replay a file: or dicom: on this machine")
    if not Path(device).exists():
        known = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*")))
        raise OrappError(f"there is no device {device}", f"use one of: {known or 'none is there'}")
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", SELECT_TIMEOUT_S)
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise OrappError(
            f"{device} can't be opened", "check that no other program uses it and your permissions"
        )
    return capture


def _grey(picture: Any) -> Gray:
    """(H, W) uint8 from grey or BGR."""
    if picture.ndim == 3 and picture.shape[2] >= 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return read_only(np.asarray(picture, np.uint8).reshape(picture.shape[:2]))
