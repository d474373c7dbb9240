"""PFNet (Mei et al., "Camouflaged Object Segmentation with Distraction Mining", CVPR 2021).

The clinical study names its network PFNet, with an attention-guided and a supervised decoding
module; that it derives from Mei et al. is an inference from the name. Written from the paper's
description; no line of the published code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orapp.pfnet.backbones import Backbone, ConvBnRelu

SIDE = 32
"""Input sides must be multiples of this: the deepest level has stride 32."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Widths and kernel sizes of the decoder; the defaults are the paper's.

    Attributes:
        widths: channels of the four levels after reduction, shallow to deep.
        reduce_kernel: of the channel reduction.
        up_kernel: of the convolution before a higher feature is doubled in size.
        map_kernel: of the convolutions that give logits.
        branch_kernels: of the four context branches.
    """

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    reduce_kernel: int = 3
    up_kernel: int = 7
    map_kernel: int = 7
    branch_kernels: tuple[int, int, int, int] = (1, 3, 5, 7)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ChannelAttention(nn.Module):
    """Y = g * softmax(X X^T) X + X over channels; no projections; g is learned, from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same. Products and softmax are float32: X X^T overflows fp16."""
        b, c, h, w = x.shape
        with torch.autocast(x.device.type, enabled=False):
            flat = x.float().reshape(b, c, h * w)
            attention = torch.softmax(flat @ flat.transpose(1, 2), dim=-1)
            out = self.gain * (attention @ flat) + flat
        return out.reshape(b, c, h, w).to(x.dtype)


class SpatialAttention(nn.Module):
    """Z = g * V softmax(Q^T K)^T + Y over places; Q, K have C/8 channels; g is learned, from 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same. Products and softmax are float32."""
        b, c, h, w = x.shape
        with torch.autocast(x.device.type, enabled=False):
            q, k, v = (
                F.conv2d(
                    x.float(), p.weight.float(), None if p.bias is None else p.bias.float()
                ).flatten(2)
                for p in (self.query, self.key, self.value)
            )
            attention = torch.softmax(q.transpose(1, 2) @ k, dim=-1)
            out = self.gain * (v @ attention.transpose(1, 2)) + x.float().flatten(2)
        return out.reshape(b, c, h, w).to(x.dtype)


class Positioning(nn.Module):
    """Positioning Module: channel, then spatial attention, then the first map."""

    def __init__(self, channels: int, maps: int, kernel: int) -> None:
        super().__init__()
        self.channel = ChannelAttention()
        self.spatial = SpatialAttention(channels)
        self.map = nn.Conv2d(channels, maps, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> feature of the same shape, logits (B, maps, h, w)."""
        feature = self.spatial(self.channel(x))
        return feature, self.map(feature)


class ContextExploration(nn.Module):
    """Four branches of growing kernel and dilation, each fed by the one before."""

    def __init__(self, channels: int, kernels: tuple[int, int, int, int]) -> None:
        super().__init__()
        quarter = channels // 4
        self.enter = nn.ModuleList(ConvBnRelu(channels, quarter, 1) for _ in kernels)
        self.local = nn.ModuleList(ConvBnRelu(quarter, quarter, k) for k in kernels)
        self.context = nn.ModuleList(
            ConvBnRelu(quarter, quarter, 3, dilation=d) for d in (1, 2, 4, 8)
        )
        self.fuse = ConvBnRelu(4 * quarter, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> the same."""
        out: list[Tensor] = []
        for enter, local, context in zip(self.enter, self.local, self.context, strict=True):
            t = enter(x) + out[-1] if out else enter(x)
            out.append(context(local(t)))
        fused: Tensor = self.fuse(torch.cat(out, dim=1))
        return fused


class Focus(nn.Module):
    """Focus Module: finds false positives and negatives of the higher map and takes them away."""

    def __init__(self, channels: int, higher: int, maps: int, wiring: Wiring) -> None:
        super().__init__()
        self.up = ConvBnRelu(higher, channels, wiring.up_kernel)
        self.false_positive = ContextExploration(channels, wiring.branch_kernels)
        self.false_negative = ContextExploration(channels, wiring.branch_kernels)
        self.alpha = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.ones(1))
        self.norm_1 = nn.BatchNorm2d(channels)
        self.norm_2 = nn.BatchNorm2d(channels)
        self.map = nn.Conv2d(channels, maps, wiring.map_kernel, padding=wiring.map_kernel // 2)

    def forward(self, x: Tensor, higher: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Current (B, c, h, w), higher feature and logits at half the size -> feature, logits.

        Where there are several maps, the first (the fracture) is the one that is focused on.
        """
        up = _double(self.up(higher))
        mask = torch.sigmoid(_double(logits[:, :1]))
        r = torch.relu(self.norm_1(up - self.alpha * self.false_positive(x * mask)))
        r = torch.relu(self.norm_2(r + self.beta * self.false_negative(x * (1 - mask))))
        return r, self.map(r)


class Judge(nn.Module):
    """Says of the whole picture whether it shows a spine, and whether a body is broken.

    From the mean and the maximum of the positioned feature, the maxima of the first map, and the
    maxima of the last one over patches of about a vertebral body. `gain` and `shift` calibrate
    the logits on validation after training (Platt 1999); until then they do nothing.
    """

    gain: Tensor
    shift: Tensor

    PATCH = 8
    """Side of a patch at stride 4: 32 pixels of the input."""

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * channels + maps, 32), nn.ReLU(inplace=True), nn.Linear(32, 2)
        )
        self.late = nn.Linear(2 * maps, 2)
        self.register_buffer("gain", torch.ones(2))
        self.register_buffer("shift", torch.zeros(2))
        nn.init.zeros_(self.late.weight)
        nn.init.zeros_(self.late.bias)

    def forward(self, feature: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """(B, C, h, w), logits (B, maps, h, w) and (B, maps, 8h, 8w) -> (B, 2): broken, spine."""
        feature, first, last = feature.float(), first.float(), last.float()
        pooled = [feature.mean((2, 3)), feature.amax((2, 3)), first.amax((2, 3))]
        early: Tensor = self.layers(torch.cat(pooled, dim=1))
        patches = F.avg_pool2d(torch.sigmoid(last), self.PATCH, self.PATCH // 2)
        seen = torch.cat([patches.amax((2, 3)), last.amax((2, 3))], dim=1)
        late: Tensor = self.late(seen)
        return self.gain * (early + late) + self.shift


class PFNet(nn.Module):
    """Positioning and Focus Network.

    Args:
        backbone: gives four features at strides 4, 8, 16, 32.
        wiring: the decoder's widths and kernels.
        maps: supervised maps per output: 1 is the fracture; pfnet-lite adds all vertebral bodies.
        judges: adds a `Judge` of the whole picture.
    """

    def __init__(
        self,
        backbone: Backbone,
        wiring: Wiring | None = None,
        maps: int = 1,
        *,
        judges: bool = False,
    ) -> None:
        super().__init__()
        wiring = wiring or Wiring()
        self.backbone = backbone
        self.reduce = nn.ModuleList(
            ConvBnRelu(c, w, wiring.reduce_kernel)
            for c, w in zip(backbone.channels, wiring.widths, strict=True)
        )
        w = wiring.widths
        self.positioning = Positioning(w[3], maps, wiring.map_kernel)
        self.judge = Judge(w[3], maps) if judges else None
        self.focus = nn.ModuleList(Focus(w[i], w[i + 1], maps, wiring) for i in (2, 1, 0))

    def forward(self, x: Tensor, shrink: int = 1) -> list[Tensor]:
        """Logits of all four outputs; see `all_outputs`."""
        return self.all_outputs(x, shrink)[0]

    def all_outputs(self, x: Tensor, shrink: int = 1) -> tuple[list[Tensor], Tensor | None]:
        """Logits of all four outputs, and of the whole picture.

        Args:
            x: (B, 1, H, W) float, normalised; H and W multiples of 32.
            shrink: the outputs are this much smaller than the input; the prediction itself has
                stride 4, so that a loss at half size (2) costs less and loses nothing.

        Returns:
            Four (B, maps, H, W): P4 (positioning), P3, P2, P1; the last is the prediction. And
            (B, 2): a body is broken, it is a spine; None for a network that doesn't judge.

        Raises:
            ValueError: a side is no multiple of 32.
        """
        height, width = int(x.shape[-2]), int(x.shape[-1])
        if height % SIDE or width % SIDE:
            raise ValueError(f"input is {width}x{height}: both sides must be multiples of {SIDE}")
        levels = [r(f) for r, f in zip(self.reduce, self.backbone(x), strict=True)]
        feature, logits = self.positioning(levels[3])
        outputs = [logits]
        positioned = feature
        for focus, level in zip(self.focus, levels[2::-1], strict=True):
            feature, logits = focus(level, feature, logits)
            outputs.append(logits)
        judged = None if self.judge is None else self.judge(positioned, outputs[0], logits)
        size = height // shrink, width // shrink
        grown = [F.interpolate(o, size=size, mode="bilinear", align_corners=False) for o in outputs]
        return grown, judged
