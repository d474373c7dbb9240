"""How long a frame takes to be calibrated: `python -m tools.remap_speed`, on one core and on all.

A 1024x1024 area with a distortion of degree 5 and a round field, of a raw frame of 1280x1080; and
the same without distortion.
"""

import time

import cv2
import numpy as np

from orapp.picture import Box, Circle, Distortion, Picture
from orapp.site import SiteMap

AREA = Box(x=128, y=28, width=1024, height=1024)
ROUND = 300


def distortion() -> Distortion:
    """A pincushion of 4 % and an S-shape, as of an image intensifier."""
    x, y = np.zeros(21), np.zeros(21)
    x[1], y[2] = 1.0, 1.0
    x[[6, 8]], y[[7, 9]] = 0.04, 0.04  # u^3 and u v^2, u^2 v and v^3
    x[[7, 9]], y[[6, 8]] = -0.02, 0.02
    return Distortion(
        degree=5, centre=(511.5, 511.5), scale=512.0, x=tuple(x), y=tuple(y), residual_px=0.05
    )


def milliseconds(site: SiteMap, raws: list[np.ndarray]) -> np.ndarray:
    """Of each of many calls, with the pauses that a video leaves."""
    took = []
    for n in range(ROUND):
        time.sleep(0.005)
        begin = time.perf_counter()
        site.apply(raws[n % len(raws)])
        took.append((time.perf_counter() - begin) * 1e3)
    return np.array(took[20:])


def main() -> None:
    """Prints p50 and p95."""
    rng = np.random.default_rng(0)
    raws = [rng.integers(0, 256, (1080, 1280), dtype=np.uint8) for _ in range(8)]
    picture = Picture(width=1280, height=1080, area=AREA, black=16, white=235)
    ways = {
        "crop and range": picture,
        "with distortion": picture.model_copy(update={"distortion": distortion()}),
        "with distortion, round field": picture.model_copy(
            update={
                "distortion": distortion(),
                "circle": Circle(x=639.5, y=539.5, radius=510.0),
            }
        ),
    }
    cores = cv2.getNumberOfCPUs()
    for threads in sorted({1, cores}):
        cv2.setNumThreads(threads)
        for name, made in ways.items():
            p50, p95 = np.percentile(milliseconds(SiteMap(made), raws), (50, 95))
            print(f"{threads} of {cores} cores, {name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms")


if __name__ == "__main__":
    main()
