"""The networks by their names."""

from functools import partial

from orapp.pfnet.backbones import resnet50, small
from orapp.pfnet.network import PFNet, Wiring


def pfnet(*, judges: bool = False) -> PFNet:
    """PFNet as published: ResNet-50; 46 million parameters.

    Args:
        judges: with a judge of the whole picture, and a second map, all bodies; the paper has
            neither.
    """
    return PFNet(resnet50(), maps=2 if judges else 1, judges=judges)


def pfnet_lite(*, judges: bool = False) -> PFNet:
    """The variant for CPUs: small backbone, narrow decoder, two maps (fracture, all bodies).

    Args:
        judges: with a judge of the whole picture.
    """
    wiring = Wiring(
        widths=(16, 32, 48, 64),
        reduce_kernel=1,
        up_kernel=3,
        map_kernel=3,
        branch_kernels=(1, 3, 3, 3),
    )
    return PFNet(small(), wiring, maps=2, judges=judges)


NETWORKS = {"pfnet": partial(pfnet, judges=True), "pfnet-lite": partial(pfnet_lite, judges=True)}
"""Networks that a manifest may name."""
