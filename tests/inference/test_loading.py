"""Models by name: what is not one is told from what is."""

import json
import shutil

import pytest
import torch

from recoseg_hf.errors import CheckpointError, InputError
from recoseg_hf.files import shipped_folder
from recoseg_hf.inference import load_pipeline
from recoseg_hf.inference.loading import find_model, load_settings
from recoseg_hf.inference.report import describe_model
from recoseg_hf.inference.saving import save_pipeline, write_weight_hashes
from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL, ReCoSegPipeline
from tests.tiny import tiny_pipeline as three_regions


def test_a_saved_model_loads(tiny_model, tiny_pipeline):
    pipeline = load_pipeline(tiny_model, device="cpu", dtype=torch.float32)
    assert type(pipeline) is type(tiny_pipeline)
    for name in ("synthesizer", "segmenter"):
        saved, loaded = getattr(tiny_pipeline, name).state_dict(), getattr(pipeline, name).state_dict()
        assert all(torch.equal(saved[key], loaded[key]) for key in saved)
    assert pipeline.device.type == "cpu"


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({}, torch.float32),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_the_nets_compute_in_what_the_processor_has(tiny_model, monkeypatch, capabilities, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    pipeline = load_pipeline(tiny_model, device="cpu")
    assert (pipeline.synthesizer.dtype, pipeline.segmenter.dtype) == (dtype, dtype)


def test_a_dtype_may_be_named(tiny_model):
    assert load_pipeline(tiny_model, device="cpu", dtype=torch.float64).segmenter.dtype == torch.float64


def test_settings_need_no_weights(tiny_model):
    assert load_settings(tiny_model)["image_size"] == 16


@pytest.mark.parametrize("name", ["./missing/model", "/no/such/folder", "one/two/three", "missing", "~/model"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(name):
    with pytest.raises(InputError, match=r"no such folder; expected a model folder with model_index\.json, or a Hub"):
        find_model(name)


def test_what_may_be_a_hub_id_is_told_as_both():
    # The tests run offline, so that the Hub cannot be asked.
    with pytest.raises(InputError, match=r"^org/no-such-model: no such folder here, and the Hub cannot be reached"):
        find_model("org/no-such-model")


def test_a_file_is_no_model(tiny_model):
    with pytest.raises(InputError, match=r"model_index\.json: it is a file; .* Give the folder that holds it"):
        find_model(tiny_model / "model_index.json")


def test_a_folder_without_an_index_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"no model_index\.json; the folder holds notes\.txt"):
        load_pipeline(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"_class_name": "DDPMPipeline"}, r"_class_name is 'DDPMPipeline'; expected ReCoSegPipeline"),
        ({"_class_name": ["pipeline", "ReCoSegPipeline"]}, r"_class_name is \['pipeline', 'ReCoSegPipeline'\]"),
        ({}, r"it lacks _class_name; expected a pipeline's index"),
        ([], r"it is \[\] and not an object; expected a pipeline's index"),
    ],
)
def test_another_class_is_refused(tmp_path, index, message):
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=message):
        load_pipeline(tmp_path)


def test_a_damaged_index_is_named(tmp_path):
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(InputError, match=r"model_index\.json: it is no JSON .*; expected a pipeline's index"):
        load_settings(tmp_path)


def test_a_system_without_weights_is_told_from_a_model():
    with pytest.raises(InputError, match=r"recoseg_small: it holds settings but no weights; .* Train it first"):
        load_pipeline(shipped_folder("pipelines") / "recoseg_small")


def test_damaged_weights_are_named(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "torn")
    weights = next(folder.glob("segmenter/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"torn: the model does not load .* Copy or download it again"):
        load_pipeline(folder)


def test_a_net_that_cannot_be_built_leaves_the_default_dtype(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "broken")
    config = json.loads((folder / "segmenter" / "config.json").read_text())
    (folder / "segmenter" / "config.json").write_text(json.dumps(config | {"block_out_channels": [8]}))
    with pytest.raises(CheckpointError, match="broken: the model does not load"):
        load_pipeline(folder, device="cpu", dtype=torch.bfloat16)
    assert torch.get_default_dtype() == torch.float32


def test_pickled_weights_are_refused(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "pickled")
    weights = next(folder.glob("segmenter/*.safetensors"))
    torch.save(torch.nn.Linear(1, 1).state_dict(), folder / "segmenter" / "diffusion_pytorch_model.bin")
    weights.unlink()
    with pytest.raises(CheckpointError, match="pickled: the model does not load"):
        load_pipeline(folder)


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_a_device_that_is_not_there_is_named(tiny_model, device):
    with pytest.raises(InputError, match=rf"^device {device}: torch cannot use it \(.*Run on cpu\."):
        load_pipeline(tiny_model, device=device)


def test_the_embedded_model_is_the_default():
    if not (EMBEDDED_MODEL / "model_index.json").is_file():
        pytest.skip("no weights are embedded here")
    assert describe_model(load_pipeline(device="cpu"))["name"] == "recoseg-small"


def test_a_parameter_that_lacks_is_named(tiny_model, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_model, tmp_path / "model")
    file = tmp_path / "model" / "segmenter" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    lost = tensors.pop("conv_in.bias")
    save_file(tensors | {"conv_in.bios": lost}, file)
    with pytest.raises(
        CheckpointError, match=r"segmenter: its weights lack conv_in\.bias; expected a tensor for each"
    ):
        load_pipeline(tmp_path / "model", device="cpu")


def test_a_model_saved_over_another_is_not_compared_with_the_hashes_of_that(tiny_pipeline, tmp_path):
    save_pipeline(tiny_pipeline, tmp_path)
    write_weight_hashes(tmp_path)
    save_pipeline(three_regions(regions="wt,tc,et"), tmp_path)
    assert load_pipeline(tmp_path, device="cpu").segmenter.config.out_channels == 3


@pytest.mark.parametrize(
    "others", [{"name": "app", "icons": []}, [], {"files": {"main.css": "/main.css"}}], ids=["app", "list", "files"]
)
def test_a_manifest_of_another_program_is_no_matter(tiny_model, tmp_path, others):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "manifest.json").write_text(json.dumps(others))
    assert load_pipeline(folder, device="cpu").config.image_size == 16


def test_a_device_without_room_for_the_model_is_told(tiny_model, monkeypatch):
    def full(self, device):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words.")

    monkeypatch.setattr(ReCoSegPipeline, "to", full)
    with pytest.raises(InputError, match=r"more memory than cpu has left \(CUDA out of memory\. Tried to allocate 2"):
        load_pipeline(tiny_model, device="cpu")


@pytest.mark.parametrize("error", [MemoryError(), ImportError("libc10.so")], ids=["memory", "import"])
def test_what_is_no_fault_of_the_files_is_not_blamed_on_them(tiny_model, monkeypatch, error):
    def fail(folder, dtype):
        raise error

    monkeypatch.setattr(ReCoSegPipeline, "from_pretrained", fail)
    expected = ImportError if isinstance(error, ImportError) else InputError
    with pytest.raises(expected, match=r"libc10|more memory than cpu has left \(MemoryError\)"):
        load_pipeline(tiny_model, device="cpu")
