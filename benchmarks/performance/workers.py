"""A process for each contestant, spoken to over a pipe; it stays warm between its turns."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

MONAI = ("monai.networks.nets", "monai.networks.schedulers", "monai.inferers", "monai.transforms")
_OF_THE_CALLER = ("OMP_", "KMP_", "GOMP_", "MKL_", "MALLOC_", "LD_PRELOAD", "DNNL_", "ONEDNN_")


class Task(Protocol):
    """What a worker is asked to do, round for round."""

    about: Mapping[str, Any]

    def run(self) -> Mapping[str, Any]:
        """Do it once; what is to be told besides the seconds. A task that counts its own seconds tells `seconds`."""


Build = Callable[[], Task]


def clean_environment() -> None:
    """Take out of this process's environment, which workers get, what speeds programs up or slows them down."""
    for name in [name for name in os.environ if name.startswith(_OF_THE_CALLER)]:
        del os.environ[name]
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


class Worker:
    """A fresh interpreter that builds one task and runs it whenever it is asked.

    Args:
        build: makes the task, in that process.
        threads: that torch may use there; 0 leaves torch alone.
        tuned: set the allocator as the command `recoseg` does.
        imports: modules that are imported at once; the task is not made before `about` is called.
    """

    def __init__(
        self,
        build: Build,
        threads: int,
        tuned: bool = False,
        imports: Sequence[str] = (),
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, build, threads, tuned, imports), daemon=True)
        self._process.start()
        other.close()
        self._about: dict[str, Any] | None = None
        self._imported = False

    def imported(self) -> None:
        """Wait until its modules are imported."""
        if not self._imported:
            self._imported = self.answer()

    def about(self) -> dict[str, Any]:
        """Have the task made, if it is not; what it says of itself."""
        if self._about is None:
            self.imported()
            self._pipe.send("make")
            self._about = self.answer()
        return self._about

    def run(self) -> dict[str, Any]:
        """Have the task done once.

        Returns:
            `seconds` of wall time, `peak_mib` of the process so far, and what the task tells.
        """
        self.begin()
        return self.answer()

    def begin(self) -> None:
        """Have the task done once, without waiting."""
        self.about()
        self._pipe.send("run")

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def answer(self) -> dict[str, Any]:
        """Wait for what was begun.

        Raises:
            RuntimeError: the process ended.
        """
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join(5)
            raise RuntimeError(f"a worker ended with {self._process.exitcode}; its own words are above") from None
        return answer


class Here:
    """The same in this process, to see that a task runs; memory, threads and the allocator are then everybody's.

    Args:
        build: makes the task.
        threads: that torch may use, here too; 0 leaves it alone.
    """

    def __init__(self, build: Build, threads: int) -> None:
        self._build, self._threads = build, threads
        self._task: Task | None = None

    def imported(self) -> None:
        """There is nothing to wait for."""

    def about(self) -> dict[str, Any]:
        """Make the task, if it is not; what it says of itself."""
        limit_threads(self._threads)
        self._task = self._task or self._build()
        return dict(self._task.about)

    def run(self) -> dict[str, Any]:
        """Do the task once, as `Worker.run`."""
        self.about()
        return timed(self._task)

    def begin(self) -> None:
        """It is done when its answer is asked for."""

    answer = run

    def close(self) -> None:
        """Forget the task."""
        self._task = None


def start(quick: bool, build: Build, threads: int, tuned: bool = False, imports: Sequence[str] = ()) -> Worker | Here:
    """A worker, or what stands in for it where memory and times do not matter."""
    return Here(build, threads) if quick else Worker(build, threads, tuned, imports)


def serve(pipe: Connection, build: Build, threads: int, tuned: bool, imports: Sequence[str]) -> None:
    """Be a worker: import, make the task when asked, and run it until the pipe is closed."""
    if tuned:
        from recoseg_hf.process import tune_process

        tune_process()
    limit_threads(threads)
    for module in imports:
        import_module(module)
    pipe.send(True)
    task = None
    while asked(pipe):
        if task is None:
            task = build()
            pipe.send(dict(task.about))
            continue
        pipe.send(timed(task))


def limit_threads(threads: int) -> None:
    """Let torch use so many; 0 leaves it alone."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def timed(task: Task) -> dict[str, Any]:
    """Do a task once; its seconds, this process's memory, and what the task tells."""
    started = time.perf_counter()
    told = task.run()
    return {"seconds": time.perf_counter() - started, "peak_mib": peak_mib(), **told}


def asked(pipe: Connection) -> bool:
    """Wait for a request; False once there will be none."""
    try:
        pipe.recv()
    except EOFError:
        return False
    return True


def peak_mib() -> float:
    """The most memory that this process has had in RAM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
