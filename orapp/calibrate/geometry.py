"""Distortion and pixel spacing from a clip or a picture of an object of known size."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.clip import frames_of, mean_of
from orapp.calibrate.findings import Findings
from orapp.calibrate.plate import NoPlate, PlateFit, fit_plate
from orapp.calibrate.proposal import picture_of
from orapp.calibrate.spacing import Spacing, from_ball, from_cannula, from_ruler
from orapp.errors import OrappError
from orapp.frames import Gray
from orapp.site import SiteMap
from orapp.sources import KINDS, Source, open_source

LOOK_S = 3.0
EDGE = 6
"""Pixels around text, and within the round rim, that count as such."""
FILL = 0.02
"""How far what is filled takes its grey from, in sides of the picture."""
RIM = 720
"""Places around what X-rays reach."""
MOST_RESIZED = 1.25
"""What a polynomial says beyond the plate is not trusted with more."""
OBJECTS: dict[str, tuple[Callable[[NDArray[Any], float], Spacing], float]] = {
    "ruler": (from_ruler, 1.0),
    "ball": (from_ball, 25.4),
    "cannula": (from_cannula, 4.2),
}
"""How each object is measured, and its usual size: of a tick, or a diameter, in mm."""


def raw_frames(text: str, findings: Findings) -> Iterator[Gray]:
    """Raw frames of a source's URI, or of a file: a PNG or a video.

    Raises:
        OrappError: it can't be read, or is not of the size that was found.
    """
    for raw, _ in frames_of(source_of(text), LOOK_S):
        if raw.shape != (findings.height, findings.width):
            size = f"{raw.shape[1]}x{raw.shape[0]}"
            raise OrappError(
                f"the picture of '{Path(text).name}' is {size}, the clip's "
                f"{findings.width}x{findings.height}",
                "record both with the same grabber, and as it sends them",
            )
        yield raw


def source_of(text: str) -> Source:
    """A source by its URI, or by a file's name alone."""
    if text.partition(":")[0] in {kind.partition(":")[0] for kind in KINDS}:
        return open_source(text, as_fast_as_possible=True)
    if Path(text).suffix.lower() == ".png":
        from orapp.stills import PngSource

        return PngSource(Path(text))
    return open_source(f"file:{text}", as_fast_as_possible=True)


def crop_of(mean: NDArray[np.float32], findings: Findings) -> NDArray[np.float32]:
    """The active image area of a (H, W) raw picture."""
    x, y, w, h = findings.area
    return np.ascontiguousarray(mean[y : y + h, x : x + w])


def plate_in(text: str, findings: Findings) -> PlateFit:
    """Measures the plate that a source or file shows; raises OrappError if it can't."""
    return measured_plate(mean_of(raw_frames(text, findings)), findings)


def measured_plate(mean: NDArray[np.float32], findings: Findings) -> PlateFit:
    """Measures the plate in a (H, W) raw picture; raises OrappError if it can't.

    Without its distortion the picture is made so large that what X-rays reach just fills it, as
    it did before: without a pincushion's edges it would be smaller by some percent.
    """
    plate = fit_plate(crop_of(mean, findings))
    if plate.degree == 0:
        return plate
    try:
        site = SiteMap(picture_of(findings, plate))
        middle = (np.array(site.size[::-1]) - 1) / 2
        reach = float((np.abs(site.to_site(_rim(findings)) - middle) / middle).max())
        larger = plate.enlarged(float(np.clip(1 / reach, 1 / MOST_RESIZED, MOST_RESIZED)))
        picture_of(findings, larger)
    except ValueError as error:  # pydantic's, or of numbers that are none
        what = "the distortion that the plate shows turns the picture over"
        raise NoPlate(what, "lay it flat on the detector, and show all of it") from error
    return larger


def _rim(findings: Findings) -> NDArray[np.float64]:
    """(N, 2) raw pixels around what X-rays reach in the area: a round field, or all of it."""
    (left, top, width, height), circle = findings.area, findings.circle
    ends = np.array([left, top]), np.array([left + width - 1, top + height - 1])
    middle, radius = (ends[0] + ends[1]) / 2, float(width + height)
    if circle is not None:
        middle, radius = np.array([circle.x, circle.y]), circle.radius
    angle = np.linspace(0, 2 * np.pi, RIM)
    around = middle + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(np.clip(around, *ends), np.float64)


def spacing_in(text: str, thing: str, size_mm: float, findings: Findings, site: SiteMap) -> Spacing:
    """Measures by a `ruler`, `ball` or `cannula` that a source or file shows.

    Args:
        text: a source's URI, or a file.
        thing: one of `OBJECTS`.
        size_mm: of a tick, or the diameter.
        findings: for the raw pictures' size.
        site: gives the calibrated picture, in whose pixels the spacing holds.

    Raises:
        OrappError: it can't be read, or the object is not there.
    """
    calibrated = (site.apply(raw) for raw in raw_frames(text, findings))
    return measured(mean_of(calibrated), thing, size_mm, site)


def measured(mean: NDArray[np.float32], thing: str, size_mm: float, site: SiteMap) -> Spacing:
    """By an object in a calibrated (H, W) picture; raises OrappError if it is not there."""
    return OBJECTS[thing][0](field_only(mean, site), size_mm)


def field_only(mean: NDArray[np.float32], site: SiteMap) -> NDArray[np.float32]:
    """A calibrated picture with its surround and its text painted over by what is around them.

    What is dark there is no ruler, ball or cannula.
    """
    seen = _field(site)
    if seen.all():
        return mean
    share, wide = seen.astype(np.float32), FILL * max(mean.shape)
    for _ in range(4):  # farther and farther, until all is filled
        total = cv2.GaussianBlur(mean * seen, (0, 0), wide)
        weight = cv2.GaussianBlur(share, (0, 0), wide)
        filled = np.where(seen, mean, total / np.maximum(weight, 1e-12))
        if weight.min() > 1e-6:
            break
        wide *= 3
    return np.asarray(filled, np.float32)


def _field(site: SiteMap) -> NDArray[np.bool_]:
    """(H, W): what is neither beside the round field nor text, of the calibrated picture."""
    picture, (height, width) = site.picture, site.size
    seen = np.ones((height, width), bool)
    for x, y, w, h in site.boxes():
        seen[max(y - EDGE, 0) : y + h + EDGE, max(x - EDGE, 0) : x + w + EDGE] = False
    if picture.circle is not None:
        c, angle = picture.circle, np.linspace(0, 2 * np.pi, 181)
        radius = c.radius - EDGE
        rim = np.stack([c.x + radius * np.cos(angle), c.y + radius * np.sin(angle)], axis=1)
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [np.rint(site.to_site(rim) * 16).astype(np.int32)], 1, shift=4)
        seen &= inside > 0
    return seen
