"""The networks by their names."""

from orapp.pfnet.backbones import resnet50, small
from orapp.pfnet.network import PFNet, Wiring


def pfnet() -> PFNet:
    """PFNet as published: ResNet-50, one map; 46 million parameters."""
    return PFNet(resnet50())


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


NETWORKS = {"pfnet": pfnet, "pfnet-lite": pfnet_lite}
"""Networks that a manifest may name."""
