"""The networks that are trained side by side: PFNet, and three of monai's at comparable cost."""

from collections.abc import Callable
from typing import cast

import torch
from monai.networks.nets import AttentionUnet, SegResNet, UNet
from torch import Tensor, nn
from torch.nn import functional as F

from orapp.pfnet import variants
from orapp.pfnet.network import PFNet


class Comparator(nn.Module):
    """One of monai's networks with two maps, and a judgement from their highest values.

    Args:
        network: (B, 1, h, w) -> (B, 2, h, w) logits.
    """

    TOP = 0.01
    """Part of the picture whose highest logits are averaged for the judgement."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.judge = nn.Linear(4, 2)

    def all_outputs(self, x: Tensor, shrink: int = 1) -> tuple[list[Tensor], Tensor]:
        """As PFNet's: the one output stands for all four."""
        maps: Tensor = self.network(x)
        flat = maps.flatten(2)
        top = flat.topk(max(int(flat.shape[2] * self.TOP), 1), dim=2).values.mean(2)
        judged = self.judge(torch.cat([top, flat.mean(2)], dim=1))
        if shrink > 1:
            maps = F.avg_pool2d(maps, shrink)
        return [maps] * 4, judged


def unet() -> nn.Module:
    """U-Net with residual units; 0.25 GMAC at 256x256."""
    return Comparator(UNet(2, 1, 2, (9, 18, 36, 72, 144), (2, 2, 2, 2), num_res_units=2))


def attention_unet() -> nn.Module:
    """Attention U-Net; 0.26 GMAC at 256x256."""
    return Comparator(AttentionUnet(2, 1, 2, (5, 10, 20, 40, 80), (2, 2, 2, 2)))


def segresnet() -> nn.Module:
    """SegResNet; 0.32 GMAC at 256x256."""
    network = SegResNet(2, 5, 1, 2, blocks_down=(1, 2, 2, 2), blocks_up=(1, 1, 1), norm="BATCH")
    return Comparator(network)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **variants.NETWORKS,
    "unet": unet,
    "attention-unet": attention_unet,
    "segresnet": segresnet,
}


def default_device() -> str:
    """`cuda` where torch finds a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights are."""
    return next(network.parameters()).device


def forward(network: nn.Module, x: Tensor, shrink: int = 1) -> tuple[list[Tensor], Tensor]:
    """Logits of every supervised output, and of the whole picture (B, 2): broken, spine."""
    outputs, judged = cast(PFNet, network).all_outputs(x, shrink)
    assert judged is not None
    return outputs, judged


def giga_macs(network: nn.Module, side: int = 256) -> float:
    """Multiplications and additions of the convolutions on one picture, in 1e9."""
    total = 0.0

    def count(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):
            places, channels = given[0][0, 0].numel(), module.out_channels
        else:
            places, channels = out[0, 0].numel(), module.out_channels
        kernel = module.kernel_size[0] * module.kernel_size[1] * module.in_channels / module.groups
        total += places * channels * kernel / 1e9

    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        forward(network.eval(), torch.zeros(1, 1, side, side, device=device_of(network)))
    for hook in hooks:
        hook.remove()
    return total
