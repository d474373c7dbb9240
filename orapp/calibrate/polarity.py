"""Polarity: what is dark where no X-rays come through is not inverted."""

from orapp.calibrate.area import Place
from orapp.calibrate.blades import Corners, find_blades
from orapp.calibrate.grey import corners_say, noise_says
from orapp.calibrate.sums import Sums


def find_polarity(
    sums: Sums, place: Place, black: int, white: int
) -> tuple[bool, str, bool, Corners]:
    """Whether it is inverted, how that was found, whether that is sure; and the open field.

    The first that is there decides: bright corners, blades, and else the noise.

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
        if dark or bright:
            inverted = bright > dark
            word = "bright" if inverted else "dark"
            why, sure = (
                f"it is {word} behind the blades",
                min(dark, bright) < 0.6 * max(dark, bright),
            )
        else:
            inverted, why, sure = noise_says(sums.kept, place, black, white)
        blades = turned if inverted else plain
    return inverted, why, sure, blades
