"""2D nets on the same slices: MONAI's DiffusionModelUNet of our width, and its plain BasicUNet. All untrained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.performance.precision import STOCK, Precision, count_flops, fastest
from benchmarks.performance.workload import Workload

_LEAST = 32  # pixels a side, for the four halvings of BasicUNet
BATCH = 16  # slices a call, as in `predict_case`: all at once do not fit into many a memory


def diffusion_net(workload: Workload, folded: bool, tuned: bool) -> nn.Module:
    """Our synthesizer's width, depth and channels; with our settings also its heads and groups, else MONAI's own."""
    from monai.networks.nets import DiffusionModelUNet

    ours = workload.synthesizer
    fold = _fold(workload, folded)
    levels = ours["block_out_channels"]
    extra = {"norm_num_groups": min(32, levels[0])}  # MONAI's own 32, where there are so many channels
    if tuned:
        extra = {"norm_num_groups": ours["norm_num_groups"], "num_head_channels": ours["attention_head_dim"]}
    return DiffusionModelUNet(
        spatial_dims=2, in_channels=4 * fold**2, out_channels=fold**2, channels=levels,
        num_res_blocks=ours["layers_per_block"], attention_levels=[False] * len(levels), **extra,
    )  # fmt: skip


def _fold(workload: Workload, folded: bool) -> int:
    return workload.settings["pixel_unshuffle"] if folded else 1


class Diffusion:
    """Some steps of MONAI's `DiffusionInferer` for all slices, 16 at a time.

    Args:
        workload: whose slices and model.
        scheduler: `DDPMScheduler` or `DDIMScheduler` of MONAI.
        steps: that the scheduler is set to.
        measured: how many of them are run.
        folded: on our folded slices, else on plain ones.
        tuned: with our settings.
    """

    def __init__(
        self, workload: Workload, scheduler: str, steps: int, measured: int, folded: bool, tuned: bool
    ) -> None:
        from monai.inferers import DiffusionInferer
        from monai.networks import schedulers

        net = diffusion_net(workload, folded, tuned).eval()
        fold = _fold(workload, folded)
        side = workload.settings["image_size"] // fold
        self.shapes = (fold**2, side, side), (3 * fold**2, side, side)
        self.slices = workload.slices
        self.batch = min(BATCH, self.slices)
        self.precision = fastest(net, self._forward, workload.quick) if tuned else STOCK
        self.net = self.precision.apply(net)
        chosen = getattr(schedulers, scheduler)(num_train_timesteps=1000)
        chosen.set_timesteps(steps)
        chosen.timesteps = chosen.timesteps[:measured]
        self.inferer = DiffusionInferer(chosen)
        meta = [torch.empty(1, *shape, device="meta") for shape in self.shapes]
        one = count_flops(net, lambda copied: copied(torch.cat(meta, 1), torch.zeros(1, device="meta")))
        self.about: Mapping[str, Any] = {
            "flops": one * workload.slices * measured, "precision": self.precision.in_words(), "grid": [side, side],
            "channels": 4 * fold**2, "steps_measured": measured,
        }  # fmt: skip
        self._sample(min(2, self.slices))

    def _forward(self, net: nn.Module, precision: Precision) -> torch.Tensor:
        inputs = torch.cat([torch.zeros(self.batch, *shape) for shape in self.shapes], dim=1)
        return net(precision.apply(inputs), torch.zeros(1))

    def _sample(self, slices: int) -> None:
        noise, conditions = (self.precision.apply(torch.randn(slices, *shape)) for shape in self.shapes)
        with torch.inference_mode(), self.precision.context():
            self.inferer.sample(noise, self.net, conditioning=conditions, mode="concat", verbose=False)

    def run(self) -> Mapping[str, Any]:
        """The measured steps."""
        for first in range(0, self.slices, self.batch):
            self._sample(min(self.batch, self.slices - first))
        return {}


class SliceNet:
    """MONAI's BasicUNet over all slices: stock one by one, with our settings 16 at a time."""

    def __init__(self, workload: Workload, tuned: bool) -> None:
        from monai.networks.nets import BasicUNet

        net = BasicUNet(spatial_dims=2, in_channels=4, out_channels=3).eval()
        side = max(workload.settings["image_size"], _LEAST)
        self.shape, self.slices, self.batch = (4, side, side), workload.slices, BATCH if tuned else 1
        self.precision = (
            fastest(net, partial(self._call, slices=min(BATCH, self.slices)), workload.quick) if tuned else STOCK
        )
        self.net = self.precision.apply(net)
        one = count_flops(net, lambda copied: copied(torch.empty(1, *self.shape, device="meta")))
        self.about: Mapping[str, Any] = {
            "flops": one * workload.slices, "precision": self.precision.in_words(), "grid": [side, side]
        }  # fmt: skip
        self.run()

    def _call(self, net: nn.Module, precision: Precision, slices: int) -> torch.Tensor:
        return net(precision.apply(torch.zeros(slices, *self.shape)))

    def run(self) -> Mapping[str, Any]:
        """All slices."""
        with torch.inference_mode(), self.precision.context():
            for first in range(0, self.slices, self.batch):
                self._call(self.net, self.precision, min(self.batch, self.slices - first)).sigmoid()
        return {}
