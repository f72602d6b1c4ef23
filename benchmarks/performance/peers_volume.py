"""3D nets: MONAI's SegResNet, as its BraTS bundle has it, and DynUNet as nnU-Net's 3d_fullres. All untrained."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2, prod
from typing import Any

import torch
from torch import nn

from benchmarks.performance.precision import Precision, count_flops
from benchmarks.performance.workload import Workload


def segresnet() -> nn.Module:
    """The architecture of the bundle `brats_mri_segmentation`."""
    from monai.networks.nets import SegResNet

    return SegResNet(
        in_channels=4, out_channels=3, init_filters=16, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1), dropout_prob=0.2
    )


def nnunet(window: int) -> nn.Module:
    """What nnU-Net plans: 32 to 320 channels, and levels down to 4 voxels a side; six for BraTS and its 128."""
    from monai.networks.nets import DynUNet

    levels = int(log2(window / 4)) + 1
    strides = [1] + [2] * (levels - 1)
    return DynUNet(
        spatial_dims=3, in_channels=4, out_channels=3, kernel_size=[3] * levels, strides=strides,
        upsample_kernel_size=strides[1:], filters=[32, 64, 128, 256, 320, 320][:levels],
    )  # fmt: skip


class VolumeNet:
    """A 3D net on four channels of one shape.

    Args:
        net: untrained.
        shape: voxels.
        precision: that it computes in.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...], precision: Precision) -> None:
        net = net.eval()
        self.precision, self.net, self.shape = precision, precision.apply(net), shape
        flops = count_flops(net, lambda copied: copied(torch.empty(1, 4, *shape, device="meta")))
        self.about: Mapping[str, Any] = {"flops": flops, "precision": precision.in_words()}
        self.run()  # warm, at its size

    def run(self) -> Mapping[str, Any]:
        """One forward pass; the three regions as booleans."""
        with torch.inference_mode(), self.precision.context():
            regions = call(self.net, self.precision, self.shape).sigmoid() > 0.5
        return {"shape": list(regions.shape)}


def call(net: nn.Module, precision: Precision, shape: tuple[int, ...]) -> torch.Tensor:
    """A forward pass."""
    return net(precision.apply(torch.zeros(1, 4, *shape)))


def made(workload: Workload, net: str) -> nn.Module:
    """`segresnet` or `dynunet`."""
    return nnunet(workload.window) if net == "dynunet" else segresnet()


def one_pass(workload: Workload, net: str, precision: Precision) -> VolumeNet:
    """A net over the whole scan at once, as SegResNet's bundle infers."""
    return VolumeNet(made(workload, net), workload.padded, precision)


def one_window(workload: Workload, net: str, precision: Precision) -> VolumeNet:
    """A window of a sliding one."""
    return VolumeNet(made(workload, net), (workload.window,) * 3, precision)


def count_windows(workload: Workload, overlap: float = 0.5) -> int:
    """How many windows MONAI's `sliding_window_inference` takes for a scan: 18 of 128 voxels for BraTS."""
    interval = int(workload.window * (1 - overlap))
    return prod(ceil(max(size - workload.window, 0) / interval) + 1 for size in workload.shape)
