"""`training/train_volume.py` as a user runs it, on volumes of simulated cases."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.baselines import VolumePipeline
from recoseg_hf.inference import load_pipeline
from recoseg_hf.learning.options import parse_options
from recoseg_hf.learning.subjects import subject_hash
from tests.launching import script
from tests.tiny import brain_slices, tiny_pipeline
from tests.volumes import tiny_volume_pipeline

pytestmark = pytest.mark.usefixtures("fresh_accelerate")
TINY = {"max_train_steps": 4, "lr_warmup_steps": 1, "validation_steps": 2, "checkpointing_steps": 2}


@pytest.fixture(scope="module")
def volume():
    return script("train_volume")


def system(folder, **settings):
    """A folder of configurations as those of `pipelines/`, on pixels of 1 mm as `prepared` has them."""
    tiny_volume_pipeline(field_of_view=16, slice_spacing=1, **settings).save_pretrained(folder)
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return system(tmp_path_factory.mktemp("start"), segmenter_inputs="flair,t1,t2,t1ce", regions="wt,et")


@pytest.fixture(scope="module")
def residuals(prepared, tmp_path_factory):
    """A 2D model, and the slices with the residuals that it drew."""
    model, output = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("data") / "residuals"
    tiny_pipeline(field_of_view=16).save_pretrained(model)
    cache = script("cache_residuals")
    cache.main(cache.CacheOptions(str(model), str(prepared), str(output), num_samples=0))
    return model, output


def options(volume, start, data, output, **changes):
    paths = {
        "pretrained_model_name_or_path": str(start), "train_data_dir": str(data), "output_dir": str(output),
    }  # fmt: skip
    return volume.VolumeOptions(**paths, report_to="none", **TINY | changes)


def test_it_trains_and_leaves_a_model_that_loads_by_name(volume, start, prepared, tmp_path):
    volume.main(options(volume, start, prepared, tmp_path / "run"))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log if "validation/dice_wt" in entry] == [2, 4]
    record = json.loads((tmp_path / "run" / "training_record.json").read_text())
    assert record["options"]["tumour_share"] == 0.33
    assert record["subjects_seen"] == sorted(subject_hash(subject) for subject in ("sub-01", "sub-02"))
    fresh = VolumePipeline.from_config_folder(start, 0).segmenter.state_dict()
    trained = load_pipeline(tmp_path / "run", device="cpu", dtype=torch.float32)
    assert type(trained) is VolumePipeline
    assert all(not torch.equal(fresh[name], value) for name, value in trained.segmenter.state_dict().items())
    assert trained(**brain_slices()).mask.shape == (6, 17, 21)


def test_a_run_that_was_stopped_gives_the_weights_of_one_that_was_not(volume, start, prepared, tmp_path):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    volume.main(options(volume, start, prepared, whole))
    shutil.copytree(whole, parted, ignore=shutil.ignore_patterns("checkpoint-4", "segmenter", "model_index.json"))
    volume.main(options(volume, start, prepared, parted, resume_from_checkpoint="latest"))
    one, two = (load_file(run / "segmenter" / "diffusion_pytorch_model.safetensors") for run in (whole, parted))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_residual_is_trained_on_and_its_synthesizer_goes_with_the_model(volume, residuals, tmp_path):
    model, data = residuals
    start = system(tmp_path / "start", segmenter_inputs="flair,t1,t2,residual", synthesizer=True, residual_clip=0.5)
    chosen = options(volume, start, data, tmp_path / "run", synthesizer_model=str(model), max_train_steps=2)
    volume.main(chosen)
    trained, drew = VolumePipeline.from_pretrained(tmp_path / "run"), tiny_pipeline(field_of_view=16).synthesizer
    assert all(torch.equal(value, drew.state_dict()[name]) for name, value in trained.synthesizer.state_dict().items())


def test_residuals_of_an_unknown_synthesizer_are_refused(volume, residuals, tmp_path):
    data = residuals[1]
    start = system(tmp_path / "start", segmenter_inputs="flair,t1,t2,residual", synthesizer=True)
    with pytest.raises(InputError, match=r"its synthesizer has fresh weights; .* drew them with: --synthesizer_model"):
        volume.main(options(volume, start, data, tmp_path / "run"))
    other = tmp_path / "other"
    tiny_pipeline(field_of_view=16, seed=5).save_pretrained(other)
    with pytest.raises(InputError, match="residuals of another synthesizer"):
        volume.main(options(volume, start, data, tmp_path / "run", synthesizer_model=str(other)))


def test_slices_without_residuals_are_refused(volume, residuals, prepared, tmp_path):
    start = system(tmp_path / "start", segmenter_inputs="flair,t1,t2,residual", synthesizer=True)
    with pytest.raises(InputError, match=r"no synthetic_t1ce, residual_max in train; .* Run training/cache_residuals"):
        volume.main(options(volume, start, prepared, tmp_path / "run", synthesizer_model=str(residuals[0])))


def test_a_2d_system_is_refused(volume, prepared, tmp_path):
    tiny_pipeline(field_of_view=16).save_pretrained(tmp_path / "flat")
    for weights in (tmp_path / "flat").rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(InputError, match=r"flat: .*; expected a 3D system\. Name pipelines/unet3d"):
        volume.main(options(volume, tmp_path / "flat", prepared, tmp_path / "run"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--freeze", "encoder"], "freeze=encoder; not for the 3D baselines"),
        (["--validation_every", "3"], "validation_every=3; not for the 3D baselines"),
        (["--tumour_share", "1.5"], r"tumour_share=1\.5; expected 0 to 1"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(volume, flags, message, capsys):
    paths = ["--pretrained_model_name_or_path", "a", "--train_data_dir", "b", "--output_dir", "c"]
    with pytest.raises(SystemExit, match="2"):
        parse_options(volume.VolumeOptions, [*paths, *flags])
    assert re.search(message, capsys.readouterr().err)
