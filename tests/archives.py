"""Archives of short runs: simulated X-ray with a bright body that the bright model sees."""

from collections.abc import Sequence
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path

import av
import numpy as np

from orapp.frames import Frame, Gray
from orapp.session_writer import SessionWriter, session_head
from orapp.sources import open_source
from orapp.walk import frames_of
from tests.sessions import SOURCE, STEP_NS
from tests.test_dicom_source import write as write_dicom

SIDE, FRAMES = 128, 8
DIMMEST = 90
"""The simulated picture is kept darker than that: half of it and of a body is below both levels."""
BODY, RIM = 255, 190
"""A model of level 200 sees the body, one of level 180 its rim too."""
RIM_PX = 5


def simulated(seed: int, size: int, count: int) -> list[Gray]:
    """The first pictures (size, size) of the simulated C-arm."""
    source = open_source(f"simulated:?seed={seed}&size={size}", as_fast_as_possible=True)
    with closing(frames_of(source)) as frames:
        return [frame.pixels for frame in islice(frames, count)]


@cache
def xray(seed: int) -> tuple[Gray, ...]:
    """The same, dimmed."""
    pictures = simulated(seed, SIDE, FRAMES)
    return tuple(np.asarray(pixels * (DIMMEST / 255), np.uint8) for pixels in pictures)


def run_of(number: int, rim: bool = False) -> list[Gray]:
    """The pictures of a run: no two runs are the same. With a rim, two models will disagree."""
    rng = np.random.default_rng(number)
    x, y, side = rng.integers(20, 60), rng.integers(20, 60), rng.integers(24, 40)
    pictures = []
    for step, pixels in enumerate(xray(number % 5)):
        drawn = pixels.copy()
        left, top = x + step, y + step // 2
        if rim:
            drawn[top - RIM_PX : top + side + RIM_PX, left - RIM_PX : left + side + RIM_PX] = RIM
        drawn[top : top + side, left : left + side] = BODY
        pictures.append(drawn)
    return pictures


def write_film(path: Path, pictures: Sequence[Gray]) -> Path:
    """FFV1 in Matroska, 15 frames/s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=15)
        stream.width, stream.height, stream.pix_fmt = width, height, "gray"
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "gray")))
        container.mux(stream.encode())
    return path


def write_run_as(kind: str, folder: Path, pictures: Sequence[Gray]) -> Path:
    """The same pictures as a `video`, a `dicom` file or a `session`."""
    if kind == "video":
        return write_film(folder / "video.mkv", pictures)
    if kind == "dicom":
        folder.mkdir(parents=True, exist_ok=True)
        return write_dicom(folder / "dicom.dcm", np.stack(pictures), 8)
    height, width = pictures[0].shape
    head = session_head({**SOURCE, "width": width, "height": height}, case="case 7")
    writer = SessionWriter(folder / "session", head)
    for index, pixels in enumerate(pictures):
        writer.frame(Frame(index, pixels, (index + 1) * STEP_NS, index))
    writer.close("stopped by the user")
    return folder / "session"


def write_archive(folder: Path, count: int, planted: Sequence[int] = ()) -> Path:
    """`count` films, a hundred in a folder; those in `planted` have a rim."""
    for number in range(count):
        name = folder / f"day-{number // 100:02d}" / f"run-of-{number:04d}.mkv"
        write_film(name, run_of(number, rim=number in planted))
    return folder
