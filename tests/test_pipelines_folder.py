"""The systems of `pipelines/`: what they say is what the paper, or our card, says; each builds with fresh weights."""

import json
from pathlib import Path

import pytest
import torch

from recoseg_hf.evaluation.baselines import VolumePipeline
from recoseg_hf.files import shipped_folder
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

FOLDERS = {folder.name: folder for folder in sorted(shipped_folder("pipelines").iterdir()) if folder.is_dir()}
PLANAR = {name: folder for name, folder in FOLDERS.items() if not name.startswith("unet3d")}
VOLUMES = {name: folder for name, folder in FOLDERS.items() if name not in PLANAR}
SEEN = {
    "unet2d": "flair,t1,t2",
    "unet2d_t1ce": "flair,t1,t2,t1ce",
    "unet2d_static": "flair,t1,t2,static_residual",
    "ddmm_synth": "flair,t1,t2,synthetic_t1ce",
    "recoseg": "flair,t1,t2,residual",
    "recoseg_plus_plus": "flair,t1,t2,residual",
    "recoseg_small": "flair,t1,t2,residual",
    "recoseg_fast": "flair,t1,t2,t1ce,residual",
    "unet3d": "flair,t1,t2",
    "unet3d_t1ce": "flair,t1,t2,t1ce",
    "unet3d_residual": "flair,t1,t2,residual",
}
PAPERS = [name for name in SEEN if name not in ("recoseg_small", "recoseg_fast")]
PREPROCESSING = ("image_size", "field_of_view", "lower_percentile", "upper_percentile", "normalization", "regions")


def index_of(folder: Path) -> dict:
    return json.loads((folder / "model_index.json").read_text())


@pytest.fixture(scope="module")
def built():
    """Each system with fresh weights."""
    classes = {name: VolumePipeline if name in VOLUMES else ReCoSegPipeline for name in FOLDERS}
    return {name: classes[name].from_config_folder(folder) for name, folder in FOLDERS.items()}


def parameters(net) -> int:
    return 0 if net is None else sum(weight.numel() for weight in net.parameters())


def test_every_system_of_the_table_is_there_and_sees_what_it_says():
    assert {name: index_of(folder)["segmenter_inputs"] for name, folder in FOLDERS.items()} == SEEN


@pytest.mark.parametrize("name", FOLDERS)
def test_only_what_draws_t1ce_has_a_synthesizer(name, built):
    assert (built[name].synthesizer is not None) == (SEEN[name].split(",")[-1] in ("residual", "synthetic_t1ce"))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_holds_configurations_alone(name):
    files = [file for file in FOLDERS[name].rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".json", ".md"}
    assert (FOLDERS[name] / "scheduler" / "scheduler_config.json").is_file()


@pytest.mark.parametrize("name", VOLUMES)
def test_a_3d_system_names_our_segmenter_and_our_pipeline(name):
    index = index_of(FOLDERS[name])
    assert index["_class_name"] == "VolumePipeline"
    assert index["segmenter"] == ["recoseg_hf.evaluation.baselines", "VolumeUNet"]


@pytest.mark.parametrize("name", PLANAR)
def test_every_list_names_a_diffusers_component(name):
    index = index_of(FOLDERS[name])
    assert index["_class_name"] == "ReCoSegPipeline"
    lists = {key: value for key, value in index.items() if isinstance(value, list)}
    assert set(lists) == {"synthesizer", "scheduler", "segmenter"}  # any other breaks loading from the Hub
    assert all(library in ("diffusers", None) for library, _ in lists.values())


@pytest.mark.parametrize("name", FOLDERS)
def test_every_setting_is_written_out(name, built):
    settings = {key for key in index_of(FOLDERS[name]) if not key.startswith("_")}
    assert settings == {key for key in built[name].config if not key.startswith("_")}


@pytest.mark.parametrize("name", FOLDERS)
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


@pytest.mark.parametrize(
    ("name", "sides"), [("recoseg", []), ("recoseg_plus_plus", [30, 15]), ("ddmm_synth", [30, 15])]
)
def test_the_papers_synthesizers_attend_at_30_and_15_pixels_and_the_posters_nowhere(name, sides, built):
    config = built[name].synthesizer.config
    levels = [120 // 2**level for level in range(len(config.down_block_types))]
    assert [side for side, kind in zip(levels, config.down_block_types, strict=True) if "Attn" in kind] == sides
    attention = [module for module in built[name].synthesizer.modules() if type(module).__name__ == "Attention"]
    assert bool(attention) == bool(sides)


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_rows_share_grid_intensities_and_region(name):
    index, reference = index_of(FOLDERS[name]), index_of(FOLDERS["recoseg_plus_plus"])
    assert {key: index[key] for key in PREPROCESSING} == {key: reference[key] for key in PREPROCESSING}


@pytest.mark.parametrize("name", [name for name in PAPERS if name in PLANAR])
def test_the_papers_2d_rows_share_the_segmenter_but_for_its_first_layer(name):
    def net_of(system: str) -> dict:
        config = json.loads((FOLDERS[system] / "segmenter" / "config.json").read_text())
        return {key: value for key, value in config.items() if key not in ("in_channels", "num_class_embeds")}

    assert net_of(name) == net_of("recoseg_plus_plus")


@pytest.mark.parametrize("name", ["ddmm_synth", "unet3d_residual"])
def test_rows_that_share_a_synthesizer_have_the_papers(name):
    for file in ("synthesizer/config.json", "scheduler/scheduler_config.json"):
        assert (FOLDERS[name] / file).read_bytes() == (FOLDERS["recoseg_plus_plus"] / file).read_bytes()


@pytest.mark.parametrize("name", FOLDERS)
def test_the_table_of_systems_has_its_parameters(name, built):
    rows = (shipped_folder("pipelines") / "README.md").read_text().split("##")[0].splitlines()
    (row,) = [line for line in rows if line.startswith(f"| `{name}` |")]
    counts = [parameters(net) for net in (built[name].synthesizer, built[name].segmenter)]
    shown = [f"{count / 1e6:.2f} M" if count else "none" for count in counts]
    name_of_guide = SEEN[name].removeprefix("flair,t1,t2").lstrip(",")
    threshold = f"{built[name].config.mask_threshold:g}"
    cells = [cell.strip() for cell in row.split("|")[2:6]]
    assert cells == [f"`{name_of_guide}`" if name_of_guide else "nothing", *shown, threshold]


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
