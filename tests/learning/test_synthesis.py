from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from datasets import load_from_disk
from diffusers import DDIMScheduler, DDPMScheduler
from torch import nn

from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.synthesis import (
    NoiseLevels,
    augmented_pair,
    synthesis_loss,
    validate_synthesis,
    visited_timesteps,
)
from tests.tiny import FEW_STEP, tiny_pipeline

SCHEDULES = {
    "epsilon": {},
    "v_prediction": FEW_STEP,
    "sample": FEW_STEP | {"prediction_type": "sample"},
}


def streams(seed: int = 0, size: int = 4) -> SampleRandomness:
    return SampleRandomness.of_samples(seed, first=0, size=size)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def dataset(prepared):
    return SliceDataset(load_from_disk(str(prepared))["train"])


@pytest.fixture(scope="module")
def batch(dataset):
    return dataset.batch(range(4))


class Knowing(nn.Module):
    """Returns the exact target for the batch it was made for."""

    def __init__(self, scheduler, clean):
        super().__init__()
        self.scheduler, self.clean = scheduler, clean
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, inputs, timesteps):
        alpha = self.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        noise = (inputs[:, :1] - alpha.sqrt() * self.clean) / (1 - alpha).sqrt()
        kind = self.scheduler.config.prediction_type
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * self.clean
        found = {"epsilon": noise, "sample": self.clean, "v_prediction": velocity}[kind]
        return SimpleNamespace(sample=found + self.weight)


class TestLoss:
    @pytest.mark.parametrize("kind", SCHEDULES)
    def test_a_perfect_net_has_no_loss_but_the_entropy_of_grey(self, kind, batch):
        scheduler = DDPMScheduler(**SCHEDULES[kind])
        pipeline = tiny_pipeline(scheduler=scheduler)
        net = Knowing(scheduler, 2 * batch["t1ce"][:, 0] - 1)
        assert synthesis_loss(net, pipeline, batch, streams(), None, "none").item() == pytest.approx(0, abs=1e-6)
        net.weight.data.fill_(0.5)
        assert synthesis_loss(net, pipeline, batch, streams(), None, "none").item() == pytest.approx(0.25, abs=1e-3)

    @pytest.mark.parametrize("fold", [1, 2])
    @pytest.mark.parametrize("form", ["weighted", "paper"])
    def test_every_weight_gets_a_finite_gradient(self, fold, form, batch):
        pipeline = tiny_pipeline(pixel_unshuffle=fold, scheduler=DDIMScheduler(**FEW_STEP))
        net = pipeline.synthesizer.train()
        synthesis_loss(net, pipeline, batch, streams(), AugmentationSettings(), form).backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())

    def test_the_streams_decide_timesteps_noise_and_augmentation(self, batch):
        pipeline = tiny_pipeline()
        losses = [
            synthesis_loss(
                pipeline.synthesizer, pipeline, batch, streams(seed), AugmentationSettings(), "weighted"
            ).item()
            for seed in (1, 1, 2)
        ]
        assert losses[0] == losses[1] != losses[2]

    def test_labels_are_not_looked_at(self, batch):
        pipeline = tiny_pipeline()
        unlabelled = batch | {"regions": torch.full_like(batch["regions"], torch.nan)}
        losses = [
            synthesis_loss(pipeline.synthesizer, pipeline, one, streams(), AugmentationSettings(), "weighted").item()
            for one in (batch, unlabelled)
        ]
        assert losses[0] == losses[1]

    def test_training_and_sampling_feed_the_net_alike(self, batch):
        """Noisy image first, then FLAIR, T1, T2, each folded."""
        pipeline, seen = tiny_pipeline(pixel_unshuffle=2), []
        pipeline.synthesizer.register_forward_pre_hook(lambda net, arguments: seen.append(arguments[0]))
        synthesis_loss(pipeline.synthesizer, pipeline, batch, streams(), None, "none")
        with torch.no_grad():
            pipeline.denoise(batch["conditions"][:, 0], [seeded(i) for i in range(4)], 1)
        assert seen[0].shape == seen[1].shape == (4, 16, 8, 8)
        assert torch.equal(seen[0][:, 4:], seen[1][:, 4:])


class TestAugmentedPair:
    def test_without_augmentation_t1ce_is_only_moved_to_its_range(self, batch):
        conditions, clean = augmented_pair(batch, streams(), None)
        assert torch.equal(conditions, batch["conditions"][:, 0])
        assert torch.equal(clean, 2 * batch["t1ce"][:, 0] - 1)

    def test_conditions_and_t1ce_move_alike_and_only_conditions_are_jittered(self, batch):
        copied = dict(batch) | {"t1ce": (batch["conditions"][:, :, :1] + 3) / 6}
        still = AugmentationSettings(affine=1, flip=0.5, intensity=0, field=0, blur=0, noise=0)
        conditions, clean = augmented_pair(copied, streams(), still)
        assert torch.allclose(conditions[:, :1] / 3, clean, atol=1e-5)
        jittered, same = augmented_pair(copied, streams(), replace(still, intensity=1))
        moved, _ = augmented_pair(copied, streams(), still)
        assert not torch.allclose(jittered, moved)
        assert torch.allclose(same, (moved[:, :1]) / 3, atol=1e-5)


class TestValidation:
    def test_errors_are_in_the_brain_and_means_over_subjects(self, dataset):
        pipeline = tiny_pipeline()
        scores = validate_synthesis(pipeline, dataset, steps=2, batch_size=3)
        again = validate_synthesis(pipeline, dataset, steps=2, batch_size=64)
        assert 0 < scores["psnr"] < 30
        assert 0 < scores["mae"] < 1
        assert scores["psnr"] == pytest.approx(again["psnr"], abs=1e-3)

    def test_the_number_is_what_it_says(self, dataset, monkeypatch):
        pipeline = tiny_pipeline()
        monkeypatch.setattr(
            pipeline, "denoise", lambda conditions, generators, steps: torch.full((len(conditions), 1, 16, 16), 0.25)
        )
        expected = []
        for subject in ("sub-01", "sub-02"):
            rows = [dataset[i] for i in range(len(dataset)) if dataset.subject(i) == subject]
            real = torch.cat([row["t1ce"][row["brain"] > 0] for row in rows])
            expected.append(((real - 0.25).square().mean(), (real - 0.25).abs().mean()))
        scores = validate_synthesis(pipeline, dataset, steps=1, batch_size=5)
        assert scores["mae"] == pytest.approx(sum(error.item() for _, error in expected) / 2, rel=1e-4)
        assert scores["psnr"] == pytest.approx(sum(-10 * error.log10().item() for error, _ in expected) / 2, rel=1e-4)


class TestNoiseLevels:
    def scheduler(self) -> DDIMScheduler:
        return DDIMScheduler(**SCHEDULES["v_prediction"])

    def test_the_paper_draws_any_evenly(self):
        drawn = NoiseLevels().draw(self.scheduler(), streams(size=512))
        assert drawn.dtype == torch.int64
        assert drawn.min() < 50
        assert drawn.max() > 950
        assert len(drawn.unique()) > 300

    def test_few_steps_are_learnt_where_they_go(self):
        scheduler = self.scheduler()
        drawn = NoiseLevels(few_steps=2, share=1.0).draw(scheduler, streams(size=256))
        assert set(drawn.tolist()) == set(visited_timesteps(scheduler, 2).tolist()) == {999, 499}
        assert scheduler.num_inference_steps is None  # as it was

    def test_a_share_of_them_goes_with_the_others(self):
        drawn = NoiseLevels(few_steps=1, share=0.5).draw(self.scheduler(), streams(size=512))
        assert 0.4 < (drawn == 999).float().mean() < 0.6
        assert len(drawn.unique()) > 150

    def test_without_a_share_the_random_numbers_are_those_of_before(self):
        first, second = streams(size=8), streams(size=8)
        drawn = NoiseLevels(few_steps=4).draw(self.scheduler(), first)
        assert torch.equal(drawn, (second.uniform() * 1000).long())
        assert torch.equal(first.uniform(), second.uniform())

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"few_steps": 0}, "few_steps=0; expected 1 or more"),
            ({"share": 1.5}, "few_step_share=1.5; expected 0 to 1"),
        ],
    )
    def test_what_cannot_be_is_refused(self, settings, message):
        with pytest.raises(ValueError, match=message):
            NoiseLevels(**settings)
