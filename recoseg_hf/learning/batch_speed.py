"""How long a net takes on this machine, told before hours are spent on it."""

from __future__ import annotations

import time

import torch
from diffusers import UNet2DModel


def seconds_per_batch(net: UNet2DModel, batch_size: int, image_size: int, bfloat16: bool) -> tuple[float, float]:
    """Time one batch of noise, after another has warmed up.

    Args:
        net: stays as it is, but for the device.
        batch_size: images.
        image_size: side of the net's own grid.
        bfloat16: compute in it.

    Returns:
        Seconds of forward and backward together, and of forward alone, on CUDA where there is one.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = net.to(device, memory_format=torch.channels_last)
    inputs = torch.randn(batch_size, net.config.in_channels, image_size, image_size, device=device)
    labels = None if net.config.num_class_embeds is None else torch.zeros(batch_size, dtype=torch.long, device=device)

    def timed(learns: bool) -> float:
        began = time.perf_counter()
        with torch.set_grad_enabled(learns), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = net(inputs, 0, class_labels=labels).sample.float().square().mean()
        if learns:
            loss.backward()
        loss.item()  # waits for the device
        return time.perf_counter() - began

    timed(learns=True)
    found = timed(learns=True), timed(learns=False)
    net.zero_grad()
    return found
