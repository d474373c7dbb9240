"""What the outline of a vertebral body measures on a lateral view: heights, wedge, change.

Off by default, on by the site profile: orapp can't tell a lateral view from another one, nor the
front from the rear, so a person says both. Bands, never bare figures; no mm without a calibration;
no hard grade near a threshold; and nothing here sees cement, let alone that none has leaked.
"""

from orapp.measure.change import Baseline, Change, Trend, TrendPoint, change_since
from orapp.measure.heights import (
    GenantRange,
    Measures,
    Reading,
    genant,
    loss_against,
    measure,
    own_loss,
    widened,
)
from orapp.measure.points import Head, Side, SixPoints, corrected, six_points

__all__ = [
    "Baseline",
    "Change",
    "GenantRange",
    "Head",
    "Measures",
    "Reading",
    "Side",
    "SixPoints",
    "Trend",
    "TrendPoint",
    "change_since",
    "corrected",
    "genant",
    "loss_against",
    "measure",
    "own_loss",
    "six_points",
    "widened",
]
