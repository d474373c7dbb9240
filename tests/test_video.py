"""Video files: right pictures at their times, and one sentence where a file breaks."""

import re
import time
from pathlib import Path

import av
import numpy as np
import pytest

from orapp.errors import OrappError, SignalLost
from orapp.sources import EndOfSource, Picture
from orapp.sources.video import VideoSource
from tests.sources import SquareSource, number_of

SQUARES = SquareSource(size=(160, 128), side=40)
KINDS = {
    "ffv1.mkv": ("ffv1", "gray", {}),
    "ffv1.avi": ("ffv1", "gray", {}),
    "mpeg4.mkv": ("mpeg4", "yuv420p", {}),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "front.mp4": ("mpeg4", "yuv420p", {"movflags": "faststart"}),
    "h264.mkv": ("libx264", "yuv420p", {}),
    "h264.mp4": ("libx264", "yuv420p", {"movflags": "faststart"}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "raw.avi": ("rawvideo", "gray", {}),
}
BROKEN = (
    "is not a video that can be read|holds no video|holds not one whole frame"
    "|ends in the middle of a frame after"
)


def write_video(
    path: Path,
    codec: str = "ffv1",
    pixel_format: str = "gray",
    options: dict[str, str] | None = None,
    stamps: list[int] | None = None,
    frames: int = 12,
    size: tuple[int, int] = (160, 128),
) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    squares = SQUARES if size == (160, 128) else SquareSource(size=size, side=40)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=15)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.array(squares.picture(number)), "gray")
            frame = frame if pixel_format == "gray" else frame.reformat(format=pixel_format)
            frame.pts = stamps[number] if stamps else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_all(path: Path) -> tuple[list[Picture], OrappError | None]:
    source, pictures = VideoSource(str(path), paced=False), []
    error: OrappError | None = None
    try:
        source.open()
        while True:
            picture = source.read(1000)
            assert picture is not None
            pictures.append(picture)
    except EndOfSource:
        pass
    except OrappError as broken:
        error = broken
    source.close()
    assert not isinstance(error, SignalLost)
    return pictures, error


@pytest.fixture(scope="module", params=KINDS)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec, pixel_format, options = KINDS[request.param]
    path = tmp_path_factory.mktemp("video") / request.param
    return write_video(path, codec, pixel_format, options)


def test_every_frame_comes_once_in_order_with_its_picture_and_time(video):
    pictures, error = read_all(video)
    assert error is None
    assert len(pictures) == 12
    for number, picture in enumerate(pictures):
        assert picture.pixels.shape == (128, 160)
        assert picture.pixels.dtype == np.uint8
        assert not picture.pixels.flags.writeable
        assert picture.time_ms == pytest.approx(number * 1000 / 15, abs=1.1)
        off = np.abs(picture.pixels.astype(int) - SQUARES.picture(number))
        assert np.mean(off) < (0.01 if "ffv1" in video.name or "raw" in video.name else 12)


@pytest.mark.parametrize("part", [0.01, 0.2, 0.37, 0.5, 0.63, 0.8, 0.93])
def test_a_cut_file_gives_its_whole_frames_and_then_one_sentence(video, part, tmp_path):
    data = video.read_bytes()
    cut = tmp_path / f"cut-{video.name}"
    cut.write_bytes(data[: int(len(data) * part)])
    pictures, error = read_all(cut)
    assert error is not None
    assert "\n" not in str(error)
    assert re.search(BROKEN, error.what), error.what
    assert f"'{cut.name}'" in error.what
    assert str(tmp_path) not in str(error)
    if pictures:
        assert f"after frame {len(pictures)}" in error.what
    whole, _ = read_all(video)
    right = {round(picture.time_ms): picture.pixels for picture in whole}
    for got in pictures:
        np.testing.assert_array_equal(got.pixels, right[round(got.time_ms)])


def test_the_times_of_the_file_are_honoured_not_its_rate(tmp_path):
    stamps = [0, 1, 2, 5, 6, 9, 10, 11, 12, 13, 20, 21]
    path = write_video(tmp_path / "uneven.mkv", stamps=stamps)
    pictures, _ = read_all(path)
    assert [p.time_ms for p in pictures] == pytest.approx([s * 1000 / 15 for s in stamps], abs=1.1)


def test_paced_pictures_come_in_their_time_and_none_comes_early(tmp_path):
    source = VideoSource(str(write_video(tmp_path / "clip.mkv", frames=6)))
    source.open()
    start, seen = time.monotonic(), []
    try:
        while True:
            picture = source.read(20)
            if picture is not None:
                assert time.monotonic() - start >= picture.time_ms / 1000 - 0.005
                seen.append(number_of(picture.pixels))
    except EndOfSource:
        pass
    finally:
        source.close()
    assert seen == list(range(6))


@pytest.mark.parametrize(("color_range", "dark", "bright"), [(1, 0, 255), (2, 16, 235)])
def test_limited_range_is_stretched_once_and_full_range_is_not(tmp_path, color_range, dark, bright):
    path = tmp_path / "range.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.color_range = color_range
        frame = av.VideoFrame(64, 32, "yuv420p")
        for plane, level in zip(frame.planes, (16, 128, 128), strict=True):
            values = np.full(plane.buffer_size, level, np.uint8)
            if level == 16:
                values[values.size // 2 :] = 235
            plane.update(values.tobytes())
        frame.color_range, frame.pts = color_range, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    pictures, error = read_all(path)
    assert error is None
    assert set(np.unique(pictures[0].pixels)) == {dark, bright}


def test_a_file_can_be_opened_again_and_starts_anew(tmp_path):
    source = VideoSource(str(write_video(tmp_path / "clip.mkv")), paced=False)
    for _ in range(2):
        form = source.open()
        assert (form.width, form.height, form.rate_hz, form.finite) == (160, 128, 15, True)
        assert form.description == "video file, ffv1, 160x128, 15 frames/s"
        first = source.read(100)
        assert first is not None
        assert number_of(first.pixels) == 0
        source.close()
        source.close()


def test_a_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(OrappError, match=r"^there is no video file 'none\.mkv'; check the path$"):
        VideoSource(str(tmp_path / "none.mkv")).open()


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(OrappError, match="there is no video file"):
        VideoSource(str(tmp_path)).open()


@pytest.mark.parametrize("size", [0, 1, 100, 100_000])
def test_bytes_that_are_no_video_give_one_sentence(tmp_path, size):
    path = tmp_path / "noise.mkv"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    pictures, error = read_all(path)
    assert pictures == []
    assert error is not None
    assert "'noise.mkv'" in error.what


def test_a_sound_file_holds_no_video(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(OrappError, match=r"^'sound\.wav' holds no video; "):
        VideoSource(str(path)).open()


def test_a_picture_that_is_too_large_is_refused_in_one_sentence(tmp_path):
    path = write_video(tmp_path / "wide.mkv", frames=1, size=(4100, 64))
    with pytest.raises(OrappError, match=r"'wide\.mkv' is 4100x64, more than 4096x4096"):
        VideoSource(str(path)).open()


def test_a_playlist_cannot_reach_beyond_files(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/clip.ts\n#EXT-X-ENDLIST\n")
    _, error = read_all(path)
    assert error is not None


@pytest.mark.parametrize("kind", ["ffv1.mkv", "mpeg4.avi", "h264.mp4"])
def test_flipped_bytes_never_give_a_traceback(tmp_path, kind):
    codec, pixel_format, options = KINDS[kind]
    data = bytearray(write_video(tmp_path / kind, codec, pixel_format, options).read_bytes())
    rng = np.random.default_rng(3)
    for _ in range(25):
        flipped = bytearray(data)
        for at in rng.integers(0, len(data), 8):
            flipped[at] = rng.integers(0, 256)
        path = tmp_path / f"flipped-{kind}"
        path.write_bytes(flipped)
        _, error = read_all(path)
        assert error is None or "'flipped-" in error.what
