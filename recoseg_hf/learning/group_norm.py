"""GroupNorm whose gradient does not go through torch's slow path for channels-last images on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_FEW_CHANNELS = 8


class QuickGroupNorm(nn.GroupNorm):
    """The same numbers as `nn.GroupNorm`; the gradient is computed on contiguous images where that is quicker.

    On a CPU, torch 2.13's own is slow on bfloat16 channels-last images with few channels a group. Copying them there
    and back takes half as long with all that belongs to it (`python -m benchmarks.training_peak` measures both).
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise (N, C, ...)."""
        if self.num_channels // self.num_groups > _FEW_CHANNELS or not _is_slow(images):
            return super().forward(images)
        return _Normalize.apply(images, self.weight, self.bias, self.num_groups, self.eps)


def quicken_group_norms(net: nn.Module) -> None:
    """Give each GroupNorm of a net the quicker gradient, in place; weights and their names stay as they are."""
    for module in net.modules():
        if type(module) is nn.GroupNorm and module.affine:
            module.__class__ = QuickGroupNorm


def _is_slow(images: torch.Tensor) -> bool:
    if images.device.type != "cpu" or images.dtype != torch.bfloat16 or not torch.is_grad_enabled():
        return False
    if torch.compiler.is_compiling():
        return False
    return images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()


class _Normalize(torch.autograd.Function):
    """torch's own forward, and its own backward on contiguous copies."""

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: int, eps: float
    ) -> torch.Tensor:
        samples, channels, *size = images.shape
        ctx.sizes = samples, channels, size[0] * size[1], groups
        normal, mean, scale = torch.native_group_norm(images, weight, bias, *ctx.sizes, eps)
        ctx.save_for_backward(images, mean, scale, weight)
        return normal

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, mean, scale, weight = ctx.saved_tensors
        found = torch.ops.aten.native_group_norm_backward(
            gradient.contiguous(), images.contiguous(), mean, scale, weight, *ctx.sizes, list(ctx.needs_input_grad[:3])
        )
        of_images = None if found[0] is None else found[0].contiguous(memory_format=torch.channels_last)
        return of_images, found[1], found[2], None, None
