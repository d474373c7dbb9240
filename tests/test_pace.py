"""Pacing: nothing early, nothing drifts, nothing waits longer than it may."""

import time

from orapp.sources.pace import Pace


def test_no_picture_is_let_through_before_its_time():
    pace = Pace(paced=True)
    pace.start()
    start = time.monotonic()
    for number in range(6):
        assert pace.wait_until(number * 20, 1000)
        assert time.monotonic() - start >= number * 0.020 - 0.001


def test_a_late_picture_is_let_through_at_once_and_moves_no_other():
    pace = Pace(paced=True)
    pace.start()
    start = time.monotonic()
    time.sleep(0.1)
    before = time.process_time()
    assert pace.wait_until(0, 1000)
    assert pace.wait_until(50, 1000)
    assert time.process_time() - before < 0.05
    assert pace.wait_until(200, 1000)
    assert 0.199 <= time.monotonic() - start < 1.0


def test_a_picture_that_is_due_later_than_the_timeout_comes_with_a_later_call():
    pace = Pace(paced=True)
    pace.start()
    start = time.monotonic()
    assert not pace.wait_until(300, 20)
    assert 0.019 <= time.monotonic() - start < 0.25
    assert pace.wait_until(300, 5000)
    assert time.monotonic() - start >= 0.299


def test_waiting_uses_no_processor_time():
    pace = Pace(paced=True)
    before = time.thread_time()
    pace.wait_until(200, 1000)
    assert time.thread_time() - before < 0.1


def test_the_first_wait_starts_the_clock():
    pace = Pace(paced=True)
    start = time.monotonic()
    assert pace.wait_until(60, 1000)
    assert time.monotonic() - start >= 0.059


def test_unpaced_lets_everything_through_at_once():
    pace = Pace(paced=False)
    start = time.monotonic()
    assert all(pace.wait_until(number * 1e6, 0) for number in range(1000))
    assert time.monotonic() - start < 1.0
