"""Picks frames of recorded sessions that an int8 model is calibrated on.

What is written names frames only: the session by a hash of its head, the frame by its number and
SHA-256. It holds no picture, no name and no patient data; who has the sessions can find them.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.errors import OrappError
from orapp.files import replace_file
from orapp.frames import Gray
from orapp.segment import can_be_view
from orapp.session_lines import read_head
from orapp.shrink import shrink
from orapp.sources import EndOfSource, Source
from orapp.sources.session import SessionSource

APART_MS = 400
"""Frames of a session closer together than this are too much alike to choose between."""
MOST_CANDIDATES = 4000
COLUMNS = ("source", "exposure", "inverted", "sha256")
THUMB = 12
VIEW, EXPOSURE = 1.0, 0.5
"""How much a difference in view, and in grey levels, counts."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame: of what session (a hash), its number there, its SHA-256, and what it looks like."""

    session: str
    number: int
    sha256: str
    look: NDArray[np.float32]


def session_hash(folder: Path) -> str:
    """16 hex digits by which a session is named; raises OrappError if it is none."""
    return hashlib.sha256(read_head(folder)).hexdigest()[:16]


def pick_frames(sessions: Sequence[Path], count: int, out: Path) -> int:
    """Writes a list of the `count` frames that differ most: by view, exposure and scene.

    Args:
        sessions: folders of recordings. Frames are taken as orapp sees them, by the site profile
            that was recorded.
        count: how many frames are wanted.
        out: the list, CSV in the form of calibration/int8/frames.csv.

    Returns:
        How many there are: fewer, if the sessions hold no more that differ.

    Raises:
        OrappError: there is no session, one is damaged, none shows a view, or the list can't be
            written.
    """
    if not sessions or count < 1:
        raise OrappError("there is nothing to pick from", "name sessions, and at least one frame")
    found: dict[str, Candidate] = {}
    for folder in sessions:
        for candidate in _candidates(folder):
            found.setdefault(candidate.sha256, candidate)
        if len(found) > MOST_CANDIDATES:
            found = dict(list(found.items())[::2])
    if not found:
        raise OrappError("no frame of these sessions shows a view", "give recordings with X-ray on")
    chosen = farthest(list(found.values()), count)
    replace_file(out, lambda part: _write(part, chosen))
    return len(chosen)


def _write(path: Path, chosen: Sequence[Candidate]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for one in sorted(chosen, key=lambda c: (c.session, c.number)):
            table.writerow([f"session:{one.session}", one.number, 0, one.sha256])


def _candidates(folder: Path) -> Iterator[Candidate]:
    name, last_ms = session_hash(folder), -1e12
    for number, (pixels, time_ms) in enumerate(pictures(SessionSource(str(folder), paced=False))):
        if time_ms - last_ms < APART_MS or not can_be_view(shrink(pixels, (64, 64))):
            continue
        last_ms = time_ms
        yield Candidate(name, number, sha256_of(pixels), look_of(pixels))


def pictures(source: Source) -> Iterator[tuple[Gray, float]]:
    """Every picture of a finite source, with its time in ms; the number is the place."""
    source.open()
    try:
        while True:
            picture = source.read(1000)
            if picture is not None:
                yield picture.pixels, picture.time_ms
    except EndOfSource:
        return
    finally:
        source.close()


def sha256_of(pixels: Gray) -> str:
    """Of (H, W) uint8 pixels, row by row."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def look_of(pixels: Gray) -> NDArray[np.float32]:
    """What a picture looks like, as a vector: a thumbnail without its exposure, and its exposure.

    Two pictures differ as much as their vectors lie apart.
    """
    small = shrink(pixels, (THUMB * 4, THUMB * 4)).astype(np.float32)
    thumb = cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    view = (thumb - thumb.mean()) / max(float(thumb.std()), 4.0) / THUMB
    low, middle, high = np.percentile(small, (5, 50, 95)) / 128
    grain = float(np.abs(cv2.Laplacian(pixels, cv2.CV_16S)[::4, ::4]).mean()) / 64
    exposure = np.array([low, middle, high, grain])
    return np.concatenate([VIEW * view.ravel(), EXPOSURE * exposure]).astype(np.float32)


def farthest(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Greedy: first the one nearest to the middle, then always the one farthest from all chosen."""
    looks = np.stack([one.look for one in candidates])
    first = int(np.argmin(np.linalg.norm(looks - looks.mean(0), axis=1)))
    chosen, away = [first], np.linalg.norm(looks - looks[first], axis=1)
    while len(chosen) < min(count, len(candidates)):
        new = int(np.argmax(away))
        if away[new] <= 0:
            break
        chosen.append(new)
        away = np.minimum(away, np.linalg.norm(looks - looks[new], axis=1))
    return [candidates[k] for k in chosen]
