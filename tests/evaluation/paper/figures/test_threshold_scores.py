"""Dice at every threshold, against masks made one by one."""

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.overlap import counts, dice
from recoseg_hf.evaluation.paper.figures.threshold_scores import dice_at_thresholds, mean_dice
from recoseg_hf.pipeline.masks import seeded_mask

THRESHOLDS = (0.2, 0.5, 0.8)


@pytest.mark.parametrize("seed_threshold", [0.0, 0.9])
def test_is_the_dice_of_the_mask_at_each_threshold(seed_threshold):
    rng = np.random.default_rng(0)
    probability = (rng.random((9, 8, 7)) ** 3).astype(np.float32)
    reference = probability > 0.4
    expected = [dice(counts(seeded_mask(probability, one, seed_threshold), reference)) for one in THRESHOLDS]
    assert dice_at_thresholds(probability, reference, THRESHOLDS, seed_threshold) == expected


def test_by_hand():
    probability = np.array([0.9, 0.6, 0.3, 0.1], np.float32).reshape(4, 1, 1)
    reference = np.array([2, 4, 0, 1]).reshape(4, 1, 1)
    assert dice_at_thresholds(probability, reference, THRESHOLDS) == pytest.approx([4 / 6, 4 / 5, 2 / 4])


def test_a_missed_tumour_scores_nothing_and_an_empty_pair_is_undefined():
    empty = np.zeros((2, 2, 2), np.float32)
    assert dice_at_thresholds(empty, np.ones((2, 2, 2)), THRESHOLDS) == [0, 0, 0]
    assert dice_at_thresholds(empty, empty, THRESHOLDS) == [None, None, None]


def test_the_mean_leaves_out_the_undefined_and_counts_them():
    found = mean_dice([[0.5, None, 0.0], [0.7, 0.9, 0.0]], THRESHOLDS)
    assert found[0.2]["value"] == pytest.approx(0.6)
    assert (found[0.5]["value"], found[0.5]["n"], found[0.5]["n_undefined"]) == (0.9, 1, 1)
    assert (found[0.8]["value"], found[0.8]["n"]) == (0, 2)
