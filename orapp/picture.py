"""What a site profile says of the video: `[device]`, `[picture]`, `[signature]`. Pixels are raw."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=16, le=16384)]
Rate = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Points = NDArray[np.float64]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that is no text")
    return text


Words = Annotated[str, AfterValidator(_printable)]
"""What people and terminals read: without what a terminal would obey."""
RIM_PX = 2
"""A round field is found to that, or better."""
MOST_BENT, LEAST_CELL = 0.5, 0.1
"""A distortion moves no point further, in shorter sides, and shrinks no piece to less."""


class Table(BaseModel):
    """A part of a profile: says nothing that orapp doesn't know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Box(Table):
    """A rectangle of whole pixels, from its upper left one."""

    x: Annotated[int, Field(ge=0, le=16384)]
    y: Annotated[int, Field(ge=0, le=16384)]
    width: Annotated[int, Field(ge=1, le=16384)]
    height: Annotated[int, Field(ge=1, le=16384)]


class Circle(Table):
    """A round field; pixel centres lie at whole numbers."""

    x: Finite
    y: Finite
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Distortion(Table):
    """Where a point of the undistorted area lies in the raw one.

    With u, v = (point - centre) / scale, the raw point is centre + scale * (sum x_k u^i v^j,
    sum y_k u^i v^j), the terms ordered by i + j, then by j.
    """

    model: Literal["polynomial"] = "polynomial"
    degree: Annotated[int, Field(ge=1, le=7)]
    centre: tuple[Finite, Finite]
    """In pixels of the area, before it is turned or mirrored."""
    scale: Annotated[float, Field(ge=1, le=1e6, allow_inf_nan=False)]
    x: tuple[Finite, ...]
    y: tuple[Finite, ...]
    residual_px: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """What the fit left, root of the mean square."""

    @model_validator(mode="after")
    def _as_many_as_the_degree_has(self) -> Self:
        terms = (self.degree + 1) * (self.degree + 2) // 2
        for name in ("x", "y"):
            count = len(getattr(self, name))
            if count != terms:
                raise ValueError(f"{name} has {count} coefficients, degree {self.degree} {terms}")
        return self

    def bent(self, points: Points) -> Points:
        """Where undistorted points (N, 2) of the area lie in the raw one, (N, 2)."""
        u, v = ((np.asarray(points, np.float64) - self.centre) / self.scale).T
        ups, downs = _powers(u, self.degree), _powers(v, self.degree)
        there = [np.einsum("ni,ij,nj->n", ups, terms, downs) for terms in self._tables()]
        return np.stack(there, axis=1) * self.scale + self.centre

    @property
    def size(self) -> float:
        """Of a pixel of the undistorted area in its middle, in raw pixels."""
        steps = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]) / 2
        right, left, low, high = self.bent(steps + self.centre)
        return float(np.sqrt(abs(np.linalg.det(np.stack([right - left, low - high])))))

    def grid(self, right: Points, down: Points) -> tuple[Points, Points]:
        """The same of a grid of columns (W,) and rows (H,): x and y, each (H, W)."""
        ups = _powers((right - self.centre[0]) / self.scale, self.degree)
        downs = _powers((down - self.centre[1]) / self.scale, self.degree)
        x, y = (downs @ terms.T @ ups.T * self.scale for terms in self._tables())
        return x + self.centre[0], y + self.centre[1]

    def _tables(self) -> tuple[Points, Points]:
        """The coefficients of x and y at [i, j]."""
        size = self.degree + 1
        tables = np.zeros((2, size, size))
        places = [(n - j, j) for n in range(size) for j in range(n + 1)]
        for (i, j), x, y in zip(places, self.x, self.y, strict=True):
            tables[:, i, j] = x, y
        return tables[0], tables[1]


def _powers(values: Points, degree: int) -> Points:
    return values[:, None] ** np.arange(degree + 1)


class Picture(Table):
    """How a raw frame becomes the picture that everybody sees."""

    width: Side
    height: Side
    """Of the raw frames that it was made for; others are refused."""
    area: Box
    """The active image area."""
    circle: Circle | None = None
    text: Annotated[tuple[Box, ...], Field(max_length=64)] = ()
    """Burned-in text and logos."""
    black: Annotated[int, Field(ge=0, le=254)] = 0
    white: Annotated[int, Field(ge=1, le=255)] = 255
    """Raw grey levels that are black and white."""
    inverted: bool = False
    """The raw polarity is the other way round than orapp's."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Clockwise, after the crop."""
    mirror: bool = False
    """Left to right, after the rotation."""
    distortion: Distortion | None = None

    @property
    def black_beyond(self) -> float | None:
        """Radius of the round field beyond which all but text is made black; None: nothing is.

        What lies around it in a video of the other polarity would turn white: then a little of
        the rim goes, too, so that no bright ring is left. Else, with distortion, more is kept than
        was found.
        """
        if self.circle is None:
            return None
        if self.inverted:
            return max(self.circle.radius - RIM_PX, 0.0)
        return self.circle.radius * 1.005 + RIM_PX if self.distortion is not None else None

    def as_sent(self) -> "Picture":
        """The same for who leaves the frame raw: only where things are counts."""
        return Picture(
            width=self.width,
            height=self.height,
            area=Box(x=0, y=0, width=self.width, height=self.height),
            text=self.text,
        )

    @model_validator(mode="after")
    def _lies_in_the_frame(self) -> Self:
        for name, box in (("area", self.area), *(("text", box) for box in self.text)):
            if box.x + box.width > self.width or box.y + box.height > self.height:
                raise ValueError(f"{name} reaches beyond the {self.width}x{self.height} frame")
        circle, area = self.circle, self.area
        if circle is not None and not (
            area.x <= circle.x <= area.x + area.width and area.y <= circle.y <= area.y + area.height
        ):
            raise ValueError("circle has its middle outside the area")
        if min(self.area.width, self.area.height) < 16:
            raise ValueError("area is smaller than 16x16")
        if self.white - self.black < 16:
            raise ValueError("black and white are less than 16 grey levels apart")
        return self

    @model_validator(mode="after")
    def _bends_a_little(self) -> Self:
        """What turns the picture over, folds it, or moves it away is no lens's distortion."""
        if self.distortion is None:
            return self
        width, height = self.area.width, self.area.height
        right, down = np.linspace(0, width - 1, 33), np.linspace(0, height - 1, 33)
        with np.errstate(all="ignore"):
            x, y = self.distortion.grid(right, down)
            away = np.hypot(x - right, y - down[:, None]).max()
            across, along = np.diff(x, axis=1)[:-1], np.diff(y, axis=0)[:, :-1]
            turned = np.diff(x, axis=0)[:, :-1] * np.diff(y, axis=1)[:-1]
            share = (across * along - turned) / (right[1] * down[1])
            fine = away < MOST_BENT * min(width, height) and share.min() > LEAST_CELL
        if not fine:
            raise ValueError("distortion folds the picture or moves it away")
        return self


def raw_with_text(width: int, height: int, text: Sequence[tuple[int, int, int, int]]) -> Picture:
    """What leaves frames of a size as they are, but knows where text is burned in."""
    boxes = tuple(Box(x=x, y=y, width=w, height=h) for x, y, w, h in text)
    return Picture(
        width=width, height=height, area=Box(x=0, y=0, width=width, height=height), text=boxes
    )


class Device(Table):
    """What feeds the video; for people and reports."""

    description: Annotated[Words, Field(max_length=200)] = ""
    calibrated_on: date | None = None
    calibrated_by: Annotated[Words, Field(max_length=200)] = ""
    rate_hz: Rate = 0.0
    pulse_hz: Rate = 0.0
    repeats: Annotated[int, Field(ge=0, le=1000)] = 0
    """Video frames per pulse; 0 if not constant."""
    delay_ms: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] | None = None


class Signature(Table):
    """What the device's own screens look like."""

    hold_box: Box | None = None
    """Where something appears while the last image is held."""
    hold_pattern: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    """That box at 16x16, one bit each."""
    no_signal: Annotated[str, Field(pattern="^([0-9a-f]{512})?$")] = ""
    """The screen without a signal, 16x16 grey pixels."""
