"""Training scripts in processes of their own, launched as Accelerate launches them, quickly: forked from a server that
has imported everything, so that a test can afford to kill many of them."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["recoseg_hf.learning.training_loop", "recoseg_hf.learning.pictures", "datasets"])
_PATIENCE = 120  # seconds


@dataclass(frozen=True)
class Kill:
    """Where a process gets SIGKILL.

    Attributes:
        rank: which process of the run.
        function: at whose call: of the training loop, `randomness` (before a micro-batch); of a checkpoint,
            `save_file` (while weights are written), `write_json` (before its state or manifest), `sync` (after its
            renaming).
        call: which call of this process, counted from its start.
        number: of the signal.
    """

    rank: int = 0
    function: str = "randomness"
    call: int = 0
    number: int = signal.SIGKILL


def script(name: str):
    """One of the scripts in `training/` as a module."""
    found = importlib.util.spec_from_file_location(name, ROOT / "training" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


def launch(name: str, arguments: Sequence[object], processes: int = 1, kill: Kill | None = None) -> list[int]:
    """Run a script on CPU processes and return their exit codes, negative for a signal.

    A process that is left when another was killed is killed too, as by a power cut; other signals end one by itself.
    """
    running = start(name, arguments, processes, kill)
    running[kill.rank if kill else 0].join(_PATIENCE)
    assert running[kill.rank if kill else 0].exitcode is not None, "the run hangs"
    if kill:
        for process in running:
            process.kill()
    for process in running:
        process.join(_PATIENCE)
    return [process.exitcode for process in running]


def start(name: str, arguments: Sequence[object], processes: int = 1, kill: Kill | None = None) -> list:
    """Start a script and return its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    texts = [str(argument) for argument in arguments]
    running = [
        _FORKS.Process(target=_run_rank, args=(name, texts, rank, processes, port, kill)) for rank in range(processes)
    ]
    for process in running:
        process.start()
    return running


def _run_rank(name: str, arguments: list[str], rank: int, processes: int, port: int, kill: Kill | None) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    if processes > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }  # fmt: skip
    if kill and kill.rank == rank:
        _arrange(kill)
    sys.argv = [f"{name}.py", *arguments]
    module = script(name)
    options = next(
        value for key, value in vars(module).items() if key.endswith("Options") and value.__module__ == name
    )
    from recoseg_hf.cli.scripts import run_script

    with contextlib.suppress(BrokenPipeError):
        run_script(module.main, options)


def _arrange(kill: Kill) -> None:
    """Let this process send itself the signal at the chosen point; SIGKILL allows no clean-up, no flush."""
    from recoseg_hf.learning import checkpoints
    from recoseg_hf.learning.training_loop import TrainingRun

    def counted(function, last: int):
        calls = itertools.count()

        def wrapper(*arguments, **options):
            if next(calls) == last:
                os.kill(os.getpid(), kill.number)
            return function(*arguments, **options)

        return wrapper

    home = TrainingRun if kill.function == "randomness" else checkpoints
    setattr(home, kill.function, counted(getattr(home, kill.function), kill.call))
