"""A source watched for some seconds: what it said, and some of its frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.analyse import Watch
from orapp.calibrate.findings import Findings
from orapp.errors import OrappError
from orapp.frames import Gray
from orapp.sources import EndOfSource, Source

READ_MS = 200
SILENT_S = 5.0
"""A source that gives nothing for so long is given up."""
SAMPLE_EVERY_S, SAMPLES = 0.25, 48


@dataclass(frozen=True, slots=True)
class Clip:
    """What a clip showed.

    Attributes:
        findings: what it said about the device.
        samples: some of its raw frames, (H, W) uint8, a quarter of a second apart.
    """

    findings: Findings
    samples: tuple[Gray, ...]


def frames_of(source: Source, seconds: float) -> Iterator[tuple[Gray, float]]:
    """Raw frames with their time in s, until the source ends or the seconds are over.

    Raises:
        OrappError: it can't be opened, is lost, or falls silent.
    """
    source.open()
    first_ms, silent = -1.0, 0
    try:
        while True:
            picture = source.read(READ_MS)
            if picture is None:
                silent += READ_MS
                if silent > SILENT_S * 1000:
                    raise OrappError(
                        f"no picture came for {SILENT_S:g} s", "check the cable and the grabber"
                    )
                continue
            silent = 0
            first_ms = picture.time_ms if first_ms < 0 else first_ms
            if picture.time_ms - first_ms > seconds * 1000:
                return
            raw = picture.pixels if picture.raw is None else picture.raw
            yield raw, picture.time_ms / 1000
    except EndOfSource:
        return
    finally:
        source.close()


def watch_clip(
    source: Source, seconds: float, tell: Callable[[int, float], None] = lambda _n, _t: None
) -> Clip:
    """Watches a source to its end, or for so many seconds.

    Args:
        source: not yet opened.
        seconds: of the source's own time.
        tell: is called with the frames so far, and the time of the newest in s.

    Raises:
        OrappError: the source fails; or it says too little (`TooLittle`).
    """
    samples: list[Gray] = []
    watch, sampled_s = Watch(), -1e9
    for count, (raw, time_s) in enumerate(frames_of(source, seconds)):
        if samples and samples[0].shape != raw.shape:
            samples, sampled_s = [], -1e9
        watch.see(raw, time_s)
        if time_s - sampled_s >= SAMPLE_EVERY_S and len(samples) < SAMPLES:
            samples.append(raw)
            sampled_s = time_s
        tell(count + 1, time_s)
    try:
        return Clip(watch.findings(), tuple(samples))
    except OrappError as error:
        raise TooLittle(error.what, error.do) from None


class TooLittle(OrappError):
    """The clip is sound, but shows too little to calibrate by."""


def mean_of(pictures: Iterator[Gray], most: int = 30) -> NDArray[np.float32]:
    """(H, W) float32, the mean of the first pictures, so that noise counts less.

    Raises:
        OrappError: there is none.
    """
    total: NDArray[np.float64] | None = None
    count = 0
    for pixels in pictures:
        if total is None or total.shape != pixels.shape:
            total, count = np.zeros(pixels.shape), 0
        total += pixels
        count += 1
        if count == most:
            break
    if total is None:
        raise OrappError("there is no picture to measure in", "show the object and press the pedal")
    return (total / count).astype(np.float32)
