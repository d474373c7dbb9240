"""Small real sessions for the tests."""

import json
from pathlib import Path

import numpy as np

from orapp.chain import ChainWriter
from orapp.frames import Event, Frame, Gray, Outline, Segmentation, Signal, read_only
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, session_head
from tests.sources import SquareSource

RATE_HZ = 15
START_NS = 5_000_000_000
STEP_NS = 1_000_000_000 // RATE_HZ
SOURCE = {"kind": "square", "width": 160, "height": 120, "rate_hz": RATE_HZ, "description": "test"}
SQUARES = SquareSource(RATE_HZ, (160, 120), 40)


def frames(count: int, first: int = 0, step_ns: int = STEP_NS) -> list[Frame]:
    """Frames of the moving square, with all kinds of exposures, repeats and signals."""
    signals = (Signal.XRAY_ON, Signal.XRAY_ON, Signal.HOLD, Signal.FROZEN)
    return [
        Frame(
            index=number,
            pixels=SQUARES.picture(number),
            captured_ns=START_NS + number * step_ns,
            exposure=number // 2,
            repeat=number % 2 == 1,
            signal=signals[number % 4],
        )
        for number in range(first, first + count)
    ]


def sized(frame: Frame, size: tuple[int, int]) -> Frame:
    """The same frame with noise of another size (H, W)."""
    noise = np.random.default_rng(frame.index).integers(0, 256, size, dtype=np.uint8)
    return Frame(frame.index, read_only(noise), frame.captured_ns, frame.exposure)


def segmentation(frame: Frame, score: float = 0.75) -> Segmentation:
    points = np.array([[1.5, 2.25], [30.126, 4], [9, 40.5 + frame.index]], np.float32)
    empty: Gray = read_only(np.zeros((4, 4), np.uint8))
    ns = frame.captured_ns
    return Segmentation(
        frame_index=frame.index,
        exposure=frame.exposure,
        frame_size=(frame.pixels.shape[0], frame.pixels.shape[1]),
        probability=empty,
        outlines=(Outline(points, 321.25, 0.875),),
        score=score,
        view_supported=True,
        captured_ns=ns,
        started_ns=ns + 1,
        finished_ns=ns + 3,
        inferred_ns=1,
        engine="bright",
    )


def write_session(folder: Path, count: int = 12, why: str | None = "stopped by the user") -> Path:
    """A session of `count` frames with segmentations, an event, a marker and a gap at its end."""
    writer = SessionWriter(folder, session_head(SOURCE, case="case 7"))
    writer.event(Event(START_NS, "signal", "X-ray on"))
    for frame in frames(count):
        writer.frame(frame)
        if frame.index % 3 == 0:
            writer.segmentation(segmentation(frame))
            writer.presented(frame.index, frame.captured_ns + 7, "paired")
    writer.event(Event(START_NS + 1_500_000_000, "marker", "balloon is in"))
    writer.gap(count, count + 2, "the disk is too slow")
    if why is not None:
        writer.close(why)
    else:
        writer._film.close()
        writer._lines.close()
    return folder


def same(one: Frame, two: Frame) -> bool:
    """Whether two frames are equal, byte for byte."""
    facts = ("index", "captured_ns", "exposure", "repeat", "signal")
    return all(getattr(one, f) == getattr(two, f) for f in facts) and (
        one.pixels.shape == two.pixels.shape and one.pixels.tobytes() == two.pixels.tobytes()
    )


def read(folder):
    with SessionReader(folder) as reader:
        return list(reader.frames())


def verdict(folder):
    with SessionReader(folder) as reader:
        return reader.verify()


def all_same(got, wanted):
    return len(got) == len(wanted) and all(map(same, got, wanted))


def write_lines(folder, lines):
    """A session whose chain holds, with lines that no writer of ours would write."""
    folder.mkdir()
    data = json.dumps(session_head(SOURCE)).encode()
    (folder / "session.json").write_bytes(data)
    chain = ChainWriter(folder / "events.jsonl", data)
    for kind, fields in lines:
        chain.add(kind, 1, fields)
    chain.close()
    return folder


FRAME = {
    "index": 0,
    "exposure": 0,
    "repeat": False,
    "signal": "X-ray on",
    "captured_ns": 5,
    "segment": 0,
    "position": 0,
    "sha": "0" * 16,
}
