"""A grid without the rows and columns that no brain touches: what is left is as it was."""

import pytest
import torch

from recoseg_hf.pipeline.preprocessing import ModelGrid, prepare_stack
from tests.pipeline.test_preprocessing import SETTINGS, box, tensors

SHAPES = {  # source slices, the brain's rows and columns, field of view, pixels of the nets
    "inside": ((3, 40, 44), (10, 22), (12, 35), 36, 24),
    "at the border": ((3, 30, 34), (0, 12), (20, 34), 36, 24),
    "wider than the field of view": ((3, 60, 64), (2, 50), (30, 45), 36, 24),
    "slices wider than the field of view": ((3, 90, 94), (40, 52), (60, 75), 36, 24),
    "one pixel": ((3, 40, 44), (20, 21), (0, 1), 36, 24),
    "pixels of 1 mm": ((3, 40, 44), (10, 22), (12, 35), 36, 36),
    "pixels of less": ((3, 20, 24), (5, 11), (7, 16), 20, 32),
    "a brain that fills it": ((3, 36, 36), (0, 36), (0, 36), 36, 24),
}


@pytest.fixture(params=SHAPES)
def grids(request) -> tuple[ModelGrid, ModelGrid, torch.Tensor]:
    """The whole grid, what is left of it, and the brain."""
    shape, rows, columns, field_of_view, size = SHAPES[request.param]
    brain = box(shape, rows, columns)
    whole = ModelGrid.around(brain, field_of_view, size)
    return whole, whole.narrowed(brain, 4), brain


def test_sides_are_multiples_inside_the_grid_and_hold_all_brain(grids):
    whole, grid, brain = grids
    for side in (grid.rows, grid.columns):
        assert 0 <= side.start < side.stop <= grid.image_size
        assert (side.stop - side.start) % 4 == 0
    held = whole.to_model(brain) > 0.5
    assert held.sum() == held[:, :, grid.rows, grid.columns].sum()
    assert (grid.top, grid.left, grid.field_of_view) == (whole.top, whole.left, whole.field_of_view)


def test_a_side_has_one_multiple_of_background_and_no_more(grids):
    whole, grid, brain = grids
    touched = (whole.to_model(brain)[1, 0] > 0).nonzero()
    for axis, side in enumerate((grid.rows, grid.columns)):
        extent = int(touched[:, axis].max() - touched[:, axis].min()) + 1
        assert min(extent + 2, grid.image_size) <= side.stop - side.start <= min(extent + 8, grid.image_size)


@pytest.mark.parametrize("background", [0.0, -2.5])
@pytest.mark.parametrize("columns_first", [False, True])
def test_what_is_left_is_what_the_whole_grid_has_there(grids, background, columns_first):
    whole, grid, brain = grids
    stack = torch.randn(brain.shape, generator=torch.Generator().manual_seed(0))
    if columns_first:
        stack = stack.transpose(1, 2).contiguous().transpose(1, 2)
    expected = whole.to_model(stack, background)[:, :, grid.rows, grid.columns]
    assert torch.allclose(grid.to_model(stack, background), expected, atol=1e-5)


@pytest.mark.parametrize("columns_first", [False, True])
def test_on_the_way_back_what_was_left_out_is_zero(grids, columns_first):
    whole, grid, _ = grids
    rows, columns = (side.stop - side.start for side in (grid.rows, grid.columns))
    found = torch.randn(2, 1, rows, columns, generator=torch.Generator().manual_seed(1))
    padded = torch.zeros(2, 1, grid.image_size, grid.image_size)
    padded[:, :, grid.rows, grid.columns] = found
    expected = whole.to_source(padded, columns_first)
    assert torch.allclose(grid.to_source(found, columns_first), expected, atol=1e-5)
    assert expected.any()


class TestPreparedStack:
    def test_each_nth_slice_is_as_in_a_stack_of_these_alone(self):
        images = tensors(count=7)
        stack = prepare_stack(images, **SETTINGS, slice_step=2)
        alone = prepare_stack({name: image[::2] for name, image in images.items()}, **SETTINGS)
        assert (stack.slice_step, alone.slice_step) == (2, 1)
        assert stack.t1ce_scale == alone.t1ce_scale
        for name in ("conditions", "t1", "t1ce", "brain"):
            assert torch.equal(getattr(stack, name), getattr(alone, name))
        assert stack.source_brain.shape == images["flair"].shape
        assert stack.filled_slices().tolist() == [1, 2]

    def test_a_window_changes_neither_statistics_nor_values(self):
        images = tensors()
        whole, stack = (prepare_stack(images, **SETTINGS, window_multiple=multiple) for multiple in (None, 2))
        assert stack.t1ce_scale == whole.t1ce_scale
        window = ..., stack.grid.rows, stack.grid.columns
        assert 0 < stack.conditions[0, 0].numel() < 16 * 16
        for name in ("conditions", "t1", "t1ce"):
            assert torch.allclose(getattr(stack, name), getattr(whole, name)[window], atol=1e-5)
        assert torch.equal(stack.brain, whole.brain[window])
        assert stack.brain.sum() == whole.brain.sum()

    def test_the_window_is_around_the_brain_of_all_slices(self):
        images = {name: torch.zeros(3, 20, 20) for name in ("flair", "t1", "t2")}
        for image in images.values():
            image[0, 8:12, 8:12] = torch.rand(4, 4) + 1
            image[1, 2:18, 4:16] = torch.rand(16, 12) + 1
        stack = prepare_stack(images, **SETTINGS, slice_step=2, window_multiple=2)
        assert stack.brain.shape == (2, 1, 16, 12)

    def test_a_brain_between_the_slices_is_seen_all_the_same(self):
        images = {name: torch.zeros(4, 20, 20) for name in ("flair", "t1", "t2")}
        for image in images.values():
            image[1, 5:15, 5:15] = torch.rand(10, 10) + 1
        stack = prepare_stack(images, **SETTINGS, slice_step=2)
        assert stack.slice_step == 1
        assert stack.filled_slices().tolist() == [1]
