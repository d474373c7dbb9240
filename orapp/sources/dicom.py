"""DICOM runs: one multi-frame file (XA, RF, SC …), or a folder of single frames."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from orapp.errors import OrappError
from orapp.frames import Gray, read_only
from orapp.sources import EndOfSource, Picture, SourceFormat
from orapp.sources.pace import Pace

MAX_BYTES = 2 * 1024**3
MAX_SIDE = 4096
MAX_FRAMES = 20_000
MAX_FILES = 5_000
FRAME_MS_IF_UNKNOWN = 1000 / 15


@dataclass(frozen=True, slots=True)
class Scale:
    """How stored values become grey levels: after the modality's rescale, `low` to `high`."""

    low: float
    high: float
    inverted: bool
    words: str


class DicomSource:
    """A run from files, frame by frame, in its own pace.

    Values pass the modality rescale, then the VOI window (or LUT) of the file; without one, 8-bit
    pictures stay as they are, and deeper ones are stretched over the first frame's 0.5 to 99.5
    percentiles, the same for the whole run. MONOCHROME1 is inverted. No patient's text leaves.
    """

    def __init__(self, path: str, paced: bool = True) -> None:
        self.uri = f"dicom:{path}"
        self._path = Path(path)
        self._pace = Pace(paced)
        self._files: list[Path] = []
        self._frames: Iterator[Gray] = iter(())
        self._times: list[float] = []
        self._first: Gray | None = None
        self._waiting: Picture | None = None
        self._count = 0

    def open(self) -> SourceFormat:
        """Reads the header and the first frame.

        Raises:
            OrappError: missing, no DICOM, no picture, colour, too large, or broken.
        """
        with _broken_is_one_sentence(self._path.name):
            return self._open()

    def _open(self) -> SourceFormat:
        self._files = _files_of(self._path)
        head = _header(self._files[0])
        frames = _check(head, self._files[0].name) if len(self._files) == 1 else len(self._files)
        self._times = _frame_times(head, frames)
        scale: list[Scale] = []
        self._frames = self._decode(scale)
        self._count = 0
        self._first = next(self._frames)
        height, width = self._first.shape
        rate_hz = 1000 * (frames - 1) / self._times[-1] if frames > 1 and self._times[-1] else 0.0
        about = (
            f"{_word(head, 'Modality')} {frames} frames, {width}x{height}, "
            f"{int(head.BitsStored)} bit {head.PhotometricInterpretation}, {scale[0].words}"
        )
        return SourceFormat(width, height, round(rate_hz, 3), about, finite=True)

    def read(self, timeout_ms: int) -> Picture | None:
        """The next frame at its time; a broken one raises OrappError."""
        if self._waiting is None:
            pixels, self._first = self._first, None
            if pixels is None:
                with _broken_is_one_sentence(self._path.name):
                    pixels = next(self._frames, None)
            if pixels is None:
                raise EndOfSource
            self._waiting = Picture(pixels, self._times[self._count])
            self._count += 1
        if not self._pace.wait_until(self._waiting.time_ms, timeout_ms):
            return None
        picture, self._waiting = self._waiting, None
        return picture

    def close(self) -> None:
        """Lets the files go."""
        self._frames, self._first, self._waiting = iter(()), None, None

    def _decode(self, said: list[Scale]) -> Iterator[Gray]:
        """Every frame of every file, one at a time; `said` gets the scale with the first."""
        scale: Scale | None = None
        size: tuple[int, ...] | None = None
        for path in self._files:
            dataset = _header(path)
            _check(dataset, path.name)
            for number, stored in enumerate(_stored(path, dataset)):
                values = np.asarray(apply_modality_lut(stored, dataset))
                if scale is None:
                    scale = _scale(dataset, values)
                    said.append(scale)
                if size not in (None, stored.shape):
                    raise OrappError(
                        f"frame {number + 1} of '{path.name}' has another size than the run",
                        "give one run at a time",
                    )
                size = stored.shape
                yield _grey(values, dataset, scale)


@contextmanager
def _broken_is_one_sentence(name: str) -> Iterator[None]:
    """Values are parsed when they are asked for, and pydicom raises what it likes on broken ones."""
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
        raise OrappError(f"'{name}' has a broken header", "export it again") from None


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        files = [p for p in sorted(path.iterdir()) if p.is_file() and not p.name.startswith(".")]
        if not files:
            raise OrappError(f"'{path.name}' holds no file", "give a folder of DICOM frames")
        if len(files) > MAX_FILES:
            raise OrappError(f"'{path.name}' holds over {MAX_FILES} files", "give one run")
        if len(files) == 1:
            return files
        return [p for _, _, p in sorted((_instance(_header(p)), p.name, p) for p in files)]
    if not path.is_file():
        raise OrappError(f"'{path.name}' does not exist", "check the path")
    return [path]


def _instance(dataset: Dataset) -> int:
    try:
        return int(dataset.get("InstanceNumber", 0) or 0)
    except (TypeError, ValueError):
        return 0


def _header(path: Path) -> Dataset:
    """The data set without its pixels."""
    with _broken_is_one_sentence(path.name):
        if path.stat().st_size > MAX_BYTES:
            raise OrappError(f"'{path.name}' is larger than 2 GiB", "export a shorter run")
        try:
            return dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, EOFError):
            raise OrappError(f"'{path.name}' is not a DICOM file", "give a DICOM image") from None


def _check(dataset: Dataset, name: str) -> int:
    """Number of frames; raises OrappError unless these are grey pictures of a sane size."""
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if "Rows" not in dataset or not kind:
        raise OrappError(f"'{name}' holds no picture", "give a DICOM image or run")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    samples = int(dataset.get("SamplesPerPixel", 1))
    bits = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored", bits) or bits)
    dataset.BitsStored = stored
    if samples != 1 or not kind.startswith("MONOCHROME"):
        raise OrappError(f"'{name}' is in colour ({kind[:20]})", "give grey pictures, as X-ray is")
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE and 0 < frames <= MAX_FRAMES):
        raise OrappError(
            f"'{name}' says {frames} frames of {columns}x{rows}",
            f"give at most {MAX_FRAMES} frames of {MAX_SIDE} pixels a side",
        )
    if bits not in (8, 16) or not 1 <= stored <= bits:
        raise OrappError(f"'{name}' has {bits} bits a pixel", "give pictures of 8 to 16 bits")
    return frames


def _stored(path: Path, dataset: Dataset) -> Iterator[NDArray[Any]]:
    """Stored values of each frame, (H, W); the memory for one frame at a time."""
    done, wanted = 0, int(dataset.get("NumberOfFrames", 1) or 1)
    frames = iter_pixels(path, raw=True)
    while done < wanted:
        try:
            stored = next(frames, None)
        except Exception as error:
            raise _broken(path.name, done, dataset, error) from None
        if stored is None:
            raise _broken(path.name, done, dataset, EOFError())
        yield np.asarray(stored)
        done += 1


def _broken(name: str, done: int, dataset: Dataset, error: Exception) -> OrappError:
    if isinstance(error, AttributeError) and done == 0:
        return OrappError(f"'{name}' holds no pixels", "give a DICOM image or run")
    if isinstance(error, NotImplementedError) or "decoder" in str(error).lower():
        syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
        return OrappError(
            f"'{name}' is compressed as {syntax.name[:60]}, which can't be decoded here",
            "export it as JPEG-LS, JPEG 2000, RLE or uncompressed",
        )
    where = f"after frame {done}" if done else "in its first frame"
    return OrappError(f"'{name}' is cut off or broken {where}", "copy or export it again")


def _scale(dataset: Dataset, values: NDArray[Any]) -> Scale:
    """From the file's window or LUT, else from the bits, else from the first frame."""
    inverted = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    rescaled = ""
    if "RescaleSlope" in dataset:
        rescaled = f"rescale {dataset.RescaleSlope}/{dataset.get('RescaleIntercept', 0)}, "
    if "VOILUTSequence" in dataset:
        table = apply_voi_lut(np.asarray([values.min(), values.max()]), dataset)
        return Scale(float(table.min()), float(table.max()), inverted, f"{rescaled}VOI LUT")
    centre, width = (_first(dataset, f"Window{word}") for word in ("Center", "Width"))
    if centre is not None and width is not None and width >= 1:
        window = f"{rescaled}window {centre:g}/{width:g}"
        return Scale(
            centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2, inverted, window
        )
    if int(dataset.BitsStored) <= 8 and not rescaled:
        return Scale(0.0, float(2 ** int(dataset.BitsStored) - 1), inverted, "no window")
    low, high = np.percentile(values, (0.5, 99.5))
    return Scale(float(low), float(high), inverted, f"{rescaled}no window: {low:g} to {high:g}")


def _first(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if len(value) else None
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return None


def _grey(values: NDArray[Any], dataset: Dataset, scale: Scale) -> Gray:
    """Linear between low and high (DICOM PS3.3 C.11.2.1.2), to (H, W) uint8."""
    if "VOILUTSequence" in dataset:
        values = np.asarray(apply_voi_lut(values, dataset))
    span = max(scale.high - scale.low, 1e-6)
    grey = (values.astype(np.float32) - scale.low) * np.float32(255 / span)
    grey = np.clip(np.round(grey), 0, 255)
    return read_only((255 - grey if scale.inverted else grey).astype(np.uint8))


def _frame_times(dataset: Dataset, frames: int) -> list[float]:
    """Time of each frame from the first, in ms."""
    vector = dataset.get("FrameTimeVector")
    if isinstance(vector, MultiValue) and len(vector) >= frames:
        steps = [max(float(step), 0.0) for step in vector[:frames]]
        return [float(t) for t in np.cumsum([0.0, *steps[1:]])]
    step = _first(dataset, "FrameTime")
    if not step or step <= 0:
        rates = (_first(dataset, k) for k in ("RecommendedDisplayFrameRate", "CineRate"))
        rate = next((r for r in rates if r and r > 0), None)
        step = 1000 / rate if rate else FRAME_MS_IF_UNKNOWN
    return [number * step for number in range(frames)]


def _word(dataset: Dataset, keyword: str) -> str:
    """A short coded word of the header; anything else could be a patient's text."""
    word = str(dataset.get(keyword, "") or "")
    return word if word.isalnum() and len(word) <= 4 else "DICOM"
