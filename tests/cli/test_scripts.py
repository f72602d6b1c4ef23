"""How training scripts end."""

import errno
import signal
import sys

import pytest
from safetensors import SafetensorError

from recoseg_hf.cli.scripts import run_script
from recoseg_hf.errors import CheckpointError, DivergenceError, InputError
from recoseg_hf.learning.interruption import TrainingInterrupted
from recoseg_hf.learning.options import TrainingOptions


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("flair.nii.gz", "no such file", "a scan", "Look."), 3, "Error: flair.nii.gz: no such file; exp"),
        (CheckpointError("checkpoint-3: no manifest"), 3, "Error: checkpoint-3: no manifest"),
        (
            OSError(errno.ENOSPC, "No space left", "log.jsonl"),
            3,
            "Error: no room to write: [Errno 28]",
        ),
        (SafetensorError("I/O error: File too large (os error 27)"), 3, "Error: no room to write: I/O error: File"),
        (MemoryError(), 3, "Error: out of memory: MemoryError. Halve --train_batch_size"),
        (DivergenceError("the loss is nan"), 4, "Error: the loss is nan"),
        (TrainingInterrupted(signal.SIGTERM, 7), 143, "stopped by SIGTERM after step 7, which is saved."),
        (TrainingInterrupted(signal.SIGINT, 7), 130, "stopped by SIGINT after step 7"),
    ],
)
def test_a_script_says_in_a_line_what_the_user_can_mend(error, code, said, monkeypatch, capsys):
    def main(options):
        raise error

    paths = ["--pretrained_model_name_or_path=a", "--train_data_dir=b", "--output_dir=c"]
    monkeypatch.setattr(sys, "argv", ["train.py", *paths])
    with pytest.raises(SystemExit) as caught:
        run_script(main, TrainingOptions)
    assert caught.value.code == code
    assert capsys.readouterr().err.startswith(said)


def test_a_bug_keeps_its_traceback(monkeypatch):
    def main(options):
        raise RuntimeError(options.output_dir)

    monkeypatch.setattr(
        sys, "argv", ["t.py", "--pretrained_model_name_or_path=a", "--train_data_dir=b", "--output_dir=c"]
    )
    with pytest.raises(RuntimeError, match=r"^c$"):
        run_script(main, TrainingOptions)
