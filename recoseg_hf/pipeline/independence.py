"""A slice's result is the same whatever slices are beside it, to the bit: batches are a matter of speed (a leaf).

Three things would change a float32's last bits on a CPU. A product of matrices rounds otherwise for another number of
rows, and the time embedding has one for each slice. Group normalisation cuts a batch of large maps into as many parts
as there are threads, through the middle of a slice where their number does not divide the batch. And a slice that is
alone in its batch is convolved by other code.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_LARGE = 1024  # pixels: torch normalises smaller maps by slice and group, whatever the number of threads
_SHARE = 4  # at most so much of a batch is held once more while it is normalised


def run_slices_apart(net: nn.Module, inputs: torch.Tensor, timestep: torch.Tensor | int, **extra: Any) -> torch.Tensor:
    """Call a `UNet2DModel` on slices of one timestep and one class, so that each gets what it would get in any batch.

    Nothing is changed on the net, so that several threads may call one net at once.

    Args:
        net: that is called.
        inputs: (B, C, H, W). A single slice is computed twice on a CPU.
        timestep: of all slices.
        extra: further arguments of the net; class labels are alike for all slices.

    Returns:
        The net's sample, (B, C, H, W).

    Raises:
        ValueError: the slices have several timesteps or classes.
    """
    for name, values in {"timestep": timestep, **extra}.items():
        if torch.is_tensor(values) and values.numel() > 1 and bool((values != values.flatten()[0]).any()):
            raise ValueError(f"{name} has several values; expected one for all slices")
    count = len(inputs)
    if inputs.device.type == "cpu" and count == 1:
        inputs = torch.cat([inputs, inputs])
        extra = {name: torch.cat([value, value]) for name, value in extra.items()}
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    with SliceBySlice():
        return net(inputs, timestep, **extra).sample[:count]


class SliceBySlice(TorchFunctionMode):
    """Takes the place of the functions that look at a batch as a whole; of this thread's calls alone."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is functional.linear and args[0].ndim == 2:  # the embeddings
            args = (args[0][:1], *args[1:])  # one row for all slices: what follows is added to each of them
        elif func is functional.group_norm and _is_cut(args[0]):
            func = _normalise
        return func(*args, **(kwargs or {}))


def _is_cut(values: torch.Tensor) -> bool:
    """Say whether some slice's normalisation would be shared by threads."""
    large = values.ndim == 4 and values.shape[2] * values.shape[3] >= _LARGE
    return large and values.device.type == "cpu" and len(values) % torch.get_num_threads() > 0


def _normalise(
    values: torch.Tensor, groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    """Normalise a whole slice in each thread; where slices lack, others stand in, for a few groups at a time."""
    threads, result = torch.get_num_threads(), torch.empty_like(values)
    for first in range(0, len(values), threads):
        part, into = values[first : first + threads], result[first : first + threads]
        if len(part) == threads:
            into.copy_(functional.group_norm(part, groups, weight, bias, eps))
            continue
        pieces = _pieces(groups, _SHARE * threads / len(values))
        width = values.shape[1] // pieces
        for start in range(0, values.shape[1], width):
            few = slice(start, start + width)
            filled = _filled_up(part[:, few], threads)
            normal = functional.group_norm(filled, groups // pieces, weight[few], bias[few], eps)
            into[:, few] = normal[: len(part)]
    return result


def _pieces(groups: int, wanted: float) -> int:
    """The fewest equal pieces of groups that are as many as wanted, or single groups."""
    return next(pieces for pieces in range(1, groups + 1) if groups % pieces == 0 and pieces >= min(wanted, groups))


def _filled_up(values: torch.Tensor, count: int) -> torch.Tensor:
    """Repeat the last slice, so that each thread has a whole one."""
    filled = torch.empty(
        (count, *values.shape[1:]), dtype=values.dtype, device=values.device, memory_format=torch.channels_last
    )
    filled[: len(values)] = values
    filled[len(values) :] = values[-1]
    return filled
