import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.new_site.measurement import changed_parts, compare_records, measure_models
from recoseg_hf.evaluation.region_masks import region_mask
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case
from recoseg_hf.learning.freezing import freeze
from tests import factories
from tests.tiny import tiny_pipeline


def case(number: int, seg: bool = True) -> Case:
    scans = [Volume(factories.intensities((14, 12, 5), 10 * number + k), factories.affine()) for k in range(4)]
    labels = Volume(factories.labels((14, 12, 5)), factories.affine())
    return Case(f"secret-{number}", *scans[:3], t1ce=scans[3], seg=labels if seg else None)


@pytest.fixture(scope="module")
def before():
    return tiny_pipeline(regions="wt,tc", field_of_view=16, mask_threshold=0.5)


@pytest.fixture(scope="module")
def after(before):
    """The same nets, with a threshold at which everything in the brain is tumour."""
    return tiny_pipeline(regions="wt,tc", field_of_view=16, mask_threshold=0.01)


class TestMeasureModels:
    def test_numbers_are_those_of_each_model_on_each_subject(self, before, after):
        done = []
        found = measure_models(before, after, (case(k) for k in (1, 2)), done.append)
        assert (found["n"], done) == (2, [1, 2])
        expected = [
            [compare_case(predict_case(model, case(k)).mask, case(k).seg)["dice"] for model in (before, after)]
            for k in (1, 2)
        ]
        whole = found["regions"]["wt"]
        assert whole["pairs"] == sorted(expected)
        assert whole["after"]["dice"]["value"] == pytest.approx((expected[0][1] + expected[1][1]) / 2)
        assert whole["difference"]["value"] == pytest.approx(sum(b - a for a, b in expected) / 2)
        assert found["regions"]["tc"]["difference"]["value"] == 0  # the threshold is the whole tumour's alone
        assert "secret" not in str(found)

    def test_regions_are_those_of_both(self, before):
        small = tiny_pipeline(regions="wt", field_of_view=16)
        assert list(measure_models(before, small, [case(1)])["regions"]) == ["wt"]

    def test_a_subject_without_segmentation_is_refused(self, before):
        with pytest.raises(ValueError, match="subject 1 has no segmentation; expected one, to compare with"):
            measure_models(before, before, [case(1, seg=False)])


def test_masks_of_inner_regions_are_cut_at_one_half(before):
    prediction = predict_case(before, case(1))
    mask = region_mask(prediction, "tc")
    assert (mask.data == (prediction.region_probabilities["tc"].data > 0.5)).all()
    assert region_mask(prediction, "wt") is prediction.mask


def test_of_a_model_of_all_regions_they_are_nested(before):
    labels = Volume((np.arange(14 * 12 * 5).reshape(14, 12, 5) % 5).astype(np.uint8), factories.affine())
    prediction = replace(predict_case(before, case(1)), labels=labels)
    assert np.array_equal(region_mask(prediction, "tc").data != 0, np.isin(labels.data, (1, 3, 4)))
    assert np.array_equal(region_mask(prediction, "et").data != 0, np.isin(labels.data, (3, 4)))


def record(dice: float | None) -> dict:
    blank = dict.fromkeys(("iou", "precision", "recall"), 0.5)
    outcome = "both_empty" if dice is None else "overlap"
    millilitres = dict.fromkeys(("reference_ml", "prediction_ml", "false_positive_ml"), 1.0)
    counts = dict.fromkeys(("true_positive", "false_positive", "false_negative", "true_negative"), 1)
    slices = {"n": 1, "n_both_empty": 0, "dice": 0.5, "iou": 0.5}
    return {"region": "wt", "outcome": outcome, "dice": dice, "counts": counts, "slices": slices, **blank} | {
        **millilitres,
        "volume_error_ml": -2.0,
    }


class TestComparison:
    def test_pairs_stay_pairs_and_the_lowest_comes_first(self):
        found = compare_records([record(0.8), record(0.4), record(0.6)], [record(0.7), record(0.9), record(0.6)])
        assert found["pairs"] == [[0.4, 0.9], [0.6, 0.6], [0.8, 0.7]]
        difference = found["difference"]
        assert difference["value"] == pytest.approx(0.4 / 3)
        assert (difference["n"], difference["better"], difference["worse"]) == (3, 1, 1)
        assert difference["interval"][0] < 0 < difference["interval"][1]
        assert found["before"]["absolute_volume_error_ml"]["value"] == 2

    def test_a_subject_undefined_on_either_side_makes_no_pair(self):
        found = compare_records([record(0.8), record(None)], [record(0.9), record(0.5)])
        assert found["pairs"] == [[0.8, 0.9]]
        assert (found["before"]["dice"]["n"], found["after"]["dice"]["n"]) == (1, 2)

    def test_no_pair_gives_no_difference(self):
        assert paired_difference([]) == {
            "value": None, "interval": None, "n": 0, "better": 0, "worse": 0, "p": None,
        }  # fmt: skip


class TestChangedParts:
    def test_the_weights_tell_what_was_frozen(self, before):
        tuned = tiny_pipeline(regions="wt,tc", field_of_view=16)
        freeze(tuned.segmenter, "all_but_last")
        with torch.no_grad():
            for weight in tuned.segmenter.parameters():
                weight.add_(0.1 * weight.requires_grad)
        found = changed_parts(before, tuned)
        assert found["synthesizer"]["changed"] == []
        assert found["segmenter"]["changed"] == ["conv_norm_out", "conv_out"]
        assert "down_blocks" in found["segmenter"]["unchanged"]

    def test_another_architecture_cannot_be_compared(self, before):
        other = tiny_pipeline(regions="wt", field_of_view=16)
        assert changed_parts(before, other)["segmenter"] is None

    def test_a_net_that_one_model_lacks_is_left_out(self, before):
        alone = copy.copy(before)
        alone.synthesizer = None
        assert list(changed_parts(before, alone)) == ["segmenter"]
