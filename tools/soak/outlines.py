"""Outlines read from the pixels, against what the recording says of the picture they are on."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.display import theme
from orapp.frames import Segmentation
from orapp.session import SessionReader
from tools.soak.plan import Plan
from tools.soak.screen import Look, Pixels, colour_mask, picture_box

NEAR_PX = 6.0
"""Screen pixels that the outline's colour may lie off the polygon: half a line, and rounding."""
NEAR_SHARE = 0.9
AGE_SLACK_MS = 150.0
MOST_POINTS = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """An outline on the screen, with the number of the picture that it is on.

    Attributes:
        time: wall time of the look.
        code: frame number that was read from the picture.
        points: (N, 2) float32, pixels of the outline's colour as shares of the picture's side.
        scale: screen pixels of the picture's side.
        waited_s: how long the program got no core just before.
        pixels: of the window, cut down.
    """

    time: float
    code: int
    points: NDArray[np.float32]
    scale: float
    waited_s: float
    pixels: Pixels


def seen_outline(look: Look, waited_s: float = 0.0) -> Seen | None:
    """The outline's pixels and the picture's number; None if one of them is missing."""
    if look.code is None or not look.outlined or look.settling:
        return None
    view = look.view
    x, y, side = picture_box(view)
    rim = side // 12  # banner and marks
    inside = view[y + rim : y + side - rim, x : x + side]
    rows, columns = np.nonzero(colour_mask(inside, theme.OUTLINE))
    points = np.stack([columns, rows + rim], 1).astype(np.float32)
    small = np.ascontiguousarray(view[::2, ::2])
    step = max(len(points) // MOST_POINTS, 1)
    return Seen(look.until, look.code, (points[::step] + 0.5) / side, side, waited_s, small)


def judge_outlines(folder: Path, seen: Iterable[Seen], plan: Plan) -> tuple[int, list[Seen]]:
    """How many outlines on the screen could be judged, and those that are not their picture's.

    Args:
        folder: of the session that was recorded meanwhile.
        seen: of a run whose source had no faults: there the code is the frame's number.
        plan: of the run.
    """
    with SessionReader(folder) as reader:
        rows = {row.index: row for row in reader.rows}
        answers = {s.exposure: s for s in reader.segmentations().values()}
        drawn = {
            line["index"]
            for line in reader.lines()
            if line["kind"] == "presented" and line["style"]
        }
    judged, wrong = 0, []
    for one in seen:
        row = rows.get(one.code)
        if row is None:
            continue  # in a gap
        judged += 1
        allowed = [answers[row.exposure]] if row.exposure in answers else []
        if plan.mode == "live":
            oldest_ns = (plan.max_age_ms + AGE_SLACK_MS + one.waited_s * 1e3) * 1e6
            allowed += [
                answer
                for exposure, answer in answers.items()
                if exposure < row.exposure and row.captured_ns - answer.captured_ns <= oldest_ns
            ]
        if one.code not in drawn or not any(_is_its(one, answer) for answer in allowed):
            wrong.append(one)
    return judged, wrong


def ages(
    folder: Path, numbers: Iterable[tuple[int, float, float]]
) -> list[tuple[int, float, float]]:
    """How old pictures were when they were seen: number, age in s, the wait that came with it.

    Args:
        folder: of the session that was recorded meanwhile.
        numbers: of the pictures, with the wall time and the wait, as the judge keeps them.
    """
    ahead = time.time() - time.monotonic()
    with SessionReader(folder) as reader:
        taken = {row.index: row.captured_ns / 1e9 + ahead for row in reader.rows}
    return [(n, at - taken[n], waited) for n, at, waited in numbers if n in taken]


def _is_its(one: Seen, answer: Segmentation) -> bool:
    """Whether the pixels lie along this answer's outlines."""
    height, width = answer.frame_size
    best = np.full(len(one.points), np.inf)
    for outline in answer.outlines:
        line = ((outline.points + 0.5) / (width, height) * one.scale).astype(np.float32)
        for k, (x, y) in enumerate(one.points * one.scale):
            away = abs(cv2.pointPolygonTest(line[:, None], (float(x), float(y)), True))
            best[k] = min(best[k], away)
    return bool(len(best)) and float((best <= NEAR_PX).mean()) >= NEAR_SHARE
