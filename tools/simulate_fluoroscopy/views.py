"""What a C-arm looks through: cone-beam line integrals of a patient, from the side or the front."""

from dataclasses import dataclass

import cv2
import itk
import numpy as np
from numpy.typing import NDArray

from tools.simulate_fluoroscopy.ct import COARSE, Vector, Volume
from tools.simulate_fluoroscopy.patients import Patient, Placed

Plane = NDArray[np.float32]

CANVAS, CANVAS_MM = 704, 0.4
"""Side of the canvas in pixels, and a pixel's size at the isocentre."""
BACKGROUND = 2
"""The background has half of the canvas's pixels: it is smooth."""
INSIDE_MM = 3.0
"""Least path through a body that counts as inside its outline."""


@dataclass(frozen=True, slots=True)
class View:
    """One position of the C-arm.

    Attributes:
        name: lateral, ap or oblique.
        rotation, tilt: degrees; 0 is from the front, 90 from the side.
        mirror: the picture is turned over, as when the patient faces the other way.
        source_mm, detector_mm: distances of the source from isocentre and detector.
        centre: isocentre in mm, (z, y, x).
        wide: how much larger than CANVAS_MM the canvas's pixels are.
    """

    name: str
    rotation: float
    tilt: float
    mirror: bool
    source_mm: float
    detector_mm: float
    centre: Vector
    wide: float = 1.0

    @property
    def canvas_mm(self) -> float:
        """Size of a canvas pixel at the isocentre."""
        return CANVAS_MM * self.wide


@dataclass(frozen=True, slots=True)
class Projected:
    """Line integrals of one view; (CANVAS, CANVAS) float32 in mm of water unless said otherwise.

    Attributes:
        soft, bone: background without the bodies.
        column: the bodies.
        broken, bodies: uint8, 1 inside a broken body, inside any.
        focus: (x, y) of the body in question on the canvas.
        rear: unit vector from it to the patient's back, as far as it is seen.
    """

    soft: Plane
    bone: Plane
    column: Plane
    broken: NDArray[np.uint8]
    bodies: NDArray[np.uint8]
    focus: Vector
    rear: Vector


def draw_view(rng: np.random.Generator, name: str, target: Vector) -> View:
    """A C-arm turned to the target, a little wrong as in life."""
    middle = {"lateral": 90.0, "ap": 0.0, "oblique": rng.choice([35.0, 55.0, -35.0, -55.0])}[name]
    off = rng.uniform([-25, -12, -12], [25, 12, 12])
    return View(
        name,
        float(middle + rng.uniform(-8, 8)),
        float(rng.uniform(-8, 8)),
        bool(rng.uniform() < 0.5),
        float(rng.uniform(620, 800)),
        float(rng.uniform(980, 1200)),
        target + off,
    )


PLACES = ("chest", "shoulder", "flank")
"""What a C-arm or an X-ray room shows beside a spine, as far as the CT reaches."""


def draw_elsewhere(rng: np.random.Generator, place: str, middle: Vector) -> View:
    """A whole chest from the front or the side, or what lies beside the spine."""
    if place == "chest":
        rotation, wide = float(rng.choice([0.0, 90.0])), 1.6
        off = rng.uniform(-20, 20, 3)
    else:
        rotation, wide = float(rng.choice([0.0, 20.0, -20.0])), float(rng.uniform(0.55, 0.7))
        side = rng.choice([-1, 1]) * rng.uniform(105, 140)
        off = np.array([rng.uniform(-30, 30), 20.0, side])
    return View(
        place,
        rotation + float(rng.uniform(-6, 6)),
        float(rng.uniform(-6, 6)),
        bool(rng.uniform() < 0.5),
        float(rng.uniform(700, 800)),
        float(rng.uniform(1000, 1200)),
        middle + off,
        wide,
    )


class Eye:
    """Projects a patient for one view; the background is done once for all its fractures."""

    def __init__(self, patient: Patient, view: View) -> None:
        from itk import RTK as rtk  # noqa: N811

        self._patient, self._view = patient, view
        self._geometry = rtk.ThreeDCircularProjectionGeometry.New()
        self._geometry.AddProjection(
            view.source_mm, view.detector_mm, view.rotation, 0, 0, view.tilt, 0
        )
        self._matrix = itk.array_from_matrix(self._geometry.GetMatrix(0))
        self._known: dict[int, tuple[Placed, Plane, Plane]] = {}
        rest = _bent(patient)
        water = (1 + np.minimum(rest, 130) / 1000).astype(np.float32)
        dense = (np.maximum(rest - 130, 0) / 1000).astype(np.float32)
        mm = patient.anatomy.mm * COARSE
        corner = np.full(3, mm / 4) * patient.habitus.scale
        n = CANVAS // BACKGROUND
        self.soft, self.bone = (
            self._grown(self._project(v, mm, corner, BACKGROUND, (0, 0, n, n)))
            for v in (water, dense)
        )

    def see(self, bodies: list[Placed], focus: str) -> Projected:
        """Adds the bodies to the background."""
        column = np.zeros((CANVAS, CANVAS), np.float32)
        inside, broken = np.zeros_like(column, np.uint8), np.zeros_like(column, np.uint8)
        for body in bodies:
            thick, density = self._layers(body)
            column += density
            mask = (thick > INSIDE_MM).astype(np.uint8)
            inside |= mask
            if body.broken:
                broken |= mask
        middle = next(b.centre for b in bodies if b.level == focus)
        at, behind = self.spots(np.stack([middle, middle - [0, 40.0, 0]]))
        return Projected(self.soft, self.bone, column, broken, inside, at, _unit(behind - at))

    def area(self, bodies: list[Placed], level: str) -> int:
        """Pixels of one body's outline on the canvas."""
        return int(self.inside(bodies, level).sum())

    def inside(self, bodies: list[Placed], level: str) -> NDArray[np.bool_]:
        """(CANVAS, CANVAS): the inside of one body's outline, alone."""
        body = next(b for b in bodies if b.level == level)
        return np.asarray(self._layers(body)[0] > INSIDE_MM)

    @property
    def floor(self) -> float:
        """Row of the canvas below which there is no patient."""
        _, y, x = self._view.centre
        lowest = 4.0 * self._patient.habitus.scale[0]
        ends = np.array([[lowest, y + away, x] for away in (-80.0, 80.0)])
        return float(self.spots(ends)[:, 1].min())

    def spots(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) x, y on the canvas of (N, 3) points in mm, (z, y, x)."""
        z, y, x = (points - self._view.centre).T
        u, v, w = self._matrix @ np.stack([x, z, y, np.ones_like(x)])
        step = self._view.canvas_mm * self._view.detector_mm / self._view.source_mm
        seen = np.stack([u / w, -v / w], 1) / step + (CANVAS - 1) / 2
        if self._view.mirror:
            seen[:, 0] = CANVAS - 1 - seen[:, 0]
        return seen

    def _layers(self, body: Placed) -> tuple[Plane, Plane]:
        """Path inside the body and its density; (CANVAS, CANVAS), 0 where it is not."""
        if id(body) not in self._known:
            mm = self._patient.anatomy.mm
            shape = np.array(body.inside.shape) * mm * self._patient.habitus.scale
            corners = np.indices((2, 2, 2)).reshape(3, 8).T * shape + body.corner
            spots = self.spots(corners)
            x0, y0 = np.clip(np.floor(spots.min(0)).astype(int) - 2, 0, CANVAS)
            x1, y1 = np.clip(np.ceil(spots.max(0)).astype(int) + 3, 0, CANVAS)
            planes = np.zeros((2, CANVAS, CANVAS), np.float32)
            if x1 > x0 and y1 > y0:
                for plane, volume in zip(planes, (body.inside, body.density), strict=True):
                    box = (x0, y0, x1, y1)
                    plane[y0:y1, x0:x1] = self._project(volume, mm, body.corner, 1, box)
            self._known[id(body)] = body, planes[0], planes[1]
        _, thick, density = self._known[id(body)]
        return thick, density

    def _project(
        self,
        volume: Volume,
        mm: float,
        corner: Vector,
        coarse: int,
        box: tuple[int, int, int, int],
    ) -> Plane:
        """Line integrals on a part (x0, y0, x1, y1) of the canvas of CANVAS / coarse pixels."""
        from itk import RTK as rtk  # noqa: N811

        view, n = self._view, CANVAS // coarse
        x0, y0, x1, y1 = box if not view.mirror else (n - box[2], box[1], n - box[0], box[3])
        spacing = np.array([mm] * 3) * self._patient.habitus.scale
        z, y, x = corner - view.centre
        image = itk.image_from_array(np.ascontiguousarray(volume.transpose(1, 0, 2)))
        image.SetSpacing([spacing[2], spacing[0], spacing[1]])
        image.SetOrigin([x, z, y])
        kind = itk.Image[itk.F, 3]
        step = view.canvas_mm * coarse * view.detector_mm / view.source_mm
        blank = rtk.ConstantImageSource[kind].New()
        blank.SetSize([int(x1 - x0), int(y1 - y0), 1])
        blank.SetSpacing([step, step, 1])
        middle = (n - 1) / 2
        blank.SetOrigin([(x0 - middle) * step, (middle - (y1 - 1)) * step, 0])
        forward = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        forward.SetInput(0, blank.GetOutput())
        forward.SetInput(1, image)
        forward.SetGeometry(self._geometry)
        forward.Update()
        seen = itk.array_from_image(forward.GetOutput())[0, ::-1]
        return np.asarray(seen[:, ::-1] if view.mirror else seen, np.float32)

    @staticmethod
    def _grown(plane: Plane) -> Plane:
        size = (CANVAS, CANVAS)
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC), np.float32)


def _bent(patient: Patient) -> Volume:
    """The rest of the CT, each slice shifted as the spine is bent."""
    rest, mm = patient.anatomy.rest, patient.anatomy.mm * COARSE
    ahead, left = patient.bend(np.arange(len(rest)) * mm)
    out = np.empty_like(rest)
    for z, slice_ in enumerate(rest):
        move = np.array([[1, 0, left[z] / mm], [0, 1, ahead[z] / mm]])
        size = slice_.shape[::-1]
        out[z] = cv2.warpAffine(slice_, move, size, borderMode=cv2.BORDER_REPLICATE)
    return out


def _unit(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 5 else np.array([1.0, 0.0])
