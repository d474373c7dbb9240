"""The figures that a model is judged by: against closed forms and against themselves."""

import numpy as np
import pytest

from tools.comparators import NETWORKS, forward, giga_macs
from tools.evaluate import _compare, auc, best_threshold, interval, roc


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
