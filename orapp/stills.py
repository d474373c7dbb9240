"""`orapp segment`: stills and runs from files, a mask per frame and one line of results."""

import json
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np

from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.frames import Frame, Gray, Segmentation, read_only
from orapp.outline import mask_of
from orapp.segment import Segmenter
from orapp.sources import EndOfSource, Picture, SourceFormat, open_source
from orapp.verify import open_verified
from orapp.walk import walk

MAX_SIDE = 4096
PNG_END = b"IEND\xaeB`\x82"


class PngSource:
    """One PNG as a source of one picture; 16 bit is stretched from its darkest to its brightest."""

    def __init__(self, path: Path) -> None:
        self.uri = f"png:{path.name}"
        self._path = path
        self._pixels: Gray | None = None

    def open(self) -> SourceFormat:
        """Decodes the picture; raises OrappError if it is none, too large, or in colour."""
        self._pixels = _grey(self._path)
        height, width = self._pixels.shape
        return SourceFormat(width, height, 0, "PNG", finite=True)

    def read(self, timeout_ms: int) -> Picture:  # noqa: ARG002
        """The picture, once."""
        if self._pixels is None:
            raise EndOfSource
        pixels, self._pixels = self._pixels, None
        return Picture(read_only(pixels), 0.0)

    def close(self) -> None:
        """Nothing to release."""


def _grey(path: Path) -> Gray:
    try:
        raw = path.read_bytes()
    except OSError as error:
        what = f"'{path.name}' can't be read: {error.strerror}"
        raise OrappError(what, "check its permissions") from None
    picture = None
    # Looked at before libpng does: it has words of its own for a cut file, and takes any size.
    if raw.startswith(b"\x89PNG\r\n\x1a\n") and raw.rstrip(b"\0").endswith(PNG_END):
        if max(struct.unpack(">II", raw[16:24])) > MAX_SIDE:
            raise OrappError(f"'{path.name}' is larger than {MAX_SIDE} pixels", "export it smaller")
        with suppress(cv2.error):
            picture = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise OrappError(f"'{path.name}' is not a PNG that can be read", "export it again")
    if picture.ndim == 3:
        colour = picture[..., :3]
        if np.ptp(colour, axis=2).any():
            raise OrappError(f"'{path.name}' is in colour", "give grey pictures, as X-ray is")
        picture = colour[..., 0]
    if picture.dtype == np.uint16:
        low, high = int(picture.min()), int(picture.max())
        picture = np.round((picture.astype(np.float32) - low) * (255 / max(high - low, 1)))
    return np.ascontiguousarray(picture, np.uint8)


def segment_files(paths: Sequence[Path], out: Path, spec: EngineSpec) -> Iterator[Segmentation]:
    """Segments every frame of PNG and DICOM files, and writes as it goes.

    Writes `NAME_FRAME.png`, a mask (H, W) uint8 0/255, per frame, and `results.jsonl` with one
    line per frame: file, frame, outlines, score, view_supported. A line is written after its mask.

    Yields:
        Each segmentation after it has been written.

    Raises:
        OrappError: a path doesn't exist, `out` can't be written, or a file can't be read; what was
            written before stays.
    """
    paths = _listed(paths, out)
    names = _unique_names(paths)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "results.jsonl").open("w") as results, open_verified(spec) as engine:
            for path, name in zip(paths, names, strict=True):
                yield from _segment_one(path, name, out, results, Segmenter(engine))
    except OSError as error:
        raise OrappError(
            f"'{out.name}' can't be written: {error.strerror}", "choose another folder with --out"
        ) from None


def _listed(paths: Sequence[Path], out: Path) -> list[Path]:
    """The inputs, with PNGs for a folder of PNGs; none of them may lie where the results go."""
    listed: list[Path] = []
    for path in paths:
        try:
            pictures = sorted(path.glob("*.png")) if path.is_dir() else []
            there = path.is_dir() or path.is_file()
        except OSError as error:
            what = f"'{path.name}' can't be read: {error.strerror}"
            raise OrappError(what, "check its permissions") from None
        if not there:
            raise OrappError(f"'{path.name}' does not exist", "check the path")
        listed += pictures or [path]
    folder = out.resolve()
    for path in listed:
        if folder in (path.resolve(), path.resolve().parent):
            raise OrappError(
                f"'{path.name}' lies in the folder for the results", "choose another with --out"
            )
    return listed


def _segment_one(
    path: Path, name: str, out: Path, results: TextIO, segmenter: Segmenter
) -> Iterator[Segmentation]:
    png = path.suffix.lower() == ".png"
    source = PngSource(path) if png else open_source(f"dicom:{path}", as_fast_as_possible=True)
    for frame, segmentation in walk(source, segmenter):
        mask = out / f"{name}_{frame.index:04d}.png"
        _write_mask(mask, segmentation)
        results.write(_line(path, mask, frame, segmentation) + "\n")
        results.flush()
        yield segmentation


def _write_mask(path: Path, segmentation: Segmentation) -> None:
    mask = mask_of([o.points for o in segmentation.outlines], segmentation.frame_size)
    _, data = cv2.imencode(".png", mask)
    part = path.with_suffix(".part")
    part.write_bytes(data.tobytes())
    os.replace(part, path)  # noqa: PTH105


def _line(path: Path, mask: Path, frame: Frame, segmentation: Segmentation) -> str:
    return json.dumps(
        {
            "file": path.name,
            "frame": frame.index,
            "mask": mask.name,
            "outlines": [o.points.round(2).tolist() for o in segmentation.outlines],
            "score": round(segmentation.score, 4),
            "view_supported": segmentation.view_supported,
        }
    )


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """Stems, numbered where two inputs share one."""
    names: list[str] = []
    for path in paths:
        stem, name, count = path.stem or "input", path.stem or "input", 2
        while name in names:
            name, count = f"{stem}-{count}", count + 1
        names.append(name)
    return names
