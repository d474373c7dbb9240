"""The one-slot mailbox: newest wins, the writer never waits, what is lost is counted."""

import threading
import time

from orapp.latest import Latest


def test_the_newest_wins_and_the_others_are_counted():
    box: Latest[int] = Latest()
    assert box.take() is None
    for number in range(5):
        box.put(number)
    assert box.waiting
    assert box.take() == 4
    assert box.dropped == 4
    assert box.take() is None
    assert not box.waiting


def test_take_waits_no_longer_than_it_may():
    box: Latest[int] = Latest()
    start = time.monotonic()
    assert box.take(0.1) is None
    assert 0.09 <= time.monotonic() - start < 2


def test_take_wakes_when_something_is_put():
    box: Latest[str] = Latest()
    got: list[str | None] = []
    reader = threading.Thread(target=lambda: got.append(box.take(30)))
    start = time.monotonic()
    reader.start()
    time.sleep(0.1)
    box.put("news")
    reader.join(10)
    assert got == ["news"]
    assert time.monotonic() - start < 10


def test_on_put_is_called_by_the_putting_thread_after_the_item_is_there():
    seen: list[tuple[bool, str]] = []
    box: Latest[int] = Latest(lambda: seen.append((box.waiting, threading.current_thread().name)))
    writer = threading.Thread(target=lambda: box.put(1), name="writer")
    writer.start()
    writer.join(10)
    assert seen == [(True, "writer")]


def test_on_put_may_take_the_item():
    taken: list[int | None] = []
    box: Latest[int] = Latest(lambda: taken.append(box.take()))
    box.put(7)
    assert taken == [7]


def test_two_hammering_threads_lose_nothing_uncounted_and_never_go_back():
    box: Latest[int] = Latest()
    many, taken = 20_000, []

    def write() -> None:
        for number in range(many):
            box.put(number)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        item = box.take(0.01)
        if item is not None:
            taken.append(item)
    writer.join()
    last = box.take()
    taken += [] if last is None else [last]
    assert taken == sorted(set(taken))
    assert taken[-1] == many - 1
    assert len(taken) + box.dropped == many


def test_a_put_never_waits_for_a_reader_that_is_slow():
    box: Latest[int] = Latest()
    stop = threading.Event()

    def read_slowly() -> None:
        while not stop.is_set():
            box.take(0.05)
            time.sleep(0.05)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    longest = 0.0
    for number in range(2000):
        start = time.monotonic()
        box.put(number)
        longest = max(longest, time.monotonic() - start)
    stop.set()
    reader.join()
    assert longest < 1.0
