"""A session read back: all that its chain and the pictures' hashes vouch for, and what it is worth.

`session_writer` says what the folder holds.
"""

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import numpy as np

from orapp.chain import ChainReader, Line
from orapp.film import film_times
from orapp.frames import Frame, Gray, Segmentation
from orapp.picture import Picture
from orapp.session_lines import (
    EndLine,
    FilmLine,
    FrameRow,
    GapLine,
    LineCheck,
    SegmentationLine,
    film_name,
    matched,
    read_head,
    sha_of,
    timed,
)
from orapp.session_verdict import Contents, Verdict, judge, may_be_cut
from orapp.site import SiteMap
from orapp.text_cover import Box

__all__ = ["SessionReader", "Verdict"]


class SessionReader:
    """Reads a session, also one that was cut off, or that is still being written.

    Opening reads the head only. Only what the chain and the pictures' hashes vouch for is given.
    Frames are given as they were seen: calibrated, where a site profile did it.

    Args:
        folder: of the session.

    Attributes:
        head: what session.json says.
        site: what calibrates its frames; None if they were seen as they are.

    Raises:
        OrappError: there is no session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._seed = read_head(self._folder)
        self.head: dict[str, Any] = json.loads(self._seed)
        picture = self.head.get("picture")
        self.site = None if picture is None else SiteMap(Picture.model_validate(picture))

    @property
    def text(self) -> tuple[Box, ...]:
        """Boxes (x, y, width, height) of the text that is burned into its frames, as calibrated."""
        return () if self.site is None else tuple(self.site.boxes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between two calls; for the symmetry of it."""

    def _chain(self) -> ChainReader:
        return ChainReader(self._folder / "events.jsonl", self._seed, LineCheck())

    def lines(self) -> Iterator[Line]:
        """All verified lines in order, streaming; as dicts, without their chain."""
        yield from self._chain()

    @cached_property
    def events(self) -> list[Line]:
        """All verified lines in order. Of an hour this is large: `lines` streams."""
        return list(self.lines())

    @cached_property
    def _contents(self) -> Contents:
        found, chain = Contents(), self._chain()
        for line in chain:
            kind = line["kind"]
            found.kinds[kind] = found.kinds.get(kind, 0) + 1
            if kind == "frame":
                found.frames.append(FrameRow.of(line))
            elif kind == "gap":
                found.gaps.append(GapLine.model_validate(line))
            elif kind == "film":
                found.films[line["segment"]] = FilmLine.model_validate(line)
            elif kind == "event":
                events = found.event_kinds
                events[line["event_kind"]] = events.get(line["event_kind"], 0) + 1
            elif kind == "engine":
                found.engine = line["engine"]
            found.end = EndLine.model_validate(line) if kind == "end" else None
        found.broken, found.cut = chain.broken, chain.cut
        return found

    @property
    def event_kinds(self) -> dict[str, int]:
        """How many events there are of each kind."""
        return dict(self._contents.event_kinds)

    @property
    def damage(self) -> str:
        """Where and why the chain does not hold; empty if it does, or was only cut off."""
        return self._contents.broken

    @property
    def complete(self) -> bool:
        """Whether it was closed, and not because its source or its disk broke."""
        end = self._contents.end
        return end is not None and end.complete

    @property
    def gaps(self) -> list[tuple[int, int, str]]:
        """Frames that were not recorded: first and last index, why."""
        return [(gap.first, gap.last, gap.why) for gap in self._contents.gaps]

    @property
    def films(self) -> dict[int, FilmLine]:
        """What is said of the films that have ended, by their segment."""
        return dict(self._contents.films)

    @property
    def kinds(self) -> dict[str, int]:
        """How many verified lines there are of each kind."""
        return dict(self._contents.kinds)

    @property
    def engine(self) -> dict[str, Any] | None:
        """What computed, by the head or by a later line; None if it never came up."""
        return self.head["engine"] or self._contents.engine

    @property
    def rate_hz(self) -> float:
        """Frames per second, as the source stated it, or else as they came; 0 if unknown."""
        stated = self.head["source"]["rate_hz"]
        if stated and 0 < stated <= 1000:
            return float(stated)
        stamps = np.array([frame.captured_ns for frame in self._contents.frames], np.int64)
        apart_ns = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
        return 1e9 / apart_ns if apart_ns > 0 else 0.0

    @cached_property
    def frame_count(self) -> int:
        """Frames that must be there: the lines, less those whose pictures a mere cut cost."""
        found, at_end = self._contents, self._unpictured
        return len(found.frames) - (len(at_end) if may_be_cut(found.end, at_end) else 0)

    @property
    def lost_at_end(self) -> int:
        """How many of the last frames have no picture although no mere cut explains it."""
        return self.frame_count - len(self._contents.frames) + len(self._unpictured)

    @cached_property
    def _unpictured(self) -> list[FrameRow]:
        """The last frames for which the films hold no picture, newest first."""
        films = groupby(reversed(self._contents.frames), key=lambda row: row.segment)
        bare: list[FrameRow] = []
        for segment, rows in films:
            times = set(film_times(self._folder / film_name(segment)))
            for row, time_ms in reversed(list(timed(list(rows)[::-1]))):
                if time_ms in times:
                    return bare
                bare.append(row)
        return bare

    @property
    def rows(self) -> list[FrameRow]:
        """What the lines say of every frame, in order; not all of the pictures may be whole."""
        return list(self._contents.frames)

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Every whole frame as it was seen, in order, streaming: byte for byte.

        Args:
            first: number of the row in `rows` to begin with; what lies before is not decoded.
        """
        for line, pixels in self._pictures(first):
            if (frame := self._seen(line, pixels)) is not None:
                yield frame

    def frame_of(self, row: FrameRow, pixels: Gray | None) -> Frame | None:
        """The frame of a row with the picture read for it; None if that is not the one recorded."""
        whole = pixels is not None and sha_of(pixels) == row.sha
        return self._seen(row, pixels) if whole else None

    def _seen(self, row: FrameRow, pixels: Gray | None) -> Frame | None:
        """A row's frame as it was seen."""
        if pixels is None:
            return None
        if self.site is None:
            return row.frame(pixels)
        return row.frame(self.site.apply(pixels), pixels) if self.site.fits(pixels.shape) else None

    def _pictures(self, first: int = 0) -> Iterator[tuple[FrameRow, Gray | None]]:
        """Every frame's line with its picture; None if that is missing or not the one recorded."""
        for segment, rows in groupby(self._contents.frames, key=lambda line: line.segment):
            lines = list(rows)
            if len(lines) > first:
                yield from matched(lines, self._folder / film_name(segment), first)
            first = max(first - len(lines), 0)

    def segmentations(self) -> dict[int, Segmentation]:
        """What the engine saw, by the index of the frame; without the probability map."""
        return {
            line["frame_index"]: SegmentationLine.model_validate(line).segmentation()
            for line in self.lines()
            if line["kind"] == "segmentation"
        }

    def verify(self, progress: Callable[[], None] | None = None) -> Verdict:
        """Reads every picture and says what the session is worth.

        Args:
            progress: called after each frame.
        """
        found, missing = self._contents, []
        for line, pixels in self._pictures():
            if pixels is None:
                missing.append(line)
            if progress is not None:
                progress()
        return judge(found, missing)
