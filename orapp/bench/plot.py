"""A benchmark's picture: how the durations are distributed, and when they were long."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from orapp.bench.parts import WORDS, Part

Picture = NDArray[np.uint8]
"""(H, W, 3), blue green red."""

SHOWN = {
    "bare": (120, 120, 120),
    "capture_to_picture": (178, 114, 0),
    "capture_to_outline": (0, 159, 230),
    "capture_to_glass": (115, 158, 0),
}
"""Parts that are drawn, in colours that the colour-blind can tell."""
WIDTH, HEIGHT = 1400, 900
_INK, _FAINT = (40, 40, 40), (222, 222, 222)
_LEFT, _RIGHT = 80, 30
BINS = 120


def draw_bench(parts: Mapping[str, Part], title: str) -> bytes:
    """The plot as a PNG file's bytes."""
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    shown = {name: parts[name] for name in SHOWN if name in parts and len(parts[name].ms)}
    _write(canvas, title[:110], (_LEFT, 34), 0.62)
    for k, (name, part) in enumerate(shown.items()):
        at = (_LEFT + 330 * k, 66)
        cv2.rectangle(canvas, (at[0], at[1] - 11), (at[0] + 22, at[1]), SHOWN[name], -1)
        p50 = np.percentile(part.ms, 50)
        _write(canvas, f"{WORDS[name]}, p50 {p50:.1f} ms", (at[0] + 30, at[1]), 0.46)
    longest = max((float(np.percentile(p.ms, 99.5)) for p in shown.values()), default=1.0)
    most_ms = _nice(longest * 1.15)
    _histogram(canvas, shown, most_ms, (100, 420))
    _timeline(canvas, shown, (500, 840))
    done, data = cv2.imencode(".png", canvas)
    assert done
    return data.tobytes()


def _histogram(
    canvas: Picture, parts: Mapping[str, Part], most_ms: float, rows: tuple[int, int]
) -> None:
    """Share of the exposures over ms; what is longer counts in the last bin."""
    top, bottom = rows
    edges = np.linspace(0, most_ms, BINS + 1)
    shares = {
        name: np.histogram(np.minimum(p.ms, most_ms * 0.9999), edges)[0] / len(p.ms)
        for name, p in parts.items()
    }
    most = max((float(s.max()) for s in shares.values()), default=1.0)
    x = _LEFT + np.arange(BINS + 1) * (WIDTH - _LEFT - _RIGHT) / BINS
    for value in np.linspace(0, most_ms, 11):
        at = round(_LEFT + value / most_ms * (WIDTH - _LEFT - _RIGHT))
        cv2.line(canvas, (at, top), (at, bottom), _FAINT, 1)
        _write(canvas, f"{value:g}", (at - 10, bottom + 20), 0.42)
    for name, share in shares.items():
        y = bottom - share / most * (bottom - top)
        outline = np.stack([np.repeat(x, 2)[1:-1], np.repeat(y, 2)], 1)
        cv2.polylines(canvas, [np.round(outline).astype(np.int32)], False, SHOWN[name], 2)
    cv2.line(canvas, (_LEFT, bottom), (WIDTH - _RIGHT, bottom), _INK, 1)
    _write(canvas, "how often, over ms (the last bin holds all that is longer)",
           (_LEFT, bottom + 44), 0.46)  # fmt: skip


def _timeline(canvas: Picture, parts: Mapping[str, Part], rows: tuple[int, int]) -> None:
    """A dot for each exposure: when it was captured, how long it took."""
    top, bottom = rows
    live = {name: part for name, part in parts.items() if name != "bare"}
    most_ms = _nice(max((float(p.ms.max()) for p in live.values()), default=1.0) * 1.05)
    end_s = float(np.ceil(max((float(p.at_s.max()) for p in live.values()), default=1.0))) or 1.0
    for value in np.linspace(0, most_ms, 6):
        at = round(bottom - value / most_ms * (bottom - top))
        cv2.line(canvas, (_LEFT, at), (WIDTH - _RIGHT, at), _FAINT, 1)
        _write(canvas, f"{value:g}", (30, at + 5), 0.42)
    for name, part in live.items():
        x = _LEFT + part.at_s / end_s * (WIDTH - _LEFT - _RIGHT)
        y = bottom - part.ms / most_ms * (bottom - top)
        for u, v in np.round(np.stack([x, y], 1)).astype(int).tolist():
            cv2.circle(canvas, (u, v), 2, SHOWN[name], -1)
    for value in np.linspace(0, end_s, 11):
        at = round(_LEFT + value / end_s * (WIDTH - _LEFT - _RIGHT))
        _write(canvas, f"{value:.3g}", (at - 10, bottom + 20), 0.42)
    _write(canvas, "ms, over s of the run", (_LEFT, bottom + 44), 0.46)


def _nice(value: float) -> float:
    """The next round figure that ten or five steps divide well."""
    power = 10.0 ** np.floor(np.log10(max(value, 1e-3)))
    return float(next(m * power for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if m * power >= value))


def _write(canvas: Picture, text: str, at: tuple[int, int], scale: float) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, at, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
