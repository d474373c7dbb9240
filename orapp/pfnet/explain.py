"""Grad-CAM: what the judgement that a body is broken looks at. For the engineer and the lab."""

import numpy as np
import torch
from monai.visualize.class_activation_maps import GradCAM
from numpy.typing import NDArray
from torch import Tensor, nn

from orapp.frames import Gray
from orapp.pfnet.export import standardise
from orapp.pfnet.network import PFNet

LAYER = "network.backbone.stages.2"
"""The features at stride 16 of pfnet-lite."""


class Broken(nn.Module):
    """The judgement that a body is broken, as a classifier of one class."""

    def __init__(self, network: PFNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, h, w) -> (B, 1) logit."""
        judged = self.network.all_outputs(x)[1]
        assert judged is not None
        return judged[:, :1]


def grad_cam(network: PFNet, image: Gray) -> NDArray[np.uint8]:
    """Where the judgement looks, (h, w) uint8: 255 most, 0 least within this picture.

    Grad-CAM (Selvaraju et al., ICCV 2017) through monai. It says where the features lie that a
    judgement rests on, not whether it is right.

    Args:
        network: that judges, in evaluation mode.
        image: (h, w) uint8 at the network's size.
    """
    x = standardise(torch.tensor(image)[None, None])
    cam = GradCAM(nn_module=Broken(network), target_layers=LAYER)(x, class_idx=0)[0, 0]
    heat = 1 - np.asarray(cam, np.float32)  # monai gives 0 where it looks
    return np.asarray(255 * (heat - heat.min()) / max(float(np.ptp(heat)), 1e-6), np.uint8)
