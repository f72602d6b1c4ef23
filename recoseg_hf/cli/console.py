"""What a command shows while it works: one bar on stderr, on a terminal only; and peace from other libraries."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_OTHERS = "diffusers|transformers|torch|accelerate|huggingface_hub|datasets|pyarrow|multiprocess|nilearn|sklearn"


class Stages:
    """The line that says what is going on and how far it is."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def enter(self, description: str) -> None:
        """Name a new stage of unknown length."""
        self._progress.reset(self._task, description=description, total=None)

    def advance(self, done: int, total: int) -> None:
        """Say how far the stage is; `predict_case` and `evaluate_masks` call this."""
        self._progress.update(self._task, completed=done, total=total)


@contextlib.contextmanager
def stages() -> Iterator[Stages]:
    """Show a bar for the stages of a command; nothing where stderr is not a terminal, and nothing is left behind."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    # Redrawn seldom: the work runs in this process, and on two cores a lively bar costs time.
    options = {"refresh_per_second": 4, "transient": True, "disable": not console.is_terminal}
    with Progress(*columns, console=console, **options) as progress:
        yield Stages(progress, progress.add_task("", total=None))


def silence_libraries() -> None:
    """Hold back the log lines, bars and warnings of other libraries; our own warnings still come through.

    Call it before diffusers is imported, which reads the variables.
    """
    for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", module=rf"({_OTHERS})(\.|$)")
