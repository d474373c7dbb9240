"""PFNet's losses (Mei et al. 2021, section 3.4), with two faults of the published code mended.

There the weighted BCE is averaged before it is weighted, so that the weights cancel; and IoU is
not smoothed, so that an empty mask (a healthy control) costs 1 whatever is predicted, without a
gradient. Here weights act pixel by pixel, and IoU is smoothed by one pixel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

LEVEL_WEIGHTS = (1.0, 2.0, 4.0)
"""Of P3, P2 and P1 (the prediction)."""


def edge_weight(target: Tensor, window: int = 31) -> Tensor:
    """1 + 5 |avgpool31(t) - t|: pixels near the edge weigh up to 6 times; (B, C, H, W).

    Beyond the picture there is no target, as in the published code.
    """
    half = window // 2
    across = F.avg_pool2d(target, (1, window), 1, (0, half))
    near = F.avg_pool2d(across, (window, 1), 1, (half, 0))
    return 1 + 5 * (near - target).abs()


def weighted_bce(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of the binary cross entropy, weighted pixel by pixel; (B, C)."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * loss).sum((2, 3)) / weight.sum((2, 3))


def weighted_iou(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """1 - (I + 1) / (U + 1), intersection and union weighted pixel by pixel; (B, C)."""
    probability = torch.sigmoid(logits)
    both = (probability * target * weight).sum((2, 3))
    either = ((probability + target - probability * target) * weight).sum((2, 3))
    return 1 - (both + 1) / (either + 1)


def structure_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """S = weighted BCE + weighted IoU, per picture and map; (B, C)."""
    return weighted_bce(logits, target, weight) + weighted_iou(logits, target, weight)


def position_loss(logits: Tensor, target: Tensor) -> Tensor:
    """BCE + IoU without weights, for the positioning map; (B, C)."""
    weight = torch.ones_like(target)
    return weighted_bce(logits, target, weight) + weighted_iou(logits, target, weight)


def pfnet_loss(outputs: Sequence[Tensor], target: Tensor, window: int = 31) -> Tensor:
    """(BCE + IoU)(P4) + 1 S(P3) + 2 S(P2) + 4 S(P1).

    Args:
        outputs: P4, P3, P2, P1 logits, (B, C, H, W) each.
        target: (B, C, H, W) float, 0 or 1.
        window: of the edge weight; 31 at full size, 15 at half size.

    Returns:
        (C,): one loss per map, averaged over the batch.
    """
    first, *others = outputs
    loss = position_loss(first, target)
    near_edge = edge_weight(target, window)
    for weight, logits in zip(LEVEL_WEIGHTS, others, strict=True):
        loss = loss + weight * structure_loss(logits, target, near_edge)
    return loss.mean(0)
