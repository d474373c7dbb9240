"""The frames that a person should look at: reference and candidate on the X-ray."""

import base64
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.frames import Gray, Polygon
from orapp.outline import dense
from orapp.qa.case import calibration_of, pictures_of
from orapp.qa.cases import Case
from orapp.qa.results import FrameResult, read_frames
from orapp.settings import SiteProfile

Colour = NDArray[np.uint8]
SIDE = 440
"""Each half of a picture, in pixels."""
MARGIN = 0.5
"""Around the outlines, as a share of their size."""
LEAST_VIEW = 0.25
"""Of the frame's shorter side is always seen."""
REFERENCE, CANDIDATE = (178, 114, 0), (0, 159, 230)
"""BGR: blue and orange, that the colour-blind tell apart; the reference is dashed, too."""
DASH_PX = 9
SIXTEENTHS = 4


def frame_of(folder: Path, number: int) -> FrameResult | None:
    """A frame's results; None if there is none."""
    with closing(read_frames(folder)) as frames:
        return next(islice(frames, number, None), None)


def picture_at(case: Case | None, number: int, site: SiteProfile | None = None) -> Gray | None:
    """A picture of a case, by its number; None if the file isn't at hand any more.

    Args:
        case: whose.
        number: of the frame, from 0.
        site: the site's profile: where text is burned in is blackened.
    """
    if case is None:
        return None
    try:
        with closing(pictures_of(case, number)) as pictures:
            found = next(pictures, None)
        blank = () if site is None else site.blanked(calibration_of(case))
    except (OrappError, OSError):
        return None
    if found is None or not blank:
        return found
    clean = found.copy()
    for rectangle in blank:
        rectangle.blank(clean)
    return clean


def side_by_side(
    pixels: Gray | None, reference: FrameResult | None, candidate: FrameResult | None
) -> str:
    """A PNG as a data URI: the frame alone at left, with both sides' outlines at right.

    The view is cut to the surroundings of the outlines: the text that is burned in at a picture's
    rim stays out of the report where it can.

    Args:
        pixels: the frame, (H, W) uint8; None draws on black.
        reference: what the baseline found there; None if it has no such frame.
        candidate: what this run found there.
    """
    one, two = ([] if r is None else r.polygons() for r in (reference, candidate))
    known = candidate or reference
    size = known.size if known is not None else (SIDE, SIDE)
    if pixels is None or pixels.shape != size:
        pixels = np.zeros(size, np.uint8)
    x, y, side = _view([*one, *two], size)
    alone = _cut(pixels, x, y, side)
    drawn = alone.copy()
    for polygons, colour, dashed in ((two, CANDIDATE, False), (one, REFERENCE, True)):
        for points in polygons:
            _draw(drawn, (points - (x, y) + 0.5) * (SIDE / side) - 0.5, colour, dashed)
    both = np.concatenate([alone, np.full((SIDE, 6, 3), 255, np.uint8), drawn], axis=1)
    _, png = cv2.imencode(".png", both)
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()


def _view(polygons: Sequence[Polygon], size: tuple[int, int]) -> tuple[int, int, int]:
    """Upper left corner and side of the square to show, in frame pixels; inside where it fits."""
    height, width = size
    shorter = min(height, width)
    if not polygons:
        side = shorter * 3 // 4
        return (width - side) // 2, (height - side) // 2, side
    points = np.concatenate(polygons)
    low, high = points.min(0), points.max(0)
    side = int(max((high - low).max() * (1 + 2 * MARGIN), LEAST_VIEW * shorter))
    x, y = ((low + high) / 2 - side / 2).round().astype(int).tolist()
    if side <= width:
        x = min(max(x, 0), width - side)
    if side <= height:
        y = min(max(y, 0), height - side)
    return x, y, side


def _cut(pixels: Gray, x: int, y: int, side: int) -> Colour:
    """The square, black where it lies outside, as (SIDE, SIDE, 3) BGR."""
    to_view = np.array([[1.0, 0, -x], [0, 1, -y]])
    square = cv2.warpAffine(pixels, to_view, (side, side), flags=cv2.INTER_NEAREST)
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    view = cv2.resize(square, (SIDE, SIDE), interpolation=how)
    return np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR), np.uint8)


def _draw(
    picture: Colour, points: NDArray[np.floating[Any]], colour: tuple[int, int, int], dashed: bool
) -> None:
    """A closed line with a dark halo, in place."""
    line = dense(points.astype(np.float32), 1.0)
    line = np.concatenate([line, line[:1]])
    step = DASH_PX if dashed else len(line)
    parts = [line[k : k + step + 1] for k in range(0, len(line), 2 * step)]
    fixed = [np.round(part * 2**SIXTEENTHS).astype(np.int32) for part in parts]
    for tone, width in (((0, 0, 0), 4), (colour, 2)):
        cv2.polylines(picture, fixed, False, tone, width, cv2.LINE_AA, SIXTEENTHS)
