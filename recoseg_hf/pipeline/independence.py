"""A slice's result is the same whatever slices are beside it, to the bit: batches are a matter of speed (a leaf).

Three things would change a float32's last bits on a CPU. A product of matrices rounds otherwise for another number of
rows, and the time embedding has one for each slice. Group normalisation cuts a batch into as many parts as there are
threads, through the middle of a slice where their number does not divide the batch. And a slice that is alone in its
batch is convolved by other code.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn


def run_slices_apart(net: nn.Module, inputs: torch.Tensor, timestep: torch.Tensor | int, **extra: Any) -> torch.Tensor:
    """Call a `UNet2DModel` on slices of one timestep and one class, so that each gets what it would get in any batch.

    Args:
        net: that is called.
        inputs: (B, C, H, W).
        timestep: of all slices.
        extra: further arguments of the net; class labels are alike for all slices.

    Returns:
        The net's sample, (B, C, H, W).
    """
    count, on_cpu = len(inputs), inputs.device.type == "cpu"
    if on_cpu and count == 1:
        inputs = torch.cat([inputs, inputs])
        extra = {name: torch.cat([value, value]) for name, value in extra.items()}
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    with _independent(net, len(inputs), on_cpu):
        return net(inputs, timestep, **extra).sample[:count]


@contextmanager
def _independent(net: nn.Module, count: int, on_cpu: bool) -> Iterator[None]:
    threads = torch.get_num_threads()
    with ExitStack() as hooks:
        for name in ("time_embedding", "class_embedding"):
            module = getattr(net, name, None)
            if module is not None:
                hooks.enter_context(module.register_forward_pre_hook(_first_row))
        if on_cpu and count % threads:
            for module in net.modules():
                if isinstance(module, nn.GroupNorm):
                    hooks.enter_context(module.register_forward_pre_hook(_filled_up(-count % threads)))
                    hooks.enter_context(module.register_forward_hook(_first(count)))
        yield


def _first_row(module: nn.Module, given: tuple) -> tuple:
    """One row for all slices: what follows is added to each of them."""
    return (given[0][:1], *given[1:])


def _filled_up(lacking: int) -> Callable[[nn.Module, tuple], tuple | None]:
    """Repeat the last slice, so that each thread has whole slices."""

    def fill(module: nn.Module, given: tuple) -> tuple | None:
        values = given[0]
        if values.ndim < 4:  # inside attention, where each slice is normalised apart anyway
            return None
        more = values[-1:].expand(lacking, -1, -1, -1)
        return (torch.cat([values, more]).contiguous(memory_format=torch.channels_last),)

    return fill


def _first(count: int) -> Callable[[nn.Module, tuple, torch.Tensor], torch.Tensor]:
    return lambda module, given, output: output[:count]
