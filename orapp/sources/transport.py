"""Replay: a recording as a source that can be paused, stepped, hurried and wound."""

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from orapp.errors import OrappError
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.reel import Reel

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
KEPT_BYTES = 128 * 1024 * 1024
"""Of the pictures that were read last: one step back costs nothing."""
RUN_UP = 15
"""A step back reads so many pictures before it too, so that the steps after it cost nothing."""
FAR = 30
"""From so many pictures on, winding on is quicker than reading on."""
PLACES_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Standing:
    """How a replay stands.

    Attributes:
        playing: False while it is paused.
        speed: 1 is the pace at which it was recorded.
        place: of the picture that was given last; -1 before the first.
        heading: the place that was asked for, while its picture is still to come; else `place`.
        length: pictures that there are, as far as is known.
        at_end: the last one was given.
        fault: what is wrong with the rest of the recording; empty if nothing is.
    """

    playing: bool
    speed: float
    place: int
    heading: int
    length: int
    at_end: bool
    fault: str


class Transport:
    """A recording at the pace that somebody chooses. A source; the controls are for any thread.

    At the end it stays open on the last picture, paused.

    Args:
        reel: the recording, not yet opened.
        ends: at the end it is through, as any finite source; a damaged recording is an error.
    """

    def __init__(self, reel: Reel, *, ends: bool = False) -> None:
        self.uri = reel.uri
        self._cutter = _Cutter(reel)
        self._reel, self._ends = reel, ends
        self._changed = threading.Condition()
        self._playing, self._speed = True, 1.0
        self._wanted: int | None = None
        self._place, self._length = -1, 0
        self._fault = ""
        self._anchor: tuple[int, float] | None = None
        self._last_ms = 0.0
        self._given: OrderedDict[int, tuple[int, float]] = OrderedDict()
        self._count = 0

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        with self._changed:
            return Standing(
                playing=self._playing,
                speed=self._speed,
                place=self._place,
                heading=self._place if self._wanted is None else self._wanted,
                length=self._length,
                at_end=self._is_at_end(),
                fault=self._fault or self._damage(),
            )

    def _damage(self) -> str:
        count = len(self._cutter.missing)
        return f"{count} pictures are missing or damaged" if count else ""

    def spot_of(self, number: int) -> tuple[int, float] | None:
        """Place, and time in the recording in ms, of the grabber's frame of this number.

        That is the picture that was given as the number-th, from 0. None if it was not given, or
        too long ago.
        """
        with self._changed:
            return self._given.get(number)

    def play(self) -> None:
        """Goes on; at the end, from the start."""
        with self._changed:
            if self._is_at_end():
                self._wanted = 0
            self._playing, self._anchor = True, None
            self._changed.notify()

    def pause(self) -> None:
        """Stays on the picture."""
        with self._changed:
            self._playing = False
            self._changed.notify()

    def step(self, pictures: int) -> None:
        """Pauses, and goes so many pictures on, or back if it is negative."""
        with self._changed:
            self._playing = False
            self._want((self._place if self._wanted is None else self._wanted) + pictures)

    def seek(self, place: int) -> None:
        """Goes to a place; plays on from there if it was playing."""
        with self._changed:
            self._want(place)

    def set_speed(self, speed: float) -> None:
        """From now on, 0.25 to 4."""
        with self._changed:
            self._speed = min(max(speed, SPEEDS[0]), SPEEDS[-1])
            self._anchor = None
            self._changed.notify()

    def _want(self, place: int) -> None:
        place = max(min(place, self._length - 1), 0)
        self._wanted = None if place == self._place else place
        self._anchor = None
        self._changed.notify()

    def _is_at_end(self) -> bool:
        stays = self._wanted is None and not self._playing
        return stays and self._place >= self._length - 1

    def open(self) -> SourceFormat:
        """Opens the recording; raises OrappError if that is impossible."""
        form = self._reel.open()
        with self._changed:
            self._length = max(form.frames, 1)
        return form

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture when its time has come, or the one that somebody wants now.

        Raises:
            EndOfSource, OrappError: only if it `ends`.
        """
        until_ns = time.monotonic_ns() + timeout_ms * 1_000_000
        with self._changed:
            self._changed.wait_for(self._is_asked, timeout_ms / 1000)
            if not self._is_asked():
                return None
            wanted = self._wanted
            place = self._place + 1 if wanted is None else wanted
        try:
            found = self._cutter.at(place, until_ns, back=self._place - place)
        except (EndOfSource, OrappError) as end:
            self._end(end)
            return None
        if found is None:
            return None
        if wanted is None and not self._is_due(found[1], until_ns):
            return None
        return self._give(wanted, *found)

    def _is_asked(self) -> bool:
        return self._wanted is not None or self._playing

    def _is_due(self, picture: Picture, until_ns: int) -> bool:
        """Waits for the picture's time; False if it has not come, or something else is wanted."""
        with self._changed:
            if self._anchor is None:
                self._anchor = time.monotonic_ns(), self._last_ms
            anchor = self._anchor
            since_ns, since_ms = anchor
            due_ns = since_ns + int((picture.time_ms - since_ms) * 1e6 / self._speed)
            left_ns = min(due_ns, until_ns) - time.monotonic_ns()
            self._changed.wait_for(lambda: self._is_other(anchor), max(left_ns, 0) / 1e9)
            return not self._is_other(anchor) and time.monotonic_ns() >= due_ns

    def _is_other(self, anchor: tuple[int, float]) -> bool:
        return self._anchor is not anchor or not self._playing

    def _give(self, wanted: int | None, place: int, picture: Picture) -> Picture | None:
        """Hands it over, unless somebody has asked for another one meanwhile."""
        with self._changed:
            if wanted != self._wanted or (wanted is None and not self._playing):
                return None
            self._wanted, self._place, self._last_ms = None, place, picture.time_ms
            self._length = max(self._length, place + 1)
            self._given[self._count] = place, picture.time_ms
            self._count += 1
            if len(self._given) > PLACES_KEPT:
                self._given.popitem(last=False)
        return replace(picture, replayed=True)

    def _end(self, end: EndOfSource | OrappError) -> None:
        """There are no more than the pictures that were read."""
        with self._changed:
            if self._ends:
                self._playing = False
                raise end
            if isinstance(end, OrappError):
                self._fault = end.what
            self._length = max(self._cutter.last + 1, 1)
            if self._wanted is not None and self._cutter.last >= 0:
                self._wanted = min(self._wanted, self._cutter.last)
            else:
                self._playing, self._wanted = False, None

    def close(self) -> None:
        """Closes the recording."""
        self._cutter.close()
        self._reel.close()


class _Cutter:
    """Finds pictures by their place, forward and backward; for the grabber's thread only."""

    def __init__(self, reel: Reel) -> None:
        self._reel = reel
        self._pictures: Iterator[tuple[int, Picture]] | None = None
        self._kept: OrderedDict[int, Picture] = OrderedDict()
        self._bytes = self._first = 0
        self._nothing_from = sys.maxsize  # no picture is there or behind it
        self.last = -1
        """Place of the picture that was read last from the reel."""
        self.missing: set[int] = set()
        """Places without a picture, as far as they were read."""

    def at(self, place: int, until_ns: int, *, back: int) -> tuple[int, Picture] | None:
        """The picture at a place, or where that is missing the next one there is.

        Args:
            place: from 0.
            until_ns: None is returned if it was not reached until then; ask again.
            back: so far back it lies from the picture before; then, where it is missing, the one
                before it is meant.

        Raises:
            EndOfSource: there is no such place.
            OrappError: the recording is damaged on the way.
        """
        if place in self._kept:
            return place, self._kept[place]
        try:
            return self._find(place, until_ns, back)
        except (EndOfSource, OrappError):
            if not self.last < 0 < self._first:
                raise
            self._nothing_from = min(self._nothing_from, self._first)
            self._wind(0)  # it was wound to where nothing is: find what is the last
            return None

    def _find(self, place: int, until_ns: int, back: int) -> tuple[int, Picture] | None:
        far = self._reel.starts_anywhere and self.last + FAR < place < self._nothing_from
        if self._pictures is None or place <= self.last or far:
            self._wind(max(place - RUN_UP, 0) if 0 < back < RUN_UP else place)
        assert self._pictures is not None
        for found, picture in self._pictures:
            self._keep(found, picture)
            if found >= place:
                before = max((k for k in self._kept if k < place), default=found)
                wanted = before if back > 0 and found > place else found
                return wanted, self._kept[wanted]
            if time.monotonic_ns() > until_ns:
                return None
        self._pictures = None
        raise EndOfSource

    def _wind(self, first: int) -> None:
        self._kept.clear()
        self._bytes, self.last, self._first = 0, -1, first
        self._pictures = self._reel.pictures(first)

    def _keep(self, place: int, picture: Picture) -> None:
        self.missing.update(range(max(self.last + 1, self._first), place))
        self.last = place
        self._kept[place] = picture
        self._bytes += picture.nbytes
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.nbytes

    def close(self) -> None:
        """Lets the pictures go."""
        self._kept.clear()
        self._pictures, self._bytes, self.last = None, 0, -1
