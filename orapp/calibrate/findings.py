"""What a clip said about the device that it came through."""

from dataclasses import dataclass, field

Box = tuple[int, int, int, int]
"""x, y, width, height in whole raw pixels."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A round field: middle and radius in raw pixels."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Hold:
    """How the device marks last image hold.

    Attributes:
        box: what appears while it holds, raw pixels; None if nothing does.
        pattern: 64 hex digits: the box's pixels at 16x16, one bit each (brighter than half way);
            empty without a box.
    """

    box: Box | None
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, in raw pixels and raw grey levels.

    Attributes:
        width, height: of the raw frames.
        area: the active image area: the least rectangle of all that X-rays can reach.
        circle: the round field, or None.
        blades: corners of what the collimator's blades leave open, (x, y); empty without blades.
        text: tight boxes of burned-in text and logos that do not come and go; lines and words
            less than a letter's height apart are one box.
        black, white: the grey levels that are black and white.
        inverted: the raw polarity is the other way round than orapp's (bones dark).
        rate_hz: video frames per second.
        pulse_hz: X-ray pulses per second; 0 if unknown.
        repeats: video frames per pulse; 0 if not constant.
        rotate, mirror: what makes the marker upright: degrees clockwise after the crop, then left
            to right; None if no marker is in view.
        hold: how last image hold shows; None if the clip has none.
        no_signal: what the device shows without a signal: 512 hex digits, 16x16 grey pixels row
            by row; empty if the clip shows nothing of the kind.
        noise: the grabber's own, standard deviation in grey levels; 0 if repeats are identical.
        notes: for each field how it was found and how sure that is, one sentence.
        unsure: the fields that a person should look at.
    """

    width: int
    height: int
    area: Box
    circle: Circle | None
    blades: tuple[tuple[float, float], ...]
    text: tuple[Box, ...]
    black: int
    white: int
    inverted: bool
    rate_hz: float
    pulse_hz: float
    repeats: int
    rotate: int | None
    mirror: bool | None
    hold: Hold | None
    no_signal: str
    noise: float
    notes: dict[str, str] = field(default_factory=dict)
    unsure: tuple[str, ...] = ()
