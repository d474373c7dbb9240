"""The networks that are trained side by side."""

from collections.abc import Callable
from functools import partial
from typing import cast

from torch import Tensor, nn

from orapp.pfnet.network import PFNet
from orapp.pfnet.variants import pfnet_lite

NETWORKS: dict[str, Callable[[], nn.Module]] = {"pfnet-lite": partial(pfnet_lite, judges=True)}


def forward(network: nn.Module, x: Tensor, shrink: int = 1) -> tuple[list[Tensor], Tensor]:
    """Logits of every supervised output, and of the whole picture (B, 2): broken, spine."""
    outputs, judged = cast(PFNet, network).all_outputs(x, shrink)
    assert judged is not None
    return outputs, judged
