"""F5, F6: truncated and bit-flipped checkpoints, prepared slices and weights are refused, and the file is named."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from recoseg_hf.errors import CheckpointError, InputError
from recoseg_hf.inference import load_pipeline
from recoseg_hf.inference.saving import write_weight_hashes
from recoseg_hf.learning.checkpoints import TrainingState, load_checkpoint, save_checkpoint
from recoseg_hf.learning.slice_batches import open_slices
from recoseg_hf.learning.table_hashes import HASHES
from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL
from tests.learning.conftest import SETTINGS, brats_like, prepared

__all__ = ["brats_like", "prepared"]
WEIGHTS = "diffusion_pytorch_model.safetensors"


def truncated(content: bytearray) -> bytes:
    return bytes(content[:-7])


def flipped(content: bytearray) -> bytes:
    """One bit of the last value: no structure is hurt."""
    content[-1] ^= 1
    return bytes(content)


def damage(file, how) -> None:
    file.write_bytes(how(bytearray(file.read_bytes())))


DAMAGE = pytest.mark.parametrize("how", [truncated, flipped])


@DAMAGE
@pytest.mark.parametrize("name", ["net.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_f05_f06_a_checkpoint(name, how, tmp_path):
    """There is no random state to lose: it is a function of the seed and the step, which `state.json` holds."""
    state = TrainingState(3, {"net": {"a": torch.ones(9)}}, {"state": {0: {"b": torch.ones(9)}}, "param_groups": []})
    folder = save_checkpoint(tmp_path, state, keep=1)
    damage(folder / name, how)
    with pytest.raises(
        CheckpointError, match=r"checkpoint-3/\S+: (missing or changed since it was saved|it is no JSON)"
    ):
        load_checkpoint(folder)


@DAMAGE
@pytest.mark.parametrize("net", ["synthesizer", "segmenter"])
def test_f05_weights_with_hashes_beside_them(net, how, tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    write_weight_hashes(folder)
    load_pipeline(folder, device="cpu")
    file = folder / net / WEIGHTS
    before = {name: value.clone() for name, value in load_file(file).items()}
    damage(file, how)
    if how is flipped:  # which safetensors does not mind
        assert any(not torch.equal(value, before[name]) for name, value in load_file(file).items())
    message = rf"{net}/{WEIGHTS}: its bytes are not those that were exported; .* Copy or download it again"
    with pytest.raises(CheckpointError, match=message):
        load_pipeline(folder, device="cpu")
    (folder / "manifest.json").write_text('{"files": []}')
    with pytest.raises(InputError, match=r"manifest\.json: files is \[\] and not an object; expected the SHA-256"):
        load_pipeline(folder, device="cpu")


def test_f05_the_embedded_model_has_hashes_and_is_what_they_say(tmp_path):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    load_pipeline(folder, device="cpu")
    damage(folder / "segmenter" / WEIGHTS, flipped)
    with pytest.raises(CheckpointError, match=rf"segmenter/{WEIGHTS}: its bytes are not those that were exported"):
        load_pipeline(folder, device="cpu")


@DAMAGE
@pytest.mark.parametrize("part", ["train", "validation"])
def test_f05_prepared_slices(part, how, prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "slices")
    open_slices(folder, tmp_path, SETTINGS)
    (file,) = (folder / part).glob("*.arrow")
    damage(file, how)
    with pytest.raises(
        InputError, match=rf"{part}/data\S*\.arrow: it has changed since it was made; .* Make the data"
    ):
        open_slices(folder, tmp_path, SETTINGS)
    file.unlink()
    with pytest.raises(InputError, match=r"\.arrow: no such file; expected what recoseg_hashes\.json lists"):
        open_slices(folder, tmp_path, SETTINGS)
    damage(folder / HASHES, truncated)
    with pytest.raises(InputError, match=r"recoseg_hashes\.json: it is no JSON"):
        open_slices(folder, tmp_path, SETTINGS)
