"""Stored frames of one DICOM file, one at a time, after checking that they are all there."""

import io
import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.tag import BaseTag
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from orapp.errors import OrappError

logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it quotes values: a patient's, maybe

MAX_BYTES = 2 * 1024**3
MAX_SIDE = 4096
MAX_FRAMES = 20_000
DEFER_BYTES = 2 * 1024**2
"""Private elements larger than that are not read into memory."""
CODESTREAM_HEAD = 4096
ITEM, END_OF_ITEMS = 0xE000FFFE, 0xE0DDFFFE
UNDEFINED = 0xFFFFFFFF
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""JPEG's and JPEG-LS's start-of-frame markers."""


class BoundedFile(io.BufferedReader):
    """A file that is never asked for more than it holds.

    Python allocates what it is asked for before it reads, and pydicom asks for as much as an
    element says that it is long: 4 GiB, of a file of some bytes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to so many bytes; all that are left if there are less, or for -1 or None."""
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def read_header(path: Path) -> Dataset:
    """The header of a DICOM file of grey pictures, checked; its pixels are all there.

    Raises:
        OrappError: what is wrong with it. Other exceptions of pydicom's may come too: the caller
            puts them into a sentence.
    """
    if path.stat().st_size > MAX_BYTES:
        raise OrappError(f"'{path.name}' is larger than 2 GiB", "export a shorter run")
    with BoundedFile(path) as file:
        try:
            read_preamble(file, force=False)
            meta = read_dataset(file, False, True, stop_when=_is_past_meta)
            file.seek(0)
            if meta.TransferSyntaxUID.is_deflated:  # could unpack to a thousand times its size
                raise OrappError(f"'{path.name}' is deflated", "export it without deflation")
            head = dcmread(file, stop_before_pixels=True, defer_size=DEFER_BYTES)
        except (InvalidDicomError, EOFError):
            raise OrappError(f"'{path.name}' is not a DICOM file", "give a DICOM image") from None
        _check_picture(head, path.name)
        _check_decoder(head, path.name)
        _check_pixels(file, head, path.name)
    return head


def check_whole(path: Path) -> None:
    """Raises OrappError if an image, a segmentation or a report is cut off or broken."""
    with BoundedFile(path) as file:
        head = dcmread(file, stop_before_pixels=True, defer_size=DEFER_BYTES)
        if "Rows" in head and int(head.get("BitsAllocated") or 0) >= 8:
            _check_pixels(file, head, path.name)
            return
    whole = dcmread(path)
    for tag in whole.keys():  # noqa: SIM118 - iterating itself would decode each element
        found = whole.get_item(tag)
        stated = found.length if isinstance(found, RawDataElement) else UNDEFINED
        if stated != UNDEFINED and len(found.value or b"") != stated:
            raise _cut(path.name)
    if "Rows" in whole:
        bits = int(whole.Rows) * int(whole.Columns) * frame_count(whole)
        if len(whole.get("PixelData") or b"") < -(-bits // 8):
            raise _cut(path.name)
    elif "ContentSequence" not in whole:
        raise _cut(path.name)


def _is_past_meta(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001
    return tag.group != 2


def frame_count(head: Dataset) -> int:
    """Number of frames that the header states."""
    return int(head.get("NumberOfFrames") or 1)


def stored_frames(
    path: Path, head: Dataset, indices: Sequence[int] | None = None
) -> Iterator[NDArray[Any]]:
    """Stored values of each frame (or those of `indices`), (H, W), one in memory at a time.

    Raises:
        OrappError: a frame can't be decoded.
    """
    wanted = list(range(frame_count(head)) if indices is None else indices)
    shape = int(head.Rows), int(head.Columns)
    with (
        BoundedFile(path) as file,
        closing(iter_pixels(file, raw=True, indices=wanted)) as frames,  # type: ignore[type-var]
    ):
        for number in wanted:
            try:
                stored = np.asarray(next(frames))
            except Exception:
                raise _broken(path.name, number) from None
            if stored.shape != shape:
                raise _broken(path.name, number)
            yield stored


def _broken(name: str, number: int) -> OrappError:
    return OrappError(f"'{name}' is broken in frame {number + 1}", "copy or export it again")


def _check_picture(head: Dataset, name: str) -> None:
    """Raises OrappError unless these are grey pictures of a sane size."""
    kind = str(head.get("PhotometricInterpretation", ""))
    if not head.get("Rows") or not head.get("Columns") or not kind:
        raise OrappError(f"'{name}' holds no picture", "give a DICOM image or run")
    if int(head.get("SamplesPerPixel") or 1) != 1 or kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise OrappError(f"'{name}' is in colour", "give grey pictures, as X-ray is")
    rows, columns, frames = int(head.Rows), int(head.Columns), frame_count(head)
    if max(rows, columns) > MAX_SIDE or not 0 < frames <= MAX_FRAMES:
        raise OrappError(
            f"'{name}' says {frames} frames of {columns}x{rows}",
            f"give at most {MAX_FRAMES} frames of {MAX_SIDE}x{MAX_SIDE}",
        )
    allocated = int(head.BitsAllocated)
    stored = int(head.get("BitsStored") or allocated)
    high = int(head.get("HighBit", stored - 1))
    if allocated not in (8, 16) or not 1 <= stored <= allocated or high != stored - 1:
        raise OrappError(
            f"'{name}' stores {stored} of {allocated} bits up to bit {high}",
            "give pictures of 8 to 16 bits",
        )


def _check_decoder(head: Dataset, name: str) -> None:
    """By the coding, and not by what else happens to be installed: the same file, the same word."""
    syntax = head.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available or syntax in JPEGTransferSyntaxes:
        known = syntax.name if syntax.name != str(syntax) else "something unknown"
        raise OrappError(
            f"'{name}' is compressed as {known}, which orapp can't decode",
            "export it uncompressed, or as RLE, JPEG-LS or JPEG 2000",
        )


def _check_pixels(file: BinaryIO, head: Dataset, name: str) -> None:
    """Raises OrappError unless all frames lie in the file, which is just before its pixels."""
    syntax = head.file_meta.TransferSyntaxUID
    order = "<" if syntax.is_little_endian else ">"
    start = file.read(8 if syntax.is_implicit_VR else 12)
    if len(start) < 8 or struct.unpack(order + "HH", start[:4]) != (0x7FE0, 0x0010):
        raise OrappError(f"'{name}' holds no pixels", "give a DICOM image or run")
    if len(start) < (8 if syntax.is_implicit_VR else 12):
        raise _cut(name)
    length = struct.unpack(order + "L", start[-4:])[0]
    if syntax.is_encapsulated:
        _check_fragments(file, head, name)
    else:
        _check_native(file, head, name, length)


def _check_native(file: BinaryIO, head: Dataset, name: str, stated: int) -> None:
    at = file.tell()
    there = min(file.seek(0, 2) - at, stated)
    frames = frame_count(head)
    one = int(head.Rows) * int(head.Columns) * int(head.BitsAllocated) // 8
    if there < one * frames:
        raise _cut(name, there // one, frames)


def _check_fragments(file: BinaryIO, head: Dataset, name: str) -> None:
    """Walks the items of compressed pixels: each is whole, and pictures the stated size."""
    sized = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
    size = int(head.Columns), int(head.Rows)
    frames, count = frame_count(head), 0
    for number, (length, start) in enumerate(_items(file, name)):
        if number == 0:
            continue  # the offset table
        found = codestream_size(start) if head.file_meta.TransferSyntaxUID in sized else size
        if found is None and number > 1 and frames == 1:
            found = size  # one frame in several fragments
        if found != size or length == 0:
            raise OrappError(
                f"'{name}' is broken: frame {number} is not of the size that the header states",
                "copy or export it again",
            )
        count += 1
    if count < frames:
        raise _cut(name, count, frames)


def _items(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Length and first bytes of each item up to the end mark; raises OrappError if it is cut."""
    at = file.tell()
    end = file.seek(0, 2)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            raise _cut(name)
        tag, length = struct.unpack("<LL", head)
        if tag == END_OF_ITEMS:
            return
        if tag != ITEM or length == UNDEFINED or at + 8 + length > end:
            raise _cut(name)
        yield length, file.read(min(length, CODESTREAM_HEAD))
        at += 8 + length


def codestream_size(start: bytes) -> tuple[int, int] | None:
    """(width, height) that a JPEG, JPEG-LS or JPEG 2000 codestream states in its first bytes.

    A decoder allocates by these, whatever the DICOM header says. None if they are not there.
    """
    if start[:4] == b"\xff\x4f\xff\x51" and len(start) >= 24:
        right, bottom, left, top = struct.unpack(">LLLL", start[8:24])
        return right - left, bottom - top
    if start[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(start) and start[at] == 0xFF:
        length, _, height, width = struct.unpack(">HBHH", start[at + 2 : at + 9])
        if start[at + 1] in FRAME_MARKERS:
            return width, height
        at += 2 + length
    return None


def _cut(name: str, frames: int = 0, of: int = 0) -> OrappError:
    where = f" after frame {frames} of {of}" if frames else ""
    return OrappError(f"'{name}' is cut off{where}", "copy or export it again")
