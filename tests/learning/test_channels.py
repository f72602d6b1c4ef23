import numpy as np
import pytest
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.learning.channels import with_segmenter_inputs
from tests.tiny import brain_slices, tiny_pipeline

SETTINGS = {"context_slices": 1, "pixel_unshuffle": 2, "regions": "wt,et", "flip_average": True}


@pytest.fixture
def images():
    return brain_slices()


def probability(pipeline, images):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(**images, generator=torch.Generator().manual_seed(0)).probability


def test_a_new_channel_changes_nothing_before_it_is_trained(images):
    pipeline = tiny_pipeline(**SETTINGS)
    wider = with_segmenter_inputs(pipeline, "t1ce,flair,t1,residual,t2")
    assert wider.channels == ("t1ce", "flair", "t1", "residual", "t2")
    assert wider.config.context_slices == 1
    assert wider.segmenter.config.in_channels == 5 * 3 * 4
    assert np.allclose(probability(wider, images), probability(pipeline, images), atol=1e-6)
    with torch.no_grad():
        wider.segmenter.conv_in.weight.add_(0.1)
    assert not np.allclose(probability(wider, images), probability(pipeline, images), atol=1e-3)
    assert pipeline.segmenter.config.in_channels == 4 * 3 * 4  # the start is left as it was


def test_a_channel_that_goes_takes_its_weights_with_it(images):
    pipeline = tiny_pipeline(**SETTINGS)
    there_and_back = with_segmenter_inputs(with_segmenter_inputs(pipeline, "t2,residual"), "flair,t1,t2,residual")
    assert there_and_back.channels == pipeline.channels
    weight = there_and_back.segmenter.conv_in.weight.unflatten(1, (3, 4, 4))
    former = pipeline.segmenter.conv_in.weight.unflatten(1, (3, 4, 4))
    assert not weight[:, :, :2].any()
    assert torch.equal(weight[:, :, 2:], former[:, :, 2:])


def test_it_is_saved_and_loaded_as_any_other(images, tmp_path):
    wider = with_segmenter_inputs(tiny_pipeline(**SETTINGS), "flair,t1,t2,t1ce,residual")
    wider.save_pretrained(tmp_path)
    loaded = type(wider).from_pretrained(tmp_path)
    assert loaded.channels == wider.channels
    assert np.array_equal(probability(loaded, images), probability(wider, images))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("flair,pet", r"--segmenter_inputs='flair,pet'; expected distinct names out of flair"),
        ("flair,t1,t2", r"flair,t1,t2, where the start sees flair,t1,t2,residual; expected the residual in both"),
    ],
)
def test_what_cannot_be_is_refused(names, message):
    with pytest.raises(InputError, match=message):
        with_segmenter_inputs(tiny_pipeline(), names)
