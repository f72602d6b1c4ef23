"""A step and a validation of a 3D baseline on volumes of simulated cases."""

import pytest
import torch

from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.losses import segmentation_loss
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.volume_segmentation import (
    segmenter_channels,
    validate_volumes,
    volume_dice,
    volume_step_loss,
)
from tests.volumes import tiny_volume_pipeline


def batch(count: int = 2, depth: int = 10, side: int = 16) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ball = sum(torch.meshgrid(*(torch.linspace(-1, 1, n) ** 2 for n in (depth, side, side)), indexing="ij")) < 0.3
    return {
        "conditions": torch.randn(count, depth, 3, side, side, generator=generator),
        "guides": torch.rand(count, depth, 1, side, side, generator=generator),
        "regions": ball.float()[None, :, None].expand(count, depth, 3, side, side).clone(),
        "depth": torch.full((count,), depth),
    }


def step_loss(pipeline, given, augmentation=None, seed=0, share=0.5) -> torch.Tensor:
    randomness = SampleRandomness.of_samples(seed, 0, len(given["depth"]))
    return volume_step_loss(pipeline.segmenter, pipeline, given, randomness, augmentation, share)


class TestStep:
    def test_a_patch_as_large_as_the_volume_is_bce_and_dice_of_it_all(self):
        pipeline, given = tiny_volume_pipeline(patch_size=16, segmenter_inputs="flair,t1,t2,t1ce"), batch(depth=16)
        inputs = torch.cat([given["conditions"], given["guides"]], dim=2).movedim(2, 1)
        logits = pipeline.segmenter(inputs)
        expected = segmentation_loss(logits.flatten(3), given["regions"][:, :, :1].movedim(2, 1).flatten(3))
        assert step_loss(pipeline, given).item() == pytest.approx(expected.item(), rel=1e-5)

    def test_channels_come_in_the_order_of_the_pipeline(self):
        pipeline = tiny_volume_pipeline(segmenter_inputs="t1ce,t2,flair")
        volumes = {"conditions": torch.arange(3.0).view(1, 3, 1, 1, 1), "guides": torch.full((1, 1, 1, 1, 1), 9.0)}
        assert segmenter_channels(pipeline, volumes).flatten().tolist() == [9, 2, 0]

    @pytest.mark.parametrize("augmentation", [None, AugmentationSettings()], ids=["plain", "augmented"])
    def test_a_step_is_a_function_of_the_samples_numbers(self, augmentation):
        pipeline = tiny_volume_pipeline(segmenter_inputs="flair,t1,t2,t1ce")
        one, again, other = (step_loss(pipeline, batch(), augmentation, seed).item() for seed in (1, 1, 2))
        assert one == again != other

    def test_augmentation_leaves_the_batch_as_it_was(self):
        pipeline, given = tiny_volume_pipeline(segmenter_inputs="flair,t1,t2,t1ce"), batch()
        before = {name: values.clone() for name, values in given.items()}
        step_loss(pipeline, given, AugmentationSettings())
        assert all(torch.equal(given[name], values) for name, values in before.items())

    def test_it_learns(self):
        pipeline = tiny_volume_pipeline(segmenter_inputs="flair,t1,t2,t1ce", regions="wt,et")
        given = batch(depth=8)
        given["guides"] = given["regions"][:, :, :1]  # the answer itself
        net = pipeline.segmenter.train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-2)
        losses = []
        for step in range(15):
            loss = step_loss(pipeline, given, seed=step)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert losses[-1] < 0.6 * losses[0]


class TestValidation:
    @pytest.fixture
    def known(self):
        """A baseline whose probability is its guide, whatever its net says, and volumes with another depth each."""
        pipeline = tiny_volume_pipeline(segmenter_inputs="flair,t1,t2,t1ce", regions="wt,et")
        pipeline.segment_volume = lambda volume: volume[3:].expand(2, *volume.shape[1:])
        given, items = batch(3), []
        for number in range(3):
            item = {name: values[number].clone() for name, values in given.items()}
            item["guides"] = item["regions"][:, :1].clone()
            item["regions"][:, 2] = 0
            item["depth"] = torch.tensor(10 - number)
            items.append(item)
        return pipeline, items

    def test_dice_is_one_where_mask_and_reference_agree_and_undefined_where_both_are_empty(self, known):
        pipeline, items = known
        items[0]["guides"][:] = items[0]["regions"][:, :1]
        whole, enhancing = volume_dice(pipeline, items[0], 0.5)
        assert (whole, enhancing) == (1.0, 0.0)  # the mask marks tissue that the reference does not
        items[0]["guides"][:] = 0
        assert volume_dice(pipeline, items[0], 0.5)[0] == 0
        assert str(volume_dice(pipeline, items[0], 0.5)[1]) == "nan"

    def test_only_the_volumes_own_depth_counts(self, known):
        pipeline, items = known
        items[2]["guides"][8:] = 1
        assert volume_dice(pipeline, items[2], 0.5)[0] == 1.0

    def test_the_mean_is_over_subjects_that_have_the_region(self, known):
        pipeline, items = known
        items[1]["guides"][:] = 0
        items[0]["guides"][:] = items[2]["guides"][:] = items[0]["regions"][:, :1]
        scores = validate_volumes(pipeline, items)
        assert scores["dice_wt"] == pytest.approx(2 / 3)
        assert scores["dice_et"] == 0.0  # the second subject has neither, and is left out

    def test_a_real_net_is_judged_by_sliding_window(self):
        pipeline, given = tiny_volume_pipeline(segmenter_inputs="flair,t1,t2,t1ce"), batch(1)
        item = {name: values[0] for name, values in given.items()}
        volume = torch.cat([item["conditions"], item["guides"]], dim=1).movedim(1, 0)
        mask, real = pipeline.segment_volume(volume)[0] > 0.5, item["regions"][:, 0] > 0.5
        expected = 2 * (mask & real).sum() / (mask.sum() + real.sum())
        assert volume_dice(pipeline, item, 0.5) == [pytest.approx(expected.item())]
