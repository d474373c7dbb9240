"""Polarity: what is dark where no X-rays come through is not inverted."""

from orapp.calibrate.area import Place
from orapp.calibrate.blades import Corners, find_blades
from orapp.calibrate.grey import corners_say, noise_says
from orapp.calibrate.sums import Sums

CLEAR = 1.0
"""Strength of blades that nothing in a patient has: straight bones and skin show up to 0.6 of it,
collimators 2.5 and more."""


def find_polarity(
    sums: Sums, place: Place, black: int, white: int
) -> tuple[bool, str, bool, Corners]:
    """Whether it is inverted, how that was found, whether that is sure; and the open field.

    The first that is there decides: bright corners, clear blades, and else the noise if that is
    sure. With blades the noise misleads: it is little behind them.

    Args:
        sums: over exposures.
        place: where the image is.
        black: raw grey level that is black.
        white: the one that is white.
    """
    mean = sums.mean
    if place.circle is not None:
        inverted, why, sure = noise_says(sums.kept, place, black, white)
        if corners_say(mean, place, black, white):
            inverted, why, sure = True, "it is bright outside the round field", True
        blades: Corners = ()
    else:
        plain, dark = find_blades(mean, place, black, white, False)
        turned, bright = find_blades(mean, place, black, white, True)
        inverted, why, sure = noise_says(sums.kept, place, black, white)
        strength = max(dark, bright)
        if strength >= CLEAR or (strength and not sure):
            inverted = bright > dark
            why = f"it is {'bright' if inverted else 'dark'} behind the blades"
            sure = min(dark, bright) < 0.6 * strength
        blades = turned if inverted else plain
    return inverted, why, sure, blades
