"""The numbers in a session's measure events; no words of theirs but those known here."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_WORDS = (
    "ha hm hp anterior middle posterior left right end ends height heights ratio wedge biconcave "
    "crush angle deg area mm mm2 px px2 percent restored restoration change since baseline "
    "reference loss"
)
WORDS = frozenset(_WORDS.split())
"""A key is made of these, joined by underscores; anything else could be a patient's text."""
SIZED = ("heights", "area")
"""Keys whose unit is that of the event's `units`."""
MOST = 40
LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Number:
    """One measure.

    Attributes:
        key: its words, joined by underscores.
        value: as the key's end or `unit` says.
        band: half width of its uncertainty, in the same unit; None if unknown.
        unit: `px` or `mm` of heights and areas; None where the key says it.
    """

    key: str
    value: float
    band: float | None = None
    unit: Literal["px", "mm"] | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one frame, by hand (points dragged) or not, over which end's height."""

    frame_index: int
    numbers: tuple[Number, ...]
    corrected: bool = False
    over: Literal["posterior", "higher end"] | None = None


def measures(events: Sequence[Mapping[str, Any]]) -> list[Measured]:
    """The measures among a session's events; what names no frame or holds no number is left out."""
    texts = [
        event.get("text")
        for event in events
        if event.get("kind") == "event" and event.get("event_kind") == "measure"
    ]
    return [found for text in texts if (found := _measured(text)) is not None]


def _measured(text: object) -> Measured | None:
    try:
        said = json.loads(str(text))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or type(said.get("frame_index")) is not int:
        return None
    unit = said.get("units") if said.get("units") in ("px", "mm") else None
    numbers = tuple(_numbers(said, unit))[:MOST]
    over = said.get("ratio_over") if said.get("ratio_over") in ("posterior", "higher end") else None
    found = Measured(said["frame_index"], numbers, said.get("corrected") is True, over)
    return found if numbers else None


def _numbers(said: Mapping[str, Any], unit: Any, before: str = "") -> Iterator[Number]:
    """Numbers, numbers with a band (`value`, `band95`), and one level of those by name."""
    for name, value in said.items():
        key = f"{before}{name}"
        if not WORDS.issuperset(key.split("_")):
            continue
        sized = unit if key.startswith(SIZED) else None
        if _is_number(value):
            yield Number(key, float(value), None, sized)
        elif isinstance(value, dict) and _is_number(value.get("value")):
            band = value.get("band95")
            known = abs(float(band)) if _is_number(band) else None  # type: ignore[arg-type]
            yield Number(key, float(value["value"]), known, sized)
        elif isinstance(value, dict) and not before:
            yield from _numbers(value, unit, f"{key}_")


def _is_number(value: object) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) < LARGEST  # type: ignore[arg-type]
