"""F8, F11, F14, F15 in training: a loss that diverges, a folder asked for twice, SIGTERM, a dead worker."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from recoseg_hf.errors import RecosegError
from recoseg_hf.learning.checkpoints import complete_checkpoints, load_checkpoint
from recoseg_hf.learning.workers import WorkerError
from tests.launching import Kill, launch, start
from tests.learning.conftest import brats_like, fresh_accelerate, prepared
from tests.learning.test_training_loop import data, train
from tests.tiny import tiny_pipeline

__all__ = ["brats_like", "data", "fresh_accelerate", "prepared"]
NAME = "train_synthesizer"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(field_of_view=16).save_pretrained(folder)
    return folder


def arguments(model: Path, data: Path, output: Path, **changes) -> list[str]:
    settings = {
        "pretrained_model_name_or_path": model, "train_data_dir": data, "output_dir": output, "max_train_steps": 4,
        "train_batch_size": 2, "lr_warmup_steps": 0, "validation_steps": 9, "checkpointing_steps": 1,
        "checkpoints_total_limit": 9, "report_to": "none",
    } | changes  # fmt: skip
    return [text for name, value in settings.items() for text in (f"--{name}", str(value))]


def test_f08_a_loss_that_diverges_leaves_the_last_good_state(model, prepared, tmp_path):
    given = arguments(model, prepared, tmp_path, learning_rate="1e20", max_grad_norm="1e20", max_train_steps=20)
    assert launch(NAME, given) == [4]
    last = load_checkpoint(complete_checkpoints(tmp_path)[-1])
    assert 0 < last.step < 20
    assert not (tmp_path / "best_ema.safetensors").exists()
    assert not (tmp_path / "model_index.json").exists()


def test_f11_two_trainings_of_one_folder_at_once(model, prepared, tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert launch(NAME, arguments(model, prepared, alone)) == [0]
    both = [run for _ in range(2) for run in start(NAME, arguments(model, prepared, together))]
    for run in both:
        run.join(120)
    assert sorted(run.exitcode for run in both) == [0, 3]
    for step in (1, 4):
        one, other = (load_file(folder / f"checkpoint-{step}" / "net.safetensors") for folder in (alone, together))
        assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_f14_a_program_told_to_end_saves_its_step_first(number, code, model, prepared, tmp_path):
    given = arguments(model, prepared, tmp_path, checkpointing_steps=9)
    assert launch(NAME, given, kill=Kill(call=1, number=number)) == [code]
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-2"]
    assert load_checkpoint(tmp_path / "checkpoint-2").step == 2


@pytest.mark.usefixtures("fresh_accelerate")
def test_f15_a_worker_that_is_killed_is_told_of_with_its_file(data, tmp_path):
    def kill_worker(step: int) -> None:
        if step == 1:
            (worker,) = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGKILL)
            time.sleep(30)  # the signal of its death comes into this

    message = (
        r"slices\S*/train/data-00000-of-00001\.arrow: what read it has died \(DataLoader worker \(pid \d+\) is killed "
        r"by signal: Killed.*\); expected workers that live .* go on with --resume_from_checkpoint latest"
    )
    with pytest.raises(WorkerError, match=message) as caught:
        train(tmp_path, data, during=kill_worker, dataloader_num_workers=1, checkpointing_steps=1)
    assert isinstance(caught.value, RecosegError)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-1"]
