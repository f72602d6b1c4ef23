"""From a probability to a mask: the plain threshold, and what hangs together with a confident voxel."""

import numpy as np
import pytest
import torch

from recoseg_hf.pipeline.masks import seeded_mask, slices_to_mirror, smooth_through_slices


@pytest.fixture
def probability() -> np.ndarray:
    """A faint band with a confident end, a faint island, and a confident spot."""
    values = np.zeros((30, 6, 6), np.float32)
    values[2:22, 2, 2] = 0.3
    values[22, 3, 3] = 0.95  # touches the band by a corner
    values[26, 0, 0] = 0.4
    values[29, 5, 5] = 0.99
    return values


def test_without_seeds_it_is_the_plain_threshold(probability):
    assert np.array_equal(seeded_mask(probability, 0.2), probability > 0.2)
    assert np.array_equal(seeded_mask(probability, 0.35, 0.35), probability > 0.35)
    assert seeded_mask(probability, 0.2).dtype == np.uint8


def test_faint_parts_stay_with_a_confident_voxel_and_islands_go(probability):
    mask = seeded_mask(probability, 0.2, 0.9)
    assert mask[2:22, 2, 2].all()
    assert mask[22, 3, 3] == mask[29, 5, 5] == 1
    assert mask[26, 0, 0] == 0
    assert mask.sum() == 22


def test_where_nothing_is_confident_the_plain_threshold_decides(probability):
    faint = probability * 0.8
    assert np.array_equal(seeded_mask(faint, 0.2, 0.9), faint > 0.2)


def test_it_agrees_with_labelled_components():
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((30, 28, 26)), 0.9)
    values = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    parts, count = ndimage.label(values > 0.62, structure=np.ones((3, 3, 3)))
    confident = np.unique(parts[values > 0.75])
    expected = np.isin(parts, confident[confident > 0])
    assert 1 < len(confident[confident > 0]) < count
    assert np.array_equal(seeded_mask(values, 0.62, 0.75), expected)


def test_an_empty_volume_gives_an_empty_mask():
    assert not seeded_mask(np.zeros((3, 4, 5), np.float32), 0.2, 0.9).any()


def test_mirroring_changes_nothing(probability):
    mirrored = np.ascontiguousarray(probability[::-1, :, ::-1])
    assert np.array_equal(seeded_mask(mirrored, 0.2, 0.9)[::-1, :, ::-1], seeded_mask(probability, 0.2, 0.9))


class TestSmoothThroughSlices:
    def test_zero_changes_nothing(self):
        probabilities = torch.rand(4, 2, 3, 3)
        assert smooth_through_slices(probabilities, torch.zeros(4, 1, 3, 3), 0) is probabilities

    def test_a_slice_is_shared_with_its_neighbours_by_gaussian_weights(self):
        probabilities = torch.zeros(21, 1, 2, 2)
        probabilities[10, 0, 0, 0] = 1
        found = smooth_through_slices(probabilities, torch.ones(21, 1, 2, 2), 1.0)
        weights = torch.exp(-(torch.tensor([0.0, 1.0, 2.0]) ** 2) / 2)
        expected = weights / (2 * weights[1:].sum() + 2 * torch.exp(torch.tensor(-4.5)) + 1)
        assert found[10:13, 0, 0, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-3)
        assert found[9, 0, 0, 0].item() == pytest.approx(found[11, 0, 0, 0].item())
        assert found[:, 0, 1, 1].abs().max() == 0
        assert found[15:].abs().max() == 0  # beyond four deviations

    def test_the_surface_of_the_brain_is_not_lowered(self):
        brain = torch.zeros(9, 1, 2, 2)
        brain[3:6] = 1
        found = smooth_through_slices(0.7 * brain, brain, 1.0)
        assert torch.allclose(found[3:6], torch.full((3, 1, 2, 2), 0.7))

    def test_where_there_is_no_brain_a_pixel_stays(self):
        probabilities, brain = torch.rand(5, 1, 2, 2), torch.ones(5, 1, 2, 2)
        brain[..., 0] = 0
        found = smooth_through_slices(probabilities, brain, 1.0)
        assert torch.equal(found[..., 0], probabilities[..., 0])
        assert not torch.allclose(found[..., 1], probabilities[..., 1])


class TestSlicesToMirror:
    def probabilities(self, *largest: float) -> torch.Tensor:
        """Slices of two regions, of which the second has these maxima."""
        values = torch.full((len(largest), 2, 3, 3), 0.05)
        values[:, 1, 2, 0] = torch.tensor(largest)
        return values

    def test_nothing_asked_for_names_all(self):
        assert slices_to_mirror(torch.zeros(3, 1, 2, 2), 0.0).tolist() == [0, 1, 2]

    def test_slices_that_hold_something_and_their_neighbours(self):
        found = slices_to_mirror(self.probabilities(0.1, 0.1, 0.1, 0.3, 0.1, 0.1, 0.9), 0.2)
        assert found.tolist() == [2, 3, 4, 5, 6]
        assert found.dtype == torch.int64

    def test_what_only_reaches_the_limit_is_none(self):
        assert slices_to_mirror(self.probabilities(0.2, 0.1), 0.2).tolist() == []
        assert slices_to_mirror(self.probabilities(0.3), 0.2).tolist() == [0]
        assert slices_to_mirror(torch.zeros(0, 1, 2, 2), 0.2).tolist() == []
