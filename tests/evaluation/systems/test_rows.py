"""The rows of the table: what each differs in from ReCoSeg++ is what its title says, and its nets do it."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from recoseg_hf.evaluation.systems.rows import ROWS
from recoseg_hf.files import shipped_folder
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.synthesis import synthesis_loss
from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.tiny import tiny_net, tiny_pipeline

SYSTEMS = shipped_folder("pipelines")
FILES = {
    "model_index.json": "settings",
    "scheduler/scheduler_config.json": "scheduler",
    "synthesizer/config.json": "synthesizer",
    "segmenter/config.json": "segmenter",
}
ABLATIONS = {
    "no_attention": {},
    "regression": {"reconstruction_loss": "none"},
    "synthesis_tumour": {"synthesis_domain": "tumour"},
    "synthesis_healthy": {"synthesis_domain": "healthy"},
}
"""What the synthesizer's training has beside the paper's options."""


def read(folder: Path, file: str) -> dict:
    return json.loads((folder / file).read_text())


@pytest.mark.parametrize("full_size", [True, False])
@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_differs_from_the_papers_system_in_what_it_names_alone(name, full_size, tmp_path):
    row, base = ROWS[name], ROWS["recoseg_plus_plus"]
    written = row.write_system(SYSTEMS, tmp_path / "row", full_size, {})
    reference = base.write_system(SYSTEMS, tmp_path / "base", full_size, {})
    for file, part in FILES.items():
        one, other = read(written, file), read(reference, file)
        differing = {key for key in one | other if one.get(key) != other.get(key)}
        assert differing <= set(row.changes.get(part, {})), file
    assert (row.training, row.drawn_by, row.folds) == (base.training, name, 0)
    assert row.drawing == base.drawing | ABLATIONS[name]


def test_the_out_of_fold_row_differs_in_who_draws_alone():
    row, base = ROWS["out_of_fold"], ROWS["recoseg_plus_plus"]
    assert (row.system, row.drawn_by, row.changes, row.training) == (base.system, base.drawn_by, {}, base.training)
    assert (row.folds, base.folds) == (3, 0)


@pytest.mark.parametrize("full_size", [True, False])
def test_without_attention_there_is_none(full_size, tmp_path):
    for name, expected in (("no_attention", False), ("recoseg_plus_plus", True)):
        folder = ROWS[name].write_system(SYSTEMS, tmp_path / name, full_size, {})
        synthesizer = ReCoSegPipeline.from_config_folder(folder).synthesizer
        assert any(type(module).__name__ == "Attention" for module in synthesizer.modules()) == expected


def test_a_rows_own_settings_stand_over_those_of_the_command(tmp_path):
    settings = {"num_inference_steps": 7}
    steps = {
        name: read(ROWS[name].write_system(SYSTEMS, tmp_path / name, False, settings), "model_index.json")
        for name in ("regression", "no_attention")
    }
    assert [steps[name]["num_inference_steps"] for name in steps] == [1, 7]


class TestRegression:
    @pytest.fixture(params=[True, False], ids=["full", "cpu"])
    def scheduler(self, request, tmp_path):
        folder = ROWS["regression"].write_system(SYSTEMS, tmp_path / "row", request.param, {})
        kind = DDPMScheduler if request.param else DDIMScheduler
        assert read(folder, "model_index.json")["scheduler"] == ["diffusers", kind.__name__]
        return kind.from_pretrained(folder / "scheduler")

    def test_the_noisy_image_holds_noise_alone(self, scheduler):
        assert scheduler.alphas_cumprod.tolist() == [0]
        clean, noise = torch.rand(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
        assert torch.equal(scheduler.add_noise(clean, noise, torch.zeros(2, dtype=torch.long)), noise)

    def test_one_step_returns_what_the_net_says_and_one_is_all_there_is(self, scheduler):
        pipeline = tiny_pipeline(scheduler=scheduler, num_inference_steps=1)
        said = []
        pipeline.synthesizer.conv_out.weight.data.mul_(0.01)  # within [-1, 1], where nothing is clamped
        pipeline.synthesizer.conv_out.bias.data.zero_()
        pipeline.synthesizer.register_forward_hook(lambda net, inputs, output: said.append(output.sample))
        drawn = pipeline.denoise(torch.randn(2, 3, 16, 16), slice_generators(0, [0, 1], 0), 1)
        assert len(said) == 1
        assert said[0].abs().max() < 1
        assert torch.equal(drawn, (said[0] + 1) / 2)
        with pytest.raises(ValueError, match="num_inference_steps=2; expected 1 to 1"):
            pipeline(*(torch.rand(1, 8, 8) for _ in range(4)), num_inference_steps=2)

    def test_the_loss_is_the_squared_error_of_the_image(self, scheduler):
        """Its optimum given the conditions is their conditional mean; L_recon, weighted by alpha_bar, adds nothing."""
        pipeline = tiny_pipeline(scheduler=scheduler, num_inference_steps=1)
        said = []
        pipeline.synthesizer.register_forward_hook(lambda net, inputs, output: said.append(output.sample))
        batch = {"conditions": torch.randn(3, 1, 3, 16, 16), "t1ce": torch.rand(3, 1, 1, 16, 16)}
        for form in ("none", "weighted"):
            randomness = SampleRandomness.of_samples(0, first=0, size=3)
            loss = synthesis_loss(pipeline.synthesizer, pipeline, batch, randomness, None, form)
            assert loss.item() == pytest.approx((said[-1] - (2 * batch["t1ce"][:, 0] - 1)).square().mean().item())

    def test_gradients_teach_the_mean_of_what_the_conditions_allow(self, scheduler):
        """Two T1ce of one condition: the net ends at their mean, whatever the noise."""
        pipeline = tiny_pipeline(scheduler=scheduler, num_inference_steps=1, synthesizer=tiny_net(4, 1))
        batch = {
            "conditions": torch.zeros(2, 1, 3, 16, 16),
            "t1ce": torch.stack([torch.full((1, 1, 16, 16), value) for value in (0.2, 0.8)]),
        }
        net = pipeline.synthesizer.train()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for step in range(60):
            optimizer.zero_grad()
            randomness = SampleRandomness.of_samples(0, first=2 * step, size=2)
            synthesis_loss(net, pipeline, batch, randomness, None, "none").backward()
            optimizer.step()
        with torch.no_grad():
            drawn = pipeline.denoise(torch.zeros(2, 3, 16, 16), slice_generators(0, [0, 1], 0), 1)
        assert (drawn - 0.5).abs().mean() < 0.05
