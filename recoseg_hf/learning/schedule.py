"""The learning rate as a function of the step, so that nothing has to be saved to resume."""

import math

from recoseg_hf.learning.options import TrainingOptions


def learning_rate(options: TrainingOptions, step: int, plateau_factor: float = 1.0) -> float:
    """Return the rate of one optimiser step: linear warm-up, then plateau (paper), cosine or constant.

    Args:
        options: of the run.
        step: steps done before it.
        plateau_factor: by which the validations have lowered it, for `plateau`.
    """
    rate = options.learning_rate * min(1.0, (step + 1) / max(options.lr_warmup_steps, 1))
    if options.lr_scheduler == "plateau":
        return rate * plateau_factor
    if options.lr_scheduler == "cosine":
        return rate * (0.5 + 0.5 * math.cos(math.pi * step / options.max_train_steps))
    return rate
