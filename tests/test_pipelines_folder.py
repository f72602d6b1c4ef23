"""The systems of `pipelines/`: what they say is what the paper, or our card, says; each builds with fresh weights."""

import json
from pathlib import Path

import pytest
import torch

from recoseg_hf.files import shipped_folder
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

FOLDERS = {folder.name: folder for folder in sorted(shipped_folder("pipelines").iterdir()) if folder.is_dir()}
PLANAR = {name: folder for name, folder in FOLDERS.items() if not name.startswith("unet3d")}


def index_of(folder: Path) -> dict:
    return json.loads((folder / "model_index.json").read_text())


@pytest.fixture(scope="module")
def built():
    """Each 2D system with fresh weights."""
    return {name: ReCoSegPipeline.from_config_folder(folder) for name, folder in PLANAR.items()}


def test_the_three_systems_are_there():
    assert {"recoseg", "recoseg_plus_plus", "recoseg_small"} <= set(FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_holds_configurations_alone(name):
    files = [file for file in FOLDERS[name].rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".json", ".md"}
    assert (FOLDERS[name] / "scheduler" / "scheduler_config.json").is_file()


@pytest.mark.parametrize("name", PLANAR)
def test_every_list_names_a_diffusers_component(name):
    index = index_of(FOLDERS[name])
    assert index["_class_name"] == "ReCoSegPipeline"
    lists = {key: value for key, value in index.items() if isinstance(value, list)}
    assert set(lists) == {"synthesizer", "scheduler", "segmenter"}  # any other breaks loading from the Hub
    assert all(library in ("diffusers", None) for library, _ in lists.values())


@pytest.mark.parametrize("name", PLANAR)
def test_every_setting_is_written_out(name, built):
    settings = {key for key in index_of(FOLDERS[name]) if not key.startswith("_")}
    assert settings == {key for key in built[name].config if not key.startswith("_")}


@pytest.mark.parametrize("name", PLANAR)
def test_its_index_is_saved_as_it_stands_there(name, built, tmp_path):
    built[name].save_config(tmp_path)
    found, expected = index_of(tmp_path), index_of(FOLDERS[name])
    assert found == expected | {"_diffusers_version": found["_diffusers_version"]}


@pytest.mark.parametrize("name", ["recoseg", "recoseg_plus_plus"])
def test_the_papers_systems_have_the_papers_settings(name, built):
    pipeline = built[name]
    scheduler = pipeline.scheduler.config
    assert type(pipeline.scheduler).__name__ == "DDPMScheduler"
    assert (scheduler.prediction_type, scheduler.num_train_timesteps) == ("epsilon", 1000)
    assert not scheduler.rescale_betas_zero_snr
    config = pipeline.config
    assert (config.image_size, config.field_of_view, config.num_inference_steps) == (120, 240, 1000)
    assert (config.lower_percentile, config.upper_percentile, config.normalization) == (1.0, 99.0, "zscore")
    assert (config.segmenter_inputs, config.regions) == ("flair,t1,t2,residual", "wt")
    assert (config.pixel_unshuffle, config.context_slices, config.flip_average) == (1, 0, False)


def test_plus_plus_differs_in_threshold_schedule_and_calibration(built):
    one, plus = built["recoseg"], built["recoseg_plus_plus"]
    assert (one.config.mask_threshold, plus.config.mask_threshold) == (0.5, 0.3)
    assert (one.config.residual_clip, plus.config.residual_clip) == (1.0, 0.5)
    schedules = [pipeline.scheduler.config.beta_schedule for pipeline in (one, plus)]
    assert schedules == ["linear", "squaredcos_cap_v2"]


@pytest.mark.parametrize("name", ["recoseg", "recoseg_plus_plus"])
def test_the_papers_synthesizer_attends_at_30_and_15_pixels(name, built):
    config = built[name].synthesizer.config
    sides = [120 // 2**level for level in range(len(config.down_block_types))]
    attentive = [side for side, block in zip(sides, config.down_block_types, strict=True) if "Attn" in block]
    assert attentive == [30, 15]


def test_the_small_system_samples_in_few_steps(built):
    scheduler = built["recoseg_small"].scheduler.config
    assert scheduler.prediction_type in ("v_prediction", "sample")
    assert scheduler.rescale_betas_zero_snr
    assert scheduler.timestep_spacing == "trailing"
    assert 1 <= built["recoseg_small"].config.num_inference_steps <= 10


def test_the_small_system_fits_the_package(built):
    nets = built["recoseg_small"].synthesizer, built["recoseg_small"].segmenter
    half_precision = 2 * sum(weight.numel() for net in nets for weight in net.parameters())
    assert half_precision < 15e6


def test_the_small_system_segments_a_slice(built):
    pipeline = built["recoseg_small"]
    inputs = torch.zeros(1, 12, 120, 120)
    with torch.no_grad():
        assert pipeline.segment_slices(inputs, "none").shape == (1, 3, 120, 120)
