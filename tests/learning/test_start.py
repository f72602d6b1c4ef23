import json

import pytest
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.learning.start import load_or_build
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
