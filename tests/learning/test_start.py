import json

import pytest
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.learning.start import load_or_build, with_synthesizer_of
from tests.tiny import tiny_pipeline


@pytest.fixture
def folder(tmp_path):
    tiny_pipeline(seed=5).save_pretrained(tmp_path)
    return tmp_path


def test_weights_are_loaded_where_there_are_some(folder):
    found = load_or_build(str(folder), seed=9)
    assert torch.equal(found.synthesizer.conv_in.weight, tiny_pipeline(seed=5).synthesizer.conv_in.weight)


def test_configurations_alone_get_seeded_weights(folder):
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    one, again, other = (load_or_build(str(folder), seed).synthesizer.conv_in.weight for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_another_folder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"no model_index\.json; expected a pipeline folder\. Name a folder of pipe"):
        load_or_build(str(tmp_path), seed=0)


def test_another_models_synthesizer_comes_with_its_scheduler_and_steps(tmp_path):
    other = tiny_pipeline(seed=7, num_inference_steps=3)
    pipeline = with_synthesizer_of(tiny_pipeline(seed=1), other, "runs/other")
    assert pipeline.synthesizer is other.synthesizer
    assert pipeline.scheduler is other.scheduler
    assert pipeline.config.num_inference_steps == 3
    assert torch.equal(pipeline.segmenter.conv_in.weight, tiny_pipeline(seed=1).segmenter.conv_in.weight)
    pipeline.save_pretrained(tmp_path)
    again = load_or_build(str(tmp_path), seed=0)
    assert torch.equal(again.synthesizer.conv_in.weight, other.synthesizer.conv_in.weight)
    assert again.config.num_inference_steps == 3


def test_a_synthesizer_of_another_grid_is_refused():
    with pytest.raises(
        InputError, match=r"runs/other: field_of_view 24 \(here 16\); expected a synthesizer of the same"
    ):
        with_synthesizer_of(tiny_pipeline(field_of_view=16), tiny_pipeline(field_of_view=24), "runs/other")
    with pytest.raises(InputError, match=r"runs/other: crop_to_brain True \(here False\); expected a synthesizer"):
        with_synthesizer_of(tiny_pipeline(), tiny_pipeline(crop_to_brain=True), "runs/other")
    plain = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2")
    with pytest.raises(InputError, match="runs/plain: no synthesizer; expected a synthesizer of the same grid"):
        with_synthesizer_of(tiny_pipeline(), plain, "runs/plain")
