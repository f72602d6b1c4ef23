"""Volumes out of the slices of simulated cases, and where patches of them lie."""

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, concatenate_datasets, load_from_disk

from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.slices import SliceSettings, prepare_dataset
from recoseg_hf.learning.training_data import TrainingData
from recoseg_hf.learning.volume_grid import thick_slices
from recoseg_hf.learning.volume_patches import VolumeDataset, cut_patches, patch_corners
from recoseg_hf.pipeline.residual import calibrate_residual

ALL = ("flair", "t1", "t2", "t1ce", "static_residual")


@pytest.fixture(scope="module")
def table(brats_like, tmp_path_factory):
    """The train split of `brats_like` on pixels of 2 mm."""
    folder = tmp_path_factory.mktemp("data") / "slices"
    prepare_dataset(brats_like, folder, brats_like / "splits.json", SliceSettings(image_size=16, field_of_view=32))
    return load_from_disk(str(folder))["train"]


@pytest.fixture(scope="module")
def slices(table):
    return SliceDataset(table)


def volumes(slices, channels=ALL, patch_size: int = 2, slice_spacing: int = 2) -> VolumeDataset:
    return VolumeDataset(slices, channels, residual_clip=0.5, slice_spacing=slice_spacing, patch_size=patch_size)


def of_subject(slices, subject: str) -> dict[str, torch.Tensor]:
    items = [slices[index] for index in range(len(slices)) if slices.subject(index) == subject]
    return torch.utils.data.default_collate(items)


class TestVolumes:
    def test_an_item_is_a_subject(self, slices):
        dataset = volumes(slices)
        assert len(dataset) == 2
        assert [dataset.subject(index) for index in range(2)] == dataset.chosen_subjects() == ["sub-01", "sub-02"]

    def test_it_is_the_mean_of_neighbouring_slices(self, slices):
        item, source = volumes(slices)[1], of_subject(slices, "sub-02")
        depth = int(item["depth"])
        assert depth == -(-len(source["regions"]) // 2)
        assert torch.allclose(item["conditions"][:depth], thick_slices(source["conditions"][:, 0], 2))
        assert torch.allclose(item["regions"][:depth], thick_slices(source["regions"], 2))

    def test_guides_are_the_channels_beside_the_conditions_in_their_order(self, slices):
        item, source = volumes(slices, ("static_residual", "flair", "t1ce"))[0], of_subject(slices, "sub-01")
        depth = int(item["depth"])
        static = (source["t1ce"] - source["t1"]).abs()[:, 0] * source["brain"][:, 0]
        assert item["guides"].shape[1] == 2
        assert torch.allclose(item["guides"][:depth, :1], thick_slices(static, 2))
        assert torch.allclose(item["guides"][:depth, 1:], thick_slices(2 * source["t1ce"][:, 0] - 1, 2))

    def test_without_guides_there_is_an_empty_one(self, slices):
        item = volumes(slices, ("flair", "t1", "t2"))[0]
        assert item["guides"].shape == (*item["conditions"].shape[:1], 0, 16, 16)

    def test_the_residual_is_that_of_the_whole_volume(self, table):
        real = np.asarray(table.with_format("numpy")["t1ce"][:], np.float32)
        synthetic = np.clip(real + 0.3, 0, 1).astype(np.float16)
        features = Features({"synthetic_t1ce": table.features["t1ce"]})
        drawn = Dataset.from_dict({"synthetic_t1ce": synthetic}, features=features)
        slices = SliceDataset(concatenate_datasets([table, drawn], axis=1))
        item, source = volumes(slices, ("flair", "residual"))[0], of_subject(slices, "sub-01")
        raw = (source["synthetic_t1ce"] - source["t1ce"]).abs()[:, 0] * source["brain"][:, 0]
        expected = thick_slices(calibrate_residual(raw, 0.5), 2)
        assert torch.allclose(item["guides"][: int(item["depth"])], expected)
        assert item["guides"].max() > 0.5

    def test_volumes_are_as_deep_as_a_patch_and_repeat_their_last_slice(self, slices):
        item = volumes(slices, patch_size=8)[0]
        depth = int(item["depth"])
        assert depth < 8
        for name in ("conditions", "guides", "regions"):
            assert len(item[name]) == 8
            assert torch.equal(item[name][depth:], item[name][depth - 1 : depth].expand(8 - depth, -1, -1, -1))

    def test_volumes_of_different_length_make_a_batch(self, slices):
        shorter = SliceDataset(slices._columns._table.select(range(1, len(slices))))
        dataset = volumes(shorter, slice_spacing=1)
        items = [dataset[index] for index in range(2)]
        assert items[0]["depth"] == items[1]["depth"] - 1
        assert torch.utils.data.default_collate(items)["conditions"].shape[:2] == (2, dataset.depth)

    def test_they_are_a_runs_data(self, slices):
        data = TrainingData(volumes(slices), volumes(slices))
        assert data.learnt_from() == ["sub-01", "sub-02"]
        assert data.fingerprint() == TrainingData(volumes(slices), volumes(slices)).fingerprint()


def corners_of(tumour, depths, size=4, share=0.0, seed=0):
    randomness = SampleRandomness.of_samples(seed, 0, len(tumour))
    return patch_corners(tumour, torch.tensor(depths), size, share, randomness)


class TestPatches:
    def test_they_lie_within_the_volumes_own_depth_and_reach_every_edge(self):
        tumour = torch.zeros(400, 9, 8, 7)
        corners = corners_of(tumour, [6] * 400)
        assert corners.min(dim=0).values.tolist() == [0, 0, 0]
        assert corners.max(dim=0).values.tolist() == [2, 4, 3]

    def test_a_volume_that_is_flatter_than_a_patch_begins_at_its_first_slice(self):
        assert corners_of(torch.zeros(20, 4, 8, 8), [2] * 20)[:, 0].unique().tolist() == [0]

    def test_with_a_tumour_share_of_one_every_patch_holds_its_voxel(self):
        tumour = torch.zeros(50, 9, 8, 8)
        for number in range(50):
            tumour[number, number % 7, number % 8, 5] = 1
        corners = corners_of(tumour, [7] * 50, share=1.0)
        assert all(cut_patches(tumour[:, :, None], corners, 4).flatten(1).sum(dim=1) == 1)

    def test_without_tumour_a_patch_lies_anywhere(self):
        none = torch.zeros(30, 9, 8, 8)
        assert torch.equal(corners_of(none, [9] * 30, share=1.0), corners_of(none, [9] * 30, share=0.0))

    def test_the_share_of_patches_around_tumour_is_kept(self):
        tumour = torch.zeros(500, 40, 4, 4)
        tumour[:, 0] = 1  # a patch that lies anywhere begins there once in 37 times
        found = (corners_of(tumour, [40] * 500, share=0.4)[:, 0] == 0).float().mean().item()
        assert found == pytest.approx(0.4 + 0.6 / 37, abs=0.06)

    def test_a_place_is_a_function_of_the_sample_alone(self):
        tumour = (torch.rand(4, 9, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.7).float()
        together = corners_of(tumour, [9, 9, 8, 7], share=0.5, seed=3)
        randomness = SampleRandomness.of_samples(3, 2, 2)
        apart = patch_corners(tumour[2:], torch.tensor([8, 7]), 4, 0.5, randomness)
        assert torch.equal(together[2:], apart)

    def test_a_patch_is_cut_where_it_begins(self):
        volumes = torch.arange(2 * 5 * 3 * 6 * 7).view(2, 5, 3, 6, 7)
        patches = cut_patches(volumes, torch.tensor([[1, 2, 3], [0, 0, 0]]), 4)
        assert patches.shape == (2, 3, 4, 4, 4)
        assert torch.equal(patches[0], volumes[0, 1:5, :, 2:6, 3:7].movedim(1, 0))
