"""Slices cut to their brains in training."""

import pytest
import torch

from recoseg_hf.learning.cropping import Crops, crop_images, draw_cropped, volume_window
from tests.pipeline.test_preprocessing import tensors
from tests.tiny import tiny_pipeline


def brains(*boxes: tuple[int, int, int, int], size: int = 16) -> torch.Tensor:
    """(B, S, S) with brain from row a to b and column c to d."""
    found = torch.zeros(len(boxes), size, size)
    for brain, (top, bottom, left, right) in zip(found, boxes, strict=True):
        brain[top:bottom, left:right] = 1
    return found


class TestCrops:
    def test_each_window_is_centred_on_its_brain_and_all_have_the_size_of_the_largest(self):
        crops = Crops.around(brains((4, 10, 6, 9), (5, 7, 3, 10)), 4)
        assert (crops.height, crops.width) == (12, 12)  # 4 of them background
        assert (crops.tops, crops.lefts) == ([1, 0], [1, 0])

    def test_windows_stay_within_the_slice(self):
        crops = Crops.around(brains((0, 5, 12, 16), (15, 16, 0, 1)), 4)
        assert (crops.height, crops.width) == (12, 8)
        assert (crops.tops, crops.lefts) == ([0, 4], [8, 0])

    def test_a_brain_of_all_the_slice_leaves_it_as_it_is(self):
        crops = Crops.around(brains((0, 16, 1, 15)), 16)
        values = torch.rand(1, 2, 3, 16, 16)
        assert torch.equal(crops.cut(values), values)

    def test_a_slice_without_brain_gets_a_window_too(self):
        crops = Crops.around(brains((4, 10, 4, 10), (0, 0, 0, 0)), 2)
        assert crops.cut(torch.rand(2, 1, 16, 16)).shape == (2, 1, 8, 8)
        assert Crops.around(brains((0, 0, 0, 0)), 4).cut(torch.rand(1, 1, 16, 16)).shape == (1, 1, 8, 8)

    @pytest.mark.parametrize("multiple", [1, 2, 4, 8])
    def test_what_is_cut_holds_all_brain_and_goes_back_to_its_place(self, multiple):
        brain = brains((4, 11, 6, 9), (0, 3, 9, 16))
        crops = Crops.around(brain, multiple)
        assert crops.height % multiple == crops.width % multiple == 0
        assert torch.equal(crops.put_back(crops.cut(brain[:, None]), 16), brain[:, None])
        values = torch.rand(2, 3, 16, 16)
        whole = crops.put_back(crops.cut(values), 16)
        assert torch.equal(whole[whole != 0], values[whole != 0])
        assert int((whole != 0).sum()) == 2 * 3 * crops.height * crops.width

    @pytest.mark.parametrize(("width", "narrower"), [(17, 0), (21, 2)])
    def test_a_volume_has_one_window_that_of_its_grid_or_a_step_narrower(self, width, narrower):
        images = tensors(count=7, width=width)
        grid = tiny_pipeline(crop_to_brain=True).preprocess(images).grid
        whole = tiny_pipeline().preprocess(images)
        crops = Crops.of_volume(whole.brain, 2, 3)
        assert crops.tops == [grid.rows.start] * 3
        assert crops.height == grid.rows.stop - grid.rows.start
        assert crops.lefts == [grid.columns.start + narrower // 2] * 3
        assert crops.width == grid.columns.stop - grid.columns.start - narrower
        assert crops.cut(whole.brain[2:5]).sum() == whole.brain[2:5].sum()


class TestCropImages:
    IMAGES = {"conditions": torch.rand(2, 3, 3, 16, 16), "brain": brains((6, 8, 6, 8), (4, 9, 3, 6))[:, None, None]}  # noqa: RUF012 (read alone)

    def test_a_pipeline_that_sees_all_gets_all(self):
        target = torch.rand(2, 1, 16, 16)
        images, found = crop_images(tiny_pipeline(), self.IMAGES, target)
        assert images == self.IMAGES
        assert found is target

    def test_images_and_target_are_cut_alike_around_the_brain_of_all_neighbours(self):
        below = brains((6, 8, 2, 8), (4, 9, 3, 6))
        given = self.IMAGES | {"brain": torch.stack([below, self.IMAGES["brain"][:, 0, 0], below], dim=1)[:, :, None]}
        target = given["conditions"][:, 1, :1]
        images, found = crop_images(tiny_pipeline(crop_to_brain=True), given, target)
        assert images["conditions"].shape == (2, 3, 3, 8, 8)
        assert torch.equal(found, images["conditions"][:, 1, :1])
        assert torch.equal(images["conditions"][0], given["conditions"][0, :, :, 3:11, 1:9])
        assert torch.equal(images["conditions"][1], given["conditions"][1, :, :, 2:10, 0:8])


class TestDrawCropped:
    def test_nets_get_the_window_of_the_volume_and_what_they_draw_comes_back_into_it(self):
        brain, seen = brains((4, 9, 6, 8), (6, 7, 3, 8))[:, None], []

        def draw(conditions):
            seen.append(conditions)
            return conditions[:, :1] + 1

        conditions = torch.rand(1, 3, 16, 16)
        found = draw_cropped(volume_window(tiny_pipeline(crop_to_brain=True), lambda: brain), conditions, draw)
        assert torch.equal(seen[0], conditions[:, :, 2:10, 1:9])
        assert torch.equal(found[:, :, 2:10, 1:9], conditions[:, :1, 2:10, 1:9] + 1)
        assert int((found != 0).sum()) == 64

    def test_a_pipeline_that_sees_all_draws_all(self):
        conditions = torch.rand(2, 3, 16, 16)
        window = volume_window(tiny_pipeline(), pytest.fail)  # the brain is not asked for
        assert draw_cropped(window, conditions, lambda given: given) is conditions
