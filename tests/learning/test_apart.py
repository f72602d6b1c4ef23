"""Runs in processes of their own; a few lines of Python stand for the script."""

import json
import os
import signal
import threading
import time
from dataclasses import dataclass, field, replace

import pytest

from recoseg_hf.errors import CheckpointError
from recoseg_hf.learning.apart import UnfinishedRunError, command_line, is_trained, train_apart
from recoseg_hf.learning.options import TrainingOptions, option, parse_options
from recoseg_hf.learning.run_record import made_with, write_record
from recoseg_hf.learning.training_data import open_training_data
from tests.learning.conftest import SETTINGS

PATHS = {"pretrained_model_name_or_path": "start", "train_data_dir": "data", "output_dir": "out"}
SCRIPT = """
import json, pathlib, signal, sys, time
here = pathlib.Path(__file__)
def leave(number, frame):
    here.with_suffix(".saved").write_text("saved")
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, leave)
here.with_suffix(".json").write_text(json.dumps(sys.argv[1:]))
{then}
"""


@dataclass
class Options(TrainingOptions):
    parts: list[str] = field(default_factory=list, metadata={"help": "Some."})
    share: float = option(0.5, "Of all.")


@pytest.fixture
def write(tmp_path):
    def script(then: str = ""):
        file = tmp_path / "script.py"
        file.write_text(SCRIPT.format(then=then))
        return file

    return script


class TestCommandLine:
    def test_only_what_differs_from_the_defaults_is_said(self):
        assert command_line(Options(seed=0)) == []
        assert command_line(Options(share=0.25, parts=["a", "b"])) == ["--parts", "a", "b", "--share", "0.25"]

    def test_it_gives_back_the_options(self):
        options = Options(**PATHS, no_augmentation=True, learning_rate=1e-5, parts=["a"], split="")
        assert parse_options(Options, command_line(options)) == options


class TestTrainApart:
    def test_the_script_gets_the_options(self, write):
        script = write()
        train_apart(script, Options(seed=3))
        assert json.loads(script.with_suffix(".json").read_text()) == ["--seed", "3"]

    def test_a_launcher_stands_before_it(self, write, tmp_path, monkeypatch):
        script, launcher = write(), tmp_path / "launcher"
        launcher.write_text('#!/bin/sh\necho "$@" > launched\n')
        launcher.chmod(0o755)
        monkeypatch.chdir(tmp_path)
        train_apart(script, Options(seed=3), [str(launcher), "--processes", "2"])
        assert (tmp_path / "launched").read_text() == f"--processes 2 {script} --seed 3\n"

    @pytest.mark.parametrize(
        ("then", "code", "exit_code"), [("sys.exit(3)", 3, 3), ("signal.raise_signal(9)", -9, 137)]
    )
    def test_a_run_that_does_not_end_well_is_named_with_its_code(self, write, then, code, exit_code):
        with pytest.raises(
            UnfinishedRunError, match=f"out: training ended with code {code}; expected 0. The"
        ) as error:
            train_apart(write(then), Options(output_dir="out"))
        assert error.value.exit_code == exit_code

    def test_a_signal_to_end_reaches_the_run_which_is_waited_for(self, write):
        script, me, former = write("time.sleep(60)"), os.getpid(), signal.getsignal(signal.SIGTERM)

        def stop_when_it_runs():
            while not script.with_suffix(".json").exists() or signal.getsignal(signal.SIGTERM) == former:
                time.sleep(0.01)
            os.kill(me, signal.SIGTERM)

        threading.Thread(target=stop_when_it_runs).start()
        with pytest.raises(UnfinishedRunError, match="code 143"):
            train_apart(script, Options(output_dir="out"))
        assert script.with_suffix(".saved").read_text() == "saved"
        assert signal.getsignal(signal.SIGTERM) == former


class TestIsTrained:
    @pytest.fixture
    def options(self, prepared, tmp_path):
        return TrainingOptions(train_data_dir=str(prepared), output_dir=str(tmp_path))

    def test_a_record_tells(self, options, tmp_path):
        data = open_training_data(options, SETTINGS)
        assert not is_trained(options, data)
        values = made_with(options, data.fingerprint(), 2)
        write_record(tmp_path, values, data.learnt_from(), ["start"], options.max_train_steps, 1.0)
        assert is_trained(options, data)
        with pytest.raises(CheckpointError, match=r"made with seed 0 \(now 1\); expected the settings of this run"):
            is_trained(replace(options, seed=1), data)
        data.train = data.train.part(["sub-01"])
        with pytest.raises(CheckpointError, match=r"made with data [0-9a-f]{12} \(now "):
            is_trained(options, data)
