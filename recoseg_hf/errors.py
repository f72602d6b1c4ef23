"""The errors a user may meet, all under one base class."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
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
        return printable(f"{self.file}: {self.found}; expected {self.expected}. {self.remedy}")


def printable(text: str) -> str:
    """Return text as one line without what steers a terminal or cannot be encoded: a file's name may hold anything."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class CaseError(InputError):
    """Several things about one case cannot be used: all of them, so that they can be mended in one go.

    Rendered as the problems' own messages, one a line. `file`, `found`, `expected` and `remedy` are the first one's.

    Args:
        problems: two or more; those of a `CaseError` among them are taken out of it.
    """

    def __init__(self, problems: Iterable[InputError]) -> None:
        flat = tuple(single for problem in problems for single in problems_of(problem))
        super().__init__(flat[0].file, flat[0].found, flat[0].expected, flat[0].remedy)
        self.args = (flat,)  # what pickling calls the class with
        self.problems = flat

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def problems_of(error: InputError) -> tuple[InputError, ...]:
    """Return the single problems that an error tells of: its own `problems`, or itself alone."""
    return error.problems if isinstance(error, CaseError) else (error,)


class Problems(list[InputError]):
    """What was found wrong so far, where the looking goes on after the first finding."""

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Take up the `InputError` that leaves the context, if one does."""
        try:
            yield
        except InputError as error:
            self.extend(problems_of(error))

    def raise_all(self) -> None:
        """Raise what was found.

        Raises:
            InputError: the only problem, as it was found.
            CaseError: two problems or more.
        """
        if self:
            raise self[0] if len(self) == 1 else CaseError(self)


class CheckpointError(RecosegError):
    """A model folder or training checkpoint is missing, incomplete, damaged or of another kind."""


class DivergenceError(RecosegError):
    """A training run's loss is no longer finite."""


class LaunchError(RecosegError):
    """The processes of a training were not started so that they can train together."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type's name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
