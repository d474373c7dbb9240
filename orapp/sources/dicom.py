"""DICOM runs: one multi-frame file (XA, RF, SC …), or a folder of single frames."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue

from orapp.errors import OrappError
from orapp.frames import Gray
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.dicom_facts import facts_of
from orapp.sources.dicom_frames import frame_count, read_header, stored_frames
from orapp.sources.dicom_grey import GreyTable, Stored, flattened, grey_table, needs_sample, number
from orapp.sources.pace import Pace

MAX_FILES = 5_000
SAMPLED_FRAMES = 8
DEFAULT_RATE_HZ = 15.0
LONGEST_FRAME_MS = 60_000.0
SAME_IN_A_RUN = (
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "BitsStored",
    "PixelRepresentation",
    "PhotometricInterpretation",
)


class DicomSource:
    """A run from a file or a folder, frame by frame, as a finite source.

    Values pass the modality rescale, then the first VOI window (or LUT), to 0-255; MONOCHROME1 is
    inverted. Without a window, up to 8 bits span their whole range, and deeper values are
    stretched over the 0.5 to 99.5 percentiles of frames from the whole run. What was applied is
    the same for all frames of a run and stands in the format's description. No patient's text
    leaves.

    A folder is one run of single frames, by their InstanceNumber, then by name.

    Args:
        path: of the file or the folder.
        paced: False delivers as fast as it is decoded.
    """

    def __init__(self, path: str, paced: bool = True) -> None:
        self.uri = f"dicom:{path}"
        self._path, self._paced = Path(path), paced
        self._pictures: Iterator[Picture] = iter(())
        self._next: Picture | None = None
        self._pace = Pace(paced)

    def open(self) -> SourceFormat:
        """Reads the header, checks that all frames are there, and decodes the first one.

        Raises:
            OrappError: missing, no DICOM, no picture, colour, too large, cut off or broken.
        """
        self.close()
        with _one_sentence(self._path.name):
            if self.uri == "dicom:":  # Path("") would be the folder that we are in
                raise OrappError("'' does not exist", "check the path")
            files, head = _find_run(self._path)
            frames = frame_count(head) if len(files) == 1 else len(files)
            times = _times_ms(head, frames)
            grey = _grey_table(files, head, frames)
            self._pictures = _decode(files, head, grey, times)
            self._next = next(self._pictures)
            form = _format(head, frames, times, grey)
        self._pace = Pace(self._paced)
        return form

    def read(self, timeout_ms: int) -> Picture | None:
        """The next frame at its time.

        Raises:
            EndOfSource: after the last one.
            OrappError: the next one is broken; what came before was right.
        """
        if self._next is None:
            with _one_sentence(self._path.name):
                self._next = next(self._pictures, None)
            if self._next is None:
                raise EndOfSource
        if not self._pace.wait_until(self._next.time_ms, timeout_ms):
            return None
        picture, self._next = self._next, None
        return picture

    def close(self) -> None:
        """Lets the files go."""
        self._pictures, self._next = iter(()), None


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Puts whatever pydicom raises on a broken file into a sentence, and keeps it from warning."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OrappError:
        raise
    except RecursionError:
        raise OrappError(f"'{name}' is nested too deeply", "export it again") from None
    except OSError as error:
        raise OrappError(f"'{name}' can't be read: {error.strerror}", "check it") from None
    except Exception:
        raise OrappError(f"'{name}' has a broken header", "copy or export it again") from None


def _find_run(path: Path) -> tuple[list[Path], Dataset]:
    """The files of the run in their order, and the header that holds for all."""
    if path.is_file():
        return [path], read_header(path)
    if not path.is_dir():
        raise OrappError(f"'{path.name}' does not exist", "check the path")
    files = [p for p in sorted(path.iterdir()) if p.is_file() and not p.name.startswith(".")]
    if not files or len(files) > MAX_FILES:
        raise OrappError(
            f"'{path.name}' holds {len(files)} files",
            f"give a folder of 1 to {MAX_FILES} DICOM frames",
        )
    heads = {file: read_header(file) for file in files}
    files.sort(key=lambda file: (number(heads[file], "InstanceNumber") or 0, file.name))
    first = heads[files[0]]
    for file in files:
        _check_belongs(file.name, heads[file], first, alone=len(files) == 1)
    return files, first


def _check_belongs(name: str, head: Dataset, first: Dataset, alone: bool) -> None:
    if not alone and frame_count(head) > 1:
        raise OrappError(f"'{name}' is a run by itself", "give it alone, without the folder")
    for keyword in SAME_IN_A_RUN:
        if head.get(keyword) != first.get(keyword):
            raise OrappError(
                f"'{name}' does not belong to the other frames: its {keyword} differs",
                "put the frames of one run into a folder of their own",
            )


def _grey_table(files: list[Path], head: Dataset, frames: int) -> GreyTable:
    stored = Stored(
        int(head.get("BitsStored") or head.BitsAllocated),
        bool(head.get("PixelRepresentation")),
    )
    plain = flattened(head, files[0].name)
    sample = _sample(files, head, frames) if needs_sample(plain, stored) else None
    return grey_table(plain, stored, sample)


def _sample(files: list[Path], head: Dataset, frames: int) -> NDArray[Any]:
    """Every fourth pixel each way of frames from the whole run."""
    chosen = sorted({int(i) for i in np.linspace(0, frames - 1, SAMPLED_FRAMES)})
    if len(files) == 1:
        sampled = stored_frames(files[0], head, chosen)
    else:
        sampled = (frame for i in chosen for frame in stored_frames(files[i], head))
    return np.stack([frame[::4, ::4] for frame in sampled])


def _decode(
    files: list[Path], head: Dataset, grey: GreyTable, times: list[float]
) -> Iterator[Picture]:
    frames = (stored for file in files for stored in stored_frames(file, head))
    for stored, time_ms in zip(frames, times, strict=True):
        pixels: Gray = grey.grey(stored)
        yield Picture(pixels, time_ms)


def _times_ms(head: Dataset, frames: int) -> list[float]:
    """Time of each frame from the first, from what the header says about it first."""
    vector = head.get("FrameTimeVector")
    if isinstance(vector, MultiValue) and len(vector) == frames:
        steps = np.array([0.0, *(float(step) for step in vector[1:])])
        if np.isfinite(steps).all() and (steps >= 0).all():
            return [float(time_ms) for time_ms in np.cumsum(np.minimum(steps, LONGEST_FRAME_MS))]
    step = number(head, "FrameTime")
    if not step or not 0 < step <= LONGEST_FRAME_MS:
        step = 1000 / _rate_hz(head)
    return [index * step for index in range(frames)]


def _rate_hz(head: Dataset) -> float:
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = number(head, keyword)
        if rate and 0 < rate <= 1000:
            return rate
    return DEFAULT_RATE_HZ


def _format(head: Dataset, frames: int, times: list[float], grey: GreyTable) -> SourceFormat:
    steps = np.diff(times)
    step_ms = float(np.median(steps)) if len(steps) else 0.0
    rate_hz = round(1000 / step_ms, 3) if step_ms > 0 else 0.0
    many = f"{frames} frame{'s' * (frames > 1)}"
    rate = [f"{rate_hz:g} frames/s"] if rate_hz else []
    size = f"{head.Columns}x{head.Rows}"
    parts = [_modality(head), many, size, f"{grey.stored.bits} bit", grey.words, *rate]
    about = ", ".join(parts)
    width, height, facts = int(head.Columns), int(head.Rows), facts_of(head)
    return SourceFormat(width, height, rate_hz, about, finite=True, frames=frames, facts=facts)


def _modality(head: Dataset) -> str:
    """The modality's code; anything longer could be a patient's text."""
    word = str(head.get("Modality", "") or "")
    return word if word.isalnum() and word.isupper() and len(word) <= 4 else "DICOM"
