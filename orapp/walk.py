"""walk: every frame of a source through a segmenter, one thread, deterministic."""

import time
from collections.abc import Generator
from contextlib import closing

from orapp.frames import Frame, Segmentation
from orapp.segment import Segmenter
from orapp.sources import EndOfSource, Source

READ_TIMEOUT_MS = 1000


def walk(source: Source, segmenter: Segmenter) -> Generator[tuple[Frame, Segmentation], None, None]:
    """Opens the source and yields each frame with its segmentation until the source ends.

    Every frame counts as an exposure of its own. Nothing is dropped; the source is closed when
    the iterator is.

    Raises:
        OrappError: the source can't be opened or read.
    """
    with closing(frames_of(source)) as frames:
        for frame in frames:
            yield frame, segmenter.segment(frame)


def frames_of(source: Source) -> Generator[Frame, None, None]:
    """The frames that `walk` walks, without an engine."""
    source.open()
    try:
        index = 0
        while True:
            try:
                picture = source.read(READ_TIMEOUT_MS)
            except EndOfSource:
                return
            if picture is None:
                continue
            yield Frame(index, picture.pixels, time.monotonic_ns(), exposure=index)
            index += 1
    finally:
        source.close()
