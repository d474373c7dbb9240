"""C8: what is reported comes from stamps of frames that were shown, once each."""

import getpass
import json
import platform
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orapp.engines import EngineIdentity
from orapp.frames import Event, Overlay, OverlayStyle
from orapp.latency import Distribution, FrameCounts, LatencyLog
from tests.test_overlay import MS, OUTLINE, a_frame, a_segmentation

COUNTS = FrameCounts(captured=0, repeats=0, waiting=0, dropped_before_segmentation=0)


def report_of(log: LatencyLog, **counts):
    return log.report(replace(COUNTS, **counts), None, (), 0)


def paired(frame, age_ms=12.0) -> Overlay:
    return Overlay(frame.index, frame.exposure, (OUTLINE,), OverlayStyle.PAIRED, age_ms)


@given(st.lists(st.floats(0, 6000), min_size=1, max_size=200))
def test_percentiles_are_the_true_ones_to_one_step_and_the_maximum_is_exact(durations):
    distribution = Distribution()
    for ms in durations:
        distribution.add(ms)
    assert distribution.count == len(durations)
    assert distribution.max_ms == max(durations)
    for percent in (50, 95, 99):
        true = np.percentile(durations, percent, method="inverted_cdf")
        if true < 4999:
            assert true - 1e-6 <= distribution.percentile(percent) <= true + 0.0501


def test_nothing_measured_is_null_and_not_zero():
    report = json.loads(json.dumps(report_of(LatencyLog())))
    nothing = {"p50": None, "p95": None, "p99": None, "max": None}
    for name in ("capture_to_shown", "capture_to_outline_shown", "inference", "handover"):
        assert report["latency_ms"][name] == nothing
    assert report["engine"] == {
        "name": None,
        "backend": None,
        "why": None,
        "model_sha256": None,
    }


def test_a_frame_painted_again_with_its_outline_counts_once_from_its_first_painting():
    log, frame = LatencyLog(), a_frame(captured_ms=1000)
    log.shown(frame, 1003 * MS, None)
    log.segmented(a_segmentation(frame), 1010 * MS)
    log.shown(frame, 1012 * MS, paired(frame))
    log.shown(frame, 1500 * MS, paired(frame))
    report = report_of(log, captured=1)
    assert report["frames"]["shown"] == 1
    assert report["frames"]["dropped_before_display"] == 0
    assert report["outlines"] == {"frames_with": 1, "mispaired": 0, "aged": 0}
    assert report["latency_ms"]["capture_to_shown"]["max"] == 3.0
    assert report["latency_ms"]["capture_to_outline_shown"]["max"] == 12.0


def test_a_repeat_that_brings_the_outline_is_measured_from_the_frame_that_was_segmented():
    log = LatencyLog()
    first, repeat = a_frame(10, 4, 1000), a_frame(11, 4, 1016)
    log.shown(first, 1002 * MS, None)
    log.segmented(a_segmentation(first), 1019 * MS)
    log.shown(repeat, 1020 * MS, paired(first))
    log.shown(a_frame(12, 4, 1033), 1036 * MS, paired(first))
    report = report_of(log, captured=3, repeats=2)
    assert report["outlines"]["frames_with"] == 2
    assert report["latency_ms"]["capture_to_outline_shown"]["p50"] == 20.0
    assert report["latency_ms"]["capture_to_outline_shown"]["max"] == 20.0


@pytest.mark.parametrize(
    "overlay",
    [
        Overlay(9, 9, (OUTLINE,), OverlayStyle.PAIRED, 60.0),
        Overlay(11, 11, (OUTLINE,), OverlayStyle.PAIRED, 5.0),
        Overlay(11, 11, (OUTLINE,), OverlayStyle.AGED, 5.0),
        Overlay(10, 10, (OUTLINE,), OverlayStyle.AGED, 5.0),
        Overlay(8, 10, (OUTLINE,), OverlayStyle.PAIRED, 5.0),
    ],
    ids=["older", "newer", "aged newer", "aged own", "index of another exposure"],
)
def test_an_outline_on_the_wrong_frame_is_counted_once_as_mispaired(overlay):
    log, frame = LatencyLog(), a_frame(10, 10, 1000)
    log.shown(a_frame(8, 8, 900), 901 * MS, None)
    log.shown(frame, 1002 * MS, None)
    for _ in range(3):
        log.shown(frame, 1003 * MS, overlay)
    assert report_of(log)["outlines"] == {"frames_with": 1, "mispaired": 1, "aged": 0}


def test_aged_outlines_are_counted_apart_with_their_age():
    log, old = LatencyLog(), a_frame(10, 10, 1000)
    log.segmented(a_segmentation(old), 1120 * MS)
    log.shown(
        a_frame(12, 12, 1133), 1135 * MS, Overlay(10, 10, (OUTLINE,), OverlayStyle.AGED, 135.0)
    )
    report = report_of(log)
    assert report["outlines"] == {"frames_with": 1, "mispaired": 0, "aged": 1}
    assert report["latency_ms"]["outline_age"]["max"] == 135.0
    assert report["latency_ms"]["capture_to_outline_shown"]["max"] is None


def test_a_held_image_keeps_its_outline_for_hours_without_being_called_mispaired():
    log, first = LatencyLog(), a_frame(0, 0, 0)
    log.segmented(a_segmentation(first), 9 * MS)
    for index in range(5000):
        log.shown(a_frame(index, 0, index * 16), (index * 16 + 2) * MS, paired(first))
    assert report_of(log)["outlines"] == {"frames_with": 5000, "mispaired": 0, "aged": 0}


def test_waiting_for_a_busy_engine_is_kept_apart_from_the_handover():
    log, frame = LatencyLog(), a_frame(captured_ms=1000)
    seen = a_segmentation(frame, started_ns=1051 * MS, finished_ns=1060 * MS)
    log.segmented(seen, 1060 * MS + MS // 2, handed_ns=1050 * MS)
    latency = report_of(log)["latency_ms"]
    assert latency["handover"]["max"] == 1.5
    assert latency["waiting_for_engine"]["max"] == 50.0
    assert latency["inference"]["max"] == 7.0


def test_frames_that_never_came_to_the_screen_are_dropped_unless_they_still_wait():
    log = LatencyLog()
    for index in range(7):
        log.shown(a_frame(index, index), 2000 * MS, None)
    assert report_of(log, captured=10, waiting=1)["frames"]["dropped_before_display"] == 2


def test_the_report_names_the_engine_and_the_machine_but_nobody():
    identity = EngineIdentity(
        "bright", "openvino 2026.1 CPU f32", "ab" * 32, (64, 64), 0.5, 0.001, 0.5, 0.5
    )
    event = Event(3_500_000_000, "signal", "no signal")
    report = LatencyLog().report(COUNTS, identity, [event], 1_000_000_000)
    text = json.dumps(report)
    assert report["engine"]["model_sha256"] == "ab" * 32
    assert report["events"] == [{"time": 2.5, "kind": "signal", "text": "no signal"}]
    assert report["machine"]["cores"] >= 1
    assert platform.node() not in text
    assert getpass.getuser() == "root" or getpass.getuser() not in text
