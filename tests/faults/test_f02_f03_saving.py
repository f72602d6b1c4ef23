"""F2, F3: SIGKILL at every single moment of saving a checkpoint, the pruning of the one before included."""

import os

import pytest
import torch

from recoseg_hf.learning.checkpoints import (
    TrainingState,
    complete_checkpoints,
    load_checkpoint,
    remove_partial,
    save_checkpoint,
)
from tests.faults.forks import killed_at

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork")


def state(step: int, value: float) -> TrainingState:
    weights = {part: {"weight": torch.full((4,), value)} for part in ("net", "ema", "best")}
    return TrainingState(step, weights, {"state": {0: {"exp_avg": torch.ones(4)}}, "param_groups": []})


@pytest.mark.parametrize("step", [2, 1], ids=["the next step", "a step that was saved before"])
def test_f02_f03_killed_at_any_moment_of_a_save_a_whole_checkpoint_is_left(step, tmp_path):
    moment, saved = 0, []
    while True:
        folder = tmp_path / str(moment)
        save_checkpoint(folder, state(1, 1.0), keep=1)
        killed = killed_at(moment, lambda folder=folder: save_checkpoint(folder, state(step, 2.0), keep=1), folder)
        remove_partial(folder)
        newest = load_checkpoint(complete_checkpoints(folder)[-1])
        value = newest.weights["net"]["weight"][0].item()
        assert (newest.step, value) in ((1, 1.0), (step, 2.0))
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
        if not killed:
            break
        saved.append(value == 2.0)
        moment += 1
    assert moment > 40
    assert saved == sorted(saved), "once the new one counts, it stays"
    assert (saved[0], saved[-1], value) == (False, True, 2.0)
