"""How the processes of one run share work, and what they tell one another so that all do the same at the same step."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast

from recoseg_hf.errors import LaunchError

_SPLIT = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)

Item = TypeVar("Item")
Rows: TypeAlias = list[list[float]]
Share: TypeAlias = Callable[[Callable[[Item], Sequence[float]], Sequence[Item]], Rows]
"""Applies a function that gives equally many numbers for each item, and returns them for all items in order."""


def on_this_process(work: Callable[[Item], Sequence[float]], items: Sequence[Item]) -> Rows:
    """Do all the work here."""
    return [list(work(item)) for item in items]


def over_processes(accelerator: Accelerator) -> Share:
    """Let each process do every n-th item; each returns the rows of all."""
    rank, processes = accelerator.process_index, accelerator.num_processes

    def share(work: Callable[[Item], Sequence[float]], items: Sequence[Item]) -> Rows:
        mine = torch.tensor(on_this_process(work, items[rank::processes]), dtype=torch.float64)
        width = accelerator.reduce(torch.tensor(float(mine.shape[-1]), device=accelerator.device), "sum")
        held = sum(len(items) > other for other in range(processes))  # with few items some processes have none
        rows = torch.zeros(len(items), round(width.item() / held), dtype=torch.float64)
        if len(mine):
            rows[rank::processes] = mine
        return accelerator.reduce(rows.to(accelerator.device), "sum").tolist()

    return on_this_process if processes == 1 else share


def first_on_this_machine() -> bool:
    """Say whether a launcher started this process first here, or no launcher started it: one reads for all."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def check_processes(known: int, kind: DistributedType = DistributedType.NO) -> None:
    """Refuse processes that do not know of one another, and ways to share a net that a checkpoint of ours cannot hold.

    Args:
        known: how many processes Accelerate knows of.
        kind: how they share the net.

    Raises:
        LaunchError: saying how to launch them.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != known:
        raise LaunchError(
            f"{launched} processes were launched and each knows of {known}: they would train apart and overwrite one "
            "another. On a CPU set ACCELERATE_USE_CPU=true (see training/README.md)."
        )
    if launched == 1 and "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ:
        # What `accelerate launch --cpu --num_processes 2` leaves behind when it starts a single process.
        raise LaunchError(
            "several processes were asked for and one was started; expected as many as asked for. On a CPU launch "
            "with ACCELERATE_USE_CPU=true and --multi_gpu (see training/README.md)."
        )
    if kind in _SPLIT:
        raise LaunchError(
            f"Accelerate is configured for {kind.value}, which splits weights or optimiser over processes; expected "
            "plain data parallelism: these nets fit on any one device. Launch with --multi_gpu, or run "
            "`accelerate config` anew."
        )


def exchange_losses(accelerator: Accelerator, losses: torch.Tensor, signal: int) -> tuple[float, int]:
    """Return the mean loss of all processes, and the signal that any of them got (0 for none).

    Args:
        accelerator: of the run.
        losses: of this process's micro-batches, (M,).
        signal: that this process got.
    """
    mine = torch.stack([losses.float().mean(), torch.tensor(float(signal), device=losses.device)])
    every = accelerator.gather(mine[None])
    return every[:, 0].mean().item(), int(every[:, 1].max().item())


def agreed_scores(accelerator: Accelerator, scores: Mapping[str, float]) -> dict[str, float]:
    """Return the main process's scores on every process, so that all slow down and stop alike."""
    if accelerator.num_processes == 1:
        return dict(scores)
    values = torch.tensor(list(scores.values()), dtype=torch.float64, device=accelerator.device)
    return dict(zip(scores, broadcast(values).tolist(), strict=True))
