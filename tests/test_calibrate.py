"""Calibrated judgements: against closed forms, and against what they are for."""

import numpy as np
import pytest

from tools.calibrate_judge import calibrate, platt
from tools.evaluate import least_spine
from tools.quantize import FRAMES, frames


def test_platt_finds_the_line_that_made_the_data():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20_000)
    positive = rng.uniform(size=logit.size) < 1 / (1 + np.exp(-(1.5 * logit)))
    gain, shift = platt(logit, positive)
    assert gain == pytest.approx(1.5, abs=0.1)
    assert shift == pytest.approx(0, abs=0.1)


def test_how_many_are_broken_in_the_set_does_not_move_even_odds():
    rng = np.random.default_rng(1)
    ill, well = rng.normal(1, 1, 9000), rng.normal(-1, 1, 500)
    gain, shift = platt(np.r_[ill, well], np.arange(9500) < 9000)
    assert gain == pytest.approx(2, abs=0.25)
    assert shift == pytest.approx(0, abs=0.25)


def test_thresholds_part_the_broken_and_keep_99_of_100_spines():
    rng = np.random.default_rng(2)
    count = 400
    kind = np.arange(count) % 3  # broken, healthy, no spine
    logits = np.stack([rng.normal(kind == 0, 0.2), rng.normal(3.0 * (kind != 2), 0.3)], 1)
    gain, shift, thresholds = calibrate(logits, kind == 0, kind == 1, kind != 2)
    said = 1 / (1 + np.exp(-(logits * gain + shift)))
    told = said[kind != 2, 0] >= thresholds["least_broken"]
    assert (told == (kind[kind != 2] == 0)).mean() > 0.97
    kept = said[:, 1] >= thresholds["least_spine"]
    assert 0.98 <= kept[kind != 2].mean() <= 1
    assert kept[kind == 2].mean() < 0.05
    assert least_spine(np.arange(101.0)) == 1


def test_the_calibration_frames_are_those_that_were_chosen(tmp_path):
    chosen = list(frames(FRAMES, (64, 64)))
    assert len(chosen) >= 50
    assert len({picture.tobytes() for picture in chosen}) == len(chosen)
    from orapp.errors import OrappError

    lines = FRAMES.read_text().splitlines()
    lines[1] = lines[1][:-1] + ("0" if lines[1][-1] != "0" else "1")
    (tmp_path / "frames.csv").write_text("\n".join(lines))
    with pytest.raises(OrappError, match="is not the frame that was chosen"):
        list(frames(tmp_path / "frames.csv", (64, 64)))
