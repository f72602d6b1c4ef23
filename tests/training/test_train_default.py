"""The recipe as one command: its stages fit together, and every flag is one of the script that it is given to."""

import json
import re
from pathlib import Path

import pytest
from transformers import HfArgumentParser

from recoseg_hf.files import write_json
from recoseg_hf.learning.options import parse_options
from tests.launching import script

ROOT = Path(__file__).parents[2]
OPTIONS = {"train_synthesizer.py": "SynthesizerOptions", "train_segmenter.py": "SegmenterOptions"}


@pytest.fixture(scope="module")
def recipe():
    return script("train_default")


def planned(recipe, folder: Path, *arguments: str, workers: int = 0) -> dict:
    options = recipe.parse_arguments(["--cases", "BRATS", "--output_dir", str(folder), *arguments])
    stages = [*recipe.plan(options, recipe.Machine("a machine", "bf16", workers))]
    return {stage.name: stage for stage in stages}


def words(flags) -> list[str]:
    return [text for name, value in flags.items() for text in (f"--{name}", str(value))]


def test_every_stage_reads_what_one_before_it_wrote(recipe, tmp_path):
    stages = planned(recipe, tmp_path)
    assert [*stages] == ["synthesizer", "residuals", "segmenter", "threshold", "model"]
    written = {tmp_path / "slices", tmp_path / "record.json"}
    for stage in stages.values():
        outputs = {stage.flags[name] for name in ("output_dir", "output") if name in stage.flags}
        flat = [one for value in stage.flags.values() for one in (value if isinstance(value, list) else [value])]
        inside = {value for value in flat if isinstance(value, Path) and value.is_relative_to(tmp_path)}
        assert inside - outputs <= written, stage.name
        written |= outputs
    assert stages["model"].flags["output"] == tmp_path / "model"


def test_trainings_take_their_configuration_and_the_machine(recipe, tmp_path):
    for workers in (0, 4):
        stages = planned(recipe, tmp_path, "--synthesizer_steps=7", "--num_samples=0", workers=workers)
        for name in ("synthesizer", "segmenter"):
            kind = getattr(script(f"train_{name}"), OPTIONS[f"train_{name}.py"])
            options = parse_options(kind, words(stages[name].flags))
            assert (options.train_batch_size, options.learning_rate, options.lr_scheduler) == (16, 1e-3, "cosine")
            assert (options.mixed_precision, options.dataloader_num_workers) == ("bf16", workers)
        assert stages["synthesizer"].flags["max_train_steps"] == 7
        assert stages["segmenter"].flags["max_train_steps"] == 5500
        learnt_for = (stages["synthesizer"].flags["few_steps"], stages["synthesizer"].flags["few_step_share"])
        assert learnt_for == (1, 0.5)  # the denoising steps of pipelines/recoseg_fast
        assert options.ensemble_share == 0


def test_the_other_scripts_know_their_flags(recipe, tmp_path):
    stages = planned(recipe, tmp_path)
    HfArgumentParser(script("cache_residuals").CacheOptions).parse_args(words(stages["residuals"].flags))
    chosen = script("recalibrate_threshold").parse_arguments(words(stages["threshold"].flags))
    assert chosen.part == "validation"
    known = set(re.findall(r'"--(\w+)"', (ROOT / "training" / "embed_default.py").read_text()))
    assert stages["model"].flags.keys() <= known


def test_the_chosen_threshold_is_embedded(recipe, tmp_path):
    assert planned(recipe, tmp_path)["model"].flags["mask_threshold"] == 0.15
    write_json(tmp_path / "threshold" / "model_index.json", {"mask_threshold": 0.35})
    assert planned(recipe, tmp_path)["model"].flags["mask_threshold"] == 0.35


def test_what_is_not_chosen_is_the_systems(recipe, tmp_path):
    flags = planned(recipe, tmp_path)["model"].flags
    own = json.loads((ROOT / "pipelines" / "recoseg_fast" / "model_index.json").read_text(encoding="utf-8"))
    names = ("seed_threshold", "slice_smoothing", "region_threshold", "num_inference_steps")
    assert {name: flags[name] for name in names} == {name: own[name] for name in names}
    assert planned(recipe, tmp_path, "--region_threshold=0.4")["model"].flags["region_threshold"] == 0.4


def test_the_record_says_what_was_done(recipe, tmp_path):
    manifest = {"settings": {}, "subjects": {"train": ["a", "b"], "validation": ["c"]}, "sha256": {}}
    write_json(tmp_path / "slices" / "recoseg_manifest.json", manifest)
    options = recipe.parse_arguments(["--cases", "BRATS", "--output_dir", str(tmp_path)])
    done = {
        part: {"seconds": 720, "flags": {"train_batch_size": "16", "max_train_steps": "9"}}
        for part in ("synthesizer", "segmenter")
    }
    found = recipe.record(options, recipe.Machine("a machine", "bf16", 0), done, train_slices=31)
    assert found["machine"] == "a machine, precision bf16"
    assert (found["train_subjects"], found["validation_subjects"]) == (2, 1)
    assert found["train_slices"] == 31
    assert (found["segmenter"]["hours"], found["segmenter"]["steps"]) == ("0.2", 9)
