"""Runs of a training script in processes of their own, for a study that is made of many of them."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from recoseg_hf.errors import RecosegError
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.run_record import check_unchanged, made_with, training_record
from recoseg_hf.learning.training_data import TrainingData


class UnfinishedRunError(RecosegError):
    """A run in a process of its own did not come to its end.

    Args:
        folder: of the run.
        code: exit code of its process, negative for a signal.
    """

    def __init__(self, folder: str | Path, code: int) -> None:
        super().__init__(folder, code)
        self.folder, self.code = folder, code

    @property
    def exit_code(self) -> int:
        """What a shell would report."""
        return self.code if self.code > 0 else 128 - self.code

    def __str__(self) -> str:
        return f"{self.folder}: training ended with code {self.code}; expected 0. The same command goes on with it."


def is_trained(options: TrainingOptions, data: TrainingData) -> bool:
    """Whether a run has come to its end.

    Args:
        options: of the run.
        data: of the run.

    Raises:
        CheckpointError: it has, with other options or on other data.
    """
    record = training_record(options.output_dir)
    if record is None:
        return False
    now = made_with(options, data.fingerprint(), record.get("processes", 1), record.get("start", ""))
    check_unchanged(Path(options.output_dir), record, now)
    return True


def train_apart(script: Path, options: TrainingOptions, launcher: Sequence[str] = ()) -> None:
    """Train in a process of its own. A signal to end reaches it, and is waited for while it saves its state.

    Args:
        script: one of `training/`.
        options: of the run.
        launcher: what stands before the script, such as `accelerate launch`; by default this Python.

    Raises:
        UnfinishedRunError: it did not come to its end.
    """
    process = subprocess.Popen([*(launcher or [sys.executable]), str(script), *command_line(options)])
    with _passing_on_signals(process):
        code = process.wait()
    if code:
        raise UnfinishedRunError(options.output_dir, code)


def command_line(options: TrainingOptions) -> list[str]:
    """The flags that give these options: those that differ from the defaults."""
    default, found = type(options)(), []
    for name in (field.name for field in fields(options)):
        value = getattr(options, name)
        if value != getattr(default, name):
            found += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return found


@contextmanager
def _passing_on_signals(process: subprocess.Popen) -> Iterator[None]:
    handlers = {
        signal.SIGTERM: lambda number, _: process.send_signal(number),
        signal.SIGINT: lambda *_: None,  # the terminal sends Ctrl-C to both
    }
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
