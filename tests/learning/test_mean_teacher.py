"""The mean teacher: its loss by hand, and real runs of a few steps."""

import json
import math
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.state import AcceleratorState
from datasets import load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.learning.augmentation import AugmentationSettings, draw_transform
from recoseg_hf.learning.mean_teacher import (
    ConsistencySettings,
    MeanTeacher,
    consistency_loss,
    consistency_step_loss,
    stronger,
    teacher_of,
)
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.segmentation import SourceMix, guided_images, segmentation_step_loss, warp_images
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.training_data import TrainingData
from recoseg_hf.learning.training_loop import TrainingRun
from tests.tiny import tiny_pipeline

pytestmark = pytest.mark.usefixtures("fresh_accelerate")

SETTINGS = ConsistencySettings(batch_size=3, rampup_steps=4, confidence=0.5)
AUGMENTATION = AugmentationSettings()


@pytest.fixture(scope="module")
def data(prepared) -> TrainingData:
    """Labels of one subject of two."""
    tables = load_from_disk(str(prepared))
    train = SliceDataset(tables["train"])
    return TrainingData(train.part(["sub-01"]), SliceDataset(tables["validation"]), train.part(["sub-02"]))


@pytest.fixture(scope="module")
def batch(data):
    return data.unlabelled.batch(range(3))


def system(inputs: str = "flair,t1,t2", **settings):
    return tiny_pipeline(synthesizer=None, segmenter_inputs=inputs, field_of_view=16, **settings)


def streams(seed: int = 0) -> SampleRandomness:
    return SampleRandomness.of_samples(seed, first=0, size=3)


def new_run(folder, net, **changes) -> TrainingRun:
    settings = {
        "train_batch_size": 2, "gradient_accumulation_steps": 2, "max_train_steps": 10, "lr_warmup_steps": 1,
        "validation_steps": 10, "checkpointing_steps": 4, "checkpoints_total_limit": 9, "report_to": "none",
    }  # fmt: skip
    return TrainingRun(TrainingOptions(output_dir=str(folder), **settings | changes), net)


def train(folder, data, until: int | None = None, **changes) -> TrainingRun:
    """The loop of `train_segmenter.py` with a made-up score; `until` ends it early, as a power cut would."""
    pipeline = system()
    run = new_run(folder, pipeline.segmenter, **changes)
    run.resume(data, pipeline)
    teacher = MeanTeacher(run, pipeline, data.unlabelled, SETTINGS, AUGMENTATION, SourceMix())
    for step, batches in run.steps(data.train):
        for micro_step, batch in enumerate(batches):
            with run.accumulate(micro_step):
                drawn = run.randomness(step, micro_step)
                loss = segmentation_step_loss(run.net, pipeline, batch, drawn, AUGMENTATION, SourceMix())
                run.backward(loss + teacher.loss(step, micro_step))
        run.update()
        teacher.log_if_due()
        run.save_if_due()
        if run.step == until:
            break
    return run


class TestLoss:
    def test_by_hand(self):
        teacher = torch.tensor([0.99, 0.60, 0.02]).view(1, 1, 1, 3)
        loss, share = consistency_loss(torch.zeros(1, 1, 1, 3), teacher, 0.95)
        cross_entropy = 2 * math.log(2) / 3  # two of three pixels are sure
        overlap, total = 0.5 * 0.99 + 0.5 * 0.02, 2 * 0.25 + 0.99**2 + 0.02**2
        assert loss.item() == pytest.approx(cross_entropy + 1 - (2 * overlap + 1) / (total + 1), abs=1e-6)
        assert share.item() == pytest.approx(2 / 3)

    def test_only_sure_pixels_move_the_student(self):
        logits = torch.tensor([0.3, -1.0, 2.0, 0.1]).view(1, 1, 2, 2).requires_grad_()
        teacher = torch.tensor([0.96, 0.94, 0.06, 0.04]).view(1, 1, 2, 2)
        consistency_loss(logits, teacher, 0.95)[0].backward()
        assert (logits.grad.flatten() != 0).tolist() == [True, False, False, True]

    def test_nobody_sure_teaches_nothing(self):
        logits = torch.randn(1, 2, 4, 4, requires_grad=True)
        loss, share = consistency_loss(logits, torch.full((1, 2, 4, 4), 0.7), 0.95)
        loss.backward()
        assert (loss.item(), share.item(), logits.grad.abs().max().item()) == (0, 0, 0)

    def test_a_student_that_agrees_stays_as_it_is(self):
        logits = (6 * torch.randn(2, 1, 4, 4)).requires_grad_()
        consistency_loss(logits, logits.detach().sigmoid(), 0.6)[0].backward()
        assert logits.grad.abs().max() < 1e-6


class TestWeight:
    def test_it_grows_to_the_full_one(self):
        found = [ConsistencySettings(weight=2, rampup_steps=200).weight_at(step) for step in (0, 100, 200, 999)]
        assert found == pytest.approx([2 * math.exp(-5), 2 * math.exp(-1.25), 2, 2])

    def test_without_a_ramp_it_is_full_at_once(self):
        assert ConsistencySettings(weight=0.5, rampup_steps=0).weight_at(0) == 0.5

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"batch_size": 0}, "unlabelled_batch_size=0; expected 1 or more"),
            ({"weight": -1.0}, "consistency_weight=-1.0, consistency_rampup_steps=200; expected 0 or more"),
            ({"confidence": 1.0}, r"confidence=1.0; expected 0\.5 or more, and less than 1"),
            ({"confidence": 0.4}, r"confidence=0.4; expected 0\.5"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, setting, message):
        with pytest.raises(ValueError, match=message):
            ConsistencySettings(**setting)


class TestTeacher:
    def test_it_is_the_average_and_stays_it(self, data, tmp_path):
        pipeline = system()
        run = new_run(tmp_path, pipeline.segmenter)
        run.resume(data, pipeline)
        teacher = teacher_of(run.bare_net, run.average.model)
        for _ in range(3):
            run.backward(run.bare_net.conv_out.weight.sum())
            run.update()
            assert all(map(torch.equal, teacher.parameters(), run.average.model.shadow_params))
        assert not torch.equal(teacher.conv_out.weight, run.bare_net.conv_out.weight)

    def test_it_is_the_average_after_a_resume_too(self, data, tmp_path):
        whole = train(tmp_path, data, until=4)
        AcceleratorState._reset_state(reset_partial_state=True)
        pipeline = system()
        run = new_run(tmp_path, pipeline.segmenter, resume_from_checkpoint="latest")
        run.resume(data, pipeline)
        teacher = teacher_of(run.bare_net, run.average.model)
        assert all(map(torch.equal, teacher.parameters(), whole.average.model.shadow_params))

    def test_it_answers_as_the_averaged_net(self, data, batch, tmp_path):
        run = train(tmp_path, data, until=2)
        teacher, inputs = teacher_of(run.bare_net, run.average.model), batch["conditions"][:, 0]
        with run.average.applied():
            averaged = deepcopy(run.net).requires_grad_(False)  # torch multiplies otherwise where a weight asks for it
        expected = averaged(inputs, 0, class_labels=torch.zeros(3, dtype=torch.long)).sample
        found = teacher(inputs, 0, class_labels=torch.zeros(3, dtype=torch.long)).sample
        assert torch.equal(found, expected)
        assert not found.requires_grad
        assert run.net.training
        assert not teacher.training

    def test_it_computes_in_the_precision_of_the_run(self, data, batch, tmp_path):
        run = new_run(tmp_path, system().segmenter, mixed_precision="bf16")
        inputs, labels = batch["conditions"][:, 0], torch.zeros(3, dtype=torch.long)
        with torch.no_grad():
            found = teacher_of(run.bare_net, run.average.model)(inputs, 0, class_labels=labels).sample
            assert torch.equal(found, run.net.eval()(inputs, 0, class_labels=labels).sample)
        assert torch.equal(found, found.bfloat16().float())


class TestStep:
    def step(self, net, teacher, pipeline, batch, seed=0, augmentation=AUGMENTATION):
        return consistency_step_loss(net, teacher, pipeline, batch, streams(seed), augmentation, SourceMix(), 0.5)

    def test_the_student_learns_and_the_teacher_does_not(self, batch):
        student, teacher = system(seed=1).segmenter.train(), system(seed=2).segmenter
        loss, _ = self.step(student, teacher, system(), batch)
        loss.backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in student.parameters())
        assert all(weight.grad is None for weight in teacher.parameters())

    def test_labels_are_not_looked_at(self, batch):
        pipeline = system()
        net = pipeline.segmenter
        mine, _ = self.step(net, net, pipeline, batch)
        without, _ = self.step(net, net, pipeline, {name: batch[name] for name in batch if name != "regions"})
        assert mine.item() == without.item()

    def test_draws_decide(self, batch):
        pipeline = system()
        losses = [self.step(pipeline.segmenter, pipeline.segmenter, pipeline, batch, seed)[0] for seed in (1, 1, 2)]
        assert losses[0] == losses[1] != losses[2]

    @pytest.mark.parametrize("augmentation", [AUGMENTATION, None])
    def test_both_see_the_same_place_and_the_student_another_contrast(self, batch, augmentation):
        pipeline, student, teacher = system("flair,t1ce"), _Eye(), _Eye()
        self.step(student, teacher, pipeline, batch, augmentation=augmentation)
        drawn = streams()
        labels = SourceMix().draw(drawn)
        moved = guided_images(pipeline, batch, labels)
        if augmentation is not None:
            moved = warp_images(moved, draw_transform(stronger(augmentation), drawn))
            assert not torch.allclose(moved["conditions"], batch["conditions"], atol=1e-2)
        assert torch.allclose(teacher.seen[:, 0], moved["conditions"][:, 0, 0], atol=1e-5)
        assert torch.allclose(student.seen[:, 1], teacher.seen[:, 1])  # T1ce is never jittered: R would mean another
        assert not torch.allclose(student.seen[:, 0], teacher.seen[:, 0], atol=1e-2)

    def test_the_student_sees_more_change_than_with_labels(self):
        usual, strong = AugmentationSettings(), stronger(AugmentationSettings())
        names = ("intensity", "contrast", "brightness", "field", "field_level", "blur", "noise", "noise_level")
        assert all(getattr(strong, name) > getattr(usual, name) for name in names)
        assert (strong.flip, strong.rotation, strong.scaling) == (usual.flip, usual.rotation, usual.scaling)


class _Eye(torch.nn.Module):
    """Remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs, timesteps, class_labels=None):
        self.seen = inputs
        return SimpleNamespace(sample=inputs[:, :1] * self.weight)


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: sha256_file(file) for file in (folder / "checkpoint-10").iterdir()}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    AcceleratorState._reset_state(reset_partial_state=True)
    train(folder, data)
    return folder


class TestRun:
    @pytest.mark.parametrize("until", [4, 9])
    def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(self, until, whole, data, tmp_path):
        train(tmp_path, data, until=until)
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path, data, resume_from_checkpoint="latest")
        assert hashes(tmp_path) == hashes(whole)
        assert (tmp_path / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()

    def test_it_learns_otherwise_than_from_labels_alone(self, whole, data, tmp_path, monkeypatch):
        monkeypatch.setattr(ConsistencySettings, "weight_at", lambda self, step: 0.0)
        train(tmp_path, data)
        assert hashes(tmp_path)["net.safetensors"] != hashes(whole)["net.safetensors"]

    def test_the_log_says_how_sure_the_teacher_is(self, whole):
        lines = map(json.loads, (whole / "log.jsonl").read_text().splitlines())
        (entry,) = [line for line in lines if "confident_share" in line]
        assert entry["step"] == 10
        assert entry["confident_share"] == 1  # every pixel is surer than 0.5
        assert 0 < entry["consistency"] < 3

    def test_with_all_labels_in_use_there_is_nobody_to_teach_on(self, data, tmp_path):
        pipeline = system()
        message = (
            "--unlabelled mean_teacher: the labels of all train subjects are used; expected subjects without. Use few"
        )
        with pytest.raises(InputError, match=message):
            MeanTeacher(
                new_run(tmp_path, pipeline.segmenter), pipeline, data.train.part([]), SETTINGS, None, SourceMix()
            )
