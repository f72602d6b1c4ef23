import numpy as np
import pytest
import torch

from recoseg_hf.pipeline.checks import check_counts, check_images, check_scheduler
from tests.tiny import FEW_STEP, tiny_net, tiny_pipeline

FINE = {"steps": 10, "samples": 1, "threshold": 0.5, "batch_size": 1, "longest": 1000}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lower_percentile": 60, "upper_percentile": 50}, r"lower_percentile=60; expected 0 <= lower_percentile < "),
        ({"lower_percentile": -1}, "lower_percentile=-1;"),
        ({"upper_percentile": 101}, "upper_percentile=101;"),
        ({"mask_threshold": 1.0}, r"mask_threshold=1.0; .* mask_threshold within \(0, 1\)"),
        ({"residual_clip": 0.0}, r"residual_clip=0.0; .* residual_clip within \(0, 1\]"),
        ({"mask_threshold": 0, "residual_clip": 2}, "mask_threshold=0, residual_clip=2;"),
        ({"slice_step": 0}, r"slice_step=0; .* and slice_step from 1 to 5\."),
        ({"slice_step": 6}, "slice_step=6;"),
        ({"slice_step": 2.0}, r"slice_step=2\.0;"),
        ({"image_size": 17}, r"image_size=17 cannot be folded by 1 and halved 1 times; .* of 2, such as 18\."),
        (
            {"image_size": 18, "pixel_unshuffle": 2},
            r"image_size=18 cannot be folded by 2 and halved 1 times; expected a multiple of 4, such as 20\.",
        ),
        ({"regions": "tc,wt"}, "regions='tc,wt'; expected wt first, from which the mask is made"),
        ({"regions": "wt,edema"}, "regions='wt,edema'; expected distinct names out of wt, tc, et"),
        ({"segmenter_inputs": "flair,pet"}, "segmenter_inputs='flair,pet'; expected distinct names out of flair, t1"),
        ({"synthesizer": None}, "segmenter_inputs='flair,t1,t2,residual' without a synthesizer; expected one"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny_pipeline(**settings)


def test_a_net_with_other_channels_is_refused_with_both_counts():
    wrong = "synthesizer has 5 input and 1 output channels; expected 4 and 1 for these settings"
    with pytest.raises(ValueError, match=wrong):
        tiny_pipeline(synthesizer=tiny_net(5, 1))
    with pytest.raises(ValueError, match="synthesizer has 4 input and 1 output channels; expected 16 and 4"):
        tiny_pipeline(synthesizer=tiny_net(4, 1), pixel_unshuffle=2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "num_inference_steps=0; expected 1 to 1000"),
        ({"steps": 1001}, "num_inference_steps=1001; expected 1 to 1000"),
        ({"samples": 0}, "num_samples=0; expected 1 to 1000"),
        ({"samples": 10**30}, r"num_samples=10+; expected 1 to 1000"),
        ({"threshold": 0}, "mask_threshold=0; expected a number between 0 and 1"),
        ({"threshold": 1.5}, "mask_threshold=1.5; expected a number between 0 and 1"),
        ({"threshold": float("nan")}, "mask_threshold=nan"),
        ({"batch_size": 0}, "slice_batch_size=0; expected 1 or more"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(wrong, message):
    check_counts(**FINE)
    with pytest.raises(ValueError, match=message):
        check_counts(**FINE | wrong)


def test_epsilon_at_zero_snr_is_refused():
    check_scheduler(FEW_STEP)
    with pytest.raises(ValueError, match=r"'epsilon' with rescale_betas_zero_snr, .* expected v_prediction or sample"):
        check_scheduler(FEW_STEP | {"prediction_type": "epsilon"})


def test_images_come_back_as_float32_whatever_they_were():
    values = np.arange(24).reshape(2, 3, 4)
    given = {
        "flair": values.astype(">f8"),  # big-endian, as NIfTI files may be
        "t1": values[:, ::-1],  # a flipped view, as re-oriented volumes are
        "t2": torch.from_numpy(values),
        "t1ce": None,
    }
    found = check_images(given)
    assert list(found) == ["flair", "t1", "t2"]
    assert all(image.dtype == np.float32 for image in found.values())
    np.testing.assert_array_equal(found["flair"], found["t2"])
    np.testing.assert_array_equal(found["t1"], found["t2"][:, ::-1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_is_found_however_the_volume_lies_in_memory(order, value):
    whole = np.asarray(np.arange(600.0).reshape(6, 10, 10), np.float32, order=order)
    flair = np.moveaxis(whole[1:-1, ::-1, ::2], 1, 2)
    check_images({"flair": flair})
    flair[-1, 0, -1] = value
    with pytest.raises(ValueError, match="flair: 1 values are NaN or infinite"):
        check_images({"flair": flair})


def test_values_that_are_too_large_to_add_up_are_fine():
    check_images({"flair": np.full((2, 3, 4), 3e38, np.float32)})


@pytest.mark.parametrize("flipped", [False, True])
def test_what_is_float32_is_not_copied(flipped):
    flair = np.ones((2, 3, 4), np.float32)[:, :: -1 if flipped else 1]
    for given in (flair, torch.from_numpy(flair.copy())):
        assert np.shares_memory(check_images({"flair": given})["flair"], np.asarray(given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flair": np.zeros((4, 4))}, r"flair: its shape is \(4, 4\); expected \(N, H, W\)"),
        (
            {"flair": np.zeros((2, 4, 4)), "t2": np.zeros((2, 4, 5))},
            r"t2: its shape is \(2, 4, 5\); expected \(2, 4, 4\) as FLAIR has it",
        ),
        (
            {"flair": np.zeros((2, 4, 4)), "t1": np.full((2, 4, 4), np.nan)},
            "t1: 32 values are NaN or infinite; expected finite intensities",
        ),
        ({"flair": np.full((1, 1, 2), np.inf)}, "flair: 2 values are NaN or infinite"),
    ],
)
def test_images_that_cannot_be_used_are_refused_by_modality(given, message):
    with pytest.raises(ValueError, match=message):
        check_images(given)
