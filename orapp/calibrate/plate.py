"""A plate with beads or a grid on the detector: the distortion of the picture, and its residual."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.calibrate.lattice import find_lattice
from orapp.calibrate.warp import BETTER, MOST_DEGREE, Points, Warp, bent, plain
from orapp.errors import OrappError

WORTH_PX = 0.5
"""A picture is flat if all nodes, but for one in twenty, lie closer than this to a plain lattice,
or would be moved by less than this."""
FOLDS = 5
MOST_TILT_DEG = 6.0
MARKED = 1.8
"""A bead that takes so many times as much light as the others do is a mark."""
ARROWS = 20
GOOD, BAD = (80, 220, 120), (255, 90, 60)


class NoPlate(OrappError):
    """There is no plate in the picture that distortion could be measured by."""


@dataclass(frozen=True, slots=True)
class PlateFit:
    """What a plate says about a picture (H, W).

    Attributes:
        points: (N, 2) pixels, the nodes that were found (beads, or crossings of wires).
        nodes: (N, 2) whole numbers, their columns and rows.
        undistorted: (N, 2) pixels, where they are without distortion: a plain lattice, of the
            same place and turn in the picture's middle, and `size` times as large.
        misses: (N, 2) pixels, found minus expected, each by a fit that did not know this node.
        centre, scale: of the picture, pixels: u, v = (point - centre) / scale.
        degree: of the polynomial; 0 where no distortion is worth correcting.
        x, y: coefficients, undistorted to distorted, by i + j, then by j; empty for degree 0.
        residual_px: root mean square of `misses`.
        largest_px: largest of `misses`.
        plain_px: 95 of 100 nodes are closer than this to a plain lattice, without correction.
        pitch_px, pitch_sd_px: from one node to the next, undistorted, in the picture's middle.
        tilt_deg: how far the plate leaned; the correction has it taken out.
        turn_deg: by which the plate's columns are turned clockwise; within 45 without marks.
        mirrored: whether the plate is seen from behind; None without marks.
        size: of the undistorted picture, in its middle, beside the picture as it came.
    """

    points: Points
    nodes: NDArray[np.int64]
    undistorted: Points
    misses: Points
    centre: tuple[float, float]
    scale: float
    degree: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    residual_px: float
    largest_px: float
    plain_px: float
    pitch_px: float
    pitch_sd_px: float
    tilt_deg: float
    turn_deg: float
    mirrored: bool | None
    size: float = 1.0

    def enlarged(self, times: float) -> "PlateFit":
        """The same, with an undistorted picture that is so many times as large, from its middle."""
        middle = np.array(self.centre)
        orders = [n for n in range(self.degree + 1) for _ in range(n + 1)]
        x, y = (
            tuple(c / times**n for c, n in zip(terms, orders, strict=False))  # none for degree 0
            for terms in (self.x, self.y)
        )
        return replace(
            self,
            undistorted=(self.undistorted - middle) * times + middle,
            x=x,
            y=y,
            pitch_px=self.pitch_px * times,
            pitch_sd_px=self.pitch_sd_px * times,
            size=self.size * times,
        )

    @property
    def text(self) -> str:
        """What was found, in a sentence without a full stop."""
        count = len(self.points)
        if self.degree == 0:
            return (
                f"no distortion worth correcting: {count} nodes of the plate lie on a plain "
                f"lattice ({self.residual_px:.2f} px, root mean square)"
            )
        resized = "" if abs(self.size - 1) < 0.005 else f"; made {self.size:.0%} as large"
        return (
            f"distortion of up to {self.plain_px:.1f} px measured at {count} nodes; "
            f"{self.residual_px:.2f} px remain (largest {self.largest_px:.2f}), "
            f"degree {self.degree}{resized}"
        )

    def distortion(self) -> dict[str, Any] | None:
        """The profile's `[picture.distortion]`; None for a flat panel."""
        if self.degree == 0:
            return None
        return {
            "model": "polynomial",
            "degree": self.degree,
            "centre": list(self.centre),
            "scale": self.scale,
            "x": list(self.x),
            "y": list(self.y),
            "residual_px": round(self.residual_px, 3),
        }

    def picture(self, crop: NDArray[Any]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB: the plate, with an arrow at each node, 20 times its residual."""
        dim = 0.55 * np.clip(crop, 0, 255)
        shown = np.repeat(dim.astype(np.uint8)[..., None], 3, axis=2)
        thick = max(1, round(len(crop) / 700))
        for at, miss in zip(self.points, self.misses, strict=True):
            good = float(np.hypot(*miss)) <= WORTH_PX
            start, end = (tuple(map(int, np.rint(p * 16))) for p in (at, at + ARROWS * miss))
            colour = GOOD if good else BAD
            cv2.line(shown, start, end, colour, thick, cv2.LINE_AA, 4)
            cv2.circle(shown, start, 16 * 2 * thick, colour, -1, cv2.LINE_AA, 4)
        lines = [
            f"{len(self.points)} nodes; arrows are {ARROWS} times the residual",
            f"left over: {self.residual_px:.2f} px, largest {self.largest_px:.2f} px",
            f"uncorrected: {self.plain_px:.1f} px; degree {self.degree}; "
            f"tilt {self.tilt_deg:.1f} deg",
        ]
        _write(shown, lines)
        return shown


def fit_plate(crop: NDArray[Any]) -> PlateFit:
    """Measures the distortion of a picture by the plate in it.

    Nodes may be missing, or covered by an instrument, text or the collimator; the plate may be
    turned, mirrored, and lean by some degrees.

    Args:
        crop: (H, W) uint8, the active image area; or float32, the mean of some such frames, which
            is better. Either polarity.

    Raises:
        NoPlate: there is none, too little of one, or one that lies too much askew.
    """
    grey = np.ascontiguousarray(crop, np.float32)
    if grey.ndim != 2 or min(grey.shape) < 64:
        raise NoPlate("the picture is too small for a plate", "check the active image area")
    lattice = find_lattice(grey)
    if lattice is None:
        raise NoPlate(
            "no plate is in the picture: beads or crossings on a square lattice, 4 x 5 at least",
            "lay the plate flat on the detector, with nothing else in the beam",
        )
    high, wide = grey.shape
    centre = np.array([wide - 1, high - 1]) / 2
    scale = max(wide, high) / 2
    nodes = lattice.nodes - np.rint(lattice.nodes.mean(axis=0)).astype(np.int64)
    sd = max(lattice.spread_px, 0.05) / scale
    found = _Fitting(nodes.astype(np.float64), (lattice.points - centre) / scale, sd, scale)
    warp, misses = found.best()
    if warp.tilt_deg > MOST_TILT_DEG:
        raise NoPlate(
            f"the plate leans by {warp.tilt_deg:.0f} degrees", "lay it flat on the detector"
        )
    turn, mirrored = _orientation(grey if lattice.dark else 255 - grey, warp, centre, scale)
    long = np.hypot(*misses.T)
    terms = warp.coefficients
    laid = warp.undistorted(found.nodes)
    reach = float(np.sqrt(((laid - laid.mean(axis=0)) ** 2).sum()))
    rms = float(np.sqrt((long**2).mean()))
    return PlateFit(
        lattice.points,
        nodes,
        laid * scale + centre,
        misses,
        (float(centre[0]), float(centre[1])),
        scale,
        0 if terms is None else found.degree,
        () if terms is None else tuple(map(float, terms[:, 0])),
        () if terms is None else tuple(map(float, terms[:, 1])),
        rms,
        float(long.max()),
        found.plain_px,
        warp.pitch * scale,
        warp.pitch * rms / reach,
        warp.tilt_deg,
        turn,
        mirrored,
    )


class _Fitting:
    """Chooses how much of a polynomial the nodes bear, by nodes that the fit does not know."""

    def __init__(self, nodes: Points, seen: Points, sd: float, scale: float) -> None:
        self.nodes, self._seen, self._sd, self._scale = nodes, seen, sd, scale
        self._fold = np.random.default_rng(5).permutation(len(nodes)) % FOLDS
        self.degree = 0
        self.plain_px = 0.0

    def best(self) -> tuple[Warp, Points]:
        """The warp, and (N, 2) pixels that each node is off by a fit that did not know it."""
        tried = self._held_out()
        self.plain_px = float(np.percentile(np.hypot(*tried[0].T), 95))
        if self.plain_px <= WORTH_PX:
            return plain(self.nodes, self._seen, self._sd), tried[0]
        order = [1]
        for degree in range(2, MOST_DEGREE + 1):
            if _rms(tried[degree]) < BETTER * _rms(tried[order[-1]]):
                order.append(degree)
        warps = bent(self.nodes, self._seen, self._sd)
        for degree in reversed(order):
            if warps[degree].is_one_to_one():
                return self._if_worth_it(warps[degree], tried[degree], tried[0], degree)
        raise NoPlate("the plate's picture folds over itself", "show the whole plate once more")

    def _if_worth_it(
        self, warp: Warp, curved: Points, flat: Points, degree: int
    ) -> tuple[Warp, Points]:
        """Without the polynomial where all that it moves is less than the nodes scatter."""
        laid = warp.undistorted(self.nodes)
        moved = np.hypot(*(warp.distorted(laid) - laid).T) * self._scale
        if float(np.percentile(moved, 95)) <= WORTH_PX:
            return plain(self.nodes, self._seen, self._sd), flat
        self.degree = degree
        return warp, curved

    def _held_out(self) -> dict[int, Points]:
        """By degree, 0 is none: (N, 2) pixels that each node is off by a fit without it."""
        misses = {degree: np.zeros_like(self._seen) for degree in range(MOST_DEGREE + 1)}
        for fold in range(FOLDS):
            out = self._fold == fold
            known = self.nodes[~out], self._seen[~out], self._sd
            for degree, warp in {0: plain(*known), **bent(*known)}.items():
                misses[degree][out] = self._seen[out] - warp.seen(self.nodes[out])
        return {degree: miss * self._scale for degree, miss in misses.items()}


def _write(shown: NDArray[np.uint8], lines: list[str]) -> None:
    """Lines of text on a dark strip along the lower edge, in place."""
    high, size = len(shown), max(len(shown) / 1400, 0.3)
    shown[high - round((34 * len(lines) + 10) * size) :] //= 4
    for n, line in enumerate(reversed(lines)):
        at = (round(12 * size), round(high - (12 + 34 * n) * size))
        cv2.putText(
            shown, line, at, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA
        )


def _rms(misses: Points) -> float:
    return float(np.sqrt((misses**2).sum(axis=1).mean()))


def _orientation(
    grey: NDArray[np.float32], warp: Warp, centre: Points, scale: float
) -> tuple[float, bool | None]:
    """Turn of the plate's columns in degrees, and whether it is mirrored, by the three marks."""
    ends = warp.seen(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    steps = ends[1:] - ends[0]
    marks = _marks(grey, warp, centre, scale)
    for k in range(len(marks) if len(marks) == 3 else 0):
        first, second = sorted(np.delete(marks, k, axis=0) - marks[k], key=lambda way: way @ way)
        if (first @ first, second @ second, first @ second) == (4, 9, 0):
            along = first @ steps
            crossed = first[0] * second[1] - first[1] * second[0]
            return float(np.degrees(np.arctan2(along[1], along[0]))), bool(crossed < 0)
    turn = float(np.degrees(np.arctan2(steps[0, 1], steps[0, 0])))
    return (turn + 45) % 90 - 45, None


def _marks(
    grey: NDArray[np.float32], warp: Warp, centre: Points, scale: float
) -> NDArray[np.int64]:
    """(M, 2) nodes with larger beads: what is dark up to a fifth of the pitch."""
    pitch = warp.pitch * scale
    reach = round(0.35 * pitch)
    line = np.arange(-40, 41)
    nodes = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    places = warp.undistorted(nodes.astype(np.float64))
    inside = np.hypot(*places.T) < 1 - 2 * reach / scale
    nodes = nodes[inside]
    at = np.rint(warp.distorted(places[inside]) * scale + centre).astype(int)
    fits = ((at > reach) & (at < np.array(grey.shape[::-1]) - reach - 1)).all(axis=1)
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    away = np.hypot(u, v) / max(pitch, 1)
    near, ring = away < 0.22, (away > 0.26) & (away < 0.34)
    sums = np.zeros(len(nodes))
    for k in np.nonzero(fits)[0]:
        patch = grey[at[k, 1] + v, at[k, 0] + u]
        if np.percentile(patch[ring], 5) > patch[near].mean():  # no rim, no instrument
            sums[k] = float(np.median(patch[ring]) - patch[near].mean())
    usual = float(np.median(sums[sums > 0])) if (sums > 0).any() else np.inf
    return np.asarray(nodes[sums > MARKED * usual])
