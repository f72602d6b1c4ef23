"""Bootstrap intervals against scipy's, the normal approximation and their edge cases."""

import numpy as np
import pytest

from recoseg_hf.evaluation.intervals import bootstrap_interval, bootstrap_ratio_interval, paired_difference_interval


@pytest.fixture
def scores():
    return np.random.default_rng(3).beta(9, 1.5, size=30)


def test_agrees_with_scipy(scores):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.bootstrap((scores,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert bootstrap_interval(scores) == pytest.approx(tuple(expected), abs=2e-3)


def test_level_is_the_share_inside(scores):
    error = scores.std() / np.sqrt(len(scores))
    low, high = bootstrap_interval(scores, level=0.6827)
    assert (high - low) / 2 == pytest.approx(error, rel=0.05)


def test_seed_decides(scores):
    assert bootstrap_interval(scores, seed=5) == bootstrap_interval(scores, seed=5)
    assert bootstrap_interval(scores, seed=5) != bootstrap_interval(scores, seed=6)


def test_equal_values_have_no_width():
    assert bootstrap_interval([0.75] * 4) == (0.75, 0.75)


@pytest.mark.parametrize("values", [[], [0.9]])
def test_fewer_than_two_subjects_have_no_interval(values):
    assert bootstrap_interval(values) is None


@pytest.mark.parametrize("values", [[0.5, np.nan], [0.5, None], [0.5, np.inf], [[0.5, 0.6]]])
def test_undefined_values_are_refused(values):
    with pytest.raises(ValueError, match="one finite number per subject; leave undefined values out"):
        bootstrap_interval(values)


def test_paired_difference_ignores_what_both_share(scores):
    gain = np.random.default_rng(0).normal(0.02, 0.005, size=len(scores))
    low, high = paired_difference_interval(scores + gain, scores)
    assert 0.015 < low < gain.mean() < high < 0.025
    apart = [bootstrap_interval(scores + gain), bootstrap_interval(scores)]
    assert apart[0][0] < apart[1][1], "unpaired intervals overlap, so only the pairing can show the gain"


def test_paired_difference_needs_the_same_subjects():
    with pytest.raises(ValueError, match="same subjects on both sides; found 3 and 2 values"):
        paired_difference_interval([1, 2, 3], [1, 2])


def test_ratio_weighs_subjects_by_their_denominator():
    low, high = bootstrap_ratio_interval([90, 1], [100, 10])
    assert (low, high) == pytest.approx((0.1, 0.9))


def test_ratio_leaves_out_draws_without_a_denominator():
    assert bootstrap_ratio_interval([0, 6], [0, 8]) == (0.75, 0.75)
    assert bootstrap_ratio_interval([0, 0], [0, 0]) is None
