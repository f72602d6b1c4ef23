"""The command in processes of its own, that can be killed; torch is loaded once, by the server that forks them."""

import contextlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["torch.distributed", "rich.progress", "recoseg_hf.inference.cohort", "recoseg_hf.pipeline.pipeline_recoseg"]
)


class Command:
    """`recoseg` with some arguments, running.

    Args:
        arguments: of the command.
        folder: for what it prints.
        environment: beside the usual.
        end: (signal, subject, stage): the process sends itself the signal when it reaches the stage with the subject;
            the stage `publish` comes after one of the result's files has been moved to its place.
    """

    def __init__(self, arguments, folder: Path, environment=None, end=None):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._process = _CONTEXT.Process(
            target=_run, args=([str(a) for a in arguments], folder, environment or {}, end)
        )
        self._process.start()

    def wait(self) -> int:
        """The exit code, negative after a signal."""
        self._process.join(timeout=120)
        if self._process.is_alive():
            self._process.kill()
            raise TimeoutError(f"the command hangs: {self.err}")
        return self._process.exitcode

    @property
    def out(self) -> str:
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self._folder / "err").read_text()


def _run(arguments: list[str], folder: Path, environment: dict[str, str], end) -> None:
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), descriptor)
    sys.stdout, sys.stderr = (os.fdopen(descriptor, "w", buffering=1, closefd=False) for descriptor in (1, 2))
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    from recoseg_hf.cli import main

    if end:
        _arrange(*end)
    sys.argv = ["recoseg", *arguments]
    with contextlib.suppress(BrokenPipeError):
        main()


def _arrange(number: int, subject: str, stage: str) -> None:
    """Send this process a signal at a moment of its own work."""
    if stage == "publish":
        replace = os.replace

        def replace_one(source, target) -> None:
            replace(source, target)
            if Path(target).parent.name == subject:
                os.kill(os.getpid(), number)

        os.replace = replace_one
        return
    from recoseg_hf.cli import console

    enter = console.CaseBar.enter

    def enter_and_end(bar, description, *rest) -> None:
        enter(bar, description, *rest)
        if description == f"{subject}: {stage}":
            os.kill(os.getpid(), number)

    console.CaseBar.enter = enter_and_end
