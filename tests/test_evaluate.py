"""The figures that a model is judged by: against closed forms and against themselves."""

from pathlib import Path

import numpy as np
import pytest

from orapp.errors import OrappError
from tools.bootstrap import interval
from tools.comparators import NETWORKS, forward, giga_macs
from tools.evaluate import Seen, _compare, auc, best_threshold, roc, thresholds
from tools.pictures import Entry
from tools.run_figures import run_figures, run_table, steadiness


def test_auc_is_the_chance_that_a_broken_one_scores_higher():
    score = np.array([0.9, 0.8, 0.4, 0.7, 0.4, 0.1])
    broken = np.array([True, True, True, False, False, False])
    assert auc(score, broken) == pytest.approx((3 + 3 + 1 + 0.5) / 9)
    alarms, hits, _ = roc(score, broken)
    assert (alarms[-1], hits[-1]) == (1, 1)
    assert auc(-score, broken) == pytest.approx(1 - auc(score, broken))


def test_the_best_threshold_parts_what_can_be_parted():
    rng = np.random.default_rng(0)
    score = np.r_[rng.uniform(0.6, 1, 30), rng.uniform(0, 0.5, 40)]
    broken = np.arange(70) < 30
    threshold = best_threshold(score, broken)
    assert ((score >= threshold) == broken).all()


def test_dice_iou_and_distance_of_shifted_squares():
    truth, found = np.zeros((2, 2, 64, 64), bool)
    truth[:, 10:30, 10:30] = True
    found[:, 10:30, 15:35] = True
    dice, iou, hd95, pixels, bodies = _compare(found, truth)
    assert dice == pytest.approx(15 / 20)
    assert iou == pytest.approx(15 / 25)
    assert hd95 == pytest.approx(5)
    assert pixels == pytest.approx(1 - 200 / 64**2)
    assert bodies == dice
    healthy = _compare(found, np.zeros_like(truth))
    assert np.isnan(healthy[0])
    assert np.isnan(_compare(np.zeros_like(found), truth)[2])


def test_an_interval_draws_patients_and_not_pictures():
    """Pictures of one patient that are all alike carry no more than one of them."""
    values = np.repeat([0.2, 0.9, 0.5, 0.7], 25)
    many = interval(lambda k: float(values[k].mean()), [str(k) for k in range(100)])
    four = interval(lambda k: float(values[k].mean()), [str(k // 25) for k in range(100)])
    assert four[0] < many[0] < values.mean() < many[1] < four[1]


@pytest.mark.parametrize("name", ["pfnet-lite", "unet", "attention-unet", "segresnet"])
def test_networks_that_are_compared_cost_much_the_same(name):
    import torch

    network = NETWORKS[name]()
    assert 0.2 < giga_macs(network) < 0.4
    outputs, judged = forward(network.eval(), torch.zeros(1, 1, 64, 64), shrink=2)
    assert [tuple(o.shape) for o in outputs] == [(1, 2, 32, 32)] * 4
    assert tuple(judged.shape) == (1, 2)


def frames(run, kind, count, **about):
    given = {"patient": run, "occult": False, "split": "external"} | about
    return [
        Entry(
            Path("a.png"), None, None, given["patient"], "C", given["split"], "ap",
            "intraoperative", kind, given["occult"], run, frame,
        )
        for frame in range(count)
    ]  # fmt: skip


def test_runs_are_judged_by_what_is_found_and_by_what_flickers():
    entries = frames("a", "wedge", 5) + frames("h", "healthy", 3) + frames("", "wedge", 4)
    entries += frames("o", "wedge", 3, occult=True)
    outlined = np.array([1, 0, 1, 1, 1, 0, 0, 1, *[1] * 7], bool)
    dice = np.array([0.9, 0.0, 0.8, 0.2, 0.7, *[np.nan] * 3, *[0.5] * 7])
    ill, well = steadiness(entries, outlined, dice)
    assert (ill.frames, ill.outlined, ill.hit, ill.flicker) == (5, 0.8, 0.75, 0.5)
    assert (well.frames, well.outlined, well.flicker) == (3, pytest.approx(1 / 3), 0.5)
    assert np.isnan(well.hit)
    figures = run_figures([ill, well])
    assert figures["detection"][0] == 0.8
    assert figures["flicker"][0] == 0.5
    assert figures["false"][0] == pytest.approx(1 / 3)
    text, report = run_table("net", [ill, well])
    assert "| patients / fractured runs / healthy runs | 2 / 1 / 1 | 2 / 1 / 1 |" in text
    assert "1 fractured runs 0 have an outline in every frame, 0 in none, 1 in some" in text
    assert report["always_never_sometimes"] == [0, 0, 1]


def test_frames_whose_fracture_has_left_the_view_do_not_count_nor_do_pairs_across_them():
    entries = frames("a", "wedge", 4)
    dice = np.array([0.9, np.nan, 0.9, 0.9])
    (ill,) = steadiness(entries, np.array([True, True, False, False]), dice)
    assert (ill.frames, ill.flicker) == (3, 0.0)
    assert steadiness(entries, np.ones(4, bool), np.full(4, np.nan)) == []
    assert steadiness(frames("", "wedge", 4), np.ones(4, bool), dice) == []


def test_thresholds_come_from_validation_or_from_beside_the_weights(tmp_path):
    score = np.array([0.9, 0.8, 0.1, 0.2])
    seen = Seen("net", 0.1, *[score] * 5, score, score, score > 0)
    held_out = frames("a", "wedge", 2, split="val") + frames("h", "healthy", 2, split="val")
    weights = tmp_path / "weights.safetensors"
    assert thresholds(seen, held_out, weights)[0] == 0.8
    external = frames("a", "wedge", 2) + frames("h", "healthy", 2)
    with pytest.raises(OrappError, match="no pictures for validation"):
        thresholds(seen, external, weights)
    (tmp_path / "manifest.toml").write_text("least_broken = 0.36\nleast_spine = 0.9\n")
    assert thresholds(seen, external, weights) == (0.36, 0.9)
    (tmp_path / "thresholds.json").write_text('{"least_broken": 0.4, "least_spine": 0.8}')
    assert thresholds(seen, external, weights) == (0.4, 0.8)
