"""The errors a user may meet, all under one base class."""

from __future__ import annotations

from pathlib import Path


class RecosegError(Exception):
    """Base of every error that `recoseg_hf` raises on purpose."""


class InputError(RecosegError):
    """Something the caller gave cannot be used; the message says what to do about it.

    Rendered as `<file>: <found>; expected <expected>. <remedy>`.

    Args:
        file: the file, folder or field at fault.
        found: what was found there, as a clause.
        expected: what would have been right, as a noun phrase without a full stop.
        remedy: what the caller can do, as a sentence.
    """

    def __init__(self, file: str | Path, found: str, expected: str, remedy: str) -> None:
        # All four go to Exception as well, so that the error survives pickling between processes.
        super().__init__(file, found, expected, remedy)
        self.file = file
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.file}: {self.found}; expected {self.expected}. {self.remedy}"


class CheckpointError(RecosegError):
    """A model folder or training checkpoint is missing, incomplete, damaged or of another kind."""


class DivergenceError(RecosegError):
    """A training run's loss is no longer finite."""


class LaunchError(RecosegError):
    """The processes of a training were not started so that they can train together."""
