"""How the picture is shown: turned, brighter, inverted. For the eye only; the engine sees none."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from orapp.orientation import Orientation

STEPS = 8
"""Steps up and down of brightness and contrast."""
_LEVELS = 12.0
_FACTOR = 1.15


@dataclass(frozen=True, slots=True)
class Look:
    """What the surgeon has chosen.

    Attributes:
        orientation: turned and mirrored.
        brightness, contrast: steps, -8 to 8.
        inverted: bone black.
    """

    orientation: Orientation = field(default_factory=Orientation)
    brightness: int = 0
    contrast: int = 0
    inverted: bool = False

    def stepped(self, brightness: int = 0, contrast: int = 0) -> "Look":
        """So many steps on, within the limits."""
        return replace(
            self,
            brightness=max(-STEPS, min(STEPS, self.brightness + brightness)),
            contrast=max(-STEPS, min(STEPS, self.contrast + contrast)),
        )

    @property
    def has_levels(self) -> bool:
        """Whether grey levels are changed at all."""
        return self.inverted or self.brightness != 0 or self.contrast != 0

    @property
    def levels_text(self) -> str:
        """As events say it."""
        inverted = "yes" if self.inverted else "no"
        steps = f"brightness {self.brightness:+d}, contrast {self.contrast:+d}"
        return f"{steps}, inverted {inverted}"

    def levels(self) -> NDArray[np.uint8] | None:
        """(256,) uint8: the grey that is shown for each that was sent; None if it is the same."""
        if not self.has_levels:
            return None
        grey = np.arange(256, dtype=np.float64)
        shown = (grey - 127.5) * _FACTOR**self.contrast + 127.5 + _LEVELS * self.brightness
        shown = 255 - shown if self.inverted else shown
        return np.clip(np.rint(shown), 0, 255).astype(np.uint8)
