"""Real runs of a few steps on slices of simulated cases."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from datasets import load_from_disk
from safetensors.torch import load_file

from recoseg_hf.errors import CheckpointError, DivergenceError, LaunchError
from recoseg_hf.files import sha256_file
from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.checkpoints import complete_checkpoints
from recoseg_hf.learning.interruption import StopRequest, TrainingInterrupted
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.run_record import subjects_seen, write_record
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.learning.synthesis import synthesis_loss
from recoseg_hf.learning.training_data import TrainingData
from recoseg_hf.learning.training_loop import BEST_WEIGHTS, TrainingRun
from tests.tiny import tiny_net, tiny_pipeline

pytestmark = pytest.mark.usefixtures("fresh_accelerate")


@pytest.fixture(scope="module")
def data(prepared):
    tables = load_from_disk(str(prepared))
    return TrainingData(SliceDataset(tables["train"]), SliceDataset(tables["validation"]))


def options(folder, **changes) -> TrainingOptions:
    defaults = {
        "output_dir": str(folder),
        "train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_train_steps": 6,
        "lr_warmup_steps": 2,
        "validation_steps": 2,
        "checkpointing_steps": 3,
        "checkpoints_total_limit": 9,
        "lr_plateau_patience": 0,
        "report_to": "none",
    }
    return TrainingOptions(**defaults | changes)


def prepared_run(folder, **changes) -> TrainingRun:
    return TrainingRun(options(folder, **changes), tiny_net(4, 1, dropout=0.0))


def resumed_run(folder, data, **changes) -> TrainingRun:
    """A run of the same start as those of `train`, resumed as its options say."""
    pipeline = tiny_pipeline(seed=1)
    run = TrainingRun(options(folder, **changes), pipeline.synthesizer)
    run.resume(data, pipeline)
    return run


def train(folder, data, until: int | None = None, scores=(0.1, 0.3, 0.2), during=None, **changes) -> TrainingRun:
    """A whole run with made-up validation scores; `until` ends it early, as a power cut would.

    `during` is called with each step's number while it is under way.
    """
    pipeline = tiny_pipeline(seed=1)
    run = TrainingRun(options(folder, **changes), pipeline.synthesizer)
    run.resume(data, pipeline)
    for step, batches in run.steps(data.train):
        for micro_step, batch in enumerate(batches):
            with run.accumulate(micro_step):
                randomness = run.randomness(step, micro_step)
                run.backward(synthesis_loss(run.net, pipeline, batch, randomness, AugmentationSettings(), "weighted"))
        if during:
            during(step)
        run.update()
        if run.validates():
            with run.average.applied():
                score = scores[(run.step // run.options.validation_steps - 1) % len(scores)]
            run.judge({"psnr": score}, by="psnr")
        run.save_if_due()
        if run.step == until:
            return run
    run.finish(pipeline)
    return run


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: sha256_file(file) for file in folder.glob("*") if file.suffix in (".safetensors", ".json")}


def logged(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    AcceleratorState._reset_state(reset_partial_state=True)
    return folder, train(folder, data)


class TestResume:
    @pytest.mark.parametrize("until", [3, 5])
    def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(self, until, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        train(tmp_path, data, until=until)
        assert not (tmp_path / "checkpoint-6").exists()
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path, data, resume_from_checkpoint="latest")
        assert hashes(tmp_path / "checkpoint-6") == hashes(whole / "checkpoint-6")
        assert sha256_file(tmp_path / BEST_WEIGHTS) == sha256_file(whole / BEST_WEIGHTS)

    def test_a_named_checkpoint_may_lie_elsewhere(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        run = train(tmp_path, data, resume_from_checkpoint=str(whole / "checkpoint-3"))
        assert run.step == 6
        assert hashes(tmp_path / "checkpoint-6") == hashes(whole / "checkpoint-6")

    def test_a_finished_run_does_nothing_more(self, uninterrupted, data):
        whole, _ = uninterrupted
        before = hashes(whole / "checkpoint-6")
        assert train(whole, data, resume_from_checkpoint="latest").step == 6
        assert hashes(whole / "checkpoint-6") == before

    def test_latest_starts_from_nothing_where_there_is_nothing(self, data, tmp_path):
        run = resumed_run(tmp_path, data, resume_from_checkpoint="latest")
        assert run.step == 0

    def test_a_new_run_is_not_mixed_into_an_old_one(self, data, uninterrupted):
        whole, _ = uninterrupted
        message = r"holds checkpoint-6 of another run; .* Go on with --resume_from_checkpoint latest, or name another"
        with pytest.raises(CheckpointError, match=message):
            resumed_run(whole, data)

    def test_a_checkpoint_that_is_not_there_is_refused(self, data, tmp_path):
        with pytest.raises(CheckpointError, match=r"checkpoint-9: no manifest\.json; expected a complete checkpoint"):
            resumed_run(tmp_path, data, resume_from_checkpoint=str(tmp_path / "checkpoint-9"))

    def test_the_log_and_the_best_weights_are_those_of_the_checkpoint(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        train(tmp_path, data, until=5)
        assert [entry["step"] for entry in logged(tmp_path)] == [2, 4]
        (tmp_path / BEST_WEIGHTS).unlink()
        with (tmp_path / "log.jsonl").open("a") as file:
            file.write('{"step": 4, "torn')
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path, data, resume_from_checkpoint="latest")
        assert (tmp_path / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
        assert sha256_file(tmp_path / BEST_WEIGHTS) == sha256_file(whole / BEST_WEIGHTS)

    def test_settings_that_changed_are_named(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        changed = {"learning_rate": 0.5, "seed": 7, "checkpointing_steps": 99}
        message = (
            r"checkpoint-3: made with learning_rate 0\.0003 \(now 0\.5\), seed 0 \(now 7\); .* Repeat them, or go on"
        )
        with pytest.raises(CheckpointError, match=message):
            resumed_run(tmp_path, data, **changed, resume_from_checkpoint=str(whole / "checkpoint-3"))

    def test_another_start_is_noticed(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        pipeline = tiny_pipeline(seed=2)
        run = TrainingRun(options(tmp_path, resume_from_checkpoint=str(whole / "checkpoint-3")), pipeline.synthesizer)
        with pytest.raises(CheckpointError, match=r"made with start [0-9a-f]{12} \(now [0-9a-f]{12}\); expected"):
            run.resume(data, pipeline)

    def test_later_checkpoints_of_another_run_are_set_aside(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        folder = shutil.copytree(whole, tmp_path / "run")
        train(folder, data, until=5, resume_from_checkpoint=str(folder / "checkpoint-3"), checkpointing_steps=4)
        assert (folder / "superseded-checkpoint-6").is_dir()
        assert [path.name for path in complete_checkpoints(folder)] == ["checkpoint-3", "checkpoint-4"]

    def test_other_data_are_noticed(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        other = TrainingData(data.validation, data.train)
        with pytest.raises(CheckpointError, match=r"made with data [0-9a-f]{12} \(now [0-9a-f]{12}\); expected"):
            resumed_run(tmp_path, other, resume_from_checkpoint=str(whole / "checkpoint-3"))

    def test_a_change_may_be_wanted(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        settings = {"learning_rate": 0.5, "resume_from_checkpoint": str(whole / "checkpoint-3")}
        run = resumed_run(tmp_path, data, **settings, allow_config_change=True)
        assert (run.step, run.options.learning_rate) == (3, 0.5)


class TestInterruption:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(self, number, code, data, tmp_path):
        before = signal.getsignal(number)

        def ask(step: int) -> None:
            if step == 1:
                os.kill(os.getpid(), number)

        with pytest.raises(TrainingInterrupted, match="after step 2, which is saved") as caught:
            train(tmp_path, data, during=ask, checkpointing_steps=100)
        assert caught.value.exit_code == code
        assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]
        assert not (tmp_path / "model_index.json").exists()
        assert signal.getsignal(number) is before

    def test_the_run_goes_on_as_if_it_had_not_been_asked(self, uninterrupted, data, tmp_path):
        whole, _ = uninterrupted
        with pytest.raises(TrainingInterrupted):
            train(tmp_path, data, during=lambda step: step == 3 and os.kill(os.getpid(), signal.SIGTERM))
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path, data, resume_from_checkpoint="latest")
        assert hashes(tmp_path / "checkpoint-6") == hashes(whole / "checkpoint-6")

    def test_a_second_control_c_ends_it_at_once(self):
        with StopRequest() as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert request.number == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)


class TestDryRun:
    def test_it_says_what_the_run_would_take_and_leaves_nothing(self, data, tmp_path):
        run = train(tmp_path, data, dry_run=True, max_train_steps=5000, validation_steps=1000)
        assert run.step == 3
        pattern = (
            r"[\d.]+ s a step \([\d.]+ slices/s\), [\d.]+ s a validation: about \d+ h \d\d min for 5000 steps and 5 "
        )
        assert re.match(pattern, run.estimate())
        assert re.search(r"Peak memory [\d.]+ GiB a process", run.estimate())
        assert not any(tmp_path.iterdir())

    def test_it_minds_nothing_that_is_there(self, uninterrupted, data):
        whole, _ = uninterrupted
        before = hashes(whole / "checkpoint-6")
        train(whole, data, dry_run=True)
        assert hashes(whole / "checkpoint-6") == before

    def test_the_run_says_what_it_really_uses(self, tmp_path):
        told = prepared_run(tmp_path, train_batch_size=3, mixed_precision="bf16").describe()
        assert told.startswith("1 process(es) on cpu, NO (no exchange), ")
        assert told.endswith("precision bf16, 0.02 M weights to train, 6 slices a step")


class TestRecord:
    def test_it_holds_what_made_the_weights_and_hashes_of_who_was_seen(self, uninterrupted, data):
        whole, _ = uninterrupted
        record = json.loads((whole / "training_record.json").read_text())
        assert record["subjects_seen"] == sorted(map(subject_hash, ("sub-01", "sub-02")))
        assert (record["steps"], record["processes"], record["data"]) == (6, 1, data.fingerprint())
        assert record["options"]["learning_rate"] == 3e-4
        assert not any(str(value).startswith("/") for value in record["options"].values())
        assert subjects_seen(whole) == record["subjects_seen"]

    def test_whom_the_model_it_started_from_has_seen_counts(self, uninterrupted, tmp_path):
        whole, _ = uninterrupted
        write_record(tmp_path, {}, ["new"], starts=[whole], steps=1, seconds=0)
        assert subjects_seen(tmp_path) == sorted(map(subject_hash, ("sub-01", "sub-02", "new")))
        assert subjects_seen(tmp_path / "nowhere") is None


class TestSteps:
    def test_all_weights_move(self, uninterrupted):
        _, run = uninterrupted
        fresh = tiny_pipeline(seed=1).synthesizer
        pairs = zip(run.bare_net.parameters(), fresh.parameters(), strict=True)
        assert all(not torch.equal(trained, start) for trained, start in pairs)

    def test_accumulated_micro_batches_make_the_mean_gradient(self, tmp_path):
        run = prepared_run(tmp_path, gradient_accumulation_steps=4, max_grad_norm=1e9)
        weight = run.net.conv_out.bias
        for scale in (1.0, 2.0, 3.0, 6.0):
            run.backward(scale * weight.sum())
        assert weight.grad.item() == pytest.approx(3)

    def test_gradients_are_clipped(self, tmp_path):
        run = prepared_run(tmp_path, gradient_accumulation_steps=1, max_grad_norm=0.5)
        seen = []
        hook = run.optimizer.optimizer.register_step_pre_hook
        hook(lambda *_: seen.append(run.net.conv_out.bias.grad.item()))
        run.backward(100 * run.net.conv_out.bias.sum())
        run.update()
        assert seen == [pytest.approx(0.5, rel=1e-4)]

    def test_a_loss_that_is_not_finite_stops_before_it_spoils_anything(self, data, tmp_path):
        run = resumed_run(tmp_path, data, gradient_accumulation_steps=1)
        before = run.net.conv_out.bias.clone()
        run.backward(run.net.conv_out.bias.sum() * float("nan"))
        hashes = {subject_hash(subject) for subject in data.train.chosen_subjects()}
        with pytest.raises(DivergenceError, match=r"the loss is nan at step 0, on slices of subjects ") as caught:
            run.update()
        assert any(name in str(caught.value) for name in hashes)
        assert "sub-0" not in str(caught.value)
        assert torch.equal(run.net.conv_out.bias, before)
        assert not (tmp_path / BEST_WEIGHTS).exists()
        kept = load_file(tmp_path / "checkpoint-0" / "net.safetensors")
        assert all(torch.equal(kept[name], value) for name, value in run.bare_net.state_dict().items())

    def test_a_gradient_that_is_not_finite_stops_too(self, data, tmp_path):
        run = resumed_run(tmp_path, data, gradient_accumulation_steps=1, checkpoints_total_limit=1)
        before = run.net.conv_out.bias.clone()
        run.backward((run.net.conv_out.bias * 0).square().sum().sqrt())  # 0, with a gradient of 0 / 0
        with pytest.raises(DivergenceError, match=r"the gradient's norm is (nan|inf) at step 0"):
            run.update()
        assert torch.equal(run.net.conv_out.bias, before)
        assert load_file(tmp_path / "checkpoint-0" / "ema.safetensors")["conv_out.bias"].isfinite().all()

    def test_early_stopping_ends_the_run_with_a_checkpoint(self, data, tmp_path):
        run = train(
            tmp_path, data, scores=(0.5, 0.4, 0.3, 0.2), max_train_steps=50, validation_steps=1,
            early_stopping_patience=2, checkpointing_steps=100, gradient_accumulation_steps=1,
        )  # fmt: skip
        assert run.step == 3
        assert (tmp_path / "checkpoint-3" / "manifest.json").is_file()

    def test_strangers_are_not_trained_side_by_side(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.delenv("RANK", raising=False)
        monkeypatch.delenv("LOCAL_RANK", raising=False)
        with pytest.raises(LaunchError, match=r"2 processes were launched and each knows of 1: .* set ACCEL"):
            prepared_run(tmp_path)


class TestLearningRate:
    def rates(self, run, steps: int) -> list[float]:
        found = []
        for step in range(steps):
            run.step = step
            found.append(run.learning_rate())
        return found

    def test_constant_after_warm_up(self, tmp_path):
        run = prepared_run(tmp_path, lr_scheduler="constant", learning_rate=1.0, lr_warmup_steps=4)
        assert self.rates(run, 6) == [0.25, 0.5, 0.75, 1, 1, 1]

    def test_cosine_goes_to_zero(self, tmp_path):
        run = prepared_run(tmp_path, lr_scheduler="cosine", learning_rate=1.0, lr_warmup_steps=0, max_train_steps=4)
        assert self.rates(run, 5) == pytest.approx([1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)

    def test_plateau_follows_the_validation(self, tmp_path):
        run = prepared_run(tmp_path, lr_scheduler="plateau", learning_rate=1.0, lr_warmup_steps=0)
        for score in (0.5, 0.4):
            run.judge({"dice": score}, by="dice")
        assert run.learning_rate() == 0.5

    def test_the_log_says_the_rate_that_was_used(self, data, tmp_path):
        train(tmp_path, data, max_train_steps=10, gradient_accumulation_steps=1, lr_scheduler="cosine",
              learning_rate=1.0e-3, lr_warmup_steps=0, validation_steps=100)  # fmt: skip
        (entry,) = [entry for entry in logged(tmp_path) if "learning_rate" in entry]
        assert entry["step"] == 10
        assert entry["learning_rate"] == pytest.approx(1e-3 * 0.024472, rel=1e-3)
        assert entry["loss"] > 0


class TestAverage:
    def test_within_the_net_is_the_average_and_afterwards_itself_again(self, uninterrupted):
        _, run = uninterrupted
        run.net.train()
        before = {name: value.clone() for name, value in run.bare_net.state_dict().items()}
        with run.average.applied():
            assert not run.net.training
            inside = {name: value.clone() for name, value in run.bare_net.state_dict().items()}
        average = load_file(run.folder / "checkpoint-6" / "ema.safetensors")
        assert all(torch.equal(inside[name], average[name]) for name in average)
        assert all(torch.equal(run.bare_net.state_dict()[name], before[name]) for name in before)
        assert run.net.training

    def test_it_lags_behind_the_net(self, uninterrupted):
        folder, _ = uninterrupted
        net, average = (load_file(folder / "checkpoint-6" / f"{part}.safetensors") for part in ("net", "ema"))
        assert net.keys() == average.keys()
        assert not torch.equal(net["conv_in.weight"], average["conv_in.weight"])

    def test_the_run_ends_with_the_best_average(self, uninterrupted):
        folder, run = uninterrupted
        best = load_file(folder / BEST_WEIGHTS)  # at step 4, whose score of 0.3 was the highest
        assert all(torch.equal(value, best[name]) for name, value in run.bare_net.state_dict().items())
        last = load_file(folder / "checkpoint-6" / "ema.safetensors")
        assert not torch.equal(best["conv_in.weight"], last["conv_in.weight"])

    def test_without_validation_the_run_ends_with_the_last_average(self, data, tmp_path):
        pipeline = tiny_pipeline()
        run = TrainingRun(options(tmp_path), pipeline.synthesizer)
        run.resume(data, pipeline)
        run.backward(run.net.conv_out.weight.sum())
        run.update()
        run.finish(pipeline)
        shadows = run.average.weights()
        assert all(torch.equal(value, shadows[name]) for name, value in run.bare_net.named_parameters())


class TestJudging:
    def test_scores_are_logged(self, uninterrupted):
        folder, _ = uninterrupted
        entries = [entry for entry in logged(folder) if "validation/psnr" in entry]
        assert [(entry["step"], entry["validation/psnr"]) for entry in entries[:3]] == [(2, 0.1), (4, 0.3), (6, 0.2)]

    def test_the_best_is_kept_and_a_broken_score_is_not(self, tmp_path):
        run = prepared_run(tmp_path)
        run.judge({"dice": float("nan")}, by="dice")
        assert not (tmp_path / BEST_WEIGHTS).exists()
        run.judge({"dice": 0.5}, by="dice")
        before = sha256_file(tmp_path / BEST_WEIGHTS)
        with torch.no_grad():
            run.average.model.shadow_params[0].add_(1)
        run.judge({"dice": 0.4}, by="dice")
        assert sha256_file(tmp_path / BEST_WEIGHTS) == before
        run.judge({"dice": 0.6}, by="dice")
        assert sha256_file(tmp_path / BEST_WEIGHTS) != before

    def test_a_score_that_could_not_be_computed_is_named(self, tmp_path):
        with pytest.raises(ValueError, match="the validation gave no dice_wt; expected validation slices that hold"):
            prepared_run(tmp_path).judge({}, by="dice_wt")


class TestPrecision:
    def test_bfloat16_keeps_the_weights_in_float32_and_resumes_exactly(self, data, tmp_path):
        settings = {"mixed_precision": "bf16", "gradient_accumulation_steps": 1}
        whole = train(tmp_path / "whole", data, **settings)
        assert all(weight.dtype == torch.float32 for weight in whole.bare_net.parameters())
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path / "parts", data, until=4, **settings)
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path / "parts", data, resume_from_checkpoint="latest", **settings)
        assert hashes(tmp_path / "parts" / "checkpoint-6") == hashes(tmp_path / "whole" / "checkpoint-6")

    def test_tensorboard_gets_what_the_log_gets(self, data, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        settings = {"report_to": "tensorboard", "gradient_accumulation_steps": 1}
        train(tmp_path, data, until=5, **settings)
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path, data, resume_from_checkpoint="latest", **settings)
        drawn = EventAccumulator(str(tmp_path / "logs" / "tensorboard"))
        drawn.Reload()
        scores = [(event.step, round(event.value, 4)) for event in drawn.Scalars("validation/psnr")]
        assert scores == [(entry["step"], entry["validation/psnr"]) for entry in logged(tmp_path)]
        for file in (tmp_path / "logs").rglob("*"):
            assert not file.is_file() or str(tmp_path).encode() not in file.read_bytes()

    def test_a_picture_is_drawn_only_where_somebody_is_to_see_it(self, data, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        resumed_run(tmp_path / "none", data).records.picture(0, "slices", lambda: pytest.fail("drawn for nobody"))
        AcceleratorState._reset_state(reset_partial_state=True)
        run = resumed_run(tmp_path, data, report_to="tensorboard")
        run.records.picture(0, "slices", lambda: np.full((4, 8), 7, np.uint8))
        run.accelerator.end_training()
        drawn = EventAccumulator(str(tmp_path / "logs" / "tensorboard"))
        drawn.Reload()
        (image,) = drawn.Images("slices")
        assert (image.height, image.width) == (4, 8)
