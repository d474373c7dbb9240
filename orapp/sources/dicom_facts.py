"""What a DICOM header says about how the X-ray was made: numbers and codes, never text."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue

from orapp.sources import Fact
from orapp.sources.dicom_grey import number

NUMBERS = (
    "KVP",
    "XRayTubeCurrent",
    "ExposureTime",
    "PositionerPrimaryAngle",
    "PositionerSecondaryAngle",
    "DistanceSourceToPatient",
    "DistanceSourceToDetector",
)
CODES = {
    "Modality": ("XA", "RF", "CR", "DX", "OT", "SC"),
    "RadiationSetting": ("SC", "GR"),
    "BurnedInAnnotation": ("YES", "NO"),
    "LossyImageCompression": ("00", "01"),
    "PositionerMotion": ("STATIC", "DYNAMIC"),
    "Plane": ("SINGLE PLANE", "BIPLANE A", "BIPLANE B"),
}
DIRECTIONS = "PatientOrientation"
DIRECTION = re.compile("[LRAPHF]{1,3}")
LARGEST = 1e6


def facts_of(head: Dataset) -> dict[str, Fact]:
    """The facts of a header by their keywords, fit for JSON.

    `Plane` is the third value of ImageType, `PatientOrientation` the two directions.
    """
    stated: dict[str, Any] = {keyword: number(head, keyword) for keyword in NUMBERS}
    stated |= {keyword: str(head.get(keyword, "")) for keyword in CODES}
    kind, lying = head.get("ImageType"), head.get(DIRECTIONS)
    if isinstance(kind, MultiValue) and len(kind) > 2:
        stated["Plane"] = str(kind[2])
    if isinstance(lying, MultiValue):
        stated[DIRECTIONS] = [str(each) for each in lying]
    return checked_facts(stated)


def checked_facts(stated: Any) -> dict[str, Fact]:
    """Of what a session's head says, wherever it came from, that which can be such facts."""
    return dict(_checked(stated)) if isinstance(stated, Mapping) else {}


def _checked(stated: Mapping[Any, Any]) -> Iterator[tuple[str, Fact]]:
    for keyword in NUMBERS:
        value: Any = stated.get(keyword)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if plain and math.isfinite(value) and abs(value) < LARGEST:
            yield keyword, float(value)
    for keyword, allowed in CODES.items():
        if stated.get(keyword) in allowed:
            yield keyword, str(stated[keyword])
    lying = stated.get(DIRECTIONS)
    if isinstance(lying, list) and len(lying) == 2 and all(map(_is_direction, lying)):
        yield DIRECTIONS, lying


def _is_direction(word: object) -> bool:
    return isinstance(word, str) and DIRECTION.fullmatch(word) is not None
