"""A session cut into runs that each fit one DICOM object, with their frames coded on disk."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedRandom
from tempfile import TemporaryFile

import numpy as np
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import JPEGLSLossless

from orapp.errors import OrappError
from orapp.frames import Frame, Gray
from orapp.orientation import Orientation
from orapp.session import SessionReader

MOST_FRAMES = 2_000
"""Per object: a FrameTimeVector holds 64 KiB of text."""
MOST_BYTES = 512 * 1024**2
"""Per object, uncompressed: an archive, and pydicom, takes it into memory."""
ITEM = struct.pack("<HH", 0xFFFE, 0xE000)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame of the session is: its index, its stamp (monotonic ns)."""

    index: int
    captured_ns: int


@dataclass(slots=True)
class Run:
    """Frames of one size and one orientation, coded into a file without a name.

    Attributes:
        size: (H, W) as the frames were captured.
        orientation: how all of them were turned.
        packed: True if coded as JPEG-LS; else they are as they are.
        spool: the coded frames; lives until `close`.
        places: of the frames, in their order.
    """

    size: tuple[int, int]
    orientation: Orientation
    packed: bool
    spool: BufferedRandom = field(default_factory=TemporaryFile)
    places: list[Place] = field(default_factory=list)

    @property
    def seen_size(self) -> tuple[int, int]:
        """(H, W) after turning."""
        return self.size if self.orientation.quarter_turns % 2 == 0 else self.size[::-1]

    @property
    def is_full(self) -> bool:
        """Whether no more frames fit one object."""
        many = len(self.places)
        return many >= MOST_FRAMES or (many + 1) * self.size[0] * self.size[1] > MOST_BYTES

    def times_ms(self) -> list[float]:
        """Times of the frames from the first, whole microseconds; none before the one before."""
        first = self.places[0].captured_ns
        times = np.array([round((place.captured_ns - first) / 1000) for place in self.places])
        return [float(us) / 1000 for us in np.maximum.accumulate(times)]

    def add(self, frame: Frame, pixels: Gray) -> None:
        """Codes one frame as it is to be seen."""
        if not self.packed:
            self.spool.write(pixels.tobytes())
        else:
            if not self.places:
                self.spool.write(ITEM + struct.pack("<L", 0))  # an empty table of offsets
            coded = _jpeg_ls(pixels)
            self.spool.write(ITEM + struct.pack("<L", len(coded)) + coded)
        self.places.append(Place(frame.index, frame.captured_ns))

    def finish(self) -> BufferedRandom:
        """The coded frames from their start, of even length, as DICOM wants them."""
        if self.spool.tell() % 2:
            self.spool.write(b"\0")
        self.spool.seek(0)
        return self.spool

    def close(self) -> None:
        """Lets the coded frames go."""
        self.spool.close()


def runs_of(
    session: SessionReader, clean: Callable[[Gray], Gray], *, packed: bool
) -> Iterator[Run]:
    """Every frame of a session, in runs; a new one where size or orientation changes.

    Args:
        session: to export.
        clean: blanks what must not leave, on a frame as it was captured.
        packed: JPEG-LS, else uncompressed.

    Raises:
        OrappError: the session names an orientation that is none.
    """
    turns, run = Turns(session.events), None
    try:
        for frame in session.frames():
            size = frame.pixels.shape[0], frame.pixels.shape[1]
            turned = turns.at(frame.captured_ns)
            if run is not None and (run.is_full or (run.size, run.orientation) != (size, turned)):
                yield run
                run.close()
                run = None
            run = run or Run(size, turned, packed)
            run.add(frame, turned.apply(clean(frame.pixels)))
        if run is not None:
            yield run
    finally:
        if run is not None:
            run.close()


class Turns:
    """How the picture was turned at each time, from a session's events."""

    def __init__(self, events: Sequence[dict[str, object]]) -> None:
        turned = [
            (int(str(event["t"])), _orientation(event.get("text")))
            for event in events
            if event.get("kind") == "event" and event.get("event_kind") == "orientation"
        ]
        self._turned = sorted(turned, key=lambda each: each[0])

    def at(self, time_ns: int) -> Orientation:
        """The orientation in force; as sent before the first word."""
        in_force = Orientation()
        for since_ns, orientation in self._turned:
            if since_ns > time_ns:
                break
            in_force = orientation
        return in_force


def _orientation(text: object) -> Orientation:
    try:
        return Orientation.from_text(str(text))
    except ValueError:
        raise OrappError(
            "the session names an orientation that orapp doesn't know",
            "export it with the orapp that recorded it",
        ) from None


def _jpeg_ls(pixels: Gray) -> bytes:
    """One (H, W) frame, lossless, padded to an even length."""
    coded = get_encoder(JPEGLSLossless).encode(
        pixels,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        number_of_frames=1,
        samples_per_pixel=1,
        bits_allocated=8,
        bits_stored=8,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )
    return bytes(coded) + b"\0" * (len(coded) % 2)
