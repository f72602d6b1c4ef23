"""Systems made from systems: what is asked for changes, the channels follow, all else stays."""

import json
from pathlib import Path

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.baselines import VolumePipeline
from recoseg_hf.evaluation.systems.variants import cpu_variant, unet_levels, vary_system
from recoseg_hf.files import shipped_folder
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

SYSTEMS = shipped_folder("pipelines")
SMALL = ("recoseg_small", "recoseg_fast")
NAMES = sorted(folder.name for folder in SYSTEMS.iterdir() if folder.is_dir())


def read(folder: Path, file: str = "model_index.json") -> dict:
    return json.loads((folder / file).read_text())


def build(folder: Path) -> ReCoSegPipeline:
    kind = VolumePipeline if read(folder)["_class_name"] == "VolumePipeline" else ReCoSegPipeline
    return kind.from_config_folder(folder)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changed_is_the_same_system(name, tmp_path):
    vary_system(SYSTEMS / name, tmp_path / name)
    files = {file.relative_to(SYSTEMS / name) for file in (SYSTEMS / name).rglob("*.json")}
    assert {file.relative_to(tmp_path / name) for file in (tmp_path / name).rglob("*.json")} == files
    for file in files:
        assert read(tmp_path / name, file) == read(SYSTEMS / name, file)


class TestVarySystem:
    def test_the_channels_follow_the_inputs_and_regions(self, tmp_path):
        settings = {"segmenter_inputs": "flair,t1ce", "regions": "wt,et", "context_slices": 2, "pixel_unshuffle": 2}
        folder = vary_system(SYSTEMS / "recoseg_plus_plus", tmp_path / "new", settings=settings)
        net = read(folder, "segmenter/config.json")
        assert (net["in_channels"], net["out_channels"], net["sample_size"]) == (4 * 2 * 5, 8, 60)
        assert {name: read(folder)[name] for name in settings} == settings

    def test_a_synthesizer_that_nobody_needs_goes_with_the_label_of_its_residual(self, tmp_path):
        system = vary_system(SYSTEMS / "recoseg", tmp_path / "new", settings={"segmenter_inputs": "flair,t1,t2"})
        assert read(system)["synthesizer"] == [None, None]
        assert not (system / "synthesizer" / "config.json").exists()
        assert "num_class_embeds" not in read(system, "segmenter/config.json")
        assert build(system).synthesizer is None

    def test_the_information_matched_row_of_the_small_system_differs_in_its_input_alone(self, tmp_path):
        settings = {"segmenter_inputs": "flair,t1,t2,t1ce"}
        small = read(SYSTEMS / "recoseg_small")
        matched = read(vary_system(SYSTEMS / "recoseg_small", tmp_path / "new", settings=settings))
        assert {name for name in small if small[name] != matched[name]} == {"segmenter_inputs", "synthesizer"}
        nets = [read(folder, "segmenter/config.json") for folder in (SYSTEMS / "recoseg_small", tmp_path / "new")]
        assert nets[0] == nets[1] | {"num_class_embeds": 3}

    def test_a_schedule_without_attention(self, tmp_path):
        folder = vary_system(
            SYSTEMS / "recoseg_plus_plus",
            tmp_path / "new",
            scheduler={"beta_schedule": "linear"},
            synthesizer=unet_levels((8, 16), 120) | {"add_attention": False},
        )
        pipeline = build(folder)
        assert pipeline.scheduler.config.beta_schedule == "linear"
        assert "Attention" not in {type(module).__name__ for module in pipeline.synthesizer.modules()}
        assert pipeline.synthesizer.config.block_out_channels == [8, 16]

    def test_the_same_folder_may_be_written_again(self, tmp_path):
        for inputs in ("flair,t1,t2,residual", "flair,t1,t2"):
            vary_system(SYSTEMS / "recoseg", tmp_path / "new", settings={"segmenter_inputs": inputs})
        assert build(tmp_path / "new").channels == ("flair", "t1", "t2")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"settings": {"residual_clop": 0.3}}, r"model_index\.json: no setting residual_clop; expected settings"),
            ({"synthesizer": {"attention": False}}, r"synthesizer/config\.json: no setting attention"),
            ({"scheduler": {"schedule": "linear"}}, r"scheduler_config\.json: no setting schedule"),
        ],
    )
    def test_a_misspelt_name_is_refused(self, changes, message, tmp_path):
        with pytest.raises(InputError, match=message):
            vary_system(SYSTEMS / "recoseg_plus_plus", tmp_path / "new", **changes)
        assert not (tmp_path / "new").exists()

    def test_what_nothing_draws_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"unet2d: no synthesizer, which flair,residual needs; expected a system"):
            vary_system(SYSTEMS / "unet2d", tmp_path / "new", settings={"segmenter_inputs": "flair,residual"})

    def test_weights_are_not_overwritten(self, tmp_path):
        (tmp_path / "segmenter").mkdir()
        (tmp_path / "segmenter" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
        with pytest.raises(InputError, match="it holds weights; expected a new folder"):
            vary_system(SYSTEMS / "unet2d", tmp_path)

    def test_a_folder_that_is_no_system_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"model_index\.json: no such file; expected a folder as those of"):
            vary_system(tmp_path, tmp_path / "new")


class TestCpuVariant:
    @pytest.fixture(scope="class", params=NAMES)
    @classmethod
    def variant(cls, request, tmp_path_factory):
        """A system's name, its folder and that of its variant."""
        folder = tmp_path_factory.mktemp("variants") / request.param
        return request.param, SYSTEMS / request.param, cpu_variant(SYSTEMS / request.param, folder)

    def test_only_folding_steps_and_the_solver_change(self, variant):
        name, before, after = variant
        one, two = read(before), read(after)
        changed = {key for key in one if one[key] != two[key]}
        expected = {"pixel_unshuffle", "num_inference_steps", "scheduler"} if name not in SMALL else set()
        assert changed == expected
        assert (two["pixel_unshuffle"], two["num_inference_steps"] <= 50) == (2, True)

    def test_the_noise_stays_and_the_solver_is_ddim(self, variant):
        _, before, after = variant
        one, two = (read(folder, "scheduler/scheduler_config.json") for folder in (before, after))
        kept = ("beta_schedule", "beta_start", "beta_end", "prediction_type", "num_train_timesteps", "clip_sample")
        assert {name: one[name] for name in kept} == {name: two[name] for name in kept}
        assert (two["_class_name"], two["timestep_spacing"]) == ("DDIMScheduler", "trailing")
        assert two["rescale_betas_zero_snr"] == one["rescale_betas_zero_snr"]

    def test_it_builds_with_narrow_nets_and_the_papers_attention(self, variant):
        name, _, after = variant
        pipeline = build(after)
        nets = [net for net in (pipeline.synthesizer, pipeline.segmenter) if type(net).__name__ == "UNet2DModel"]
        assert all(tuple(net.config.block_out_channels) == (32, 64, 128) for net in nets)
        if pipeline.synthesizer is not None:
            kinds = ["Attn" in kind for kind in pipeline.synthesizer.config.down_block_types]
            assert kinds == [
                False,
                *[name in ("recoseg_plus_plus", "ddmm_synth", "unet3d_residual")] * 2,
            ]  # 60, 30, 15

    def test_the_table_has_its_parameters(self, variant):
        name, _, after = variant
        table = (SYSTEMS / "README.md").read_text().split("| `cpu_variant` of |")[1].splitlines()
        rows = [line for line in table if f"`{name}`" in line]
        assert len(rows) == (name not in SMALL)  # which are as small already
        pipeline = build(after)
        nets = [pipeline.synthesizer, pipeline.segmenter]
        counts = [sum(weight.numel() for weight in net.parameters()) / 1e6 if net is not None else 0 for net in nets]
        shown = [f"{count:.2f} M" if count else "none" for count in counts]
        assert all([cell.strip() for cell in row.split("|")[2:4]] == shown for row in rows)
