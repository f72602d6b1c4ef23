"""Cohort means, pooled scores and slice scores against sums by hand; undefined subjects never enter an average."""

import json

import numpy as np
import pytest

from recoseg_hf.evaluation.aggregation import aggregate, aggregate_synthesis
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.intervals import bootstrap_interval
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
from recoseg_hf.imaging.volume import Volume

EYE = np.eye(4)


def masks(seed, predicted=0.4, referenced=0.4, size=6, scored=3):
    """A pair of random masks of four slices, empty in both from `scored` on."""
    generator = np.random.default_rng(seed)
    pair = [generator.random((size, size, 4)) < density for density in (predicted, referenced)]
    for mask in pair:
        mask[..., scored:] = False
    return pair


def record(*args, **kwargs):
    return compare_case(*(Volume(mask.astype(np.uint8), EYE) for mask in masks(*args, **kwargs)))


def cohort():
    """Five subjects: two ordinary ones of differing size, and the three kinds of empty masks."""
    return [
        record(0) | {"subject": "a"},
        record(1, predicted=0.8, size=20) | {"subject": "b"},
        record(2, predicted=0.0) | {"subject": "missed"},
        record(3, referenced=0.0) | {"subject": "invented"},
        record(4, predicted=0.0, referenced=0.0) | {"subject": "healthy"},
    ]


def scores(seeds):
    generator = np.random.default_rng(9)
    real = generator.gamma(4, 50, size=(8, 8, 3)).astype(np.float32)
    noise = [np.random.default_rng(seed).normal(0, 20, size=real.shape) * (seed > 0) for seed in seeds]
    volumes = [Volume((real + one).astype(np.float32), EYE) for one in noise]
    return [compare_synthesis(Volume(real, EYE), volume) for volume in volumes]


def test_volume_means_leave_the_undefined_out():
    records = cohort()
    dice = aggregate(records)["volume"]["dice"]
    values = [records[0]["dice"], records[1]["dice"], 0.0, 0.0]
    assert dice["value"] == pytest.approx(np.mean(values))
    assert (dice["n"], dice["n_undefined"]) == (4, 1)
    assert dice["interval"] == pytest.approx(bootstrap_interval(values))


def test_precision_and_recall_have_their_own_n():
    volume = aggregate(cohort())["volume"]
    assert (volume["precision"]["n"], volume["precision"]["n_undefined"]) == (3, 2)
    assert (volume["recall"]["n"], volume["recall"]["n_undefined"]) == (3, 2)


def test_outcomes_count_every_subject():
    assert aggregate(cohort())["outcomes"] == {
        "overlap": 2,
        "empty_prediction": 1,
        "empty_reference": 1,
        "both_empty": 1,
    }


def test_pooled_scores_are_those_of_all_voxels_together():
    pairs = [masks(0), masks(1, predicted=0.8, size=20)]
    predicted, referenced = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    both = np.count_nonzero(predicted & referenced)
    pooled = aggregate([record(0), record(1, predicted=0.8, size=20)])["pooled"]
    assert pooled["dice"]["value"] == pytest.approx(2 * both / (predicted.sum() + referenced.sum()))
    assert pooled["iou"]["value"] == pytest.approx(both / np.count_nonzero(predicted | referenced))
    low, high = pooled["dice"]["interval"]
    assert low < pooled["dice"]["value"] < high


def test_slice_scores_are_a_mean_over_the_slices_of_all_subjects():
    expected = []
    for prediction, reference, scored in ((*masks(0), 3), (*masks(1, predicted=0.9, scored=1), 1)):
        for k in range(scored):
            both = np.count_nonzero(prediction[..., k] & reference[..., k])
            expected.append(2 * both / (prediction[..., k].sum() + reference[..., k].sum()))
    result = aggregate([record(0), record(1, predicted=0.9, scored=1), record(4, predicted=0.0, referenced=0.0)])
    assert result["slice"]["dice"]["value"] == pytest.approx(np.mean(expected))
    assert (result["slice"]["n_slices"], result["slice"]["n_slices_both_empty"]) == (4, 8)
    assert (result["slice"]["dice"]["n"], result["slice"]["dice"]["n_undefined"]) == (2, 1)


def test_errors_of_either_sign_do_not_cancel_in_the_absolute_one():
    records = [record(0, predicted=0.2, referenced=0.6), record(0, predicted=0.6, referenced=0.2)]
    millilitres = aggregate(records)["millilitres"]
    sizes = [entry["volume_error_ml"] for entry in records]
    assert sizes[0] < 0 < sizes[1]
    assert millilitres["volume_error_ml"]["value"] == pytest.approx(np.mean(sizes))
    assert millilitres["absolute_volume_error_ml"]["value"] == pytest.approx(np.mean(np.abs(sizes)))


def test_synthesis_counts_infinite_psnr_apart():
    comparisons = scores([0, 1, 2])
    result = aggregate_synthesis(comparisons)
    assert (result["psnr"]["n"], result["psnr"]["n_undefined"]) == (2, 1)
    assert result["psnr"]["value"] == pytest.approx(np.mean([one["psnr"] for one in comparisons[1:]]))
    assert result["ssim"]["n"] == 3


def test_synthesis_of_some_subjects():
    records = [entry | {"synthesis": score} for entry, score in zip(cohort()[:2], scores([1, 2]), strict=True)]
    result = aggregate([*records, record(5)])
    assert result["synthesis"]["ssim"]["n"] == 2
    assert result["n"] == 3
    assert aggregate(cohort())["synthesis"] is None


def test_synthesis_in_the_tumour_and_from_slice_to_slice():
    labels = Volume(np.ones((8, 8, 3), np.uint8), EYE)
    comparisons = scores([1, 2])
    assert aggregate_synthesis(comparisons)["tumour"] is None
    real = np.random.default_rng(9).gamma(4, 50, size=(8, 8, 3)).astype(np.float32)
    comparisons.append(compare_synthesis(Volume(real, EYE), Volume(real + 10, EYE), labels=labels))
    result = aggregate_synthesis(comparisons)
    assert result["tumour"]["wt"]["psnr"]["n"] == 1
    assert result["tumour"]["wt"]["relative_mae"]["value"] == comparisons[2]["tumour"]["wt"]["relative_mae"]
    assert result["tumour"]["et"]["psnr"]["n_undefined"] == 1
    through = [one["flicker"]["through_plane"] for one in comparisons]
    assert result["flicker"]["through_plane"]["value"] == pytest.approx(np.mean(through))
    assert aggregate_synthesis([]) is None


def test_surfaces_and_lesions():
    def shape(hd95, penalized, nsd, dice, found, reference, invented):
        return {
            "surface": {"hd95_mm": hd95, "hd95_penalized_mm": penalized, "nsd": nsd, "tolerance_mm": 1.0},
            "lesions": {"dice": dice, "n_found": found, "n_reference": reference, "n_invented": invented},
        }

    shapes = [shape(2.0, 2.0, 0.75, 0.8, 1, 1, 0), shape(None, 300.0, 0.0, 0.0, 1, 4, 3)]
    records = [entry | one for entry, one in zip(cohort(), shapes, strict=False)]
    result = aggregate([*records, record(5)])
    assert (result["surface"]["hd95_mm"]["value"], result["surface"]["hd95_mm"]["n_undefined"]) == (2.0, 1)
    assert result["surface"]["hd95_penalized_mm"]["value"] == 151
    assert (result["surface"]["nsd"]["value"], result["surface"]["nsd"]["n"]) == (0.375, 2)
    assert result["surface"]["nsd_tolerance_mm"] == 1.0
    assert result["lesions"]["dice"]["value"] == 0.4
    assert result["lesions"]["found"]["value"] == 2 / 5
    assert result["lesions"]["invented"]["value"] == 1.5
    assert aggregate(cohort())["surface"] is aggregate(cohort())["lesions"] is None
    records[0]["surface"] |= {"tolerance_mm": 2.0}
    with pytest.raises(ValueError, match=r"one tolerance of the NSD; found \[1.0, 2.0\] mm"):
        aggregate(records)


def test_cues():
    def cues(**found):
        return {name: {"wt": {"average_precision": one, "prevalence": 0.1}} for name, one in found.items()}

    records = [record(0) | {"cues": cues(flair=0.7, residual=0.2)}, record(1) | {"cues": cues(flair=0.5)}]
    found = aggregate([*records, record(2) | {"cues": None}])["cues"]
    assert (found["flair"]["wt"]["average_precision"]["value"], found["flair"]["wt"]["prevalence"]["n"]) == (0.6, 2)
    assert found["residual"]["wt"]["average_precision"]["n"] == 1
    assert aggregate(cohort())["cues"] is None


def test_one_subject_has_no_interval():
    dice = aggregate([record(0)])["volume"]["dice"]
    assert (dice["interval"], dice["n"]) == (None, 1)


def test_a_cohort_without_any_tumour_is_undefined_not_perfect():
    result = aggregate([record(4, predicted=0.0, referenced=0.0)] * 2)
    undefined = {"value": None, "interval": None, "n": 0, "n_undefined": 2}
    assert result["volume"]["dice"] == result["pooled"]["iou"] == result["slice"]["dice"] == undefined


def test_result_is_plain_finite_json():
    records = [entry | {"synthesis": score} for entry, score in zip(cohort(), scores(range(5)), strict=True)]
    result = aggregate(records)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["protocol"], result["region"], result["n"]) == ("volume", "wt", 5)
    assert [entry["subject"] for entry in result["subjects"]] == ["a", "b", "missed", "invented", "healthy"]


def test_the_bootstrap_is_named_and_can_be_set():
    result = aggregate(cohort(), seed=7, resamples=50, level=0.5)
    assert result["bootstrap"] == {"seed": 7, "resamples": 50, "level": 0.5}
    low, high = aggregate(cohort())["volume"]["dice"]["interval"]
    assert low < result["volume"]["dice"]["interval"][0]
    assert result["volume"]["dice"]["interval"][1] < high


@pytest.mark.parametrize(("regions", "found"), [([], "0 of []"), (["wt", "et"], "2 of ['et', 'wt']")])
def test_records_of_one_region_are_needed(regions, found):
    records = [record(k) | {"region": region} for k, region in enumerate(regions)]
    with pytest.raises(ValueError, match="expected records of one region") as raised:
        aggregate(records)
    assert found in str(raised.value)
