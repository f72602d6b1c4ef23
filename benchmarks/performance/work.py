"""What a net has to do at least: multiplications, and bytes through memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

_HEAVY = ("convolution", "addmm", "bmm", "mm", "baddbmm")


@dataclass
class NetWork:
    """Of one net.

    Attributes:
        slices: calls times slices.
        flops: two for a multiplication with its addition.
        bytes: that convolutions and products of matrices read and write, each of their tensors once: what is left to
            memory where everything else is fused into them.
    """

    slices: int = 0
    flops: int = 0
    bytes: int = 0

    def add(self, slices: int, one: NetWork) -> None:
        """Add so many slices of the work of one."""
        self.slices += slices
        self.flops += slices * one.flops
        self.bytes += slices * one.bytes


class _Bytes(TorchDispatchMode):
    """Adds up the bytes of what the heavy operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in _HEAVY:
            tensors = [value for value in (*args, result) if torch.is_tensor(value)]
            self.total += sum(value.numel() * value.element_size() for value in tensors)
        return result


def net_work(net: nn.Module, shape: Sequence[int]) -> NetWork:
    """A `UNet2DModel`'s work for one slice (C, H, W), counted without computing anything; weights once per slice."""
    meta = copy.deepcopy(net).to("meta")
    inputs = torch.empty(1, *shape, device="meta", dtype=net.dtype)
    extra = {}
    if net.config.num_class_embeds is not None:
        extra["class_labels"] = torch.zeros(1, dtype=torch.long, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as flops, _Bytes() as moved:
        meta(inputs, torch.zeros(1, device="meta"), **extra)
    return NetWork(1, flops.get_total_flops(), moved.total)
