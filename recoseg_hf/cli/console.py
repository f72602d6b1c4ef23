"""What a command shows while it works: one bar on stderr, on a terminal only; and peace from other libraries."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

_OTHERS = "diffusers|transformers|torch|accelerate|huggingface_hub|datasets|pyarrow|multiprocess|nilearn|sklearn"


class Stages:
    """The line that says what is going on and how far it is."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def enter(self, description: str) -> None:
        """Name a new stage of unknown length."""
        self._progress.reset(self._task, description=description, total=None)

    def advance(self, done: int, total: int) -> None:
        """Say how far the stage is; `predict_case` and `evaluate_masks` call this. A total of 0 is not known."""
        self._progress.update(self._task, completed=done, total=total or None)


class CaseBar:
    """Two lines: how many cases are done, and what is going on with the one in hand."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._cases = progress.add_task("Cases", total=None, visible=False)
        self._stage = progress.add_task("", total=None)
        self._failed = 0

    def enter(self, description: str, done: int = 0, total: int = 0) -> None:
        """Say what is going on, and how far it is where that is known."""
        self._progress.update(self._stage, description=description, completed=done, total=total or None)

    def start(self, total: int) -> None:
        """Show the line of the cases, of which there are `total`."""
        self._progress.update(self._cases, total=total, visible=True)

    def count(self, done: int, failed: bool) -> None:
        """Say how many cases are done, and whether the last one failed."""
        self._failed += failed
        description = f"Cases, {self._failed} failed" if self._failed else "Cases"
        self._progress.update(self._cases, completed=done, description=description)


@contextlib.contextmanager
def stages() -> Iterator[Stages]:
    """Show a bar for the stages of a command; nothing where stderr is not a terminal, and nothing is left behind."""
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with _progress(columns) as progress:
        yield Stages(progress, progress.add_task("", total=None))


@contextlib.contextmanager
def case_bar(shown: bool) -> Iterator[CaseBar]:
    """Show the lines of a cohort, as `stages` does; `shown` is False in all processes but one."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    times = TimeElapsedColumn(), TimeRemainingColumn()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times
    with _progress(columns, shown) as progress:
        yield CaseBar(progress)


def _progress(columns: tuple[ProgressColumn, ...], shown: bool = True) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # Redrawn seldom: the work runs in this process, and on two cores a lively bar costs time.
    options = {"refresh_per_second": 4, "transient": True, "disable": not (shown and console.is_terminal)}
    return Progress(*columns, console=console, **options)


def silence_libraries() -> None:
    """Hold back the log lines, bars and warnings of other libraries; our own warnings still come through.

    Call it before diffusers is imported, which reads the variables.
    """
    for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", module=rf"({_OTHERS})(\.|$)")
