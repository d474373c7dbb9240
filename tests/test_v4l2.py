"""Video devices: what is missing is named; pictures are the device's own luma.

The device itself is the one thing that is not real here; ORAPP_TEST_V4L2=/dev/video0 runs the
last test on a real one.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from orapp.errors import OrappError, SignalLost
from orapp.sources.v4l2 import V4l2Source

GREY = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64).astype(np.uint8)


class Device:
    """A device that gives `pictures`, then none; None is a failed read."""

    def __init__(self, pictures, coding="YUYV", rate=60.0, takes_raw=True):
        self.pictures, self.coding, self.rate = list(pictures), coding, rate
        self.takes_raw, self.raw = takes_raw, False
        self.settings, self.released = {}, 0

    def __call__(self, path):
        return self

    def read(self):
        picture = self.pictures.pop(0) if self.pictures else None
        return picture is not None, picture

    def get(self, setting):
        if setting == cv2.CAP_PROP_FOURCC:
            return float(int.from_bytes(self.coding.encode().ljust(4, b"\0"), "little"))
        return self.rate if setting == cv2.CAP_PROP_FPS else 0.0

    def set(self, setting, value):
        self.settings[setting] = value
        return setting != cv2.CAP_PROP_CONVERT_RGB or self.takes_raw

    def release(self):
        self.released += 1


def packed(luma, second=False):
    pair = [np.full_like(luma, 128), luma] if second else [luma, np.full_like(luma, 128)]
    return np.stack(pair, axis=2)


def test_a_missing_device_is_named_with_those_that_exist():
    known = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
    with pytest.raises(OrappError) as caught:
        V4l2Source("/dev/video-none").open()
    assert caught.value.what == "there is no device '/dev/video-none'"
    assert caught.value.do == (f"use one of {known}" if known else "plug one in")


def test_a_file_that_is_no_device_cannot_be_opened(tmp_path, capfd):
    path = tmp_path / "video0"
    path.write_bytes(b"")
    with pytest.raises(OrappError, match="video0 can't be opened; check that it is a video device"):
        V4l2Source(str(path)).open()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("coding", "picture"),
    [
        ("YUYV", packed(GREY)),
        ("UYVY", packed(GREY, second=True)),
        ("GREY", GREY),
        ("GREY", GREY[:, :, None]),
        ("MJPG", cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)),
    ],
)
def test_pixels_are_the_luma_of_the_device_untouched(coding, picture):
    source = V4l2Source("/dev/video0", Device([picture] * 2, coding))
    form = source.open()
    assert (form.width, form.height, form.rate_hz, form.finite) == (64, 48, 60, False)
    assert form.description == f"video device, {coding}, 64x48, 60 pictures/s"
    got = source.read(100)
    np.testing.assert_array_equal(got.pixels, GREY)
    assert got.pixels.dtype == np.uint8
    assert not got.pixels.flags.writeable
    source.close()


def test_a_driver_that_only_converts_still_gives_pictures():
    bgr = cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)
    source = V4l2Source("/dev/video0", Device([bgr, bgr], takes_raw=False))
    assert "YUYV through BGR" in source.open().description
    np.testing.assert_array_equal(source.read(100).pixels, GREY)


def test_a_picture_stays_when_the_driver_reuses_its_buffer():
    buffer = GREY.copy()
    source = V4l2Source("/dev/video0", Device([buffer, buffer], "GREY"))
    source.open()
    picture = source.read(100)
    buffer[:] = 0
    np.testing.assert_array_equal(picture.pixels, GREY)


def test_one_buffer_is_asked_for():
    device = Device([packed(GREY)])
    V4l2Source("/dev/video0", device).open()
    assert device.settings[cv2.CAP_PROP_BUFFERSIZE] == 1


def test_a_read_that_fails_is_a_lost_signal_and_the_device_can_come_back():
    device = Device([packed(GREY), packed(GREY), None, packed(GREY[:24, :32]), None])
    source = V4l2Source("/dev/video0", device)
    source.open()
    source.read(100)
    with pytest.raises(SignalLost, match="/dev/video0 gives no picture; check the cable"):
        source.read(100)
    source.close()
    assert device.released == 1
    form = source.open()
    assert (form.width, form.height) == (32, 24)
    source.close()
    source.close()
    assert device.released == 2


def test_a_device_without_a_picture_fails_at_once_and_is_released():
    device = Device([])
    with pytest.raises(OrappError, match="gives no picture; check the cable and that the C-arm"):
        V4l2Source("/dev/video0", device).open()
    assert device.released == 1


def test_reading_a_closed_device_is_a_lost_signal():
    with pytest.raises(SignalLost, match="/dev/video0 is not open"):
        V4l2Source("/dev/video0", Device([])).read(10)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e9])
def test_a_rate_that_cannot_be_is_unknown(rate):
    assert V4l2Source("/dev/video0", Device([packed(GREY)], rate=rate)).open().rate_hz == 0


@pytest.mark.skipif("ORAPP_TEST_V4L2" not in os.environ, reason="set ORAPP_TEST_V4L2=/dev/video0")
def test_a_real_device_gives_pictures_of_the_size_it_states():
    source = V4l2Source(os.environ["ORAPP_TEST_V4L2"])
    form = source.open()
    try:
        for _ in range(30):
            assert source.read(1000).pixels.shape == (form.height, form.width)
    finally:
        source.close()
