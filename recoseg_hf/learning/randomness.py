"""All randomness of a training run as a function of (seed, step, rank), so that nothing has to be saved to resume."""

from collections.abc import Iterator

import numpy as np
import torch


def step_generator(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """The CPU generator for everything drawn in one step of one process."""
    state = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> 1))


class StepSampler:
    """Batches of indices for steps `start` to `stop`: epochs are seeded permutations, laid end to end.

    A resumed run asks for a later `start` and gets exactly the batches that the interrupted one would have seen.

    Args:
        length: rows of the data set.
        batch_size: rows per step and process.
        seed: of the permutations.
        start, stop: first step and the step after the last.
        rank, world_size: this process and how many share each step.
    """

    def __init__(
        self, length: int, batch_size: int, seed: int, start: int, stop: int, rank: int = 0, world_size: int = 1
    ):
        if length < 1:
            raise ValueError("the data set has no rows.")
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.start, self.stop, self.rank, self.world_size = start, stop, rank, world_size

    def __len__(self) -> int:
        return max(self.stop - self.start, 0)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, order = -1, np.empty(0, np.int64)
        for step in range(self.start, self.stop):
            first = (step * self.world_size + self.rank) * self.batch_size
            batch = []
            for position in range(first, first + self.batch_size):
                if position // self.length != epoch:
                    epoch = position // self.length
                    order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
                batch.append(int(order[position % self.length]))
            yield batch
