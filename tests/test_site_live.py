"""A calibrated run: live, on disk, played again; another C-arm, another resolution."""

import json
import time

import numpy as np
import pytest
from PySide6.QtCore import Qt

from orapp.engines import EngineSpec
from orapp.frames import Signal
from orapp.live import LiveSession
from orapp.picture import Box, Picture
from orapp.session import SessionReader
from orapp.settings import SiteProfile
from orapp.site import SiteMap
from orapp.sources import EndOfSource, open_source
from orapp.sources.reel import open_reel
from orapp.sources.transport import Transport
from tests.sources import SquareSource
from tests.test_cli import orapp, write_clip
from tests.window import logged, outlined, until

WHOLE = Picture(
    width=320, height=240, area=Box(x=0, y=0, width=320, height=240), rotate=90, mirror=True
)
PART = Picture(width=320, height=240, area=Box(x=60, y=40, width=200, height=160))


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("clock", [True, False])
def test_a_clock_beside_the_image_area_tells_a_hold_from_a_frozen_input(
    bright_model, tmp_path, clock
):
    """Live, and when its recording is played again."""
    source = SquareSource(rate_hz=15, hold_at=8, clock=clock, end_after=80)
    profile = SiteProfile(name="room 3", picture=PART)  # which cuts the clock off
    session = LiveSession(source, EngineSpec(str(bright_model), "openvino"), profile=profile)
    session.start_recording(tmp_path)
    assert_hold_is_told(session, clock)
    again = f"session:{session.recording_folder}"
    played = LiveSession(open_source(again), EngineSpec(str(bright_model), "openvino"))
    assert_hold_is_told(played, clock)
    replay = Transport(open_reel(again), ends=True)
    assert_hold_is_told(LiveSession(replay, EngineSpec(str(bright_model), "openvino")), clock)


def assert_hold_is_told(session, clock):
    with session:
        wait_until(lambda: session.ended)
    told = [event["text"] for event in session.report()["events"] if event["kind"] == "signal"]
    assert told[:2] == ["X-ray on", "last image hold"]
    assert ("input frozen" in told) == (not clock)


def test_a_recording_keeps_raw_frames_and_gives_calibrated_ones(bright_model, tmp_path):
    profile = SiteProfile(name="room 3", picture=WHOLE)
    source = SquareSource(rate_hz=30, end_after=60)
    session = LiveSession(source, EngineSpec(str(bright_model), "openvino"), profile=profile)
    session.start_recording(tmp_path)
    with session:
        wait_until(lambda: session.ended)
    assert session.report()["profile"]["name"] == "room 3"
    assert (session.report()["source"]["width"], session.report()["source"]["height"]) == (240, 320)
    reader, site = SessionReader(session.recording_folder), SiteMap(WHOLE)
    assert reader.head["profile"] == {"name": "room 3", "version": 1, "sha256": ""}
    assert reader.verify().whole
    frames = list(reader.frames())
    assert len(frames) == session.report()["recording"]["frames"] > 5
    for frame in frames:
        assert frame.raw.shape == (240, 320)
        assert np.array_equal(frame.pixels, site.apply(frame.raw))
    for seen in reader.segmentations().values():
        assert seen.frame_size == (320, 240)
    again = open_source(f"session:{session.recording_folder}", as_fast_as_possible=True)
    assert (again.open().width, again.open().height) == (240, 320)
    for frame in frames:
        assert np.array_equal(again.read(0).pixels, frame.pixels)
    try:
        again.read(0)
    except EndOfSource:
        again.close()


def test_a_head_that_was_tampered_with_is_refused_in_a_sentence(bright_model, tmp_path):
    session = LiveSession(
        SquareSource(rate_hz=30, end_after=5),
        EngineSpec(str(bright_model), "openvino"),
        profile=SiteProfile(picture=PART),
    )
    session.start_recording(tmp_path)
    with session:
        wait_until(lambda: session.ended)
    path = session.recording_folder / "session.json"
    head = json.loads(path.read_text())
    head["picture"]["area"]["width"] = 10**9
    path.write_text(json.dumps(head))
    told = orapp("session", "show", session.recording_folder)
    assert told.returncode == 2
    assert "session.json is damaged" in told.stderr
    assert "Traceback" not in told.stderr


def test_another_c_arm_is_asked_about_before_anything_is_outlined(qtbot, show):
    window, session, _ = show(profile=SiteProfile(name="room 3", picture=PART))
    until(qtbot, lambda: session.site_doubt != "")
    until(qtbot, lambda: "ANOTHER C-ARM?" in window.view.words.banner)
    assert window.view.overlay is None
    assert ("site", "there is X-ray picture beside its image area: is this 'room 3'?") in logged(
        session
    )
    assert session.report()["profile"]["doubt"]
    qtbot.keyClick(window, Qt.Key.Key_O)
    until(qtbot, outlined(window))
    assert "ANOTHER" not in window.view.words.banner
    assert not session.site_doubt
    assert any("by a person's word" in text for kind, text in logged(session) if kind == "site")


def test_without_a_window_another_c_arm_is_told_at_the_end(tmp_path):
    profile = tmp_path / "room.toml"  # its name looks like markup
    area = "{x = 60, y = 40, width = 200, height = 160}"
    profile.write_text(
        f'name = "room [/3]"\nversion = 1\n[picture]\nwidth = 320\nheight = 320\narea = {area}\n'
    )
    told = orapp(
        *("live", "--headless", "--source", "simulated:?size=320&rate=30"),
        *("--seconds", 4, "--profile", profile),
    )
    assert told.returncode == 1, told.stderr
    assert "is this 'room [/3]'? there is X-ray picture beside its image area" in told.stdout
    assert "on 0 frames" in told.stdout


def test_the_right_c_arm_is_not_asked_about(qtbot, show):
    window, session, _ = show(profile=SiteProfile(name="room 3", picture=WHOLE))
    until(qtbot, lambda: ("site", "fits 'room 3'") in logged(session))
    until(qtbot, outlined(window))
    assert window.view.frame.pixels.shape == (320, 240)


def test_another_resolution_in_mid_run_is_no_signal_and_says_why(qtbot, show):
    _, session, _ = show(profile=SiteProfile(picture=WHOLE), resize_at=10)
    until(qtbot, lambda: session.signal is Signal.LOST)
    assert "200x160, the site profile was made for 320x240" in session.signal_text


def test_a_profile_for_another_resolution_ends_in_one_sentence(tmp_path):
    clip, profile = write_clip(tmp_path / "clip.mkv"), tmp_path / "room.toml"
    profile.write_text(
        "[picture]\nwidth = 640\nheight = 480\narea = {x = 0, y = 0, width = 640, height = 480}\n"
    )
    for command in (("live", "--source", f"file:{clip}"), ("replay", clip)):
        told = orapp(*command, "--headless", "--seconds", "2", "--profile", profile)
        assert told.returncode == 2
        assert "256x192, the site profile was made for 640x480" in told.stderr
        assert "Traceback" not in told.stderr
