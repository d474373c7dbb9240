"""What parent and child say to each other through the pipe. Small, so that no write is cut."""

from dataclasses import dataclass

from orapp.engines import EngineIdentity
from orapp.frames import Signal


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
