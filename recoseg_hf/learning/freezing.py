"""Which part of a net a fine-tuning leaves as it is: few subjects of a new site cannot teach all of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import UNet2DModel

_TRAINED_PARTS: dict[str, tuple[str, ...] | None] = {
    "none": None,
    "encoder": ("time_embedding", "class_embedding", "mid_block", "up_blocks", "conv_norm_out", "conv_out"),
    "all_but_decoder": ("up_blocks", "conv_norm_out", "conv_out"),
    "all_but_last": ("conv_norm_out", "conv_out"),
}

FREEZABLE = tuple(_TRAINED_PARTS)
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
    if which not in _TRAINED_PARTS:
        raise ValueError(f"freeze={which!r}; expected one of {', '.join(FREEZABLE)}.")
    trained = _TRAINED_PARTS[which]
    for name, weight in net.named_parameters():
        weight.requires_grad_(trained is None or name.split(".")[0] in trained)
    counts = {True: 0, False: 0}
    for weight in net.parameters():
        counts[weight.requires_grad] += weight.numel()
    return FrozenCount(trainable=counts[True], frozen=counts[False])
