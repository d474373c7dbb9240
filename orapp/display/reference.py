"""Which picture stands beside the live one. Pure: no Qt, no clock."""

from dataclasses import dataclass, replace
from enum import StrEnum

from orapp.frames import Frame, Overlay, Segmentation, Signal
from orapp.overlay import OverlayRules, overlay_for


class Kind(StrEnum):
    """Why a picture is the reference, in the words of its head line."""

    HOLD = "last image hold"
    STORED = "stored"
    FROZEN = "frozen by key"


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture with what was seen on it, and the wall time of its exposure, HH:MM:SS."""

    kind: Kind
    frame: Frame
    segmentation: Segmentation | None
    clock: str

    def overlay(self, now_ns: int) -> Overlay | None:
        """Its own outline, or none: a reference is always paired."""
        return overlay_for(self.frame, self.segmentation, now_ns, OverlayRules("paired"))


class ReferenceShelf:
    """Keeps one picture of each kind; a frozen one is shown before a stored one, then the hold.

    The last image hold gets here when the next exposure replaces it in the live picture.
    """

    def __init__(self) -> None:
        self._kept: dict[Kind, Reference] = {}
        self._held: Reference | None = None

    @property
    def shown(self) -> Reference | None:
        """The one to show, or None."""
        for kind in (Kind.FROZEN, Kind.STORED, Kind.HOLD):
            if kind in self._kept:
                return self._kept[kind]
        return None

    def see(self, frame: Frame, segmentation: Segmentation | None, clock: str) -> None:
        """The frame becomes the live picture; `clock` is the wall time of its exposure."""
        if self._held is not None and frame.exposure != self._held.frame.exposure:
            self._kept[Kind.HOLD], self._held = self._held, None
        if frame.signal is Signal.HOLD and self._held is None:
            self._held = Reference(Kind.HOLD, frame, _of(frame, segmentation), clock)

    def answer(self, segmentation: Segmentation) -> None:
        """A segmentation has come; it joins the picture that it belongs to."""
        if self._held is not None and self._held.frame.exposure == segmentation.exposure:
            self._held = replace(self._held, segmentation=segmentation)
        for kind, kept in self._kept.items():
            if kept.frame.exposure == segmentation.exposure and kept.segmentation is None:
                self._kept[kind] = replace(kept, segmentation=segmentation)

    def put(self, kind: Kind, frame: Frame, segmentation: Segmentation | None, clock: str) -> bool:
        """Keeps the live picture; False if it is none that may be looked at as an X-ray."""
        if frame.signal not in (Signal.XRAY_ON, Signal.HOLD):
            return False
        self._kept[kind] = Reference(kind, frame, _of(frame, segmentation), clock)
        return True

    def drop(self, kind: Kind) -> bool:
        """Forgets the picture of this kind; False if there was none."""
        return self._kept.pop(kind, None) is not None

    def has(self, kind: Kind) -> bool:
        """Whether a picture of this kind is kept."""
        return kind in self._kept


def _of(frame: Frame, segmentation: Segmentation | None) -> Segmentation | None:
    """The segmentation if it is of the frame's exposure."""
    same = segmentation is not None and segmentation.exposure == frame.exposure
    return segmentation if same else None
