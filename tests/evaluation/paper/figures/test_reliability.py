"""Calibration against hand-made numbers and scikit-learn."""

import numpy as np
import pytest

from recoseg_hf.evaluation.paper.figures.reliability import count_bins, reliability


def counted(probability, mask, inside=None, bins=10):
    probability, mask = np.array(probability, np.float32), np.array(mask)
    return count_bins(probability, mask, np.ones(mask.shape, bool) if inside is None else np.array(inside), bins)


class TestBins:
    def test_each_voxel_falls_in_its_bin_and_one_in_the_last(self):
        found = counted([0.0, 0.05, 0.25, 0.75, 1.0], [0, 0, 1, 1, 1], bins=4)
        assert found.voxels.tolist() == [2, 1, 0, 2]
        assert found.positive.tolist() == [0, 1, 0, 2]
        assert found.probability == pytest.approx([0.05, 0.25, 0, 1.75])

    def test_voxels_outside_do_not_count(self):
        assert counted([0.2, 0.9], [1, 1], [True, False], bins=2).voxels.tolist() == [1, 0]

    def test_subjects_add_up(self):
        both = counted([0.1], [0], bins=2) + counted([0.9], [1], bins=2)
        assert (both.voxels.tolist(), both.positive.tolist()) == ([1, 1], [0, 1])

    @pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
    def test_what_is_no_probability_is_refused(self, value):
        with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
            counted([value], [0])

    def test_other_shapes_are_refused(self):
        with pytest.raises(ValueError, match=r"probability \(1,\), mask \(2,\)"):
            counted([0.5], [0, 1])


class TestReliability:
    def test_errors_by_hand(self):
        # Two voxels said 0.2, one of them tumour; six said 0.9, all of them: gaps of 0.3 and 0.1.
        found = reliability([counted([0.2] * 2 + [0.9] * 6, [0, 1] + [1] * 6, bins=2)])
        assert found.ece == pytest.approx((2 * 0.3 + 6 * 0.1) / 8)
        assert found.ace == pytest.approx((0.3 + 0.1) / 2)
        assert found.found.tolist() == [0.5, 1.0]
        assert (found.n, found.intervals) == (1, [None, None])

    def test_an_empty_bin_is_no_number_and_no_error(self):
        found = reliability([counted([0.9], [1], bins=2)])
        assert np.isnan(found.said[0])
        assert found.ace == found.ece == pytest.approx(0.1)

    def test_intervals_are_over_subjects(self):
        found = reliability([counted([0.9, 0.9], [1, 0], bins=2), counted([0.9, 0.9], [1, 1], bins=2)])
        assert found.intervals == [None, (0.5, 1.0)]
        assert found.found[1] == 0.75

    def test_agrees_with_scikit_learn(self):
        calibration = pytest.importorskip("sklearn.calibration")
        rng = np.random.default_rng(0)
        said = rng.random(500).astype(np.float32)
        mask = rng.random(500) < said**2
        shares, means = calibration.calibration_curve(mask, said, n_bins=15)
        found = reliability([counted(said, mask, bins=15)])
        assert found.found == pytest.approx(shares)
        assert found.said == pytest.approx(means)

    def test_nothing_to_judge_is_refused(self):
        with pytest.raises(ValueError, match="no voxels to judge"):
            reliability([counted([0.5], [1], [False])])
