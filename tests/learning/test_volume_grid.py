import pytest
import torch

from recoseg_hf.learning.volume_grid import thick_slices, thin_slices


def slices(count: int) -> torch.Tensor:
    return torch.rand(count, 2, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("count", "expected"), [(6, 3), (7, 4), (1, 1)])
def test_a_thick_slice_is_a_mean_and_the_last_is_filled_up(count, expected):
    thin = slices(count)
    thick = thick_slices(thin, 2)
    assert thick.shape == (expected, 2, 4, 4)
    assert torch.allclose(thick[0], thin[:2].mean(dim=0))
    if count % 2:
        assert torch.allclose(thick[-1], thin[-1])


def test_one_per_thick_changes_nothing():
    thin = slices(5)
    assert torch.equal(thick_slices(thin, 1), thin)
    assert torch.allclose(thin_slices(thin, 1, 5), thin)


@pytest.mark.parametrize("per_thick", [2, 3])
def test_a_linear_course_survives_there_and_back_but_at_the_ends(per_thick):
    thin = torch.arange(12.0).view(12, 1, 1, 1).expand(12, 2, 4, 4)
    again = thin_slices(thick_slices(thin, per_thick), per_thick, 12)
    assert torch.allclose(again[per_thick:-per_thick], thin[per_thick:-per_thick], atol=1e-5)


def test_only_the_slices_that_there_were_come_back():
    assert thin_slices(thick_slices(slices(7), 2), 2, 7).shape == (7, 2, 4, 4)
