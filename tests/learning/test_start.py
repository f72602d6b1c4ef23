import json
import signal
import sys

import pytest
import torch

from recoseg_hf.errors import CheckpointError, DivergenceError, InputError
from recoseg_hf.learning.interruption import TrainingInterrupted
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.start import load_or_build, run_script
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


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("flair.nii.gz", "no such file", "a scan", "Look."), 3, "Error: flair.nii.gz: no such file; exp"),
        (CheckpointError("checkpoint-3: no manifest"), 3, "Error: checkpoint-3: no manifest"),
        (DivergenceError("the loss is nan"), 4, "Error: the loss is nan"),
        (TrainingInterrupted(signal.SIGTERM, 7), 143, "stopped by SIGTERM after step 7, which is saved."),
        (TrainingInterrupted(signal.SIGINT, 7), 130, "stopped by SIGINT after step 7"),
    ],
)
def test_a_script_says_in_a_line_what_the_user_can_mend(error, code, said, monkeypatch, capsys):
    def main(options):
        raise error

    paths = ["--pretrained_model_name_or_path=a", "--train_data_dir=b", "--output_dir=c"]
    monkeypatch.setattr(sys, "argv", ["train.py", *paths])
    with pytest.raises(SystemExit) as caught:
        run_script(main, TrainingOptions)
    assert caught.value.code == code
    assert capsys.readouterr().err.startswith(said)


def test_a_bug_keeps_its_traceback(monkeypatch):
    def main(options):
        raise RuntimeError(options.output_dir)

    monkeypatch.setattr(
        sys, "argv", ["t.py", "--pretrained_model_name_or_path=a", "--train_data_dir=b", "--output_dir=c"]
    )
    with pytest.raises(RuntimeError, match=r"^c$"):
        run_script(main, TrainingOptions)
