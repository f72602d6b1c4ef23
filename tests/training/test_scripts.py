"""The training scripts as a user runs them, one after the other, on slices of simulated cases."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from datasets import load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.learning.folder_lock import LOCK
from recoseg_hf.learning.options import parse_options
from recoseg_hf.learning.residual_origin import synthesizer_sha256
from recoseg_hf.learning.slices import read_manifest
from recoseg_hf.learning.start import load_or_build
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.launching import script
from tests.tiny import brain_slices, tiny_pipeline

ROOT = Path(__file__).parents[2]
TINY = """
train_batch_size: 2
max_train_steps: 3
lr_warmup_steps: 1
validation_steps: 2
checkpointing_steps: 2
report_to: none
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command: str, **environment: str) -> str:
    """What a command said; its failure is the test's."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A folder of configurations as those of `pipelines/`, and `tiny.yaml`."""
    folder = tmp_path_factory.mktemp("start")
    tiny_pipeline(field_of_view=16, context_slices=1, regions="wt,tc,et", pixel_unshuffle=2).save_pretrained(folder)
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    (folder / "tiny.yaml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def synthesizer(start, brats_like, tmp_path_factory) -> Path:
    """Output of `train_synthesizer.py` on two CPU processes, straight from a BraTS-style folder."""
    output = tmp_path_factory.mktemp("synthesizer")
    run(
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_port", str(free_port()), "training/train_synthesizer.py", str(start / "tiny.yaml"),
        "--pretrained_model_name_or_path", str(start), "--train_data_dir", str(brats_like),
        "--output_dir", str(output), ACCELERATE_USE_CPU="true",
    )  # fmt: skip
    return output


@pytest.fixture(scope="module")
def residuals(synthesizer, prepared, tmp_path_factory) -> Path:
    """Output of `cache_residuals.py`."""
    output = tmp_path_factory.mktemp("data") / "residuals"
    cache = script("cache_residuals")
    names = ("pretrained_model_name_or_path", "train_data_dir", "output_dir")
    paths = dict(zip(names, map(str, (synthesizer, prepared, output)), strict=True))
    cache.main(cache.CacheOptions(**paths, num_samples=2))
    return output


@pytest.fixture(scope="module")
def segmenter(start, synthesizer, residuals, tmp_path_factory) -> Path:
    """Output of `train_segmenter.py`."""
    output = tmp_path_factory.mktemp("segmenter")
    run(
        sys.executable, "training/train_segmenter.py", str(start / "tiny.yaml"),
        "--pretrained_model_name_or_path", str(synthesizer), "--train_data_dir", str(residuals),
        "--output_dir", str(output),
    )  # fmt: skip
    return output


@pytest.mark.parametrize(
    ("config", "name", "options"),
    [
        ("recoseg_small_synthesizer", "train_synthesizer", "SynthesizerOptions"),
        ("recoseg_small_segmenter", "train_segmenter", "SegmenterOptions"),
    ],
)
def test_a_shipped_configuration_is_one_of_its_script(config, name, options):
    file = ROOT / "training" / "configs" / f"{config}.yaml"
    settings = yaml.safe_load(file.read_text())
    start = str(ROOT / "pipelines" / "recoseg_small")
    flags = ["--pretrained_model_name_or_path", start, "--train_data_dir", "data", "--output_dir", "out"]
    found = parse_options(getattr(script(name), options), [str(file), *flags])
    assert (found.max_train_steps, found.lr_scheduler) == (settings["max_train_steps"], settings["lr_scheduler"])
    assert load_or_build(found.pretrained_model_name_or_path, 0).config.image_size == 120


def test_every_shipped_configuration_is_tested():
    names = {file.stem for file in (ROOT / "training" / "configs").glob("*.yaml")}
    assert names == {"recoseg_small_synthesizer", "recoseg_small_segmenter"}


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


class TestSynthesizer:
    def test_two_processes_trained_as_one(self, synthesizer):
        state = json.loads((synthesizer / "checkpoint-3" / "state.json").read_text())
        assert state["step"] == 3
        assert state["progress"]["made_with"]["processes"] == 2
        assert sorted(path.name for path in synthesizer.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-3"]

    def test_the_folder_of_cases_was_prepared_once_and_whole(self, synthesizer, prepared):
        assert read_manifest(synthesizer / "slices") == read_manifest(prepared)
        assert len(load_from_disk(str(synthesizer / "slices"))["train"]) == len(load_from_disk(str(prepared))["train"])

    def test_validations_were_logged_once(self, synthesizer):
        scores = [(entry["step"], sorted(entry)) for entry in log(synthesizer)]
        assert scores == [(step, ["step", "validation/mae", "validation/psnr"]) for step in (2, 3)]

    def test_the_result_loads_with_a_trained_synthesizer_and_the_segmenter_as_it_was(self, synthesizer, start):
        trained = ReCoSegPipeline.from_pretrained(synthesizer)
        fresh = ReCoSegPipeline.from_config_folder(start, seed=0)
        assert not torch.equal(trained.synthesizer.conv_in.weight, fresh.synthesizer.conv_in.weight)
        assert torch.equal(trained.segmenter.conv_in.weight, fresh.segmenter.conv_in.weight)
        assert trained.config.regions == "wt,tc,et"


class TestResiduals:
    def test_columns_and_manifest_say_how_they_came_about(self, residuals, synthesizer, prepared):
        table = load_from_disk(str(residuals))["validation"]
        assert {"synthetic_t1ce", "spread", "residual_max", "spread_max"} <= set(table.column_names)
        manifest = read_manifest(residuals)
        weights = synthesizer_sha256(ReCoSegPipeline.from_pretrained(synthesizer))
        origin = manifest.pop("residuals")
        assert (origin["steps"], origin["samples"], origin["seed"]) == (2, 2, 0)
        assert (origin["protocol"], origin["seen"]) == ("in_sample", ["sub-01", "sub-02"])
        assert [model["weights_sha256"] for model in origin["models"]] == [weights]
        assert manifest == read_manifest(prepared)


class TestSegmenter:
    def test_the_result_is_a_whole_pipeline_that_segments(self, segmenter, synthesizer):
        trained, before = ReCoSegPipeline.from_pretrained(segmenter), ReCoSegPipeline.from_pretrained(synthesizer)
        assert torch.equal(trained.synthesizer.conv_in.weight, before.synthesizer.conv_in.weight)
        assert not torch.equal(trained.segmenter.conv_in.weight, before.segmenter.conv_in.weight)
        trained.set_progress_bar_config(disable=True)
        output = trained(**brain_slices())
        assert np.isfinite(output.probability).all()
        assert list(output.region_probabilities) == ["wt", "tc", "et"]

    def test_dice_of_each_region_was_logged(self, segmenter):
        assert [entry["step"] for entry in log(segmenter)] == [2, 3]
        assert {"validation/dice_wt", "validation/dice_tc", "validation/dice_et"} < set(log(segmenter)[0])

    def test_only_safetensors_json_and_text_are_written(self, segmenter):
        suffixes = {file.suffix for file in segmenter.rglob("*") if file.is_file() and file.name != LOCK}
        assert suffixes == {".json", ".jsonl", ".safetensors"}
        assert (segmenter / LOCK).stat().st_size == 0

    def test_without_cached_residuals_it_says_so_before_training(self, start, synthesizer, prepared, tmp_path):
        train = script("train_segmenter")
        names = ("pretrained_model_name_or_path", "train_data_dir", "output_dir")
        paths = dict(zip(names, map(str, (synthesizer, prepared, tmp_path)), strict=True))
        AcceleratorState._reset_state(reset_partial_state=True)
        with pytest.raises(InputError, match=r"no synthetic_t1ce, .* in train; expected slices with cached residuals"):
            train.main(train.SegmenterOptions(**paths, report_to="none"))
        AcceleratorState._reset_state(reset_partial_state=True)
