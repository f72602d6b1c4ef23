import pytest
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.learning.soup import mean_of_segmenters
from tests.tiny import tiny_net, tiny_pipeline


def other_segmenter(**settings):
    """A pipeline with the synthesizer of `tiny_pipeline()` and a segmenter of its own."""
    pipeline = tiny_pipeline(seed=3, **settings)
    return pipeline.__class__(
        synthesizer=tiny_pipeline().synthesizer,
        scheduler=pipeline.scheduler,
        segmenter=pipeline.segmenter,
        **{name: value for name, value in pipeline.config.items() if name in ("image_size", "segmenter_inputs")},
        field_of_view=pipeline.config.field_of_view,
    )


def test_every_weight_is_the_mean():
    one, two = tiny_pipeline(), other_segmenter()
    before = [{name: weight.clone() for name, weight in net.segmenter.state_dict().items()} for net in (one, two)]
    found = mean_of_segmenters([one, two])
    assert found is one
    for name, weight in found.segmenter.state_dict().items():
        assert torch.allclose(weight, (before[0][name] + before[1][name]) / 2)
    assert any(not torch.equal(weight, before[0][name]) for name, weight in found.segmenter.state_dict().items())


def test_channels_that_one_did_not_see_count_with_zero_weight():
    wide, narrow = other_segmenter(segmenter_inputs="flair,t1,t2,t1ce,residual"), tiny_pipeline()
    expected = wide.segmenter.conv_in.weight[:, 3] / 2
    found = mean_of_segmenters([wide, narrow]).segmenter.conv_in.weight
    assert torch.allclose(found[:, 3], expected)


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(InputError, match="runs with several synthesizers; expected one for all"):
        mean_of_segmenters([tiny_pipeline(), tiny_pipeline(seed=5)])
    one = tiny_pipeline()
    one.register_modules(segmenter=tiny_net(4, 1, num_class_embeds=2))
    with pytest.raises(InputError, match="segmenters of several sizes; expected one size"):
        mean_of_segmenters([tiny_pipeline(), one])
