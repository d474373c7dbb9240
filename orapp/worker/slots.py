"""Shared memory between parent and child. The parent owns every block and always removes it."""

import os
import secrets
import struct
import sys
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np

from orapp.frames import Gray, read_only

PREFIX = "orapp-"
"""Every block's name begins so."""

_DESK_BYTES = 1 << 20
_REPLY_AT = 64  # the heartbeat has a cache line of its own


def create_block(size: int) -> SharedMemory:
    """A new block of at least `size` bytes that is certain to be there.

    Raises:
        OSError: there isn't that much shared memory. Without asking now, the first write
            beyond it would kill the process by SIGBUS, and the video with it.
    """
    name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    block = SharedMemory(name, create=True, size=size)
    try:
        _reserve(name, size)
    except OSError:
        release(block)
        raise
    return block


def sweep() -> None:
    """Removes what programs that were killed have left: blocks whose process is gone."""
    for path in Path("/dev/shm").glob(f"{PREFIX}*-*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            with suppress(OSError):
                path.unlink()


def _reserve(name: str, size: int) -> None:
    path = Path("/dev/shm", name)
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def attach_block(name: str) -> SharedMemory:
    """Opens the parent's block in the child; the parent alone answers for its removal."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    # Parent and child share one tracker: a second entry for the block could outlive the first.
    register, resource_tracker.register = resource_tracker.register, lambda *_: None
    try:
        return SharedMemory(name)
    finally:
        resource_tracker.register = register


def release(block: SharedMemory) -> None:
    """Closes and removes the parent's block."""
    block.close()
    block.unlink()


class FrameSlot:
    """The parent's place for the one frame that is being segmented; grows with the frames."""

    def __init__(self) -> None:
        self._block: SharedMemory | None = None

    def write(self, pixels: Gray) -> str:
        """Copies the pixels in, and returns the name of the block that they lie in."""
        if self._block is None or self._block.size < pixels.nbytes:
            self.close()
            self._block = create_block(pixels.nbytes)
        assert self._block.buf is not None
        # np.copyto would let go of the interpreter lock, and may wait for it afterwards.
        self._block.buf[: pixels.nbytes] = pixels.reshape(-1).data
        return self._block.name

    def close(self) -> None:
        """Removes the block; a child that still has it open keeps its own view."""
        if self._block is not None:
            release(self._block)
            self._block = None


class FrameReader:
    """The child's view of the parent's slot."""

    def __init__(self) -> None:
        self._block: SharedMemory | None = None

    def pixels(self, name: str, size: tuple[int, int]) -> Gray:
        """(H, W) uint8 view, read-only; valid until the child has answered."""
        if self._block is None or self._block.name != name:
            if self._block is not None:
                self._block.close()
            self._block = attach_block(name)
        return read_only(np.ndarray(size, np.uint8, self._block.buf))


class Desk:
    """Where the child leaves its heartbeat and its answers."""

    def __init__(self, block: SharedMemory) -> None:
        assert block.buf is not None
        self._block, self._memory = block, block.buf
        self.name = block.name

    @classmethod
    def create(cls) -> "Desk":
        """The parent's; it must `release` it."""
        return cls(create_block(_DESK_BYTES))

    @classmethod
    def attach(cls, name: str) -> "Desk":
        """The child's."""
        return cls(attach_block(name))

    @property
    def beat_ns(self) -> int:
        """Monotonic time of the child's last sign of life."""
        return int(struct.unpack_from("q", self._memory, 0)[0])

    @beat_ns.setter
    def beat_ns(self, now_ns: int) -> None:
        struct.pack_into("q", self._memory, 0, now_ns)

    def leave(self, reply: bytes) -> bool:
        """Puts the answer down; False if the desk is too small for it."""
        if _REPLY_AT + len(reply) > self._block.size:
            return False
        self._memory[_REPLY_AT : _REPLY_AT + len(reply)] = reply
        return True

    def collect(self, length: int) -> bytes:
        """The answer that the child left."""
        return bytes(self._memory[_REPLY_AT : _REPLY_AT + length])

    def release(self) -> None:
        """Removes the block (parent only)."""
        release(self._block)
