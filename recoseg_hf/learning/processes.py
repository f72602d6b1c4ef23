"""What the processes of one run tell one another, so that all do the same at the same step."""

import os
from collections.abc import Mapping

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast


def check_processes(known: int) -> None:
    """Refuse processes that were launched together and do not know of one another.

    Raises:
        RuntimeError: saying how to launch them.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != known:
        raise RuntimeError(
            f"{launched} processes were launched and each knows of {known}: they would train apart and overwrite one "
            "another. On a CPU set ACCELERATE_USE_CPU=true (see training/README.md)."
        )


def exchange_losses(accelerator: Accelerator, losses: torch.Tensor, signal: int) -> tuple[float, int]:
    """Return the mean loss of all processes, and the signal that any of them got (0 for none).

    Args:
        accelerator: of the run.
        losses: of this process's micro-batches, (M,).
        signal: that this process got.
    """
    mine = torch.stack([losses.double().mean(), torch.tensor(float(signal), device=losses.device)])
    every = accelerator.gather(mine[None])
    return every[:, 0].mean().item(), int(every[:, 1].max().item())


def agreed_scores(accelerator: Accelerator, scores: Mapping[str, float]) -> dict[str, float]:
    """Return the main process's scores on every process, so that all slow down and stop alike."""
    if accelerator.num_processes == 1:
        return dict(scores)
    values = torch.tensor(list(scores.values()), dtype=torch.float64, device=accelerator.device)
    return dict(zip(scores, broadcast(values).tolist(), strict=True))
