"""All randomness of a training run as a function of (seed, sample), so that nothing has to be saved to resume.

A sample is numbered by its place in the run, whichever process sees it: two processes with batches of 8 draw what one
with batches of 16 draws.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch


class SampleRandomness:
    """Random numbers for a batch, each sample's from a stream of its own; every call goes on in the streams.

    Args:
        seeds: of the streams, one for each sample.
    """

    def __init__(self, seeds: Sequence[int]):
        self._streams = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    @classmethod
    def of_samples(cls, seed: int, first: int, size: int, stream: int = 0) -> "SampleRandomness":
        """Return the streams of samples `first` to `first + size` of a run.

        Args:
            seed: of the run.
            first: number of the batch's first sample.
            size: of the batch.
            stream: tells apart what must be independent within a sample.
        """
        return cls([_seed(seed, number, stream) for number in range(first, first + size)])

    def __len__(self) -> int:
        return len(self._streams)

    def uniform(self, *shape: int) -> torch.Tensor:
        """Float32 (B, *shape), evenly in [0, 1)."""
        return torch.stack([torch.rand(shape, generator=stream) for stream in self._streams])

    def normal(self, *shape: int) -> torch.Tensor:
        """Float32 (B, *shape), standard normal."""
        return torch.stack([torch.randn(shape, generator=stream) for stream in self._streams])

    def seeds(self) -> torch.Tensor:
        """Int64 (B,), for streams of their own."""
        return torch.stack([torch.randint(2**62, (), generator=stream) for stream in self._streams])


def seed_dropout(seed: int, micro_step: int, rank: int) -> None:
    """Set torch's own state, from which dropout draws: it is shared by a batch and differs between processes."""
    torch.manual_seed(_seed(seed, micro_step, rank))


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


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
