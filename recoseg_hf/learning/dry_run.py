"""What a run uses and what it would take: said before days are spent on it."""

import resource
import statistics
import sys
import time

import torch
from accelerate import Accelerator
from diffusers import UNet2DModel

from recoseg_hf.learning.options import TrainingOptions

DRY_STEPS = 3
"""Steps of a dry run; the first warms up and is not counted."""


class StepClock:
    """Seconds of each training step, and of everything else between two of them (validation, checkpoints)."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._born = time.perf_counter()
        self._since = self._ended = self._born

    def start(self) -> None:
        """A step begins, the loading of its batches included."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """The step is done."""
        self._ended = time.perf_counter()
        self.steps.append(self._ended - self._since)

    @property
    def total(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._born

    @property
    def since_last_step(self) -> float:
        """Seconds since the last step ended."""
        return time.perf_counter() - self._ended


def slices_per_step(options: TrainingOptions, processes: int) -> int:
    """Slices that all processes together see in one optimiser step."""
    return options.train_batch_size * options.gradient_accumulation_steps * processes


def describe_run(accelerator: Accelerator, net: UNet2DModel, options: TrainingOptions) -> str:
    """What really is used, which is not always what was asked for."""
    weights = sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    backend = torch.distributed.get_backend() if torch.distributed.is_initialized() else "no exchange"
    return (
        f"{accelerator.num_processes} process(es) on {accelerator.device}, {accelerator.distributed_type.value} "
        f"({backend}), {torch.get_num_threads()} thread(s) each, precision {accelerator.mixed_precision}, "
        f"{weights / 1e6:.2f} M weights to train, {slices_per_step(options, accelerator.num_processes)} slices a step"
    )


def estimate_run(clock: StepClock, options: TrainingOptions, accelerator: Accelerator) -> str:
    """What the whole run would take, told from a dry run's last steps and its validation."""
    step, validation = statistics.median(clock.steps[1:]), clock.since_last_step
    validations = -(-options.max_train_steps // options.validation_steps)
    seconds = step * options.max_train_steps + validation * validations
    speed = slices_per_step(options, accelerator.num_processes) / step
    return (
        f"{step:.2f} s a step ({speed:.1f} slices/s), {validation:.1f} s a validation: about {_duration(seconds)} for "
        f"{options.max_train_steps} steps and {validations} validation(s). Peak memory {_memory(accelerator)}."
    )


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def _memory(accelerator: Accelerator) -> str:
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 2**10
    host = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.1f} GiB a process"
    if accelerator.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB on the GPU, {host} on the host"
    return host
