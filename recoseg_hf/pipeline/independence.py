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
_VECTOR = 16  # channels of a group that torch's code for small maps handles at once
_DIVISIONS = (torch.Tensor.__truediv__, torch.Tensor.div)
_FEW_PIXELS = 225  # whose attention to one another is held whole, as products of matrices
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
    """Takes the place of the functions that look at a batch as a whole; of this thread's calls alone.

    Also of three that cost time for nothing: normalising some small maps, see `_is_slow`, attention over few pixels,
    see `_is_small`, and dividing by 1, which diffusers' blocks do to every map.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is functional.linear and args[0].ndim == 2:  # the embeddings
            args = (args[0][:1], *args[1:])  # one row for all slices: what follows is added to each of them
        elif func is functional.group_norm and _is_cut(args[0]):
            func = _normalise
        elif func is functional.group_norm and _is_slow(args[0], args[1]):
            func = normalize_by_sums
        elif func is functional.scaled_dot_product_attention and _is_small(args, kwargs):
            func, kwargs = attend, None
        elif func in _DIVISIONS and not kwargs and _is_one(args[1]) and args[0].is_floating_point():
            return args[0]
        return func(*args, **(kwargs or {}))


def _is_one(divisor: Any) -> bool:
    return isinstance(divisor, (int, float)) and divisor == 1


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


def _is_slow(values: torch.Tensor, groups: int) -> bool:
    """Say whether torch (2.13) would walk through these maps pixel by pixel and group by group.

    Where a group does not fill its vectors, as with 8 channels, that takes two to three times as long as
    `normalize_by_sums`.
    """
    return (
        values.ndim == 4
        and values.dtype == torch.bfloat16
        and values.device.type == "cpu"
        and values.shape[2] * values.shape[3] < _LARGE
        and values.shape[1] // groups < _VECTOR
        and values.is_contiguous(memory_format=torch.channels_last)
    )


def normalize_by_sums(
    values: torch.Tensor,
    groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """What `torch.nn.functional.group_norm` returns, but for rounding; a slice's result depends on no other slice.

    Maps are centred first, roughly: sums of squares and products in bfloat16 are then as exact as its 8 bits, however
    far a map lies from zero.

    Args:
        values: (B, C, H, W), channels last.
        groups: as in `group_norm`, and so the other arguments.
        weight, bias: (C,), or None.
    """
    channels = values.shape[1]

    def for_each_channel(of_groups: torch.Tensor) -> torch.Tensor:
        wide = of_groups.expand(len(values), groups, channels // groups)
        return wide.reshape(len(values), channels, 1, 1).to(values.dtype)

    centred = values - for_each_channel(_group_means(values, groups))
    rest = _group_means(centred, groups)
    variance = (_group_means(centred * centred, groups) - rest * rest).clamp_min(0)
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight.float().view(1, groups, -1)
    shift = -rest * scale
    if bias is not None:
        shift = shift + bias.float().view(1, groups, -1)
    return torch.addcmul(for_each_channel(shift), centred, for_each_channel(scale))


def _group_means(values: torch.Tensor, groups: int) -> torch.Tensor:
    """Float32 (B, groups, 1): summed down the columns first, where bfloat16 is rounded once."""
    count, channels, height, width = values.shape
    rows = values.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    sums = rows.sum(dim=1).view(count, width, channels).sum(dim=1, dtype=torch.float32)
    return sums.view(count, groups, -1).sum(dim=2, keepdim=True) / (height * width * channels // groups)


def _is_small(args: tuple, kwargs: dict | None) -> bool:
    """Say whether torch (2.13) would part some plain attention in bfloat16 that takes half the time whole."""
    query = args[0]
    plain = len(args) == 3 and all(not torch.is_tensor(value) and not value for value in (kwargs or {}).values())
    small = query.shape[-2] <= _FEW_PIXELS and args[1].shape == query.shape
    return plain and small and query.dtype == torch.bfloat16 and query.device.type == "cpu"


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """What `torch.nn.functional.scaled_dot_product_attention` returns, but for rounding to bfloat16 on the way.

    Args:
        query, key, value: (B, heads, N, D).
    """
    likeness = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return likeness.softmax(dim=-1, dtype=torch.float32).to(value.dtype) @ value
