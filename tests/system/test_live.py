"""The main job as a user runs it, and what may go wrong in its midst: C1, C2 and C4 on a screen.

Times are not asserted; the report's figures are printed (`pytest -s`) and live in docs.
"""

import os
import signal
import time

import pytest

from orapp.display import theme
from tests.system.program import look_at_the_screen, share_of

RATE_HZ = 15


def events(report, *kinds):
    return [event["text"] for event in report["events"] if event["kind"] in kinds]


def when(report, text):
    return next(event["time"] for event in report["events"] if event["text"].startswith(text))


def every_frame_was_shown(report):
    """All but the one per cent that a noisy machine may cost."""
    frames = report["frames"]
    assert frames["captured"] >= RATE_HZ * 0.9 * (report["run"]["seconds"] - 3)
    assert frames["dropped_before_display"] <= 0.01 * frames["captured"] + 1, frames
    assert report["outlines"]["mispaired"] == 0
    print(frames, report["outlines"], report["latency_ms"])


def expected_outlines(report):
    """Frames since the engine was ready."""
    return RATE_HZ * (report["run"]["seconds"] - when(report, "AI ready") - 0.5)


def until_outlined(lit=True):
    """Looks at the screen until an outline's colour is on the picture, or gone."""
    deadline = time.monotonic() + 60
    while (share_of(picture(), theme.OUTLINE) > 1e-4) != lit:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def picture():
    """The live half of the screen: the middle of its picture."""
    screen = look_at_the_screen()
    height, width = screen.shape[:2]
    return screen[height // 6 : -height // 8, : width // 2 - 8]


def banner():
    """Share of the band at the top of the live picture that has the banner's colour."""
    screen = look_at_the_screen()
    height, width = screen.shape[:2]
    band = screen[round(height * 0.12) : round(height * 0.15), : width // 2 - 8]
    return share_of(band, theme.CARE)


def until_banner(there=True):
    deadline = time.monotonic() + 60
    while (banner() > 0.5) != there:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_full_screen_covers_the_screen_without_a_window_manager_too(run):
    program = run("--full-screen", "--seconds", 4)
    program.wait_for("X-ray on")
    deadline = time.monotonic() + 60
    while look_at_the_screen()[-40:, -40:].max() == 0:  # the foot's strip is not black
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.end()


def test_every_frame_is_shown_with_its_own_outline(run):
    program = run("--full-screen", "--seconds", 10)
    program.wait_for("AI ready")
    until_outlined()
    assert banner() < 0.1
    report = program.end()
    every_frame_was_shown(report)
    assert report["outlines"]["frames_with"] >= 0.95 * expected_outlines(report)
    assert report["outlines"]["aged"] == 0
    assert report["frames"]["segmented"] > 0.9 * expected_outlines(report) - 10
    latency = report["latency_ms"]
    assert latency["capture_to_shown"]["p50"] < latency["capture_to_outline_shown"]["p50"]
    assert latency["inference"]["p50"] < latency["capture_to_outline_shown"]["p50"]
    assert report["engine"]["restarts"] == 0
    assert len(report["engine"]["model_sha256"]) == 64
    assert report["machine"]["cores"] >= 1
    assert events(report, "ai")[0].startswith("AI ready: openvino")


def test_a_video_output_at_60_frames_repeats_exposures_and_each_is_outlined_at_once(run):
    program = run("--full-screen", "--seconds", 8, "--source", "simulated:?video=60")
    report = program.end()
    frames = report["frames"]
    assert frames["captured"] > 4 * 0.8 * RATE_HZ * (report["run"]["seconds"] - 3)
    assert frames["repeats"] > 0.7 * frames["captured"]
    assert frames["shown"] >= 0.95 * frames["captured"] - 1  # a slow machine may skip a repeat
    assert report["outlines"]["mispaired"] == 0
    assert report["outlines"]["frames_with"] > 0.6 * 4 * expected_outlines(report)


def test_a_slow_engine_costs_no_frame_and_no_pairing(run):
    program = run("--full-screen", "--seconds", 14, "--engine-delay-ms", 120)
    program.wait_for("AI late: outlines come after their exposure")
    until_banner()
    report = program.end()
    every_frame_was_shown(report)
    frames = report["frames"]
    assert 0 < frames["segmented"] < frames["captured"] / 1.5
    accounted = frames["segmented"] + frames["dropped_before_segmentation"] + frames["repeats"]
    assert accounted >= frames["captured"] - 2  # at most one waits and one is in work
    held = when(report, "last image hold")
    assert held < report["run"]["seconds"]
    assert report["outlines"]["frames_with"] > 0  # on the last image hold


def test_a_slow_engine_in_live_mode_shows_aged_outlines(run):
    arguments = ("--engine-delay-ms", 120, "--mode", "live", "--max-outline-age-ms", 500)
    program = run("--full-screen", "--seconds", 8, *arguments)
    program.wait_for("AI ready")
    until_outlined()
    report = program.end()
    every_frame_was_shown(report)
    assert report["outlines"]["aged"] > 0.8 * expected_outlines(report) - 10
    assert report["latency_ms"]["outline_age"]["max"] <= 1000
    assert not any("AI late" in text for text in events(report, "ai"))


def test_kill_9_of_the_engine_shows_a_banner_and_no_frame_is_lost(run):
    program = run("--full-screen", "--seconds", 14)
    seen = program.wait_for("AI ready")
    until_outlined()
    first = program.engine_pid
    os.kill(first, signal.SIGKILL)
    seen = program.wait_for("AI off: the segmentation process was killed by signal 9", seen)
    until_banner()
    program.wait_for("AI ready", seen)
    assert program.engine_pid != first
    until_banner(there=False)
    until_outlined()
    report = program.end()
    every_frame_was_shown(report)
    assert report["engine"]["restarts"] == 1


def test_a_stopped_engine_is_noticed_replaced_and_outlines_return(run):
    program = run("--full-screen", "--seconds", 14)
    seen = program.wait_for("AI ready")
    until_outlined()
    first = program.engine_pid
    os.kill(first, signal.SIGSTOP)
    seen = program.wait_for("AI off: segmentation does not answer", seen)
    until_banner()
    program.wait_for("AI ready", seen)
    assert program.engine_pid != first
    until_banner(there=False)
    until_outlined()
    every_frame_was_shown(program.end())


def test_an_engine_that_raises_is_replaced_each_time(run):
    program = run("--full-screen", "--seconds", 14, "--engine-raise-at", 40)
    seen = program.wait_for("AI ready")
    until_outlined()
    seen = program.wait_for("AI off: the engine failed", seen)
    until_banner()
    program.wait_for("AI ready", seen)
    until_banner(there=False)
    until_outlined()
    report = program.end()
    every_frame_was_shown(report)
    assert report["engine"]["restarts"] >= 1


def test_unplugging_is_said_and_everything_comes_back(run):
    program = run("--full-screen", "--seconds", 12, "--source", "simulated:?fault=unplug@4s-7s")
    program.wait_for("AI ready")
    until_outlined()
    program.wait_for("no signal")
    until_outlined(lit=False)
    dark = picture().mean()
    program.wait_for("signal is back")
    until_outlined()
    assert dark < 0.7 * picture().mean()
    report = program.end()
    said = events(report, "signal")
    assert said[0] == "X-ray on"
    assert said[1].startswith("no signal: ")
    assert said[2:4] == ["signal is back: 1024x1024", "X-ray on"]
    frames = report["frames"]
    assert frames["dropped_before_display"] <= 0.01 * frames["captured"] + 1
    assert report["outlines"]["mispaired"] == 0


def test_a_size_that_changes_is_said_and_outlines_go_on(run):
    program = run("--full-screen", "--seconds", 10, "--source", "simulated:?fault=resize@4s-7s")
    program.wait_for("picture is now")
    until_outlined()
    report = program.end()
    every_frame_was_shown(report)
    sizes = events(report, "format")
    assert len(sizes) == 2
    assert sizes[0].endswith("was 1024x1024")
    assert sizes[1].startswith("picture is now 1024x1024")
    assert report["outlines"]["frames_with"] >= 0.9 * expected_outlines(report)


@pytest.mark.parametrize(
    ("fault", "state"), [("freeze@3s-8s", "input frozen"), ("black@3s-6s", "black picture")]
)
def test_a_picture_that_is_not_live_is_never_shown_as_if_it_were(run, fault, state):
    program = run("--full-screen", "--seconds", 12, "--source", f"simulated:?fault={fault}")
    program.wait_for("AI ready")
    until_outlined()
    seen = program.wait_for(state)
    until_outlined(lit=False)
    program.wait_for("X-ray on", seen)
    until_outlined()
    report = program.end()
    said = [text.partition(":")[0] for text in events(report, "signal")]
    assert said[said.index(state) + 1] == "X-ray on"
    assert report["outlines"]["mispaired"] == 0


def test_a_healthy_spine_is_not_outlined(run):
    program = run("--full-screen", "--seconds", 8, "--source", "simulated:?scene=healthy&seed=3")
    report = program.end()
    every_frame_was_shown(report)
    assert report["outlines"]["frames_with"] <= 0.02 * report["frames"]["shown"]
    assert report["frames"]["segmented"] > 20
