"""What a training step asks of a machine, and what the machine can give: operations, and the peak of convolutions.

    python -m benchmarks.training_peak --synthesizer_steps 1800 --segmenter_steps 5500 --microseconds 20

tells on paper how long the embedded model's trainings take on a GPU: such small nets wait for the calls of torch, of
which each takes the given time, and not for the arithmetic. It also measures GroupNorm's gradient on this machine, by
torch and by `learning/group_norm.py`.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from diffusers import UNet2DModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from recoseg_hf.files import shipped_folder
from recoseg_hf.learning.group_norm import QuickGroupNorm
from recoseg_hf.learning.start import load_or_build

_SHAPES = ((8, 128, 60), (16, 64, 60), (16, 128, 30), (16, 256, 30))
"""Slices, channels, pixels a side: those of nets of our kind, and some that suit a processor better."""
_REPEATS = 3


def step_flops(net: UNet2DModel, *sides: int) -> int:
    """Operations of forward and backward for one slice, a multiplication and an addition being two.

    Args:
        net: stays as it is, but for its gradients, which are cleared.
        sides: rows and columns of the net's own grid in pixels; one number for both.
    """
    with FlopCounterMode(display=False) as counter:
        _step(net, *sides)
    return counter.get_total_flops()


def step_calls(net: UNet2DModel, size: int) -> int:
    """Calls of torch's own functions in forward and backward under bfloat16 autocast; one is about one GPU kernel.

    Args:
        net: as for `step_flops`.
        size: of both sides.
    """
    with _Calls() as counter, torch.autocast(next(net.parameters()).device.type, torch.bfloat16):
        _step(net, size)
    return counter.count


class _Calls(TorchDispatchMode):
    """Counts."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def _step(net: UNet2DModel, *sides: int) -> None:
    device = next(net.parameters()).device
    images = torch.zeros(1, net.config.in_channels, sides[0], sides[-1], device=device)
    labels = None if net.config.num_class_embeds is None else torch.zeros(1, dtype=torch.long, device=device)
    net(images, 0, class_labels=labels).sample.sum().backward()
    net.zero_grad()


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


def group_norm_gradient(slices: int = 16, channels: int = 32, side: int = 60) -> dict[str, float]:
    """Milliseconds of GroupNorm's gradient on bfloat16 channels-last images on a CPU, each the best of some.

    Returns:
        `torch` for `nn.GroupNorm`, `ours` for `QuickGroupNorm`.
    """
    found = {}
    for name, kind in (("torch", torch.nn.GroupNorm), ("ours", QuickGroupNorm)):
        images = torch.randn(slices, channels, side, side).bfloat16().contiguous(memory_format=torch.channels_last)
        normal = kind(8, channels)(images.requires_grad_())
        given, seconds = torch.randn_like(normal), []
        for _ in range(1 + _REPEATS):
            began = time.process_time()
            torch.autograd.grad(normal, images, given, retain_graph=True)
            seconds.append(time.process_time() - began)
        found[name] = round(1e3 * min(seconds[1:]), 2)
    return found


def on_paper(steps: dict[str, int], batch: int, microseconds: float) -> dict[str, dict[str, float]]:
    """Work of the embedded model's two trainings, and their minutes if each call of torch takes so long.

    Args:
        steps: of `synthesizer` and `segmenter`.
        batch: slices a step.
        microseconds: that a call takes, its kernel included.
    """
    pipeline = load_or_build(str(shipped_folder("pipelines") / "recoseg_small"), 0)
    size, found = pipeline.config.image_size // pipeline.config.pixel_unshuffle, {}
    for name, count in steps.items():
        net = getattr(pipeline, name).train()
        flops, calls = step_flops(net, size), step_calls(net, size)
        found[name] = {
            "gflop_per_slice": round(flops / 1e9, 2),
            "calls_per_step": calls,
            "tflop": round(flops * batch * count / 1e12),
            "minutes": round(calls * microseconds * 1e-6 * count / 60, 1),
        }
    return found


def main() -> None:
    """Print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthesizer_steps", type=int, default=1800)
    parser.add_argument("--segmenter_steps", type=int, default=5500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--microseconds", type=float, default=20.0, help="a call of torch, its kernel included")
    options = parser.parse_args()
    steps = {name: getattr(options, f"{name}_steps") for name in ("synthesizer", "segmenter")}
    found = on_paper(steps, options.batch, options.microseconds)
    print(json.dumps(found | {"group_norm_gradient_ms": group_norm_gradient()}, indent=2))


if __name__ == "__main__":
    main()
