import json
import multiprocessing
import os
import re
import resource
from collections.abc import Callable

import pytest
import torch
from torch import nn

from recoseg_hf.errors import CheckpointError
from recoseg_hf.learning import checkpoints
from recoseg_hf.learning.checkpoints import (
    TrainingState,
    complete_checkpoints,
    load_checkpoint,
    remove_partial,
    save_checkpoint,
    verify_checkpoint,
)


def trained(step: int = 3) -> tuple[nn.Module, torch.optim.AdamW]:
    """A net and its optimiser after some steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.8, 0.95))
        for _ in range(step):
            net(torch.randn(2, 2, 6, 6)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    return net, optimizer


def state(step: int = 3) -> TrainingState:
    net, optimizer = trained(step)
    progress = {"watch": {"best": 0.1 + 0.2, "since_best": 2}, "ema_step": step}
    weights = {"net": net.state_dict(), "ema": dict(net.named_parameters())}
    return TrainingState(step, weights, optimizer.state_dict(), progress)


def names(folder) -> list[str]:
    return [path.name for path in complete_checkpoints(folder)]


class TestRoundTrip:
    def test_everything_comes_back_to_the_bit(self, tmp_path):
        saved = state()
        found = load_checkpoint(save_checkpoint(tmp_path, saved, keep=2))
        assert (found.step, found.progress) == (3, saved.progress)
        for part in ("net", "ema"):
            assert saved.weights[part].keys() == found.weights[part].keys()
            assert all(torch.equal(found.weights[part][name], value) for name, value in saved.weights[part].items())
        for index, entries in saved.optimizer["state"].items():
            assert all(torch.equal(found.optimizer["state"][index][name], value) for name, value in entries.items())

    def test_an_optimiser_goes_on_as_if_nothing_had_happened(self, tmp_path):
        (net, optimizer), (other, restored) = trained(), trained(0)
        found = load_checkpoint(save_checkpoint(tmp_path, state(), keep=1))
        other.load_state_dict(found.weights["net"])
        restored.load_state_dict(found.optimizer)
        for one, its_optimizer in ((net, optimizer), (other, restored)):
            one(torch.ones(1, 2, 6, 6)).sum().backward()
            its_optimizer.step()
        assert restored.param_groups[0]["lr"] == 1e-3
        assert list(restored.param_groups[0]["betas"]) == [0.8, 0.95]
        assert all(torch.equal(one, two) for one, two in zip(net.parameters(), other.parameters(), strict=True))

    def test_only_safetensors_and_json_are_written(self, tmp_path):
        folder = save_checkpoint(tmp_path, state(), keep=1)
        assert sorted(file.name for file in folder.iterdir()) == [
            "ema.safetensors",
            "manifest.json",
            "net.safetensors",
            "optimizer.safetensors",
            "state.json",
        ]


class TestPruning:
    def test_the_newest_stay(self, tmp_path):
        for step in (9, 10, 100):
            save_checkpoint(tmp_path, _at(step), keep=2)
        assert names(tmp_path) == ["checkpoint-10", "checkpoint-100"]

    def test_one_always_stays(self, tmp_path):
        save_checkpoint(tmp_path, _at(5), keep=0)
        assert names(tmp_path) == ["checkpoint-5"]

    def test_older_ones_go_only_once_the_new_one_has_been_verified(self, tmp_path, monkeypatch):
        save_checkpoint(tmp_path, _at(1), keep=1)

        def fail(path):
            raise CheckpointError("read back wrong")

        monkeypatch.setattr(checkpoints, "verify_checkpoint", fail)
        with pytest.raises(CheckpointError, match="read back wrong"):
            save_checkpoint(tmp_path, _at(2), keep=1)
        assert "checkpoint-1" in names(tmp_path)

    def test_a_step_can_be_saved_again(self, tmp_path):
        save_checkpoint(tmp_path, _at(4), keep=1)
        again = _at(4)
        again.progress = {"again": True}
        assert load_checkpoint(save_checkpoint(tmp_path, again, keep=1)).progress == {"again": True}
        assert names(tmp_path) == ["checkpoint-4"]


class TestInterruption:
    def test_an_interrupted_save_leaves_the_older_checkpoint_as_the_newest(self, tmp_path, monkeypatch):
        save_checkpoint(tmp_path, _at(1), keep=1)

        def power_cut(path, obj):
            raise KeyboardInterrupt

        monkeypatch.setattr(checkpoints, "write_json", power_cut)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, _at(2), keep=1)
        assert names(tmp_path) == ["checkpoint-1"]
        monkeypatch.undo()
        save_checkpoint(tmp_path, _at(2), keep=1)  # what was left behind is in nobody's way
        assert names(tmp_path) == ["checkpoint-2"]
        assert not list(tmp_path.glob(".partial*"))

    def test_folders_that_are_no_complete_checkpoints_are_left_alone(self, tmp_path):
        save_checkpoint(tmp_path, _at(7), keep=1)
        (tmp_path / "checkpoint-8").mkdir()
        (tmp_path / "checkpoint-best").mkdir()
        (tmp_path / "checkpoint-best" / "manifest.json").write_text("{}")
        assert names(tmp_path) == ["checkpoint-7"]
        assert complete_checkpoints(tmp_path / "nowhere") == []


def without_room(work: Callable[[], object]) -> str:
    """What came of `work` in a process that may write files of 500 bytes at most, as on a full disk."""
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        try:
            work()
            sending.send("done")
        except BaseException as error:
            sending.send(f"{type(error).__name__}: {error}")

    process = multiprocessing.get_context("fork").Process(target=limited)
    process.start()
    said = receiving.recv()
    process.join()
    return said


class TestFullDisk:
    def test_it_says_what_is_needed_and_leaves_what_was_saved(self, tmp_path):
        save_checkpoint(tmp_path, _at(3), keep=1)
        large = TrainingState(4, {"net": {"weight": torch.ones(500_000)}}, {"state": {}, "param_groups": []})
        said = without_room(lambda: save_checkpoint(tmp_path, large, keep=1))
        assert re.search(
            r"^CheckpointError: .*no room for checkpoint-4, which needs 2\.0 MB \([\d.]+ MB are free or allowed\); "
            r"the last complete one is checkpoint-3\. Make room, and go on with --resume_from_checkpoint latest",
            said,
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3"]
        verify_checkpoint(tmp_path / "checkpoint-3")

    def test_the_first_one_has_none_before_it(self, tmp_path):
        assert "there is no complete one yet" in without_room(lambda: save_checkpoint(tmp_path, state(), keep=1))

    def test_another_error_is_not_taken_for_it(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(NotADirectoryError):
            save_checkpoint(tmp_path / "file", _at(1), keep=1)


def test_what_an_ended_run_left_is_removed(tmp_path):
    save_checkpoint(tmp_path, _at(3), keep=1)
    for name in (".partial-4", ".replaced-checkpoint-3"):
        (tmp_path / name).mkdir()
    remove_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_a_checkpoint_that_was_put_aside_when_the_run_was_killed_comes_back(tmp_path):
    save_checkpoint(tmp_path, _at(3), keep=1).rename(tmp_path / ".replaced-checkpoint-3")
    (tmp_path / ".partial-3").mkdir()
    remove_partial(tmp_path)
    verify_checkpoint(tmp_path / "checkpoint-3")
    assert names(tmp_path) == ["checkpoint-3"]


def test_what_was_just_saved_is_never_pruned(tmp_path):
    save_checkpoint(tmp_path, _at(9), keep=1)
    save_checkpoint(tmp_path, _at(5), keep=1)
    assert names(tmp_path) == ["checkpoint-5"]


class TestDamage:
    @pytest.mark.parametrize("name", ["net.safetensors", "optimizer.safetensors", "state.json"])
    def test_a_changed_byte_is_noticed_and_the_file_named(self, name, tmp_path):
        folder = save_checkpoint(tmp_path, state(), keep=1)
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{name}: missing or changed since it was saved"):
            load_checkpoint(folder)

    def test_a_missing_file_is_named(self, tmp_path):
        folder = save_checkpoint(tmp_path, state(), keep=1)
        os.unlink(folder / "ema.safetensors")
        with pytest.raises(CheckpointError, match=r"ema\.safetensors: missing or changed"):
            verify_checkpoint(folder)

    def test_a_folder_without_manifest_is_refused(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"no manifest\.json; expected a complete checkpoint"):
            load_checkpoint(tmp_path)

    def test_a_manifest_that_is_no_json_is_refused(self, tmp_path):
        folder = save_checkpoint(tmp_path, state(), keep=1)
        (folder / "manifest.json").write_text("{")
        with pytest.raises(CheckpointError, match=r"manifest\.json: it is no JSON .*; expected file hashes"):
            load_checkpoint(folder)

    def test_the_manifest_covers_every_other_file(self, tmp_path):
        folder = save_checkpoint(tmp_path, state(), keep=1)
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {*manifest, "manifest.json"} == {file.name for file in folder.iterdir()}


def _at(step: int) -> TrainingState:
    """A state of a few bytes."""
    return TrainingState(step, {"net": {"weight": torch.ones(1)}}, {"state": {}, "param_groups": []})
