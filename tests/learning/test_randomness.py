from collections import Counter

import pytest
import torch

from recoseg_hf.learning.randomness import SampleRandomness, StepSampler, seed_dropout


def drawn(seed: int = 1, first: int = 2, size: int = 3, stream: int = 0) -> torch.Tensor:
    return SampleRandomness.of_samples(seed, first, size, stream).uniform(4)


class TestSampleRandomness:
    def test_numbers_belong_to_seed_sample_and_stream(self):
        assert torch.equal(drawn(), drawn())
        assert not any(torch.equal(drawn(), other) for other in (drawn(seed=2), drawn(first=1), drawn(stream=1)))

    def test_a_sample_draws_the_same_in_any_batch(self):
        assert torch.equal(drawn(first=0, size=6), torch.cat([drawn(first=0), drawn(first=3)]))

    def test_samples_draw_each_their_own(self):
        assert len({tuple(row) for row in drawn(size=50).tolist()}) == 50

    def test_calls_go_on_in_the_streams(self):
        streams = SampleRandomness.of_samples(0, 0, 2)
        assert not torch.equal(streams.uniform(3), streams.uniform(3))
        assert streams.normal(2, 5).shape == (2, 2, 5)
        assert len(set(streams.seeds().tolist())) == len(streams) == 2

    def test_numbers_stay_the_same_between_versions(self):
        assert drawn(0, 0, 1)[0].tolist() == pytest.approx([0.130161, 0.817281, 0.551464, 0.950969], abs=1e-6)

    def test_normal_numbers_are_standard(self):
        numbers = SampleRandomness.of_samples(0, 0, 8).normal(2000)
        assert numbers.mean().item() == pytest.approx(0, abs=0.03)
        assert numbers.std().item() == pytest.approx(1, abs=0.03)


def test_dropout_belongs_to_seed_step_and_process():
    masks = []
    for numbers in ((0, 1, 0), (0, 1, 0), (0, 2, 0), (0, 1, 1)):
        seed_dropout(*numbers)
        masks.append(torch.nn.functional.dropout(torch.ones(64)))
    assert torch.equal(masks[0], masks[1])
    assert not any(torch.equal(masks[0], other) for other in masks[2:])


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
