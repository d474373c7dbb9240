"""What a site profile says of the video: `[device]`, `[picture]`, `[signature]`. Pixels are raw."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]
Side = Annotated[int, Field(ge=16, le=16384)]
Rate = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


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
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
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

    @model_validator(mode="after")
    def _lies_in_the_frame(self) -> Self:
        for name, box in (("area", self.area), *(("text", box) for box in self.text)):
            if box.x + box.width > self.width or box.y + box.height > self.height:
                raise ValueError(f"{name} reaches beyond the {self.width}x{self.height} frame")
        if min(self.area.width, self.area.height) < 16:
            raise ValueError("area is smaller than 16x16")
        if self.white - self.black < 16:
            raise ValueError("black and white are less than 16 grey levels apart")
        return self


class Device(Table):
    """What feeds the video; for people and reports."""

    description: Annotated[str, Field(max_length=200)] = ""
    calibrated_on: date | None = None
    calibrated_by: Annotated[str, Field(max_length=200)] = ""
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
