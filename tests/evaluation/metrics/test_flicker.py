"""Through-plane flicker: 1 for the real volume, above for slices that jump, below for blur."""

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.flicker import flicker

SHAPE = (12, 11, 10)


def scan(seed=0):
    """A smooth volume with some noise, and a mask that is no box."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    mask = sum(axis**2 for axis in axes) < 1
    return 300 + 100 * np.cos(3 * sum(axes)) + np.random.default_rng(seed).normal(0, 5, SHAPE), mask


def test_the_real_volume_scores_1():
    real, mask = scan()
    assert flicker(real, real, mask) == {"through_plane": 1.0, "in_plane": 1.0}
    assert flicker(real, 3 * real + 7, mask) == pytest.approx({"through_plane": 3.0, "in_plane": 3.0})


def test_slices_that_jump_flicker_through_plane_alone():
    real, mask = scan()
    jumping = real + 80 * (np.arange(SHAPE[2]) % 2)
    found = flicker(real, jumping, mask)
    assert found["through_plane"] > 1.5
    assert found["in_plane"] == pytest.approx(1, abs=1e-12)


def test_blur_is_smooth_both_ways():
    real, mask = scan()
    found = flicker(real, 0.5 * real, mask)
    assert found == pytest.approx({"through_plane": 0.5, "in_plane": 0.5})


def test_by_hand():
    real = np.array([[[1.0, 2.0, 5.0]]])
    synthetic = np.array([[[1.0, 4.0, 5.0]]])
    everywhere = np.ones((1, 1, 3), bool)
    assert flicker(real, synthetic, everywhere) == {"through_plane": (3 + 1) / (1 + 3), "in_plane": None}
    assert flicker(real, synthetic, np.array([[[True, True, False]]]))["through_plane"] == 3


def test_neighbours_outside_the_mask_do_not_count():
    real, mask = scan()
    spoilt = np.where(mask, real, np.nan)
    assert flicker(real, spoilt, mask) == {"through_plane": 1.0, "in_plane": 1.0}


def test_the_axis_of_the_slices_is_named():
    real, mask = scan()
    synthetic = real + np.random.default_rng(1).normal(0, 50, SHAPE[2])
    turned = [np.moveaxis(volume, 2, 0) for volume in (real, synthetic, mask)]
    assert flicker(*turned, slice_axis=0) == pytest.approx(flicker(real, synthetic, mask))


@pytest.mark.parametrize("mask", [np.zeros(SHAPE, bool), np.arange(SHAPE[2]) % 2 == np.zeros(SHAPE)])
def test_without_neighbours_there_is_no_score(mask):
    assert flicker(*scan()[:1] * 2, mask)["through_plane"] is None


def test_a_flat_real_volume_has_no_score():
    _, mask = scan()
    assert flicker(np.ones(SHAPE), np.ones(SHAPE), mask) == {"through_plane": None, "in_plane": None}


def test_volumes_of_one_shape_are_needed():
    with pytest.raises(ValueError, match=r"expected 3D of one shape; found \(2, 2\)"):
        flicker(np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
