import pytest
import torch
from datasets import load_from_disk
from torch.utils.data import default_collate

from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.residual_cache import DrawSettings, write_cache
from recoseg_hf.learning.segmentation import (
    SourceMix,
    cached_columns,
    guided_images,
    segmentation_step_loss,
    segmenter_inputs,
    subject_dice,
    validate_segmentation,
)
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.pipeline.conventions import RESIDUAL_SOURCES
from recoseg_hf.pipeline.residual import calibrate_residual, residual_map
from tests.tiny import tiny_pipeline

SETTINGS = {"field_of_view": 16, "context_slices": 1, "regions": "wt,tc,et", "residual_clip": 0.3}


def streams(seed: int = 0, size: int = 4) -> SampleRandomness:
    return SampleRandomness.of_samples(seed, first=0, size=size)


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline(**SETTINGS)


@pytest.fixture(scope="module")
def cached(prepared, pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "residuals"
    write_cache(load_from_disk(str(prepared)), folder, lambda subject: pipeline, DrawSettings(steps=2, samples=2), {})
    return load_from_disk(str(folder))["train"]


@pytest.fixture(scope="module")
def dataset(cached):
    return SliceDataset(cached, context_slices=1)


@pytest.fixture(scope="module")
def batch(dataset):
    return dataset.batch(range(4))


class TestSourceMix:
    def test_shares_are_kept(self):
        labels = SourceMix(0.5, 0.3, 0.2).draw(streams(size=4000))
        shares = torch.bincount(labels, minlength=3) / 4000
        assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)

    def test_labels_are_positions_of_the_sources(self):
        assert SourceMix(0, 1, 0).draw(streams(size=5)).tolist() == [RESIDUAL_SOURCES.index("ensemble")] * 5

    def test_it_knows_what_is_shown(self):
        assert SourceMix().shown == ("measured", "ensemble", "none")
        assert SourceMix(0, 0, 1).shown == ("none",)

    @pytest.mark.parametrize("shares", [(0, 0, 0), (1, -0.1, 0)])
    def test_shares_that_cannot_be_drawn_are_refused(self, shares):
        with pytest.raises(ValueError, match=r"SourceMix\(.*\); expected shares of 0 or more, not all of them 0"):
            SourceMix(*shares)


class TestCachedColumns:
    @pytest.mark.parametrize(
        ("channels", "shares", "columns"),
        [
            (("flair", "residual"), (0.7, 0.1, 0.2), ["synthetic_t1ce", "residual_max", "spread", "spread_max"]),
            (("flair", "residual"), (1, 0, 0), ["synthetic_t1ce", "residual_max"]),
            (("flair", "residual"), (0, 0, 1), []),
            (("flair", "synthetic_t1ce"), (1, 0, 0), ["synthetic_t1ce"]),
            (("flair", "t1ce"), (1, 1, 1), []),
        ],
    )
    def test_are_those_of_the_channels_and_sources(self, channels, shares, columns):
        assert cached_columns(channels, SourceMix(*shares)) == columns


class TestGuidedImages:
    def test_the_residual_is_that_of_the_pipeline_on_the_whole_volume(self, pipeline, dataset):
        subject = [dataset[index] for index in range(len(dataset)) if dataset.subject(index) == "sub-02"]
        volume = default_collate(subject)
        own = {name: volume[name][:, 1] for name in ("t1ce", "synthetic_t1ce", "brain", "spread")}
        residual = residual_map(own["t1ce"], own["synthetic_t1ce"], own["brain"] > 0)
        expected = {
            "measured": calibrate_residual(residual, 0.3),
            "ensemble": calibrate_residual(own["spread"], 0.3),
            "none": torch.zeros_like(residual),
        }
        for label, source in enumerate(RESIDUAL_SOURCES):
            found = guided_images(pipeline, volume, torch.full((len(subject),), label))["residual"]
            assert found.shape == (len(subject), 3, 1, 16, 16)
            assert torch.allclose(found[:, 1], expected[source], atol=2e-3)

    def test_each_slice_gets_its_own_source(self, pipeline, batch):
        mixed = guided_images(pipeline, batch, torch.tensor([0, 1, 2, 0]))["residual"]
        for index, label in enumerate([0, 1, 2, 0]):
            alone = guided_images(pipeline, batch, torch.full((4,), label))["residual"]
            assert torch.equal(mixed[index], alone[index])
        assert mixed[2].abs().max() == 0
        assert mixed[0].max() > 0

    @pytest.mark.parametrize(
        ("inputs", "needed"),
        [
            ("flair,t1,t2", {"conditions"}),
            ("t2,t1ce", {"conditions", "t1ce"}),
            ("flair,static_residual", {"conditions", "t1", "t1ce", "brain"}),
        ],
    )
    def test_a_system_without_residual_needs_no_cache_and_only_what_its_channels_are_made_of(
        self, inputs, needed, batch
    ):
        plain = tiny_pipeline(synthesizer=None, segmenter_inputs=inputs, **SETTINGS)
        images = {name: batch[name] for name in ("conditions", "t1", "t1ce", "brain")}
        found = guided_images(plain, images, torch.zeros(4, dtype=torch.int64))
        assert set(found) == needed
        assert segmenter_inputs(plain, found, torch.zeros(4, dtype=torch.int64)).shape[1] == 3 * len(plain.channels)


class TestInputs:
    def test_are_the_channels_that_the_pipeline_shows(self, batch):
        """The same volume through the pipeline's own path."""
        names = "t2,t1ce,synthetic_t1ce,residual,static_residual"
        pipeline = tiny_pipeline(**SETTINGS | {"segmenter_inputs": names, "context_slices": 0})
        single = {name: values[:, 1:2] if values.ndim == 5 else values for name, values in batch.items()}
        images = guided_images(pipeline, single, torch.zeros(4, dtype=torch.int64))
        found = segmenter_inputs(pipeline, images, torch.zeros(4, dtype=torch.int64))
        assert found.shape == (4, 5, 16, 16)
        assert torch.equal(found[:, 0], single["conditions"][:, 0, 2])
        assert torch.equal(found[:, 1], 2 * single["t1ce"][:, 0, 0] - 1)
        assert torch.equal(found[:, 2], 2 * single["synthetic_t1ce"][:, 0, 0] - 1)
        assert torch.equal(found[:, 3], images["residual"][:, 0, 0])
        static = (single["t1ce"] - single["t1"]).abs() * single["brain"]
        assert torch.equal(found[:, 4], static[:, 0, 0])

    def test_t1ce_is_hidden_from_a_segmenter_that_is_not_shown_the_measured_residual(self, batch):
        pipeline = tiny_pipeline(**SETTINGS | {"segmenter_inputs": "flair,t1ce,residual", "context_slices": 1})
        sources = torch.tensor([0, 1, 2, 0])
        found = segmenter_inputs(pipeline, guided_images(pipeline, batch, sources), sources).unflatten(1, (3, 3))
        expected = 2 * batch["t1ce"][:, :, 0] - 1
        assert torch.equal(found[[0, 3], :, 1], expected[[0, 3]])
        assert not found[[1, 2], :, 1].any()
        assert torch.equal(found[:, :, 0], batch["conditions"][:, :, 0])
        plain = tiny_pipeline(**SETTINGS | {"segmenter_inputs": "flair,t1ce", "synthesizer": None})
        found = segmenter_inputs(plain, guided_images(plain, batch, sources), sources).unflatten(1, (3, 2))
        assert torch.equal(found[:, :, 1], expected)

    def test_context_slices_come_one_after_the_other(self, pipeline, batch):
        measured = torch.zeros(4, dtype=torch.int64)
        found = segmenter_inputs(pipeline, guided_images(pipeline, batch, measured), measured)
        assert found.shape == (4, 12, 16, 16)
        for slice_ in range(3):
            assert torch.equal(found[:, 4 * slice_ : 4 * slice_ + 3], batch["conditions"][:, slice_])


class TestLoss:
    @pytest.mark.parametrize("fold", [1, 2])
    def test_every_weight_gets_a_finite_gradient(self, fold, batch):
        pipeline = tiny_pipeline(pixel_unshuffle=fold, **SETTINGS)
        net = pipeline.segmenter.train()
        segmentation_step_loss(net, pipeline, batch, streams(), AugmentationSettings(), SourceMix()).backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())

    def test_the_streams_decide(self, pipeline, batch):
        losses = [
            segmentation_step_loss(
                pipeline.segmenter, pipeline, batch, streams(seed), AugmentationSettings(), SourceMix()
            ).item()
            for seed in (1, 1, 2)
        ]
        assert losses[0] == losses[1] != losses[2]

    def test_images_and_target_move_alike(self, batch):
        """A net that returns FLAIR as its logit, and a target made of FLAIR: augmented alike, they still agree."""
        pipeline = tiny_pipeline(synthesizer=None, segmenter_inputs="flair", field_of_view=16)
        blob = torch.zeros(4, 1, 16, 16)
        blob[:, :, 3:9, 5:14] = 1
        shown = dict(batch) | {
            "conditions": (60 * blob - 30)[:, None].expand(4, 1, 3, 16, 16),
            **{name: batch[name][:, 1:2] for name in ("t1", "t1ce", "brain")},
            "regions": blob.expand(4, 3, 16, 16),
        }
        settings = AugmentationSettings(affine=1, intensity=0, noise=0)
        with torch.no_grad():
            loss = segmentation_step_loss(_FirstChannel(), pipeline, shown, streams(), settings, SourceMix())
        assert loss.item() < 0.6  # a target left behind costs more than 3

    def test_a_paper_system_is_trained_on_its_single_region(self, batch):
        pipeline = tiny_pipeline(**SETTINGS | {"regions": "wt"})
        changed = dict(batch) | {"regions": batch["regions"].clone()}
        changed["regions"][:, 1:] = 0
        losses = [
            segmentation_step_loss(pipeline.segmenter, pipeline, given, streams(), None, SourceMix()).item()
            for given in (batch, changed)
        ]
        assert losses[0] == losses[1]


class _FirstChannel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs, timesteps, class_labels=None):
        from types import SimpleNamespace

        return SimpleNamespace(sample=inputs[:, :1] * self.weight)


class TestValidation:
    def test_dice_is_per_subject_and_region(self, pipeline, dataset, monkeypatch):
        truth = iter([])

        def perfect(inputs, source):
            return torch.stack([next(truth) for _ in range(len(inputs))])

        monkeypatch.setattr(pipeline, "segment_slices", perfect)
        truth = iter([dataset[index]["regions"] for index in range(len(dataset))])
        assert validate_segmentation(pipeline, dataset, 3) == {"dice_wt": 1, "dice_tc": 1, "dice_et": 1}
        truth = iter([torch.ones(3, 16, 16) for _ in range(len(dataset))])
        scores = validate_segmentation(pipeline, dataset, 3)
        real = {subject: torch.zeros(3) for subject in ("sub-01", "sub-02")}
        pixels = dict.fromkeys(real, 0)
        for index in range(len(dataset)):
            real[dataset.subject(index)] += (dataset[index]["regions"] > 0.5).sum((1, 2))
            pixels[dataset.subject(index)] += 256
        expected = sum(2 * real[name] / (real[name] + pixels[name]) for name in real) / 2
        assert list(scores.values()) == pytest.approx(expected.tolist())

    def test_each_subject_has_a_dice_for_every_threshold(self, pipeline, dataset):
        found = subject_dice(pipeline, dataset, 8, thresholds=(0.3, 0.5, 0.99))
        assert list(found) == ["sub-01", "sub-02"]
        for place, threshold in enumerate((0.3, 0.5)):
            mean = sum(dice["tc"][place] for dice in found.values()) / 2
            assert mean == pytest.approx(validate_segmentation(pipeline, dataset, 8, threshold=threshold)["dice_tc"])
        assert found["sub-01"]["wt"][0] != found["sub-01"]["wt"][1]
        assert found["sub-01"]["wt"][2] == 0  # an untrained net is never that sure

    def test_batch_size_changes_nothing(self, pipeline, dataset):
        one, other = (validate_segmentation(pipeline, dataset, size, threshold=0.45) for size in (2, 50))
        assert one == pytest.approx(other, abs=0.02)

    def test_a_region_that_no_subject_has_is_left_out(self, pipeline, dataset, monkeypatch):
        monkeypatch.setattr(pipeline, "segment_slices", lambda inputs, source: torch.zeros(len(inputs), 3, 16, 16))
        monkeypatch.setattr(SliceDataset, "batch", _without_enhancement(SliceDataset.batch))
        assert validate_segmentation(pipeline, dataset, 4) == {"dice_wt": 0, "dice_tc": 0}
        assert subject_dice(pipeline, dataset, 4)["sub-02"] == {"wt": [0], "tc": [0], "et": [None]}

    def test_the_source_is_the_one_asked_for(self, pipeline, dataset, monkeypatch):
        shown = []
        monkeypatch.setattr(
            pipeline,
            "segment_slices",
            lambda inputs, source: shown.append((inputs, source)) or torch.zeros(len(inputs), 3, 16, 16),
        )
        validate_segmentation(pipeline, dataset, 100, "none")
        assert {source for _, source in shown} == {"none"}
        assert all(inputs[:, 3::4].abs().max() == 0 for inputs, _ in shown)


def _without_enhancement(original):
    def batch(dataset, indices):
        found = original(dataset, indices)
        return found | {"regions": found["regions"] * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1)}

    return batch
