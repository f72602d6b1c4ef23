"""Lesion-wise Dice against the challenge's rules carried out one by one, and against values by hand."""

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.lesions import LesionScores, _dilation_element, lesion_scores
from tests.evaluation.masks import box, edge_masks, random_blobs

ndimage = pytest.importorskip("scipy.ndimage")

EYE = (1.0, 1.0, 1.0)
WIDE = (40, 30, 20)


def by_the_rules(prediction, reference, small=50):
    """The challenge's steps on a 1 mm grid, lesion by lesion; None where it would give 1."""
    dilation, touching = ndimage.generate_binary_structure(3, 2), np.ones((3, 3, 3))
    prediction, reference = np.pad(prediction, 4), np.pad(reference, 4)
    parts, n_parts = ndimage.label(prediction, touching)
    grown, n_lesions = ndimage.label(ndimage.binary_dilation(reference, dilation, iterations=3), touching)
    scores, used = [], set()
    for k in range(1, n_lesions + 1):
        lesion = reference & (grown == k)
        near = ndimage.binary_dilation(lesion, dilation, iterations=3)
        matched = {int(part) for part in np.unique(parts[near])} - {0}
        used |= matched
        found = np.isin(parts, list(matched))
        if lesion.sum() > small:
            scores.append(2 * (lesion & found).sum() / (lesion.sum() + found.sum()))
    total = len(scores) + n_parts - len(used)
    return sum(scores) / total if total else None


@pytest.mark.parametrize("small", [0, 3, 50])
@pytest.mark.parametrize("seed", range(6))
def test_random_masks_follow_the_rules(seed, small):
    generator = np.random.default_rng(seed)
    pair = [np.zeros(WIDE, bool), np.zeros(WIDE, bool)]
    for held in [(True, True), (True, False), (False, True)] * 3:  # in both masks, the first or the second
        corner, size = generator.integers(0, WIDE), generator.integers(1, 6, size=3)
        spans = tuple(slice(low, low + n) for low, n in zip(corner, size, strict=True))
        for mask, holds in zip(pair, held, strict=True):
            mask[spans] |= holds
    expected = by_the_rules(*pair, small)
    assert lesion_scores(*pair, EYE, small_mm3=small).dice == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", list(edge_masks()))
def test_edge_cases_follow_the_rules(name):
    pair = edge_masks()[name]
    for small in (0, 50):
        expected, dice = by_the_rules(*pair, small), lesion_scores(*pair, EYE, small_mm3=small).dice
        assert dice is None if expected is None else dice == pytest.approx(expected, abs=1e-12)


def test_blobs_follow_the_rules():
    for seed in range(4):
        pair = random_blobs(seed, (16, 15, 14))
        assert lesion_scores(*pair, EYE).dice == pytest.approx(by_the_rules(*pair), abs=1e-12)


def test_the_dilation_is_the_challenge_s_on_a_grid_of_1_mm():
    voxel = np.zeros((7, 7, 7), bool)
    voxel[3, 3, 3] = True
    thrice = ndimage.binary_dilation(voxel, ndimage.generate_binary_structure(3, 2), iterations=3)
    assert np.array_equal(_dilation_element(EYE, 3.0), thrice)
    assert np.array_equal(_dilation_element((1.0000002, 0.9999998, 1), 3.0), thrice)


def test_the_dilation_reaches_as_many_mm_on_other_grids():
    assert _dilation_element((0.5, 1.5, 4.0), 3.0).shape == (13, 5, 1)


class TestByHand:
    def lesions(self):
        """A large lesion of 512 mm^3 and, far off, one of 64 mm^3."""
        return box((2, 10), (2, 10), (2, 10), shape=WIDE) | box((25, 29), (20, 24), (5, 9), shape=WIDE)

    def test_a_small_lesion_that_is_missed_weighs_as_much_as_a_large_one(self):
        large = box((2, 10), (2, 10), (2, 10), shape=WIDE)
        assert lesion_scores(large, self.lesions(), EYE) == LesionScores(0.5, 2, 1, 0, 0)

    def test_an_invented_one_too(self):
        invented = self.lesions() | box((35, 36), (2, 3), (15, 16), shape=WIDE)
        assert lesion_scores(invented, self.lesions(), EYE) == LesionScores(2 / 3, 2, 2, 1, 0)

    def test_fragments_near_a_lesion_are_of_it_and_lower_its_dice(self):
        fragment = box((12, 14), (2, 10), (2, 10), shape=WIDE)  # 128 voxels, 2 voxels away
        scores = lesion_scores(self.lesions() | fragment, self.lesions(), EYE)
        assert scores.dice == pytest.approx((2 * 512 / (512 + 640) + 1) / 2)
        assert (scores.n_found, scores.n_invented) == (2, 0)

    def test_two_parts_of_the_reference_within_reach_of_each_other_are_one_lesion(self):
        near = self.lesions() | box((14, 18), (2, 10), (2, 10), shape=WIDE)
        assert lesion_scores(near, near, EYE) == LesionScores(1.0, 2, 2, 0, 0)

    def test_small_lesions_do_not_count_found_or_not(self):
        specks = self.lesions() | box((35, 37), (2, 7), (14, 19), shape=WIDE)  # 50 voxels
        for prediction in (specks, self.lesions()):
            assert lesion_scores(prediction, specks, EYE) == LesionScores(1.0, 2, 2, 0, 1)

    def test_the_limit_is_in_cubic_mm(self):
        speck = box((35, 37), (2, 7), (14, 19), shape=WIDE)
        assert lesion_scores(speck, speck, EYE) == LesionScores(None, 0, 0, 0, 1)
        assert lesion_scores(speck, speck, (1.0, 1.0, 1.1)) == LesionScores(1.0, 1, 1, 0, 0)

    def test_coarse_slices_are_not_bridged_by_the_dilation(self):
        above = box((2, 10), (2, 10), (2, 4), shape=WIDE)
        below = box((2, 10), (2, 10), (6, 8), shape=WIDE)
        assert lesion_scores(below, above, EYE).n_found == 1
        assert lesion_scores(below, above, (1.0, 1.0, 5.0)) == LesionScores(0.0, 1, 0, 1, 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("both empty", LesionScores(None, 0, 0, 0, 0)),
        ("missed", LesionScores(0.0, 1, 0, 0, 0)),
        ("invented", LesionScores(0.0, 0, 0, 1, 0)),
    ],
)
def test_a_miss_is_never_a_good_score(name, expected):
    assert lesion_scores(*edge_masks()[name], EYE, small_mm3=20) == expected


def test_masks_of_one_shape_are_needed():
    with pytest.raises(ValueError, match=r"expected 3D masks of one shape; found \(2, 2\) and \(2, 2\)"):
        lesion_scores(np.ones((2, 2)), np.ones((2, 2)), (1, 1))
