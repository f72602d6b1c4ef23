"""Others' nets as their users run them, and once more with our settings: the allocator, bfloat16, channels last."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_DTYPES = {"float32": torch.float32, "bfloat16 weights": torch.bfloat16, "bfloat16 autocast": torch.float32}


@dataclass(frozen=True)
class Precision:
    """What a net computes in, and how its activations lie in memory."""

    numbers: str = "float32"
    channels_last: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and inputs."""
        return _DTYPES[self.numbers]

    def apply(self, values: Any) -> Any:
        """Bring a net, or a tensor (B, C, ...), into it."""
        values = values.to(self.dtype)
        if not self.channels_last:
            return values
        if torch.is_tensor(values):
            return values.contiguous(memory_format=_channels_last(values.ndim))
        return values.to(memory_format=_channels_last(next(p.ndim for p in values.parameters() if p.ndim > 2)))

    def context(self) -> contextlib.AbstractContextManager:
        """To compute within."""
        return torch.autocast("cpu", torch.bfloat16) if "autocast" in self.numbers else contextlib.nullcontext()

    def in_words(self) -> str:
        """For the table."""
        return f"{self.numbers}, {'channels last' if self.channels_last else 'channels first'}"


STOCK = Precision()


def _channels_last(axes: int) -> torch.memory_format:
    return torch.channels_last if axes == 4 else torch.channels_last_3d


def fastest(net: nn.Module, call: Callable[[nn.Module, Precision], Any], quick: bool) -> Precision:
    """Try every precision on a small input, twice each, and return the one whose second call took the least.

    Args:
        net: stays as it is.
        call: runs a net, already in a precision, on a small input.
        quick: try two of them.
    """
    candidates = [Precision(numbers, last) for numbers in _DTYPES for last in (False, True)]
    seconds = {}
    for precision in candidates[2:4] if quick else candidates:
        candidate = precision.apply(copy.deepcopy(net))
        with torch.inference_mode(), precision.context():
            call(candidate, precision)
            started = time.perf_counter()
            call(candidate, precision)
            seconds[precision] = time.perf_counter() - started
    return min(seconds, key=seconds.__getitem__)


def count_flops(net: nn.Module, call: Callable[[nn.Module], Any]) -> int:
    """Count a net's FLOPs (two for a multiplication with its addition) without computing anything.

    Args:
        net: stays as it is.
        call: runs a net on inputs of torch's `meta` device.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(copy.deepcopy(net).to("meta", torch.float32))
    return counter.get_total_flops()
