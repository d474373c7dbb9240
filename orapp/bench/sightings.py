"""What was seen on the glass, compared with what the display says that it painted."""

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orapp.barcode import BITS
from orapp.bench.parts import Part
from orapp.bench.stamps import Rows, Window

Sightings = NDArray[np.int64]
"""(N, 3): looking began, was done (monotonic ns), number or -1; in their order."""

SETTLED_NS, NEW_PICTURE_NS = 10_000_000, 20_000_000
"""The X server paints a moment after it was asked to: a look counts so long after the last
painting of a picture, and after its first. On two busy cores it is sometimes 15 ms late."""


@dataclass(frozen=True, slots=True)
class Glass:
    """What looking at the screen has found; counts.

    Attributes:
        read, unreadable: looks that gave a number, and that didn't.
        frames_not_seen: frames painted whose number was never read.
        unknown: numbers read that no frame painted or segmented had, or not yet.
        checked: stays of a picture on the screen that were compared with what the display says.
        wrong_picture: of them, those in which the screen showed another frame.
        wrong_pairing: of them, those in which an outline lay on another exposure's picture, or
            an aged one on a picture older than itself.
        step_ms: time between two looks, p50: a frame is seen so much late at most.
    """

    read: int
    unreadable: int
    frames_not_seen: int
    unknown: int
    checked: int
    wrong_picture: int
    wrong_pairing: int
    step_ms: float

    def report(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def judge_sightings(
    seen: Sightings, answers: Rows, paintings: Rows, window: Window
) -> tuple[Part, Glass]:
    """Capture to visible, of every new exposure in the window; and what was wrong.

    Args:
        seen: of the screen, or through a camera.
        answers: the engine's stamps of the whole run.
        paintings: the display's stamps of the whole run.
        window: what is measured.
    """
    facts = _facts(answers, paintings)
    seen = seen[(seen[:, 1] >= window.start_ns)]
    codes, where = np.unique(seen[:, 2], return_index=True)
    first_ns = dict(zip(codes.tolist(), seen[where, 1].tolist(), strict=True))
    inside = window.of(paintings)
    part = _capture_to_seen(first_ns, inside, window)
    unknown = [c for c, ns in first_ns.items() if c >= 0 and not _known(facts, c, ns)]
    checked, wrong_picture, wrong_pairing = _check_stays(seen, inside, facts)
    steps = np.diff(seen[:, 1])
    glass = Glass(
        read=int((seen[:, 2] >= 0).sum()),
        unreadable=int((seen[:, 2] < 0).sum()),
        frames_not_seen=len(set((inside["index"] % 2**BITS).tolist()) - set(first_ns)),
        unknown=len(unknown),
        checked=checked,
        wrong_picture=wrong_picture,
        wrong_pairing=wrong_pairing,
        step_ms=round(float(np.median(steps)) / 1e6, 3) if len(steps) else 0.0,
    )
    return part, glass


def _facts(answers: Rows, paintings: Rows) -> dict[int, tuple[int, int]]:
    """Exposure and capture stamp of every number."""
    return {
        int(row["index"]) % 2**BITS: (int(row["exposure"]), int(row["captured"]))
        for rows in (answers, paintings)
        for row in rows
    }


def _known(facts: dict[int, tuple[int, int]], code: int, seen_ns: int) -> bool:
    return code in facts and facts[code][1] <= seen_ns


def _capture_to_seen(first_ns: dict[int, int], inside: Rows, window: Window) -> Part:
    new = inside[inside["repeat"] == 0]
    _, where = np.unique(new["index"], return_index=True)
    pairs = [
        (int(captured), first_ns[index % 2**BITS])
        for index, captured in new[where][["index", "captured"]].tolist()
        if index % 2**BITS in first_ns
    ]
    captured, seen = np.array(pairs, np.int64).reshape(-1, 2).T
    late = seen >= captured
    captured, seen = captured[late], seen[late]
    return Part((captured - window.start_ns) / 1e9, (seen - captured) / 1e6)


def _check_stays(
    seen: Sightings, paintings: Rows, facts: dict[int, tuple[int, int]]
) -> tuple[int, int, int]:
    """Compares the last look before each new picture with the painting that it must show.

    That is when everything that it was asked to paint is there.
    """
    checked = wrong_picture = wrong_pairing = 0
    first_ns = int(paintings["presented"][0]) if len(paintings) else 0
    for now, following in pairwise(paintings):
        if following["index"] == now["index"]:
            continue  # the same picture again, with its outline: the last of its paintings counts
        settled_ns = max(now["presented"] + SETTLED_NS, first_ns + NEW_PICTURE_NS)
        first_ns = int(following["presented"])
        at = int(np.searchsorted(seen[:, 1], following["began"], side="right")) - 1
        if at < 0 or seen[at, 0] < settled_ns or seen[at, 2] < 0:
            continue
        code = int(seen[at, 2])
        checked += 1
        wrong_picture += code != int(now["index"]) % 2**BITS
        wrong_pairing += not _may_lie_on(now, facts.get(code))
    return checked, wrong_picture, wrong_pairing


def _may_lie_on(painting: np.void, shown: tuple[int, int] | None) -> bool:
    """Whether the painted outline may lie on the picture that was on the screen."""
    outline = int(painting["overlay_exposure"])
    if outline < 0:
        return True
    if shown is None:
        return False
    return outline < shown[0] if painting["aged"] else outline == shown[0]
