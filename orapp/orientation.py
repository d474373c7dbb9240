"""How a picture is turned for the eye. Pure; recorded as words, burned into exports."""

from dataclasses import dataclass

import numpy as np

from orapp.frames import Gray, Polygon


@dataclass(frozen=True, slots=True)
class Orientation:
    """Quarter turns clockwise (0 to 3), then mirrored left to right, or not."""

    quarter_turns: int = 0
    mirrored: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether the picture is not as the C-arm sends it."""
        return self.mirrored or self.quarter_turns != 0

    @property
    def text(self) -> str:
        """As events say it: `as sent`, `turned 90`, `mirrored`, `turned 270, mirrored`."""
        turned = [f"turned {90 * self.quarter_turns}"] if self.quarter_turns else []
        return ", ".join(turned + ["mirrored"] * self.mirrored) or "as sent"

    @staticmethod
    def from_text(text: str) -> "Orientation":
        """The inverse of `text`; raises ValueError on other words."""
        for turns in range(4):
            for mirrored in (False, True):
                if Orientation(turns, mirrored).text == text:
                    return Orientation(turns, mirrored)
        raise ValueError(f"'{text}' is no orientation")

    def turned(self) -> "Orientation":
        """After one more quarter turn clockwise, as seen."""
        step = -1 if self.mirrored else 1
        return Orientation((self.quarter_turns + step) % 4, self.mirrored)

    def flipped(self) -> "Orientation":
        """After one more mirroring left to right, as seen."""
        return Orientation(self.quarter_turns, not self.mirrored)

    def apply(self, pixels: Gray) -> Gray:
        """The picture (H, W) as it is seen, (H, W) or (W, H); C-contiguous."""
        seen = np.rot90(pixels, -self.quarter_turns)
        return np.ascontiguousarray(seen[:, ::-1] if self.mirrored else seen)

    def points(self, points: Polygon, size: tuple[int, int]) -> Polygon:
        """Points (N, 2), x then y, of a frame of a size (H, W), where `apply` puts them."""
        x, y = points[:, 0], points[:, 1]
        high, wide = size
        for _ in range(self.quarter_turns):
            x, y = high - 1 - y, x
            high, wide = wide, high
        if self.mirrored:
            x = wide - 1 - x
        return np.stack([x, y], axis=1).astype(np.float32)

    def back(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """The point in frame pixels of a frame of a size (H, W) that is seen at x, y."""
        high, wide = size if self.quarter_turns % 2 == 0 else size[::-1]
        if self.mirrored:
            x = wide - 1 - x
        for _ in range(self.quarter_turns):
            x, y = y, wide - 1 - x
            high, wide = wide, high
        return x, y
