"""The exact test against SciPy's, and against what can be counted by hand."""

import numpy as np
import pytest
from scipy.stats import permutation_test

from recoseg_hf.evaluation.sign_flips import SIGNIFICANT, SMALLEST_N, paired_ratio_p, sign_flip_p


def by_scipy(differences) -> float:
    def mean(one, axis):
        return np.mean(one, axis=axis)

    return permutation_test((differences,), mean, permutation_type="samples", n_resamples=2**14, rng=0).pvalue


@pytest.mark.parametrize("n", [2, 5, 6, 9])
@pytest.mark.parametrize("shift", [0.0, 0.1, -0.3])
def test_it_is_scipys_for_means(n, shift):
    differences = np.random.default_rng(n).normal(shift, 0.2, n)
    assert sign_flip_p(differences) == pytest.approx(by_scipy(differences))


def test_all_subjects_of_one_mind_have_the_least_p():
    assert [sign_flip_p([0.01] * n) for n in (1, 2, 5, 6)] == [1, 0.5, 0.0625, 0.03125]
    assert sign_flip_p([-0.01] * 6) == 0.03125
    assert sign_flip_p([0.01] * (SMALLEST_N - 1)) > SIGNIFICANT > sign_flip_p([0.01] * SMALLEST_N)
    assert sign_flip_p([0.0] * 6) == sign_flip_p([0.1, -0.1]) == 1
    assert sign_flip_p([]) is None


def test_many_subjects_are_drawn_with_a_seed():
    differences = np.random.default_rng(0).normal(0.05, 0.2, 30)
    exact = by_scipy(differences)
    assert sign_flip_p(differences) == sign_flip_p(differences) == pytest.approx(exact, abs=0.03)
    assert sign_flip_p(differences, seed=1) != sign_flip_p(differences)
    assert sign_flip_p([1.0] * 40) == pytest.approx(2 / 10_001)


def test_a_ratio_swaps_both_terms_of_a_subject():
    a, b = [(8, 10), (30, 40), (5, 5)], [(6, 10), (10, 20), (4, 8)]

    def difference(swapped):
        sides = [(y, x) if bit else (x, y) for bit, x, y in zip(swapped, a, b, strict=True)]
        one, other = (np.sum(side, axis=0) for side in zip(*sides, strict=True))
        return one[0] / one[1] - other[0] / other[1]

    found = [difference((k & 1, k & 2, k & 4)) for k in range(8)]
    as_far = sum(value >= found[0] - 1e-12 for value in found)
    assert paired_ratio_p(a, b) == pytest.approx(min(1, 2 * as_far / 8))
    assert paired_ratio_p(b, a) == pytest.approx(paired_ratio_p(a, b))


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="the same subjects on both sides; found 1 and 2"):
        paired_ratio_p([(1, 1)], [(1, 1), (2, 1)])
    with pytest.raises(ValueError, match="expected finite numbers"):
        sign_flip_p([0.1, float("nan")])
