"""95 % intervals by drawing patients again."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

SAMPLES = 1000


def interval(
    statistic: Callable[[NDArray[np.int_]], float], patients: Sequence[str], seed: int = 1
) -> tuple[float, float]:
    """95 % interval of a statistic of numbers (of pictures or runs), patients drawn again.

    Args:
        statistic: of the numbers of what was drawn.
        patients: whose each number is.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    names, which = np.unique(np.array(patients), return_inverse=True)
    members = [np.flatnonzero(which == k) for k in range(len(names))]
    values = []
    for _ in range(SAMPLES):
        drawn = rng.integers(0, len(names), len(names))
        values.append(statistic(np.concatenate([members[k] for k in drawn])))
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
