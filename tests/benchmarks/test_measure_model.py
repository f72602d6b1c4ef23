"""The numbers of a model's card, on tiny nets."""

import numpy as np
import pytest

from benchmarks.measure_model import accuracy, thresholds
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case
from recoseg_hf.pipeline.conventions import region_masks
from tests.tiny import tiny_pipeline


@pytest.fixture(scope="module")
def case(brats_like):
    return Case.from_folder(brats_like / "sub-03")


def test_each_setting_has_the_dice_of_a_model_that_has_it_and_nothing_is_left_changed(case):
    pipeline = tiny_pipeline(field_of_view=16)
    found = thresholds(pipeline, [case])
    assert pipeline.config.slice_smoothing == 0
    for threshold, seed, smoothing in ((0.3, 0.0, 1.0), (0.5, 0.9, 0.0)):
        settings = {"mask_threshold": threshold, "seed_threshold": seed, "slice_smoothing": smoothing}
        mask = predict_case(tiny_pipeline(field_of_view=16, **settings), case).mask
        dice = compare_case(mask, case.seg)["dice"]
        assert found["mean_dice"][f"{threshold} {seed} {smoothing}"] == pytest.approx(dice)


def test_the_regions_have_the_dice_of_a_model_with_each_threshold(case):
    found = thresholds(tiny_pipeline(field_of_view=16, regions="wt,tc,et"), [case])
    labels = predict_case(tiny_pipeline(field_of_view=16, regions="wt,tc,et", region_threshold=0.3), case).labels
    for region in ("tc", "et"):
        mask = Volume(region_masks(labels.data)[region].astype(np.uint8), labels.affine)
        assert found["region_mean_dice"][f"{region} 0.3"] == pytest.approx(
            compare_case(mask, case.seg, region)["dice"]
        )
    assert list(thresholds(tiny_pipeline(field_of_view=16), [case])["region_mean_dice"]) == []


def test_the_card_has_every_score_of_an_evaluation(case):
    found = accuracy(tiny_pipeline(field_of_view=16), [case])
    default, paper = found["default"], found["paper"]
    assert set(default["cues"]) == {"flair", "static_residual", "residual"}
    assert default["cues"]["flair"]["wt"]["average_precision"]["n"] == 1
    assert default["lesions"]["dice"]["n"] == 1
    assert default["surface"]["hd95_penalized_mm"]["value"] >= 0
    assert (paper["protocol"], paper["oracle_slices"]) == ("paper", True)
    assert paper["volume"]["dice"]["value"] != default["volume"]["dice"]["value"]
    assert "subjects" not in default
    assert "subjects" not in paper


def test_the_synthesis_is_judged_in_the_tumour_too(case):
    found = accuracy(tiny_pipeline(field_of_view=16, regions="wt,et"), [case])
    tumour = found["default"]["synthesis"]["tumour"]
    assert list(tumour) == ["wt", "tc", "et"]
    assert tumour["et"]["psnr"]["n"] == 1
    assert list(found["regions"]) == ["et"]
