import pytest
import torch

from recoseg_hf.pipeline.preprocessing import ModelGrid
from recoseg_hf.pipeline.stack_result import StackResult, between_slices

COUNT, STEP = 8, 3


@pytest.fixture
def result() -> StackResult:
    """Three slices of eight, of brain with a hole in the middle one."""
    generator = torch.Generator().manual_seed(0)
    maps, brain = torch.rand(3, 1, 4, 4, generator=generator), torch.ones(3, 1, 4, 4) > 0
    brain[1, 0, 1, 1] = False
    grid = ModelGrid(4, 4, 0, 0, 4, 4)
    return StackResult(grid, torch.ones(COUNT, 4, 4) > 0, brain, STEP, {"wt": maps}, "none", 0.5)


class TestStackResult:
    def test_any_slices_are_those_of_the_whole(self, result):
        whole = between_slices(result.maps["wt"], result.brain, STEP, COUNT)
        assert torch.equal(result.of_slices("wt"), whole)
        for start in range(COUNT):
            for stop in range(start + 1, COUNT + 1):
                assert torch.equal(result.of_slices("wt", slice(start, stop)), whole[start:stop]), (start, stop)
                assert torch.equal(torch.from_numpy(result.restored("wt", slice(start, stop))), whole[start:stop, 0])

    def test_no_slices_are_none(self, result):
        assert result.of_slices("wt", slice(0, 0)).shape == (0, 1, 4, 4)
        assert result.restored("wt", slice(0, 0)).shape == (0, 4, 4)

    @pytest.mark.parametrize("step", [1, 2, 3])
    @pytest.mark.parametrize("held", [[0], [1], [2], [0, 1], [1, 2], [0, 2], []])
    def test_beyond_the_slices_above_a_threshold_no_slice_exceeds_it(self, held, step):
        maps = torch.zeros(3, 1, 4, 4)
        maps[held, 0, 2, 2] = 0.6
        count, grid = 2 * step + 1, ModelGrid(4, 4, 0, 0, 4, 4)
        brain = torch.ones(3, 1, 4, 4) > 0
        result = StackResult(grid, torch.ones(count, 4, 4) > 0, brain, step, {"wt": maps}, "none", 0.5)
        above = (result.restored("wt") > 0.3).any(axis=(1, 2)).nonzero()[0].tolist()
        found = range(*result.slices_above("wt", 0.3).indices(count))
        assert set(above) <= set(found)
        assert len(found) <= (len(range(above[0], above[-1] + 1)) + 2 * (step - 1) if above else 0)


class TestBetweenSlices:
    def test_where_none_is_left_out_the_maps_stay_as_they_are(self):
        maps = torch.rand(3, 2, 4, 4)
        assert between_slices(maps, torch.ones(3, 1, 4, 4) > 0, 1, 3) is maps

    def test_it_is_linear_in_between(self):
        maps = torch.tensor([0.0, 3.0, 9.0]).view(3, 1, 1, 1).expand(3, 2, 2, 2)
        found = between_slices(maps, torch.ones(3, 1, 2, 2) > 0, 3, 7)
        assert found.shape == (7, 2, 2, 2)
        expected = torch.tensor([0.0, 1, 2, 3, 5, 7, 9]).view(7, 1, 1, 1).expand(7, 2, 2, 2)
        assert torch.allclose(found, expected, atol=1e-6)

    def test_only_brain_counts_and_where_there_is_none_both_do(self):
        maps = torch.tensor([[2.0, 2, 2, 2], [6.0, 6, 6, 6]]).view(2, 1, 1, 4)
        brain = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]]).view(2, 1, 1, 4) > 0
        found = between_slices(maps, brain, 4, 5)[:, 0, 0]
        assert torch.allclose(found[1], torch.tensor([3.0, 2, 6, 3]))
        assert torch.allclose(found[3], torch.tensor([5.0, 2, 6, 5]))
        assert found[0].tolist() == [2] * 4
        assert found[4].tolist() == [6] * 4

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
    def test_past_the_last_slice_that_was_computed_it_goes_on(self, count):
        maps = torch.tensor([1.0, 4.0])[: -(-count // 3)].view(-1, 1, 1, 1)
        found = between_slices(maps, torch.ones_like(maps) > 0, 3, count)
        assert found.flatten().tolist() == pytest.approx(([1.0] * 3 if count < 4 else [1.0, 2, 3, 4, 4, 4])[:count])
