"""From stamps to the parts of a frame's way: durations per exposure, what was lost, gaps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orapp.bench.stamps import Rows, Window

Durations = NDArray[np.float64]
"""(N,) in ms."""

WORDS = {
    "capture_to_child": "capture to child",
    "inference": "inference",
    "outline": "resize, outline",
    "answer": "answer's way back",
    "handover": "handover, both ways",
    "capture_to_outline": "capture to outline ready",
    "bare": "the bare engine",
    "capture_to_gui": "capture to the window's thread",
    "capture_to_picture": "capture to picture painted",
    "capture_to_outline_shown": "capture to outline painted",
    "painting": "painting",
    "capture_to_glass": "capture to glass",
    "capture_to_loopback": "capture to loop-back",
}
"""The parts in their order, in words."""
PERCENTILES = {"p50": 500, "p95": 950, "p99": 990, "p99.9": 999}
"""In thousandths, so that they are exact."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the way, over the run.

    Attributes:
        at_s: (N,) when the frame was captured, in s from the start of what is measured.
        ms: (N,) how long it took.
    """

    at_s: Durations
    ms: Durations

    def figures(self) -> dict[str, float | None]:
        """n, p50, p95, p99, p99.9, max and jitter in ms; None where nothing was measured.

        A percentile is a duration that was measured, the smallest that so many don't exceed.
        Jitter is the mean difference between one exposure and the next.
        """
        n = len(self.ms)
        if n == 0:
            return {"n": 0, **dict.fromkeys((*PERCENTILES, "max", "jitter"))}
        ordered = np.sort(self.ms)
        at = {
            name: max(-(-n * thousandths // 1000), 1) for name, thousandths in PERCENTILES.items()
        }
        figures = {name: round(float(ordered[rank - 1]), 3) for name, rank in at.items()}
        jitter = float(np.abs(np.diff(self.ms)).mean()) if n > 1 else 0.0
        longest = round(float(ordered[-1]), 3)
        return {"n": n, **figures, "max": longest, "jitter": round(jitter, 3)}


def parts_of(answers: Rows, paintings: Rows, window: Window) -> dict[str, Part]:
    """Every part that the stamps tell, of the exposures captured in the window."""
    a, p = window.of(answers), window.of(paintings)

    def part(rows: Rows, duration_ns: NDArray[np.int64]) -> Part:
        return Part((rows["captured"] - window.start_ns) / 1e9, duration_ns / 1e6)

    first = _first(p[p["repeat"] == 0], "exposure")
    drawn, captured = _outlines_shown(answers, paintings, window)
    shown = Part((captured - window.start_ns) / 1e9, (drawn["presented"] - captured) / 1e6)
    back = a["received"] - a["finished"]
    return {
        "capture_to_child": part(a, a["started"] - a["captured"]),
        "inference": part(a, a["inferred"]),
        "outline": part(a, a["finished"] - a["started"] - a["inferred"]),
        "answer": part(a, back),
        "handover": part(a, a["started"] - a["handed"] + back),
        "capture_to_outline": part(a, a["received"] - a["captured"]),
        "capture_to_gui": part(first, first["began"] - first["captured"]),
        "capture_to_picture": part(first, first["presented"] - first["captured"]),
        "capture_to_outline_shown": shown,
        "painting": part(p, p["presented"] - p["began"]),
    }


def drops_of(answers: Rows, paintings: Rows, window: Window) -> dict[str, int]:
    """What of the window did not get to its end. Numbers run on, so that a missing one shows."""
    a, p = window.of(answers), window.of(paintings)
    frames = np.concatenate([a["index"], p["index"]])
    exposures = np.concatenate([a["exposure"], p["exposure"]])
    drawn, _ = _outlines_shown(answers, paintings, window)
    outlined = np.unique(a["exposure"][a["outlines"] > 0])
    return {
        "frames": _span(frames),
        "pictures_not_shown": _span(frames) - len(np.unique(p["index"])),
        "exposures": _span(exposures),
        "exposures_not_segmented": _span(exposures) - len(np.unique(a["exposure"])),
        "outlines_not_shown": len(np.setdiff1d(outlined, drawn["overlay_exposure"])),
    }


def gaps_of(answers: Rows, paintings: Rows, window: Window) -> dict[str, float | None]:
    """The longest time in ms between two captures, two new pictures and two answers."""
    a, first = window.of(answers), _first(window.of(paintings), "index")
    stamps = {
        "captures": first["captured"],
        "pictures": first["presented"],
        "outlines": a["received"],
    }
    return {
        name: round(float(np.diff(np.sort(ns)).max()) / 1e6, 3) if len(ns) > 1 else None
        for name, ns in stamps.items()
    }


def _outlines_shown(
    answers: Rows, paintings: Rows, window: Window
) -> tuple[Rows, NDArray[np.int64]]:
    """The first painting of each exposure's own outline, and when the exposure was captured."""
    a = _first(window.of(answers), "exposure")
    own = (paintings["overlay_exposure"] >= 0) & (paintings["aged"] == 0)
    drawn = _first(paintings[own], "overlay_exposure")
    _, here, there = np.intersect1d(drawn["overlay_exposure"], a["exposure"], return_indices=True)
    return drawn[here], a["captured"][there]


def _first(rows: Rows, name: str) -> Rows:
    """The first row of each value."""
    _, where = np.unique(rows[name], return_index=True)
    return rows[np.sort(where)]


def _span(numbers: NDArray[np.int64]) -> int:
    return int(numbers.max() - numbers.min()) + 1 if len(numbers) else 0
