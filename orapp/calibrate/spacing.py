"""How many mm a pixel is in the plane of the spine, how sure that is, and by what it was found.

Pixels are those of the calibrated picture: undistorted, bone and metal dark. What is measured holds
in the plane of the object; `Spacing.moved` takes it to the spine's.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.edges import REACH, along, around, fit_profile
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.ruler import find_ticks
from orapp.calibrate.steel import NoFiducial, bar, half_width, round_edge, round_thing, straightened
from orapp.errors import OrappError

Points = NDArray[np.float64]

CLICK_SD_PX = 1.0
"""A person's hand."""
INTERPOLATION_SD = 0.002
"""What blur, gamma and edge enhancement may do to an edge, as a part of the diameter."""
WORST_MISFIT = 0.12
HOLLOW = 0.06
"""Part of its depth that a tube is lighter in its middle than at its wall."""
MOST_UNSURE = 0.03
"""One standard deviation of a spacing, as a part of it."""
PLAUSIBLE = 0.05, 0.8
"""Mm per px that a C-arm's picture can have."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Pixel spacing.

    Attributes:
        mm_per_px: along both axes.
        uncertainty: one standard deviation of it, mm per px.
        source: as DICOM's Pixel Spacing Calibration Type (0028,0A02) has it: `fiducial` is by an
            object of known size, `geometry` by the distances of the C-arm.
        text: how it was found, in words without a full stop: DICOM's description (0028,0A04).
        points: (N, 2) px: what was found in the picture, to be drawn there; may be empty.
        at_spine: it holds where the spine lies; else where the object lay. A plate on the
            detector is shown a third larger than one at the spine would be.
    """

    mm_per_px: float
    uncertainty: float
    source: Literal["fiducial", "geometry"]
    text: str
    points: Points
    at_spine: bool = False

    def moved(self, object_mm: float, spine_mm: float, sd_mm: float = 10.0) -> "Spacing":
        """The same in the plane of the spine.

        Args:
            object_mm: from the focal spot to the plane that it was measured in.
            spine_mm: from the focal spot to the spine.
            sd_mm: standard deviation of the distance between the two.

        Raises:
            OrappError: a distance is not more than 0.
        """
        if not (object_mm > 0 and spine_mm > 0 and sd_mm >= 0):
            raise OrappError(
                "a distance from the focal spot is not more than 0 mm", "check the distances"
            )
        factor = spine_mm / object_mm
        value = self.mm_per_px * factor
        depth = value * sd_mm / spine_mm
        text = f"{self.text}, taken from {object_mm:g} to {spine_mm:g} mm from the focal spot"
        sd = math.hypot(self.uncertainty * factor, depth)
        return replace(self, mm_per_px=value, uncertainty=sd, text=text, at_spine=True)


def from_plate(plate: PlateFit, pitch_mm: float = 10.0, tolerance: float = 0.001) -> Spacing:
    """By a plate's beads or wires.

    Args:
        plate: of the raw picture; its `pitch_px` is already that of the undistorted one.
        pitch_mm: from one bead to the next.
        tolerance: standard deviation of that, as a part of it.
    """
    value = pitch_mm / plate.pitch_px
    sd = value * math.hypot(plate.pitch_sd_px / plate.pitch_px, tolerance)
    text = f"plate, {len(plate.points)} nodes {pitch_mm:g} mm apart"
    return Spacing(value, sd, "fiducial", text, plate.undistorted)


def from_geometry(
    detector_px_mm: float,
    source_detector_mm: float,
    source_spine_mm: float,
    sd_mm: float = 20.0,
) -> Spacing:
    """By the C-arm's distances.

    Args:
        detector_px_mm: size of a pixel of the calibrated picture on the detector.
        source_detector_mm: from the focal spot to the detector (SID).
        source_spine_mm: from the focal spot to the spine (SOD).
        sd_mm: standard deviation of the latter.

    Raises:
        OrappError: the spine is not between the two.
    """
    if not (detector_px_mm > 0 and 0 < source_spine_mm <= source_detector_mm):
        raise OrappError(
            "the spine is not between focal spot and detector", "check the distances in mm"
        )
    value = detector_px_mm * source_spine_mm / source_detector_mm
    text = f"SID {source_detector_mm:g} mm, SOD {source_spine_mm:g} mm"
    sd = value * sd_mm / source_spine_mm
    return Spacing(value, sd, "geometry", text, np.zeros((0, 2)), at_spine=True)


def from_ends(ends: Points, length_mm: float, sd_px: float = CLICK_SD_PX) -> Spacing:
    """By two places that a person has pointed at, such as two of a ruler's ticks.

    Args:
        ends: (2, 2) px.
        length_mm: between them.
        sd_px: standard deviation of each.

    Raises:
        NoFiducial: they lie too close to each other.
    """
    long = float(np.hypot(*(np.asarray(ends)[1] - ends[0])))
    if not (long > 20 and length_mm > 0):
        raise NoFiducial("the two ends lie too close to each other", "choose others")
    value = length_mm / long
    text = f"two ends pointed at, {length_mm:g} mm apart"
    sd = value * math.sqrt(2) * sd_px / long
    return Spacing(value, sd, "fiducial", text, np.asarray(ends, np.float64))


def from_ruler(picture: NDArray[Any], tick_mm: float = 1.0, tolerance: float = 0.001) -> Spacing:
    """By a lead ruler's ticks.

    Args:
        picture: (H, W) uint8 or float32.
        tick_mm: from one tick to the next.
        tolerance: standard deviation of that, as a part of it.

    Raises:
        NoFiducial: no ruler is there, or its ticks can't be so far apart.
    """
    ticks = find_ticks(np.ascontiguousarray(picture, np.float32))
    value = tick_mm / ticks.spacing_px
    if not PLAUSIBLE[0] < value < PLAUSIBLE[1]:
        raise NoFiducial(
            f"ticks {ticks.spacing_px:.1f} px apart can't be {tick_mm:g} mm apart",
            "say how far apart they are, or point at two of them",
        )
    sd = value * math.hypot(ticks.sd_px / ticks.spacing_px, tolerance)
    text = f"ruler, {ticks.count} ticks {tick_mm:g} mm apart"
    return Spacing(value, sd, "fiducial", text, ticks.ends)


def from_ball(
    picture: NDArray[Any],
    diameter_mm: float,
    tolerance_mm: float = 0.02,
    near: tuple[float, float] | None = None,
) -> Spacing:
    """By a steel ball.

    Args:
        picture: (H, W) uint8 or float32.
        diameter_mm: of the ball.
        tolerance_mm: its standard deviation.
        near: a place on the ball, px; without it the roundest dark thing is taken.

    Raises:
        NoFiducial: no ball is there, or not all of it.
    """
    grey = np.ascontiguousarray(picture, np.float32)
    centre, radius = round_thing(grey, near)
    for _ in range(3):
        centre, radius = round_edge(grey, centre, radius)
    x = np.arange(0.0, REACH * radius, 0.5)
    mean = np.median(around(grey, centre, x), axis=0)
    both = np.concatenate([-x[:0:-1], x])
    mirrored = np.concatenate([mean[:0:-1], mean])
    profile = fit_profile(both, mirrored, radius, diameter_mm / 2, symmetric=True)
    _check(profile.misfit, profile.radius, radius)
    angle = np.linspace(0, 2 * np.pi, 73)
    rim = centre + profile.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _by_diameter(profile.radius, profile.sd, diameter_mm, tolerance_mm, "steel ball", rim)


def from_cannula(
    picture: NDArray[Any],
    diameter_mm: float,
    tolerance_mm: float = 0.03,
    axis: Points | None = None,
) -> Spacing:
    """By the outer diameter of a cannula with its stylet in.

    A hollow one is refused: how thick its wall is and how wide it is can't be told apart to 3 %
    (on simulated pictures: up to 6 % off). It holds along the cannula only as far as that lies
    level: parallel to the detector.

    Args:
        picture: (H, W) uint8 or float32.
        diameter_mm: outer one.
        tolerance_mm: its standard deviation.
        axis: (2, 2) px, two places on its middle; without it the longest dark bar is taken.

    Raises:
        NoFiducial: no cannula is there, or a hollow one.
    """
    grey = np.ascontiguousarray(picture, np.float32)
    ends = bar(grey) if axis is None else np.asarray(axis, np.float64)
    if float(np.hypot(*(ends[1] - ends[0]))) < 20:
        raise NoFiducial("the cannula is too short", "point at two places farther apart")
    radius = half_width(grey, ends)
    for _ in range(3):
        ends, radius = straightened(grey, ends, radius)
    x = np.arange(-REACH * radius, REACH * radius, 0.5)
    mean = np.median(along(grey, ends[0], ends[1], x), axis=0)
    core, wall = abs(x) < 0.3 * radius, (abs(x) > 0.5 * radius) & (abs(x) < 0.95 * radius)
    depth = float(np.percentile(mean, 90) - mean.min())
    if float(mean[core].mean()) > float(mean[wall].min()) + HOLLOW * depth:
        raise NoFiducial("the cannula is hollow", "put its stylet in")
    profile = fit_profile(x, mean, radius, diameter_mm / 2, symmetric=False)
    _check(profile.misfit, profile.radius, radius)
    ahead = (ends[1] - ends[0]) / float(np.hypot(*(ends[1] - ends[0])))
    side = np.array([-ahead[1], ahead[0]])
    off = side * (profile.centre + profile.radius), side * (profile.centre - profile.radius)
    rim = np.array([ends[0] + off[0], ends[1] + off[0], ends[1] + off[1], ends[0] + off[1]])
    return _by_diameter(profile.radius, profile.sd, diameter_mm, tolerance_mm, "cannula", rim)


def _by_diameter(
    radius: float, sd: float, diameter_mm: float, tolerance_mm: float, what: str, rim: Points
) -> Spacing:
    value = diameter_mm / 2 / radius
    part = math.hypot(sd / radius, tolerance_mm / diameter_mm, INTERPOLATION_SD)
    part = math.hypot(part, 0.15 / radius)  # of a pixel: how it is sampled
    if not part < MOST_UNSURE:
        raise NoFiducial(
            f"the edges of the {what} can't be told to {MOST_UNSURE:.0%}",
            "show it on a light and even background, or nearer to the tube",
        )
    return Spacing(value, value * part, "fiducial", f"{what} of {diameter_mm:g} mm", rim)


def _check(misfit: float, radius: float, rough: float) -> None:
    if misfit > WORST_MISFIT or not 0.7 < radius / rough < 1.4:
        raise NoFiducial(
            "what is dark there has no edge like steel's", "point at it, or take another picture"
        )
