"""Backbones: ResNet-50 (He et al., CVPR 2016) and a small residual one for CPUs."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ConvBnRelu(nn.Sequential):
    """Convolution without bias, batch normalisation, ReLU; keeps the size at stride 1."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """ReLU(body(x) + shortcut(x)); the shortcut is a 1x1 convolution where shapes differ."""

    def __init__(self, body: Iterable[nn.Module], inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h/stride, w/stride)."""
        return torch.relu(self.body(x) + self.shortcut(x))


def bottleneck(inputs: int, middle: int, stride: int) -> Residual:
    """ResNet's 1x1, 3x3, 1x1 block; the stride sits in the 3x3."""
    outputs = 4 * middle
    body = [
        ConvBnRelu(inputs, middle, 1),
        ConvBnRelu(middle, middle, 3, stride),
        nn.Conv2d(middle, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return Residual(body, inputs, outputs, stride)


def plain(inputs: int, outputs: int, stride: int) -> Residual:
    """ResNet's block of two 3x3 convolutions."""
    body = [
        ConvBnRelu(inputs, outputs, 3, stride),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return Residual(body, inputs, outputs, stride)


class Backbone(nn.Module):
    """A stem at stride 4, then four stages.

    Attributes:
        channels: of the four features, at strides 4, 8, 16, 32.
    """

    def __init__(self, stem: nn.Module, stages: list[nn.Module], channels: list[int]) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 1, H, W) -> four features, shallow to deep."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def resnet50() -> Backbone:
    """ResNet-50 for one grey channel: features of 256, 512, 1024, 2048 channels."""
    stem = nn.Sequential(ConvBnRelu(1, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
    stages: list[nn.Module] = []
    inputs = 64
    for middle, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        blocks = [bottleneck(inputs, middle, stride)]
        inputs = 4 * middle
        blocks += [bottleneck(inputs, middle, 1) for _ in range(count - 1)]
        stages.append(nn.Sequential(*blocks))
    return Backbone(stem, stages, [256, 512, 1024, 2048])


def small() -> Backbone:
    """Plain residual blocks: features of 24, 48, 96, 128 channels."""
    stem = nn.Sequential(ConvBnRelu(1, 16, 3, 2), ConvBnRelu(16, 24, 3, 2))
    stages: list[nn.Module] = [
        plain(24, 24, 1),
        plain(24, 48, 2),
        nn.Sequential(plain(48, 96, 2), plain(96, 96, 1)),
        nn.Sequential(plain(96, 128, 2), plain(128, 128, 1)),
    ]
    return Backbone(stem, stages, [24, 48, 96, 128])
