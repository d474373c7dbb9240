"""PFNet as published, with the traps of the published code mended."""

import pytest
import torch

from orapp.pfnet.losses import edge_weight, pfnet_loss, position_loss, structure_loss, weighted_bce
from orapp.pfnet.network import ChannelAttention, SpatialAttention
from orapp.pfnet.variants import pfnet, pfnet_lite


@pytest.fixture(scope="module")
def lite():
    torch.manual_seed(0)
    return pfnet_lite().eval()


def parameters(network: torch.nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def test_the_published_network_has_the_published_size_and_four_outputs():
    network = pfnet().eval()
    assert parameters(network) == pytest.approx(46.5, abs=0.5)
    with torch.inference_mode():
        outputs = network(torch.zeros(1, 1, 64, 96))
    assert [tuple(o.shape) for o in outputs] == [(1, 1, 64, 96)] * 4


def test_the_small_one_is_small_and_has_two_maps(lite):
    assert parameters(lite) < 1.2
    with torch.inference_mode():
        outputs = lite(torch.zeros(2, 1, 64, 64), shrink=2)
    assert [tuple(o.shape) for o in outputs] == [(2, 2, 32, 32)] * 4


@pytest.mark.parametrize("size", [(250, 256), (256, 100)])
def test_sides_that_are_no_multiple_of_32_are_told(lite, size):
    with pytest.raises(ValueError, match="both sides must be multiples of 32"):
        lite(torch.zeros(1, 1, *size))


@pytest.mark.parametrize("module", [ChannelAttention(), SpatialAttention(32)])
def test_attention_survives_half_precision(module):
    x = 200 * torch.randn(1, 32, 16, 16, generator=torch.manual_seed(1))
    with torch.autocast("cpu", dtype=torch.float16):
        out = module(x.half())
    assert out.dtype == torch.float16
    assert torch.isfinite(out).all()


def test_the_plain_product_would_have_overflowed():
    x = (200 * torch.randn(32, 256, generator=torch.manual_seed(1))).half()
    assert torch.isinf((x @ x.T).float()).any()


def square(side: int = 64) -> torch.Tensor:
    target = torch.zeros(1, 1, side, side)
    target[..., 20:40, 20:40] = 1
    return target


def test_the_edge_weighs_more_than_inside_and_outside():
    weight = edge_weight(square())
    assert weight.min() >= 1
    assert weight[0, 0, 20, 20] > 3 > 1.2 > weight[0, 0, 63, 63]


def test_the_edge_weight_is_the_published_average_of_31():
    target = square()
    target[..., 50:, 40:] = 1  # touches the border
    near = torch.nn.functional.avg_pool2d(target, 31, 1, 15)
    assert torch.allclose(edge_weight(target), 1 + 5 * (near - target).abs(), atol=1e-5)


def test_weights_do_not_cancel_in_the_cross_entropy():
    target, logits = square(), torch.zeros(1, 1, 64, 64)
    wrong_at_edge, wrong_far_away = logits.clone(), logits.clone()
    wrong_at_edge[0, 0, 19, 20:40] = 6
    wrong_far_away[0, 0, 60, 20:40] = 6
    weight = edge_weight(target)
    assert weighted_bce(wrong_at_edge, target, weight) > 1.001 * weighted_bce(
        wrong_far_away, target, weight
    )


def test_a_healthy_control_costs_nothing_when_nothing_is_outlined():
    target = torch.zeros(1, 1, 64, 64)
    right = [torch.full((1, 1, 64, 64), -20.0)] * 4
    assert pfnet_loss(right, target).item() < 1e-3


def test_a_healthy_control_that_is_outlined_has_a_gradient():
    target = torch.zeros(1, 1, 64, 64)
    logits = torch.zeros(1, 1, 64, 64, requires_grad=True)
    pfnet_loss([logits] * 4, target).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad > 0).all()


def test_the_four_outputs_weigh_1_1_2_4():
    torch.manual_seed(3)
    target, logits = square(), [torch.randn(1, 1, 64, 64) for _ in range(4)]
    weight = edge_weight(target)
    s3, s2, s1 = (structure_loss(logit, target, weight) for logit in logits[1:])
    expected = position_loss(logits[0], target) + s3 + 2 * s2 + 4 * s1
    assert torch.allclose(pfnet_loss(logits, target), expected.mean(0))


def test_it_learns_a_picture():
    torch.manual_seed(0)
    network = pfnet_lite().train()
    image = torch.randn(2, 1, 64, 64) * 0.2
    target = torch.zeros(2, 2, 64, 64)
    for k, at in enumerate((8, 34)):
        image[k, 0, at : at + 20, at : at + 20] += 2
        target[k, :, at : at + 20, at : at + 20] = 1
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = pfnet_loss(network(image), target).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
