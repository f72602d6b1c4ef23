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


def fastest(net: nn.Module, call: Callable[[nn.Module, Precision], Any], quick: bool) -> dict[Precision, float]:
    """Try every precision on a small input, twice each; seconds of the second calls, the quickest first.

    What fails is left out, and what takes twice as long as the best so far is not called again.

    Args:
        net: stays as it is.
        call: runs a net, already in a precision, on a small input.
        quick: try two of them.

    Raises:
        RuntimeError: none works.
    """
    candidates = [Precision(numbers, last) for numbers in _DTYPES for last in (False, True)]
    seconds: dict[Precision, float] = {}
    for precision in candidates[2:4] if quick else candidates:
        try:
            _try(net, call, precision, seconds)
        except (RuntimeError, ValueError, TypeError, NotImplementedError):
            continue
    if not seconds:
        raise RuntimeError("the net runs in no precision")
    return dict(sorted(seconds.items(), key=lambda item: item[1]))


def _try(
    net: nn.Module, call: Callable[[nn.Module, Precision], Any], precision: Precision, seconds: dict[Precision, float]
) -> None:
    candidate = precision.apply(copy.deepcopy(net))
    most = 2 * min(seconds.values(), default=float("inf"))
    with torch.inference_mode(), precision.context():
        for _ in range(2):
            started = time.perf_counter()
            call(candidate, precision)
            took = time.perf_counter() - started
            if took > most:
                break
    seconds[precision] = took


def count_flops(net: nn.Module, call: Callable[[nn.Module], Any]) -> int:
    """Count a net's FLOPs (two for a multiplication with its addition) without computing anything.

    Args:
        net: stays as it is.
        call: runs a net on inputs of torch's `meta` device.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(copy.deepcopy(net).to("meta", torch.float32))
    return counter.get_total_flops()
