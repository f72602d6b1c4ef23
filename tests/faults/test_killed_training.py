"""Runs that are killed with SIGKILL, again and again, end as those that nobody disturbed: bit for bit."""

import json
import random
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from recoseg_hf.files import sha256_file
from recoseg_hf.learning.checkpoints import complete_checkpoints
from tests.launching import Kill, launch, script
from tests.learning.conftest import brats_like, prepared
from tests.tiny import tiny_pipeline

__all__ = ["brats_like", "prepared"]
STEPS, ACCUMULATION = 11, 2
OPTIONS = {
    "max_train_steps": STEPS, "gradient_accumulation_steps": ACCUMULATION, "train_batch_size": 2,
    "lr_warmup_steps": 1, "learning_rate": 1e-2, "lr_scheduler": "plateau", "lr_plateau_patience": 0,
    "validation_steps": 3, "validation_every": 2, "checkpointing_steps": 2, "checkpoints_total_limit": 2,
    "report_to": "none", "seed": 3,
}  # fmt: skip
SCRIPTS = ("train_synthesizer", "train_segmenter")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny pipeline whose nets have dropout."""
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(field_of_view=16, context_slices=1, regions="wt,et").save_pretrained(folder)
    for net in ("synthesizer", "segmenter"):
        config = folder / net / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"dropout": 0.2}))
    return folder


@pytest.fixture(scope="module")
def residuals(model, prepared, tmp_path_factory) -> Path:
    """The slices with residuals drawn by the model."""
    output = tmp_path_factory.mktemp("data") / "residuals"
    cache = script("cache_residuals")
    names = ("pretrained_model_name_or_path", "train_data_dir", "output_dir")
    paths = dict(zip(names, map(str, (model, prepared, output)), strict=True))
    cache.main(cache.CacheOptions(**paths, num_samples=2))
    return output


def arguments(model: Path, data: Path, output: Path, **changes) -> list[str]:
    settings = {
        "pretrained_model_name_or_path": model, "train_data_dir": data, "output_dir": output,
    } | OPTIONS | changes  # fmt: skip
    return [text for name, value in settings.items() for text in (f"--{name}", str(value))]


def result(folder: Path) -> dict[str, str]:
    """Hashes of all that a run leaves: checkpoints, log, best average and the nets."""
    kept = [*folder.glob("checkpoint-*/*"), *folder.glob("*/*.safetensors"), *folder.glob("*.safetensors")]
    return {file.relative_to(folder).as_posix(): sha256_file(file) for file in (*kept, folder / "log.jsonl")}


def newest(folder: Path) -> int:
    """The step of the newest complete checkpoint, 0 if there is none."""
    return max((int(path.name.split("-")[1]) for path in complete_checkpoints(folder)), default=0)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_run_killed_at_three_steps_and_inside_saves(name, processes, model, residuals, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    with_workers = ["--dataloader_num_workers", "1"] if (name, processes) == (SCRIPTS[0], 1) else []
    whole = arguments(model, residuals, undisturbed) + with_workers
    assert launch(name, whole, processes) == [0] * processes
    dice = random.Random(f"{name} {processes}")
    again = arguments(model, residuals, killed, resume_from_checkpoint="latest")
    kills = [
        Kill(dice.randrange(processes), "randomness", dice.randrange(1, 3 * ACCUMULATION)),
        Kill(0, "save_file", dice.randrange(1, 5)),  # best weights, or a file of the first checkpoint from here
        Kill(dice.randrange(processes), "randomness", dice.randrange(1, 3 * ACCUMULATION)),
        Kill(0, dice.choice(["write_json", "sync"]), 0),
        Kill(dice.randrange(processes), "randomness", dice.randrange(1, 3 * ACCUMULATION)),
    ]
    for kill in kills:  # the first one leaves a process that reads data behind; each takes long to start
        done = newest(killed)
        given = [*again, *with_workers] if kill is kills[0] else again
        assert launch(name, given, processes, kill)[kill.rank] == -signal.SIGKILL, kill
        assert done <= newest(killed) <= done + 4
    assert launch(name, again, processes) == [0] * processes
    assert result(killed) == result(undisturbed)
    assert not [*killed.glob(".partial-*"), *killed.glob(".replaced-*"), *killed.glob("superseded-*")]
    logged = [json.loads(line) for line in (killed / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [3, 6, 9, 10, 11]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_run_used_what_makes_resuming_hard(name, model, residuals, tmp_path):
    """Dropout and plateau had an effect, or the test above would prove less than it says."""
    assert launch(name, arguments(model, residuals, tmp_path)) == [0]
    state = json.loads((tmp_path / f"checkpoint-{STEPS}" / "state.json").read_text())
    assert state["progress"]["watch"]["learning_rate_factor"] < 1
    net = {"train_synthesizer": "synthesizer", "train_segmenter": "segmenter"}[name]
    assert json.loads((tmp_path / net / "config.json").read_text())["dropout"] == 0.2


@pytest.mark.parametrize("name", SCRIPTS)
def test_two_processes_train_as_one_with_twice_the_batch(name, residuals, tmp_path):
    model = tmp_path / "model"
    tiny_pipeline(field_of_view=16, context_slices=1, regions="wt,et").save_pretrained(model)  # without dropout
    weights = {}
    for processes, batch in ((2, 2), (1, 4)):
        output = tmp_path / str(processes)
        given = arguments(model, residuals, output, train_batch_size=batch, learning_rate=1e-3, validation_steps=STEPS)
        assert launch(name, given, processes) == [0] * processes
        weights[processes] = load_file(output / f"checkpoint-{STEPS}" / "net.safetensors")
    before = load_file(model / name.removeprefix("train_") / "diffusion_pytorch_model.safetensors")
    moved = max((weights[1][key] - value).abs().max() for key, value in before.items())
    apart = max((weights[1][key] - weights[2][key]).abs().max() for key in before)
    assert moved > 1e-3
    assert apart < moved / 100
    one, two = ((tmp_path / count / "log.jsonl").read_text().splitlines()[-1] for count in "12")
    assert json.loads(one) == pytest.approx(json.loads(two), rel=1e-3)  # validation, shared by subject
