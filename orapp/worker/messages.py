"""What parent and child say to each other through the pipe. Small, so that no write is cut."""

import pickle
import struct
from dataclasses import dataclass

from orapp.engines import EngineIdentity
from orapp.frames import Signal

_JOB = struct.Struct("=qqqqq?B")
_DONE = struct.Struct("=cqqq")
_SIGNALS = tuple(Signal)


@dataclass(frozen=True, slots=True)
class Job:
    """Parent to child: segment the frame that lies in shared memory.

    Attributes:
        block: name of the shared memory that holds the pixels, (H, W) uint8 from its start.
        size: (H, W).
        index, captured_ns, exposure, repeat, signal: the frame's own.
    """

    block: str
    size: tuple[int, int]
    index: int
    captured_ns: int
    exposure: int
    repeat: bool
    signal: Signal

    def packed(self) -> bytes:
        """For the pipe; a frame's way is short, pickling classes takes a part of it."""
        numbers = (*self.size, self.index, self.captured_ns, self.exposure)
        signal = _SIGNALS.index(self.signal)
        return _JOB.pack(*numbers, self.repeat, signal) + self.block.encode()

    @classmethod
    def unpacked(cls, data: bytes) -> "Job":
        """The same again."""
        height, width, index, captured_ns, exposure, repeat, signal = _JOB.unpack_from(data)
        block = data[_JOB.size :].decode()
        size = (height, width)
        return cls(block, size, index, captured_ns, exposure, repeat, _SIGNALS[signal])


@dataclass(frozen=True, slots=True)
class Ready:
    """Child to parent: the engine is loaded and warm."""

    generation: int
    identity: EngineIdentity


@dataclass(frozen=True, slots=True)
class Done:
    """Child to parent: the segmentation is ready.

    Attributes:
        generation: number of the child that answers.
        frame_index: of the frame that was segmented.
        length: bytes of the pickled Segmentation on the desk; 0 if it follows in the pipe,
            because the desk is too small for it.
    """

    generation: int
    frame_index: int
    length: int

    def packed(self) -> bytes:
        """For the pipe."""
        return _DONE.pack(b"d", self.generation, self.frame_index, self.length)


@dataclass(frozen=True, slots=True)
class Failed:
    """Child to parent, its last word: why it stops.

    Attributes:
        generation: number of the child that answers.
        reason: one sentence for the screen.
        loading: True if the engine never came up, so that a quick new try is pointless.
    """

    generation: int
    reason: str
    loading: bool


def packed(message: Ready | Failed) -> bytes:
    """For the pipe; these two are rare."""
    return b"p" + pickle.dumps(message)


def read_message(data: bytes) -> Ready | Done | Failed:
    """What the child has said."""
    if data[:1] == b"d":
        return Done(*_DONE.unpack(data)[1:])
    message: Ready | Failed = pickle.loads(data[1:])
    return message
