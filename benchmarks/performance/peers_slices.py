"""2D nets on the same slices: MONAI's DiffusionModelUNet of our width, and its plain BasicUNet. All untrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.performance.precision import Precision, count_flops
from benchmarks.performance.workload import Workload

_LEAST = 32  # pixels a side, for the four halvings of BasicUNet
BATCH = 16  # slices a call: all at once do not fit into many a memory


def diffusion_net(workload: Workload, folded: bool, tuned: bool) -> nn.Module:
    """Our synthesizer's width, depth and channels; with our settings also its heads and groups, else MONAI's own."""
    from monai.networks.nets import DiffusionModelUNet

    ours = workload.synthesizer
    fold = _fold(workload, folded)
    levels = ours["block_out_channels"]
    extra = {"norm_num_groups": min(32, levels[0])}  # MONAI's own 32, where there are so many channels
    if tuned:
        groups, heads = ours.get("norm_num_groups"), ours.get("attention_head_dim")
        extra = {"norm_num_groups": groups or extra["norm_num_groups"]}
        extra |= {"num_head_channels": heads} if heads else {}
    return DiffusionModelUNet(
        spatial_dims=2, in_channels=4 * fold**2, out_channels=fold**2, channels=levels,
        num_res_blocks=ours.get("layers_per_block", 1), attention_levels=[False] * len(levels), **extra,
    )  # fmt: skip


def _fold(workload: Workload, folded: bool) -> int:
    return workload.fold if folded else 1


def diffusion_shapes(workload: Workload, folded: bool) -> tuple[tuple[int, int, int], ...]:
    """Channels and pixels of the image, and of the three scans that it is conditioned on."""
    fold = _fold(workload, folded)
    return tuple((channels * fold**2, workload.side // fold, workload.side // fold) for channels in (1, 3))


def slices_a_call(workload: Workload, folded: bool = True) -> int:
    """How many slices the diffusion net takes: plain ones have more pixels, whose attention needs their square."""
    return BATCH if folded else max(BATCH // workload.fold**2, 1)


def call_diffusion(net: nn.Module, precision: Precision, slices: int, shapes: Sequence[Sequence[int]]) -> torch.Tensor:
    """A forward pass."""
    inputs = torch.cat([torch.zeros(slices, *shape) for shape in shapes], dim=1)
    return net(precision.apply(inputs), torch.zeros(1))


class Diffusion:
    """Some steps of MONAI's `DiffusionInferer` for the slices that our nets see, some at a time.

    Args:
        workload: whose slices and model.
        plans: by name, a scheduler of MONAI and how many steps it is set to.
        measured: how many of them are run.
        folded: on our folded slices, else on plain ones.
        tuned: with our heads and groups.
        precision: that it computes in.
    """

    def __init__(
        self, workload: Workload, plans: Mapping[str, tuple[str, int]], measured: int, folded: bool, tuned: bool,
        precision: Precision,
    ) -> None:  # fmt: skip
        net, shapes = diffusion_net(workload, folded, tuned).eval(), diffusion_shapes(workload, folded)
        self.precision, self.net = precision, precision.apply(net)
        self.batch = slices_a_call(workload, folded)
        self.inferers = {name: _inferer(*plan, measured) for name, plan in plans.items()}
        self.noise, self.conditions = (precision.apply(torch.randn(workload.slices_seen, *shape)) for shape in shapes)
        meta = [torch.empty(1, *shape, device="meta") for shape in shapes]
        one = count_flops(net, lambda copied: copied(torch.cat(meta, 1), torch.zeros(1, device="meta")))
        self.about: Mapping[str, Any] = {
            "flops": one * workload.slices_seen * measured, "precision": precision.in_words(),
            "grid": [*shapes[0][1:]], "channels": sum(shape[0] for shape in shapes), "steps_measured": measured,
        }  # fmt: skip
        for inferer in self.inferers.values():
            self._sample(inferer, 0)  # warm, at its size

    def _sample(self, inferer: Any, first: int) -> None:
        noise, conditions = (values[first : first + self.batch] for values in (self.noise, self.conditions))
        with torch.inference_mode(), self.precision.context():
            inferer.sample(noise, self.net, conditioning=conditions, mode="concat", verbose=False)

    def run(self, plan: str) -> Mapping[str, Any]:
        """The measured steps of a plan."""
        for first in range(0, len(self.noise), self.batch):
            self._sample(self.inferers[plan], first)
        return {}


def _inferer(scheduler: str, steps: int, measured: int) -> Any:
    from monai.inferers import DiffusionInferer
    from monai.networks import schedulers

    chosen = getattr(schedulers, scheduler)(num_train_timesteps=1000)
    chosen.set_timesteps(steps)
    chosen.timesteps = chosen.timesteps[:measured]
    return DiffusionInferer(chosen)


def slice_net() -> nn.Module:
    """MONAI's BasicUNet as it comes."""
    from monai.networks.nets import BasicUNet

    return BasicUNet(spatial_dims=2, in_channels=4, out_channels=3)


def slice_shape(workload: Workload) -> tuple[int, int, int]:
    """Channels and pixels."""
    return 4, *2 * (max(workload.side, _LEAST),)


def call_slices(net: nn.Module, precision: Precision, slices: int, shape: Sequence[int]) -> torch.Tensor:
    """A forward pass."""
    return net(precision.apply(torch.zeros(slices, *shape)))


class SliceNet:
    """BasicUNet over all slices, 16 at a time."""

    def __init__(self, workload: Workload, precision: Precision) -> None:
        net = slice_net().eval()
        self.shape, self.slices = slice_shape(workload), workload.slices
        self.precision, self.net = precision, precision.apply(net)
        one = count_flops(net, lambda copied: copied(torch.empty(1, *self.shape, device="meta")))
        self.about: Mapping[str, Any] = {
            "flops": one * workload.slices, "precision": precision.in_words(), "grid": [*self.shape[1:]]
        }  # fmt: skip
        self.run()  # warm, at its size

    def run(self) -> Mapping[str, Any]:
        """All slices."""
        with torch.inference_mode(), self.precision.context():
            for first in range(0, self.slices, BATCH):
                call_slices(self.net, self.precision, min(BATCH, self.slices - first), self.shape).sigmoid()
        return {}
