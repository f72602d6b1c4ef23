"""Rows whose probabilities differ only in scale are told apart by their own thresholds, and by nothing else."""

import pytest

from recoseg_hf.evaluation.paper.equal_thresholds import at_equal_thresholds

DICE = {"unet2d_t1ce": [[1.0, 1.0, 0.9], [0.8, 1.0, 0.7]], "recoseg_plus_plus": [[1.0, 1.0, 0.0], [0.9, None, 0.5]]}


def test_each_threshold_is_the_same_for_all():
    found = at_equal_thresholds(DICE)
    assert [found["unet2d_t1ce"][one]["dice"]["value"] for one in ("0.15", "0.3", "0.5")] == [0.9, 1, 0.8]
    low = found["recoseg_plus_plus"]
    assert [low[one]["minus_baseline"]["value"] for one in ("0.15", "0.3", "0.5")] == pytest.approx([0.05, 0, -0.55])
    assert [low[one]["minus_baseline"]["n"] for one in ("0.15", "0.3", "0.5")] == [2, 1, 2]
    assert low["0.3"]["by_subject"] == [1.0, None]
    assert found["unet2d_t1ce"]["0.5"]["minus_baseline"] is None


def test_without_the_baseline_or_a_subject_there_is_no_difference():
    alone = at_equal_thresholds({"recoseg_plus_plus": DICE["recoseg_plus_plus"]})
    assert alone["recoseg_plus_plus"]["0.3"]["minus_baseline"] is None
    assert at_equal_thresholds({}) == {}
