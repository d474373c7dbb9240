"""The site profile: what one room has chosen, in TOML that a person can read."""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from orapp.errors import OrappError
from orapp.frames import Gray
from orapp.overlay import OverlayRules
from orapp.picture import Box, Circle, Device, Distortion, Picture, Signature, Words
from orapp.picture import Table as _Table
from orapp.site import SiteMap

__all__ = [
    "LARGEST",
    "Box",
    "Circle",
    "Device",
    "Distortion",
    "Export",
    "Keys",
    "Measures",
    "OutlineRules",
    "Picture",
    "Rectangle",
    "ReplayKeys",
    "Screen",
    "Signature",
    "SiteProfile",
    "line_of",
    "load_profile",
    "text_in",
]

LARGEST = 64 * 1024
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
KeyName = Annotated[str, Field(min_length=1, max_length=24)]


class OutlineRules(_Table):
    """When an outline may be drawn (contract C1)."""

    mode: Literal["paired", "live"] = "paired"
    max_age_ms: Annotated[float, Field(ge=0, le=500, allow_inf_nan=False)] = 200.0
    label: bool = False
    """Write the model's confidence beside the outline."""

    def rules(self) -> OverlayRules:
        """The same for `overlay_for`."""
        return OverlayRules(self.mode, self.max_age_ms)


class _KeyTable(_Table):
    @model_validator(mode="after")
    def _each_key_does_one_thing(self) -> Self:
        taken: dict[str, str] = {}
        for action in type(self).model_fields:
            for key in getattr(self, action):
                other = taken.setdefault(key.casefold(), action)
                if other != action:
                    raise ValueError(f"'{key}' is a key of {other} and of {action}")
        return self


class Keys(_KeyTable):
    """Keys by their names (`Space`, `F5`, `PgDown`, `Ctrl+Q`); a foot pedal is a keyboard too."""

    hide_while_held: tuple[KeyName, ...] = ("Space",)
    toggle_outline: tuple[KeyName, ...] = ("O",)
    store_reference: tuple[KeyName, ...] = ("S", "Return")
    clear_reference: tuple[KeyName, ...] = ("C",)
    freeze: tuple[KeyName, ...] = ("Z",)
    set_baseline: tuple[KeyName, ...] = ("B",)
    measures: tuple[KeyName, ...] = ("M",)
    marker: tuple[KeyName, ...] = ("K",)
    record: tuple[KeyName, ...] = ("R",)
    rotate: tuple[KeyName, ...] = ("T",)
    mirror: tuple[KeyName, ...] = ("X",)
    invert: tuple[KeyName, ...] = ("I",)
    brighter: tuple[KeyName, ...] = ("Up",)
    darker: tuple[KeyName, ...] = ("Down",)
    more_contrast: tuple[KeyName, ...] = ("Right",)
    less_contrast: tuple[KeyName, ...] = ("Left",)
    window_reset: tuple[KeyName, ...] = ("0",)
    probability: tuple[KeyName, ...] = ("P",)
    grad_cam: tuple[KeyName, ...] = ("G",)
    full_screen: tuple[KeyName, ...] = ("F", "F11")
    help: tuple[KeyName, ...] = ("H", "?")
    quit: tuple[KeyName, ...] = ("Q", "Esc")


class ReplayKeys(_KeyTable):
    """More keys while a recording is replayed; one that `Keys` has keeps its meaning there."""

    play_pause: tuple[KeyName, ...] = ("L",)
    step_forward: tuple[KeyName, ...] = (".",)
    step_back: tuple[KeyName, ...] = (",",)
    next_event: tuple[KeyName, ...] = ("PgDown", "N")
    previous_event: tuple[KeyName, ...] = ("PgUp",)
    faster: tuple[KeyName, ...] = ("+",)
    slower: tuple[KeyName, ...] = ("-",)
    to_start: tuple[KeyName, ...] = ("Home",)


class Measures(_Table):
    """Heights and wedge from the outline, on lateral views."""

    shown: bool = False
    mm_per_px: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    """In the plane of the spine, by a calibration; without it nothing is in mm."""
    for_width: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Width of the pictures that it was made for; on others nothing is in mm. None is any."""
    mm_per_px_uncertainty: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    """One standard deviation."""
    mm_per_px_from: Literal["fiducial", "geometry"] | None = None
    """How it was found, in DICOM's words (0028,0A02); None is unknown."""
    anterior: Literal["left", "right"] | None = None
    """Side of the patient's front in the C-arm's picture, seen with the head up."""
    head: Literal["up", "right", "down", "left"] = "up"
    """Where the patient's head is in the C-arm's picture."""


class Screen(_Table):
    """What the screen is."""

    language: Annotated[str, Field(pattern="^[a-z]{2}$")] = "en"
    assistant: bool = False
    """A second window for the assistant, on another screen where there is one."""


class Rectangle(_Table):
    """A part of the picture, in shares of its width and height from its upper left corner."""

    x: Annotated[Share, Field(lt=1)]
    y: Annotated[Share, Field(lt=1)]
    width: Annotated[Share, Field(gt=0)]
    height: Annotated[Share, Field(gt=0)]

    def blank(self, pixels: Gray) -> None:
        """Blackens this part of (H, W) pixels, in place; a pixel that it touches goes."""
        high, wide = pixels.shape
        x, y = int(self.x * wide), int(self.y * high)
        right, low = (
            -int(-(self.x + self.width) * wide // 1),
            -int(-(self.y + self.height) * high // 1),
        )
        pixels[y:low, x:right] = 0


class Export(_Table):
    """What leaves the room."""

    blank: Annotated[tuple[Rectangle, ...], Field(max_length=32)] = ()
    """Where text is burned in; blackened by --deidentify."""


class SiteProfile(_Table):
    """One room: a C-arm, a screen, its people's choices."""

    name: Annotated[Words, Field(min_length=1, max_length=80)] = "default"
    version: Literal[1] = 1
    """Of the profile's form."""
    device: Device | None = None
    picture: Picture | None = None
    """Without it the raw frame is the picture."""
    signature: Signature | None = None
    outline: OutlineRules = OutlineRules()
    keys: Keys = Keys()
    replay_keys: ReplayKeys = ReplayKeys()
    measures: Measures = Measures()
    screen: Screen = Screen()
    export: Export = Export()
    _sha256: str = PrivateAttr(default="")

    def __eq__(self, other: object) -> bool:
        """By what it says, whatever file says it."""
        return isinstance(other, SiteProfile) and self.model_dump() == other.model_dump()

    @property
    def sha256(self) -> str:
        """Of the file that it was read from; empty for orapp's own defaults."""
        return self._sha256

    def blanked(self, seen: Picture | None) -> tuple[Rectangle, ...]:
        """Where a picture may hold burned-in text: as a person says, and as was calibrated.

        Args:
            seen: what calibrated the picture, perhaps another profile's; None if it is raw.
        """
        own = self.picture
        if seen is None and own is not None:
            seen = own.as_sent()
        if seen is None:
            return self.export.blank
        if own is not None and (own.width, own.height) == (seen.width, seen.height):
            text = tuple(dict.fromkeys((*seen.text, *own.text)))
            seen = seen.model_copy(update={"text": text})
        return (*self.export.blank, *text_in(seen))

    def told(self) -> dict[str, str | int]:
        """Which profile it is, for reports and recordings."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


def text_in(picture: Picture) -> tuple[Rectangle, ...]:
    """Where a calibrated picture holds burned-in text."""
    site = SiteMap(picture)
    high, wide = site.size
    return tuple(
        Rectangle(x=x / wide, y=y / high, width=w / wide, height=h / high)
        for x, y, w, h in site.boxes()
    )


def load_profile(path: Path | None) -> SiteProfile:
    """Reads a site profile; None gives what orapp does by itself.

    Raises:
        OrappError: the file can't be read, is no TOML, or says something that orapp doesn't know;
            the sentence names the first such thing.
    """
    if path is None:
        return SiteProfile()
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise OrappError(f"the profile '{path.name}' can't be read ({why})", "check it") from None
    if len(raw) > LARGEST:
        raise OrappError(f"'{path.name}' is no site profile: it is too large", "check the path")
    try:
        profile = SiteProfile.model_validate(tomllib.loads(raw.decode()))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        line = line_of(raw.decode(), first["loc"])
        at = f"line {line}, {place}" if place else f"line {line}"
        what = f"the profile '{path.name}' is wrong at {at}: {why}"
        raise OrappError(_printable(what), "correct it") from None
    except (ValueError, RecursionError) as error:
        why = _printable(str(error))[:120] or "it can't be read"
        raise OrappError(f"the profile '{path.name}' is no TOML ({why})", "correct it") from None
    profile._sha256 = hashlib.sha256(raw).hexdigest()
    return profile


def line_of(text: str, place: Sequence[int | str]) -> int:
    """Number of the line in a TOML text that a place is about; of its table if it is missing."""
    best, best_depth = 1, 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if header:
            table = _parts(header[1])
        if not header and not key:
            continue
        path = table if header else (*table, *_parts(key[1] if key else ""))
        wanted = tuple(str(part) for part in place[: len(path)])
        if path == wanted and len(path) > best_depth:
            best, best_depth = number, len(path)
    return best


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _printable(text: str) -> str:
    """On one line, without what a terminal would obey: keys may hold any character."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:300])
