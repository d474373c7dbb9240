"""How stored DICOM values become grey levels: modality rescale, VOI window, photometry. Pure."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut

from orapp.errors import OrappError
from orapp.frames import Gray, read_only

PERCENTILES = (0.5, 99.5)
FRAME_MACROS = ("FrameVOILUTSequence", "PixelValueTransformationSequence")
"""Where enhanced objects keep window and rescale (PS3.3 C.7.6.16)."""
XA_CLASSES = ("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2")


@dataclass(frozen=True, slots=True)
class Stored:
    """What one stored pixel is: `bits` (1 to 16) of it are the value, signed or not."""

    bits: int
    signed: bool

    @property
    def lowest(self) -> int:
        """The smallest value that can be stored."""
        return -(1 << self.bits - 1) if self.signed else 0

    def values(self) -> NDArray[np.int32]:
        """Every value that can be stored, from the lowest, (2**bits,) int32."""
        return np.arange(self.lowest, self.lowest + (1 << self.bits), dtype=np.int32)

    def index(self, pixels: NDArray[Any]) -> NDArray[np.int32]:
        """Place of each pixel in `values`; bits that belong to overlays are cut off."""
        used = pixels.astype(np.int32) & (1 << self.bits) - 1
        if self.signed:
            used ^= 1 << self.bits - 1
        return used


@dataclass(frozen=True, slots=True)
class GreyTable:
    """A grey level for every value that can be stored, and the words for the report."""

    stored: Stored
    table: Gray
    words: str

    def grey(self, pixels: NDArray[Any]) -> Gray:
        """(H, W) stored values as (H, W) uint8."""
        if pixels.dtype == np.uint8 and not self.stored.signed:
            # The table over again, so that bits above the stored ones don't count; ten times
            # as fast as picking by index.
            whole = np.tile(self.table, 256 // len(self.table))
            return read_only(np.asarray(cv2.LUT(pixels, whole), np.uint8))
        return read_only(self.table[self.stored.index(pixels)])


def flattened(head: Dataset, name: str) -> Dataset:
    """The header with window and rescale where a plain one has them, and no empty ones.

    Raises:
        OrappError: they differ from frame to frame.
    """
    flat = Dataset()
    flat.update(head)
    shared, frames = (
        list(head.get(f"{kind}FunctionalGroupsSequence") or ()) for kind in ("Shared", "PerFrame")
    )
    for macro in FRAME_MACROS:
        own = [frame[macro][0] for frame in frames if frame.get(macro)]
        if any(item != own[0] for item in own[1:]):
            raise OrappError(
                f"'{name}' has another window or rescale for each frame", "export it with one"
            )
        for group in shared[:1]:
            own += [group[macro][0]] if group.get(macro) else []
        if own:
            flat.update(own[0])
    for keyword in ("VOILUTSequence", "ModalityLUTSequence", "RescaleSlope"):
        if keyword in flat and flat.get(keyword) in (None, "", []):
            del flat[keyword]
    return flat


def needs_sample(head: Dataset, stored: Stored) -> bool:
    """Whether grey levels must come from the pixels themselves: deep, and without a window."""
    return stored.bits > 8 and "VOILUTSequence" not in head and _window(head) is None


def grey_table(head: Dataset, stored: Stored, sample: NDArray[Any] | None) -> GreyTable:
    """The table for a run.

    Args:
        head: the header; its first VOI LUT, else its first window, is taken.
        stored: what a pixel is.
        sample: pixels of the run where `needs_sample`: grey levels then span their percentiles
            0.5 to 99.5.
    """
    values, rescale = _modality(head, stored.values())
    if "VOILUTSequence" in head:
        share, words = _looked_up(head, values), "VOI LUT"
    elif (window := _window(head)) is not None:
        share, words = _windowed(head, values, *window)
    else:
        low, high = float(values.min()), float(values.max())
        if sample is not None:
            low, high = np.percentile(values[stored.index(sample)], PERCENTILES)
        share = (values - low) / max(high - low, 1e-9)
        words = f"no window, shown from {low:g} to {high:g}"
    levels = np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
    inverted = str(head.PhotometricInterpretation) == "MONOCHROME1"
    words = ", ".join(word for word in (words, rescale, "inverted" if inverted else "") if word)
    return GreyTable(stored, 255 - levels if inverted else levels, words)


def number(head: Dataset, keyword: str) -> float | None:
    """The first value of an element as a finite number, or None."""
    value = head.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if len(value) else None
    try:
        found = None if value in (None, "") else float(value)
    except (TypeError, ValueError):
        return None
    return found if found is not None and np.isfinite(found) else None


def _modality(head: Dataset, values: NDArray[np.int32]) -> tuple[NDArray[np.float64], str]:
    """Values after rescale or modality LUT, and the words for it.

    An XA picture that is stored logarithmically or ready for display carries a modality LUT only
    to get back to the detector's intensity: display skips it (PS3.3 C.8.7.1.1.2).
    """
    relation = str(head.get("PixelIntensityRelationship", ""))
    for_display = relation in ("LOG", "DISP") and str(head.get("SOPClassUID", "")) in XA_CLASSES
    if for_display or not ("ModalityLUTSequence" in head or "RescaleSlope" in head):
        return values.astype(np.float64), ""
    if "ModalityLUTSequence" in head:
        return np.asarray(apply_modality_lut(values, head), np.float64), "modality LUT"
    slope, intercept = number(head, "RescaleSlope") or 1.0, number(head, "RescaleIntercept") or 0.0
    rescaled = np.asarray(values * slope + intercept, np.float64)
    return rescaled, f"rescale {slope:g}/{intercept:g}"


def _window(head: Dataset) -> tuple[float, float] | None:
    """Centre and width of the first window; None without one that can be applied."""
    centre, width = number(head, "WindowCenter"), number(head, "WindowWidth")
    least = 1.0 if _function(head) == "LINEAR" else 1e-9
    return None if centre is None or width is None or width < least else (centre, width)


def _function(head: Dataset) -> str:
    said = str(head.get("VOILUTFunction", "") or "LINEAR")
    return said if said in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"


def _windowed(
    head: Dataset, values: NDArray[np.float64], centre: float, width: float
) -> tuple[NDArray[np.float64], str]:
    """0 to 1 by the window, as PS3.3 C.11.2.1.2 and C.11.2.1.3 define it."""
    kind = _function(head)
    words = f"window {centre:g}/{width:g}"
    if kind == "SIGMOID":
        power = np.clip(-4 * (values - centre) / width, -700, 700)
        return 1 / (1 + np.exp(power)), words + " sigmoid"
    if kind == "LINEAR_EXACT":
        return (values - centre) / width + 0.5, words + " exact"
    return (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5, words


def _looked_up(head: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 to 1 by the first VOI LUT (PS3.3 C.11.2.1.1): its length, first value, and bits.

    Not by pydicom's apply_voi: its index has the type of the output, and wraps at 256 where a
    long table puts out 8 bits.
    """
    item = head.VOILUTSequence[0]
    length, first, bits = (int(n) for n in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if len(data) >= 2 * (length or 65536) else np.uint8)
    table = np.atleast_1d(np.asarray(data, np.float64))[: length or 65536]
    if first > 32767 and values.min() < 0:
        first -= 65536
    at = np.clip(np.round(values) - first, 0, len(table) - 1).astype(np.int64)
    return np.asarray(table[at] / ((1 << bits) - 1), np.float64)
