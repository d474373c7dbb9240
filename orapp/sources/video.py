"""Video files: anything FFmpeg reads, as grey pictures at their own times."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from orapp.errors import OrappError
from orapp.frames import Gray, read_only
from orapp.sources import EndOfSource, Fact, Picture, SourceFormat
from orapp.sources.pace import Pace

MAX_SIDE = 4096
MAX_GAP_MS = 60_000.0
"""A longer gap between two frames, or one backwards, is a broken time stamp."""
DEFAULT_RATE_HZ = 25.0
MISSING_FRAMES = 0.5
"""So many frames short of the length that the file states, it is cut off."""
LOSSLESS = ("ffv1", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "png", "lagarith")
OPTIONS = {"protocol_whitelist": "file"}
"""A playlist or an image of another kind must not make FFmpeg reach into the network."""


class VideoSource:
    """A video file as a finite source.

    Pictures are the luma of each frame, (H, W) uint8. Limited-range video (16-235, the default of
    most codecs) is stretched to 0-255 once, as its stream declares; full-range video and grey
    formats are taken as they are. Rotation that a container asks for is not applied.

    Args:
        path: of the file.
        paced: False delivers as fast as the file is decoded.
    """

    def __init__(self, path: str, paced: bool = True) -> None:
        self.uri = f"file:{path}"
        self._path, self._paced = Path(path), paced
        self._container: InputContainer | None = None
        self._pictures: Iterator[Picture] = iter(())
        self._next: Picture | None = None
        self._pace = Pace(paced)

    def open(self) -> SourceFormat:
        """Opens the file and decodes its first frame.

        Raises:
            OrappError: there is no such file, it is no video, it is larger than 4096x4096, or not
                even its first frame is whole.
        """
        self.close()
        self._container = container = open_container(self._path)
        stream = _video_stream(container, self._path)
        self._pictures = _decode(container, stream, self._path)
        self._next = next(self._pictures, None)
        if self._next is None:
            raise _no_frame(self._path)
        self._pace = Pace(self._paced)
        height, width = self._next.pixels.shape
        rate_hz = _rate_hz(stream)
        about = f"video file, {stream.codec_context.name}, {width}x{height}, {rate_hz:g} frames/s"
        seconds = _stated_end_ms(container, stream) / 1000
        frames = stream.frames or round(seconds * rate_hz)
        lossless = stream.codec_context.name in LOSSLESS
        facts: dict[str, Fact] = {} if lossless else {"LossyImageCompression": "01"}
        return SourceFormat(width, height, rate_hz, about, finite=True, facts=facts, frames=frames)

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture at its time.

        Raises:
            EndOfSource: after the last one.
            OrappError: the file is cut off or damaged here; what came before was right.
        """
        if self._next is None:
            self._next = next(self._pictures, None)
            if self._next is None:
                raise EndOfSource
        if not self._pace.wait_until(self._next.time_ms, timeout_ms):
            return None
        picture, self._next = self._next, None
        return picture

    def close(self) -> None:
        """Closes the file."""
        self._pictures, self._next = iter(()), None
        if self._container is not None:
            self._container.close()
            self._container = None


def open_container(path: Path) -> InputContainer:
    """Opens a file with FFmpeg; raises OrappError if that is impossible."""
    if not path.is_file():
        raise OrappError(f"there is no video file '{path.name}'", "check the path")
    try:
        return av.open(f"file:{path}", options=OPTIONS, metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError):
        raise _unreadable(path) from None


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream, of a size that is allowed."""
    if not container.streams.video:
        raise OrappError(f"'{path.name}' holds no video", "give a file with a video in it")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # FFmpeg knows no decoder for it, or its header is cut
        raise _unreadable(path)
    _check_size(stream.codec_context.width, stream.codec_context.height, path)
    stream.codec_context.options = {"max_pixels": str(MAX_SIDE * MAX_SIDE)}
    return stream


def _check_size(width: int, height: int, path: Path) -> None:
    if max(width, height) > MAX_SIDE:
        raise OrappError(
            f"'{path.name}' is {width}x{height}, more than {MAX_SIDE}x{MAX_SIDE}",
            "give a smaller video",
        )


def _rate_hz(stream: VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= 1000 else DEFAULT_RATE_HZ


def _decode(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[Picture]:
    """Every whole frame with its time; raises OrappError where the file breaks."""
    times, count = _Times(_rate_hz(stream), stream.time_base), 0
    frames = _whole_frames(container, stream)
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            break
        except (av.FFmpegError, OSError, ValueError):
            raise _broken(path, count) from None
        _check_size(frame.width, frame.height, path)
        yield Picture(_grey(frame), times.of(frame))
        count += 1
    if times.end_ms < _stated_end_ms(container, stream) - MISSING_FRAMES * times.interval_ms:
        raise _broken(path, count)


def _whole_frames(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decodes packet by packet; a packet that is cut raises, after the frames before it came."""
    for packet in container.demux(stream):
        if packet.size and packet.is_corrupt:
            yield from stream.codec_context.decode(None)
            raise ValueError("a packet is cut off")
        for frame in packet.decode():
            if frame.is_corrupt:  # parts of it are FFmpeg's guess, not X-ray
                raise ValueError("a frame is damaged")
            yield frame


class _Times:
    """Times of the frames in ms from the first one, from their time stamps."""

    def __init__(self, rate_hz: float, unit_s: Fraction | None) -> None:
        self.interval_ms = 1000 / rate_hz
        self._unit_ms = None if unit_s is None else float(unit_s * 1000)
        self._last_length_ms = self.interval_ms
        self._last_ms: float | None = None
        self._last_stamp_ms = 0.0

    @property
    def end_ms(self) -> float:
        """When the last frame ends."""
        return 0.0 if self._last_ms is None else self._last_ms + self._last_length_ms

    def of(self, frame: av.VideoFrame) -> float:
        """Time of the next frame; where its stamp is missing or broken, an interval later.

        In the stream's own unit: frames that are drained from the decoder carry none.
        """
        stamp_ms = None
        if self._unit_ms and frame.pts is not None:
            stamp_ms = frame.pts * self._unit_ms
        if self._unit_ms and frame.duration:
            self._last_length_ms = frame.duration * self._unit_ms
        if self._last_ms is None:
            self._last_ms, self._last_stamp_ms = 0.0, stamp_ms or 0.0
            return 0.0
        gap_ms = -1.0 if stamp_ms is None else stamp_ms - self._last_stamp_ms
        if not 0 <= gap_ms <= MAX_GAP_MS:
            gap_ms = self.interval_ms
            if stamp_ms is not None and stamp_ms < self._last_stamp_ms:
                self._unit_ms = None  # out of order, as AVI's are: from here the rate counts
        self._last_stamp_ms = self._last_stamp_ms + gap_ms if stamp_ms is None else stamp_ms
        self._last_ms += gap_ms
        return self._last_ms


def _stated_end_ms(container: InputContainer, stream: VideoStream) -> float:
    """Where the video should end by the file's own word; 0 if it doesn't say.

    A container's length counts only if the video is all it holds.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base * 1000)
    if container.duration and len(container.streams) == 1:
        start = max(container.start_time or 0, 0)
        return float(Fraction(container.duration - start, av.time_base) * 1000)
    return 0.0


def _grey(frame: av.VideoFrame) -> Gray:
    """Luma, full range; FFmpeg's scaler honours the frame's own range and standard."""
    return read_only(np.asarray(frame.reformat(format="gray").to_ndarray(), np.uint8))


def _broken(path: Path, count: int) -> OrappError:
    if count == 0:
        return _no_frame(path)
    return OrappError(
        f"'{path.name}' ends in the middle of a frame after frame {count}",
        "copy it again from where it was recorded",
    )


def _unreadable(path: Path) -> OrappError:
    return OrappError(
        f"'{path.name}' is not a video that can be read, or it is cut off",
        "check it in a video player",
    )


def _no_frame(path: Path) -> OrappError:
    return OrappError(
        f"'{path.name}' holds not one whole frame", "copy it again from where it was recorded"
    )
