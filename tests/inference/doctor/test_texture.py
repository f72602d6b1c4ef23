"""Noise and thick slices, by what was put in."""

import numpy as np
import pytest

from recoseg_hf.inference.doctor.texture import measure_texture

GRID = np.stack(np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij"))


def waves(period=12.0):
    return 100 + 20 * np.sin(2 * np.pi * GRID / period).sum(axis=0)


def test_noise_is_the_standard_deviation_over_the_range_of_tissue():
    data = waves(40) + np.random.default_rng(0).normal(0, 4, GRID.shape[1:])
    low, high = np.percentile(data, (5, 95))
    assert measure_texture(data).noise == pytest.approx(4 / (high - low), rel=0.1)
    assert measure_texture(waves(40)).noise < 0.01


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_axis_of_interpolated_slices_is_found(axis):
    weak = waves() - 16 * np.sin(2 * np.pi * GRID[axis] / 12)  # as thick slices leave it
    found = measure_texture(weak)
    assert found.axis == axis
    assert found.steps == pytest.approx(0.2, abs=0.05)
    assert measure_texture(waves()).steps == pytest.approx(1, abs=0.05)


def test_a_scan_of_one_intensity_has_neither():
    found = measure_texture(np.ones((12, 12, 12)))
    assert (found.noise, found.steps) == (0, 0)
