"""What a training step asks of a machine, and what the machine can give: operations, and the peak of convolutions."""

from __future__ import annotations

import time

import torch
from diffusers import UNet2DModel
from torch.utils.flop_counter import FlopCounterMode

_SHAPES = ((8, 128, 60), (16, 64, 60), (16, 128, 30), (16, 256, 30))
"""Slices, channels, pixels a side: those of nets of our kind, and some that suit a processor better."""
_REPEATS = 3


def step_flops(net: UNet2DModel, size: int) -> int:
    """Operations of forward and backward for one slice, a multiplication and an addition being two.

    Args:
        net: stays as it is, but for its gradients, which are cleared.
        size: side of the net's own grid in pixels.
    """
    weight = next(net.parameters())
    images = torch.zeros(1, net.config.in_channels, size, size, device=weight.device)
    labels = None if net.config.num_class_embeds is None else torch.zeros(1, dtype=torch.long, device=weight.device)
    with FlopCounterMode(display=False) as counter:
        net(images, 0, class_labels=labels).sample.sum().backward()
    net.zero_grad()
    return counter.get_total_flops()


def conv_flops_per_second(device: torch.device, dtype: torch.dtype = torch.bfloat16) -> float:
    """Operations per second of the best 3 x 3 convolution, channels last, of a few shapes and repeats."""
    return max(_convolution(device, dtype, *shape) for shape in _SHAPES)


@torch.inference_mode()
def _convolution(device: torch.device, dtype: torch.dtype, slices: int, channels: int, side: int) -> float:
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(device, dtype, memory_format=torch.channels_last)
    images = torch.randn(slices, channels, side, side, device=device, dtype=dtype)
    images = images.contiguous(memory_format=torch.channels_last)
    layer(images)
    found = []
    for _ in range(_REPEATS):
        _wait(device)
        began = time.perf_counter()
        layer(images)
        _wait(device)
        found.append(time.perf_counter() - began)
    return 18 * channels**2 * slices * side**2 / min(found)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
