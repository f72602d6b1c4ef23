"""Paired differences against means and a bootstrap by hand."""

import json

import numpy as np
import pytest

from recoseg_hf.evaluation import aggregate, compare_case, paired_differences
from recoseg_hf.evaluation.intervals import (
    bootstrap_ratio_interval,
    paired_difference_interval,
    paired_ratio_difference_interval,
)
from recoseg_hf.imaging.volume import Volume

SUBJECTS, RESAMPLES = "abcdef", 400


def cohort(seed, noise, missed=(), **others):
    """Six subjects of different size, predicted with a share of wrong voxels."""
    records = []
    for k, subject in enumerate(SUBJECTS):
        reference = np.random.default_rng(k).random((8 + 2 * k, 8, 4)) < 0.4
        wrong = np.random.default_rng([seed, k]).random(reference.shape) < noise
        mask = (reference ^ wrong) & (subject not in missed)
        volumes = (Volume(one.astype(np.uint8), np.eye(4)) for one in (mask, reference))
        records.append({"subject": subject} | compare_case(*volumes) | others)
    return aggregate(records, resamples=50)


def compared(result, baseline):
    """Few draws: enough where only their being the same on both sides counts."""
    return paired_differences(result, baseline, resamples=RESAMPLES)


def scores(result, name):
    return {record["subject"]: record[name] for record in result["subjects"]}


def test_difference_of_means_over_subjects():
    better, worse = cohort(1, 0.05), cohort(2, 0.2)
    dice = compared(better, worse)["volume"]["dice"]
    a, b = (list(scores(result, "dice").values()) for result in (better, worse))
    assert dice["value"] == pytest.approx(np.mean(a) - np.mean(b))
    assert dice["interval"] == pytest.approx(paired_difference_interval(a, b, resamples=RESAMPLES))
    assert (dice["n"], dice["n_undefined"], dice["higher"], dice["lower"]) == (6, 0, 6, 0)


def test_the_order_of_the_subjects_is_of_no_matter():
    better, worse = cohort(1, 0.05), cohort(2, 0.2)
    shuffled = worse | {"subjects": worse["subjects"][::-1]}
    assert compared(better, shuffled) == compared(better, worse)


def test_the_other_way_round_changes_the_sign():
    there, back = (compared(*pair) for pair in ((cohort(1, 0.05), cohort(2, 0.2)),) * 2)
    back = compared(cohort(2, 0.2), cohort(1, 0.05))
    for section in ("volume", "slice", "pooled"):
        one, other = there[section]["iou"], back[section]["iou"]
        assert one["value"] == pytest.approx(-other["value"])
        assert one["interval"] == pytest.approx([-bound for bound in other["interval"][::-1]])
        assert (one["higher"], one["lower"]) == (other["lower"], other["higher"])


def test_pooled_and_slice_scores_differ_as_their_totals_do():
    better, worse = cohort(1, 0.05), cohort(2, 0.2)
    found = compared(better, worse)
    for section in ("pooled", "slice"):
        expected = better[section]["dice"]["value"] - worse[section]["dice"]["value"]
        assert found[section]["dice"]["value"] == pytest.approx(expected)
        low, high = found[section]["dice"]["interval"]
        assert low < expected < high


def test_pairing_takes_what_the_subjects_share_out_of_the_interval():
    better, worse = cohort(1, 0.05), cohort(1, 0.06)  # what is wrong in the one is wrong in the other too
    for result in (better, worse):
        for k, one in enumerate(result["subjects"]):
            one["dice"] *= 1 - 0.1 * k  # some subjects are hard for both
    low, high = compared(better, worse)["volume"]["dice"]["interval"]
    own = aggregate(better["subjects"], resamples=RESAMPLES)["volume"]["dice"]["interval"]
    assert 0 < low < high
    assert high - low < 0.2 * (own[1] - own[0])


def test_a_result_against_itself():
    same = compared(cohort(1, 0.05), cohort(1, 0.05))["volume"]["dice"]
    assert (same["value"], same["interval"], same["higher"], same["lower"]) == (0, [0, 0], 0, 0)


def test_a_subject_that_one_system_has_no_score_for_counts_for_neither():
    found = compared(cohort(1, 0.05, missed="b"), cohort(2, 0.2))
    assert (found["volume"]["precision"]["n"], found["volume"]["precision"]["n_undefined"]) == (5, 1)
    assert (found["volume"]["dice"]["n"], found["volume"]["dice"]["lower"]) == (6, 1)


def test_sections_that_both_have():
    surface = {"surface": {"hd95_mm": 2.0, "hd95_penalized_mm": 2.0, "nsd": 0.5, "tolerance_mm": 1.0}}
    both = compared(cohort(1, 0.05, **surface), cohort(2, 0.2, **surface))
    assert both["surface"]["hd95_mm"]["value"] == 0
    assert "surface" not in compared(cohort(1, 0.05, **surface), cohort(2, 0.2))
    assert list(both)[:4] == ["protocol", "region", "n", "bootstrap"]
    assert json.loads(json.dumps(both, allow_nan=False)) == both


def test_one_subject_has_no_interval():
    better, worse = (result | {"subjects": result["subjects"][:1]} for result in (cohort(1, 0.05), cohort(2, 0.2)))
    dice = compared(better, worse)["volume"]["dice"]
    assert (dice["n"], dice["interval"]) == (1, None)
    assert dice["value"] > 0


def test_no_subject_has_no_value():
    nobody = cohort(1, 0.05, missed=SUBJECTS)
    assert compared(nobody, nobody)["volume"]["precision"]["value"] is None


def test_ratio_interval_with_denominators_of_one_is_that_of_the_mean():
    generator = np.random.default_rng(0)
    a, b = generator.random(7), generator.random(7)
    ratios = paired_ratio_difference_interval([(x, 1) for x in a], [(x, 1) for x in b], seed=3, resamples=400)
    assert ratios == pytest.approx(paired_difference_interval(a, b, seed=3, resamples=400))
    nothing = [(0, n) for n in range(1, 8)]
    own = bootstrap_ratio_interval(a, range(1, 8), resamples=400)
    terms = [(x, n) for x, n in zip(a, range(1, 8), strict=True)]
    assert paired_ratio_difference_interval(terms, nothing, resamples=400) == pytest.approx(own)
    with pytest.raises(ValueError, match="the same subjects on both sides; found 7 and 6"):
        paired_ratio_difference_interval(terms, nothing[:6])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"region": "et"}, "results of one region; found 'wt' and 'et'"),
        ({"protocol": "paper"}, "results of one protocol; found 'volume' and 'paper'"),
        ({"subjects": []}, "0 subjects under 0 names"),
    ],
)
def test_refusals(changed, message):
    with pytest.raises(ValueError, match=message):
        compared(cohort(1, 0.1), cohort(2, 0.1) | changed)


def test_other_subjects_are_named():
    fewer = cohort(2, 0.1)
    with pytest.raises(ValueError, match="the same subjects in both results; a in one of them only"):
        compared(cohort(1, 0.1), fewer | {"subjects": fewer["subjects"][1:]})
    twice = fewer | {"subjects": [*fewer["subjects"], fewer["subjects"][0]]}
    with pytest.raises(ValueError, match="7 subjects under 6 names"):
        compared(twice, fewer)
