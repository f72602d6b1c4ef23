"""Which part of a net a fine-tuning leaves as it is: few subjects of a new site cannot teach all of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from diffusers import UNet2DModel

TRAINED_PARTS: dict[str, tuple[str, ...] | None] = {
    "none": None,
    "encoder": ("time_embedding", "class_embedding", "mid_block", "up_blocks", "conv_norm_out", "conv_out"),
    "all_but_decoder": ("up_blocks", "conv_norm_out", "conv_out"),
    "all_but_last": ("conv_norm_out", "conv_out"),
}
"""For each part that can be frozen, what is trained beside it; None is everything."""

FREEZABLE = tuple(TRAINED_PARTS)
"""What `freeze` takes: `none` trains every weight; `encoder` freezes the first convolution and the down blocks;
`all_but_decoder` trains the up blocks and the output; `all_but_last` trains the output's normalisation and convolution
alone."""


@dataclass(frozen=True)
class FrozenCount:
    """How many parameters a net has of either kind."""

    trainable: int
    frozen: int


def freeze(net: UNet2DModel, which: str) -> FrozenCount:
    """Make some of a net's weights untrainable, and all others trainable.

    Done before Accelerate wraps the net: what needs no gradient then is not exchanged between processes, and the
    optimiser should hold `net.parameters()` that need one alone. GroupNorm keeps no running statistics, so a frozen
    part stays exactly as it was; the moving average follows frozen weights without lag.

    Args:
        net: changed in place.
        which: one of `FREEZABLE`.

    Returns:
        How many parameters are trained and how many are not.

    Raises:
        ValueError: if `which` is unknown.
    """
    if which not in TRAINED_PARTS:
        raise ValueError(f"freeze={which!r}; expected one of {', '.join(FREEZABLE)}.")
    trained = TRAINED_PARTS[which]
    for name, weight in net.named_parameters():
        weight.requires_grad_(trained is None or name.split(".")[0] in trained)
    if trained is not None:
        _guard_norms(net)
    counts = {True: 0, False: 0}
    for weight in net.parameters():
        counts[weight.requires_grad] += weight.numel()
    return FrozenCount(trainable=counts[True], frozen=counts[False])


def _guard_norms(net: UNet2DModel) -> None:
    """Keep torch from crashing where the trained part begins with a norm.

    On a CPU the backward pass of a trained GroupNorm is a segmentation fault if its input is channels_last and needs
    no gradient, as behind frozen layers (torch 2.13).
    """
    from torch.nn import GroupNorm

    for module in net.modules():
        if isinstance(module, GroupNorm) and _need_gradient not in module._forward_pre_hooks.values():
            module.register_forward_pre_hook(_need_gradient)


def _need_gradient(norm: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
    import torch

    if norm.weight.requires_grad and torch.is_grad_enabled() and not inputs[0].requires_grad:
        return (inputs[0].detach().requires_grad_(),)
    return None
