"""Findings from what a clip left: where, how grey, what is written, which way round."""

from orapp.calibrate.area import Place, even_noise, find_area
from orapp.calibrate.blades import Corners
from orapp.calibrate.findings import Findings
from orapp.calibrate.grey import find_range
from orapp.calibrate.marker import Mark, find_marker
from orapp.calibrate.polarity import find_polarity
from orapp.calibrate.states import StateWatch
from orapp.calibrate.sums import Sums
from orapp.calibrate.text import find_text
from orapp.calibrate.timing import Timing


def conclude(sums: Sums, when: Timing, noise: float, states: StateWatch) -> Findings:
    """Looks at the sums over exposures.

    Args:
        sums: of at least some exposures.
        when: rates and repeats.
        noise: the grabber's, standard deviation in grey levels, by its repeats; 0 if they are
            identical, or if there are none.
        states: what was seen while the picture stood still.

    Raises:
        OrappError: nothing changes as X-ray does.
    """
    noise = noise or even_noise(sums.mean, sums.variance)
    place = find_area(sums.mean, sums.variance, noise)
    black, white, range_note = find_range(sums)
    inverted, polarity_note, polarity_sure, blades = find_polarity(sums, place, black, white)
    text = find_text(sums, place, noise, white - black, blades)
    mark = find_marker(sums, place, text)
    if mark is not None:
        inverted, polarity_sure = not mark.dark, True
        polarity_note = f"the lead marker is {'dark' if mark.dark else 'bright'}"
    hold, hold_note = states.hold(text, noise)
    notes = _notes(place, blades, when, noise, mark) | {
        "text": f"{len(text)} blocks that stay where they are while the picture changes",
        "black": range_note,
        "white": range_note,
        "inverted": polarity_note,
        "hold": hold_note,
        "no_signal": states.no_signal_note,
    }
    unsure = [] if when.sure else ["pulse_hz", "repeats"]
    unsure += [] if polarity_sure else ["inverted"]
    unsure += [] if place.sure else ["area"]
    unsure += [] if mark else ["rotate", "mirror"]
    return Findings(
        width=sums.most.shape[1],
        height=sums.most.shape[0],
        area=place.area,
        circle=place.circle,
        blades=blades,
        text=text,
        black=black,
        white=white,
        inverted=inverted,
        rate_hz=when.rate_hz,
        pulse_hz=when.pulse_hz,
        repeats=when.repeats,
        rotate=mark.rotate if mark else None,
        mirror=mark.mirror if mark else None,
        hold=hold,
        no_signal=states.no_signal,
        noise=round(noise, 2),
        notes=notes,
        unsure=tuple(unsure),
    )


def _notes(
    place: Place, blades: Corners, when: Timing, noise: float, mark: Mark | None
) -> dict[str, str]:
    way = mark.why if mark else "not known: no marker is in view"
    repeats = f"repeats differ by {noise:.2f} grey levels: the grabber is analogue, or compresses"
    return {
        "area": place.why,
        "circle": place.circle_why,
        "blades": f"{len(blades)} corners of the open field" if blades else "no blades in view",
        "rate_hz": f"measured {when.measured_hz:.3f}/s",
        "pulse_hz": when.why,
        "repeats": when.why,
        "rotate": way,
        "mirror": way,
        "noise": repeats if noise else "repeats are identical",
    }
