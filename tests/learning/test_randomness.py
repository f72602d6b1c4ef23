from collections import Counter

import pytest
import torch

from recoseg_hf.learning.randomness import StepSampler, step_generator


def drawn(seed: int, step: int, rank: int = 0) -> torch.Tensor:
    return torch.rand(4, generator=step_generator(seed, step, rank))


def test_a_generator_belongs_to_seed_step_and_rank():
    assert torch.equal(drawn(1, 2, 3), drawn(1, 2, 3))
    others = [drawn(0, 2, 3), drawn(1, 0, 3), drawn(1, 2, 0), drawn(2, 1, 3), drawn(1, 3, 2)]
    assert not any(torch.equal(drawn(1, 2, 3), other) for other in others)


def test_a_generator_stays_the_same_between_versions():
    assert drawn(0, 0).tolist() == pytest.approx([0.130161, 0.817281, 0.551464, 0.950969], abs=1e-6)


class TestStepSampler:
    def test_each_epoch_sees_every_row_once(self):
        batches = list(StepSampler(length=10, batch_size=4, seed=0, start=0, stop=5))
        rows = [row for batch in batches for row in batch]
        assert [len(batch) for batch in batches] == [4] * 5
        assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
        assert rows[:10] != rows[10:]

    @pytest.mark.parametrize("start", [1, 2, 3, 7])
    def test_a_later_start_gives_the_batches_that_would_have_come(self, start):
        whole = list(StepSampler(10, 4, seed=5, start=0, stop=8))
        assert list(StepSampler(10, 4, seed=5, start=start, stop=8)) == whole[start:]

    def test_processes_share_each_step(self):
        single = list(StepSampler(12, 6, seed=1, start=0, stop=4))
        ranks = [list(StepSampler(12, 3, 1, 0, 4, rank=rank, world_size=2)) for rank in (0, 1)]
        assert [one + other for one, other in zip(*ranks, strict=True)] == single

    def test_a_batch_may_be_longer_than_the_data_set(self):
        (batch,) = StepSampler(3, 7, seed=0, start=0, stop=1)
        assert Counter(Counter(batch).values()) == Counter({2: 2, 3: 1})

    def test_its_length_is_the_steps_left(self):
        assert len(StepSampler(10, 4, 0, start=3, stop=8)) == 5
        assert len(StepSampler(10, 4, 0, start=9, stop=8)) == 0
        assert list(StepSampler(10, 4, 0, start=9, stop=8)) == []

    def test_the_seed_decides_the_order(self):
        assert list(StepSampler(50, 50, 0, 0, 1)) != list(StepSampler(50, 50, 1, 0, 1))

    def test_no_rows_are_refused(self):
        with pytest.raises(ValueError, match="the data set has no rows"):
            StepSampler(0, 4, 0, 0, 1)
