"""One film of a session: FFV1 in Matroska, whole after every frame, readable up to a cut."""

import hashlib
import io
import os
import stat
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from orapp.frames import Gray, read_only

MAX_SIDE = 4096
CODEC = {"level": "3", "slicecrc": "1", "coder": "rice"}
"""Rice: half the time of the range coder, and no larger on noise."""
UNREADABLE = (av.FFmpegError, OSError, ValueError, MemoryError)
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = b"\x1f\x43\xb6\x75", b"\xe7\x88", b"\xa3"
_LONGEST_HEAD = 4096
MOST_SKIPPED = 100_000
"""Clusters, on the way to a place; a film of a minute has 3,600 at 60 frames/s."""
_TRACK_1_KEY_FRAME = b"\x81\x00\x00\x80"


class FilmWriter:
    """Writes frames of one size to a new file, each as a Matroska cluster of its own.

    FFmpeg encodes, and writes the file's head. The clusters are written here: FFmpeg's muxer
    keeps a frame back until the next one comes, and a frame that waits is lost in a power cut.

    Args:
        path: of the file, which must not exist.
        size: (H, W), 1 to 4096 each.

    Raises:
        OSError: of any method: the file can't be written.
        ValueError: FFV1 takes no frame of this size.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        unfit = ValueError(f"a frame of {size[1]}x{size[0]} can't be recorded")
        if not all(1 <= side <= MAX_SIDE for side in size):
            raise unfit
        self.size = size
        self.frames = 0
        head = io.BytesIO()
        self._container = av.open(head, "w", format="matroska", options={"live": "1"})
        slices = {"slices": "1" if min(size) == 1 else "4"}
        self._stream = self._container.add_stream("ffv1", rate=1000, options=CODEC | slices)
        self._stream.width, self._stream.height = size[1], size[0]
        self._stream.pix_fmt = "gray"
        self._stream.codec_context.gop_size = 1
        self._stream.codec_context.thread_count = 1
        try:
            self._container.start_encoding()
        except (av.FFmpegError, OSError):
            raise unfit from None
        self._sha = hashlib.sha256()
        try:
            self._file = AppendedFile(path)
        except OSError:
            self._container.close()
            raise
        try:
            self._append(head.getvalue())
        except OSError:
            self.close()
            raise

    def add(self, pixels: Gray, time_ms: int) -> None:
        """Adds a frame, (H, W) uint8, at its time from the film's start in ms."""
        frame = av.VideoFrame.from_ndarray(pixels, "gray")
        frame.pts = self.frames
        self.frames += 1
        (packet,) = self._stream.encode(frame)
        self._append(_cluster(bytes(packet), time_ms))

    def _append(self, piece: bytes) -> None:
        self._file.append(piece)
        self._sha.update(piece)

    @property
    def sha256(self) -> str:
        """Of the file so far, 64 hex digits."""
        return self._sha.hexdigest()

    def sync(self) -> None:
        """Has what was added on the disk; any thread may call it."""
        self._file.sync()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        with suppress(av.FFmpegError, ValueError):
            self._container.close()
        self._file.close()


def _cluster(block: bytes, time_ms: int) -> bytes:
    """A Matroska cluster that holds one key frame and states its own length."""
    content = _TIMESTAMP + time_ms.to_bytes(8, "big")
    content += _SIMPLE_BLOCK + _length(len(block) + 4) + _TRACK_1_KEY_FRAME + block
    return _CLUSTER + _length(len(content)) + content


def _length(count: int) -> bytes:
    """EBML's number in eight bytes."""
    return (count | 1 << 56).to_bytes(8, "big")


class AppendedFile:
    """A new file that only grows, by whole pieces: what can't be written whole is taken back.

    Args:
        path: of the file, which must not exist.

    Raises:
        OSError: of any method.
    """

    def __init__(self, path: Path) -> None:
        binary = getattr(os, "O_BINARY", 0)  # Windows would write two bytes for a line's end
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | binary
        self._fd = os.open(path, new, 0o644)
        self._length = 0
        self._lock = threading.Lock()

    def append(self, piece: bytes) -> None:
        """Appends all of it, or, if that fails, nothing."""
        try:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self._length)
            raise
        self._length += len(piece)

    def sync(self) -> None:
        """Has everything on the disk; any thread may call it, and others may append meanwhile."""
        with self._lock:
            if self._fd < 0:
                return
            fd = os.dup(self._fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Closes the file; may be called twice."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def sync_folder(path: Path) -> None:
    """Has the folder's entries on the disk, where the system knows how."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def is_plain_file(path: Path) -> bool:
    """Whether it is there and no link, pipe or device: opening it can't block."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def read_film(path: Path, from_ms: int = 0) -> Generator[tuple[int, Gray | None], None, None]:
    """Every frame up to where the file is cut: its time in ms, and (H, W) uint8.

    None in place of a picture that is damaged. Ends where nothing more can be read; of a file
    that is no such film nothing comes. What lies before `from_ms` is not decoded.
    """
    with closing(skim_film(path, from_ms)) as film:
        for time_ms, picture in film:
            if time_ms >= from_ms:
                yield time_ms, picture()


def skim_film(
    path: Path, from_ms: int = 0
) -> Generator[tuple[int, Callable[[], Gray | None]], None, None]:
    """Each frame's time in ms, and what decodes its picture: to be called before the next comes.

    Begins near `from_ms`, where the film can be jumped through; some frames may lie before it.
    """
    with suppress(*UNREADABLE), _opened(path, from_ms) as container:
        stream = _stream(container)
        if stream is not None:
            for packet in _packets(container, stream):
                yield _time_ms(packet), partial(_decode, packet)


def film_times(path: Path) -> list[int]:
    """The times of the whole frames in ms, without decoding them."""
    return [time_ms for time_ms, _ in skim_film(path)]


@contextmanager
def _opened(path: Path, from_ms: int = 0) -> Iterator[InputContainer]:
    if not is_plain_file(path):
        raise FileNotFoundError
    allowed = {"protocol_whitelist": "file", "format_whitelist": "matroska,webm"}
    with path.open("rb") as file:
        place = f"file:{path}" if from_ms <= 0 else _Shortened(file, from_ms)
        with av.open(
            place, "r", format="matroska", options=allowed, metadata_errors="ignore"
        ) as container:
            yield container


class _Shortened:
    """A film without the clusters that lie before a time, as FFmpeg reads it: to jump quickly.

    FFmpeg itself would read every byte on the way: the film has no index, since it must be whole
    after every frame. Where a cluster is not as `FilmWriter` writes them, the rest is left as it
    is.

    Args:
        file: of the film, open, at its start.
        from_ms: the time in ms.
    """

    def __init__(self, file: BinaryIO, from_ms: int) -> None:
        self._file = file
        start = file.read(_LONGEST_HEAD)
        head = max(start.find(_CLUSTER + b"\x01"), 0)
        self._head = start[:head]
        file.seek(self._find(head, from_ms))

    def _find(self, at: int, from_ms: int) -> int:
        """Where the first cluster of that time or later begins, going from length to length."""
        before = at
        for _ in range(MOST_SKIPPED):
            self._file.seek(at)
            begin = self._file.read(22)  # id, length in eight bytes, time's id and eight bytes
            if begin[:5] != _CLUSTER + b"\x01" or begin[12:14] != _TIMESTAMP:
                return before  # whose length may be wrong: FFmpeg shall look
            if int.from_bytes(begin[14:], "big") >= from_ms:
                return at
            before, at = at, at + 12 + int.from_bytes(begin[5:12], "big")
        return before

    def read(self, size: int) -> bytes:
        """The next bytes, of the head first."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._file.read(size)


def _stream(container: InputContainer) -> VideoStream | None:
    """The film's one stream, if it is of the kind that `FilmWriter` writes."""
    if len(container.streams) != 1 or not container.streams.video:
        return None
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.name != "ffv1" or max(context.width, context.height) > MAX_SIDE:
        return None
    context.options = {"max_pixels": str(MAX_SIDE * MAX_SIDE), "err_detect": "crccheck+explode"}
    return stream


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None and not packet.is_corrupt:
            yield packet


def _time_ms(packet: "Packet[VideoStream]") -> int:
    assert packet.pts is not None
    assert packet.time_base is not None
    return round(packet.pts * packet.time_base * 1000)


def _decode(packet: "Packet[VideoStream]") -> Gray | None:
    """The packet's picture; None if it is not one whole grey picture."""
    try:
        frames = packet.decode()
    except UNREADABLE:
        return None
    if len(frames) != 1:
        return None
    (frame,) = frames
    if not isinstance(frame, av.VideoFrame) or frame.is_corrupt or frame.format.name != "gray":
        return None
    if max(frame.width, frame.height) > MAX_SIDE:
        return None
    return read_only(np.asarray(frame.to_ndarray(), np.uint8))
