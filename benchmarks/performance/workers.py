"""A process for each contestant, spoken to over a pipe; it stays warm between its turns."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

MONAI = ("monai.networks.nets", "monai.networks.schedulers", "monai.inferers", "monai.transforms")
LONGEST = 120.0
"""Seconds that may pass until a process answers; after them it is ended."""
_OF_THE_CALLER = ("OMP_", "KMP_", "GOMP_", "MKL_", "MALLOC_", "LD_PRELOAD", "DNNL_", "ONEDNN_")


class Task(Protocol):
    """What a worker is asked to do, round for round."""

    about: Mapping[str, Any]

    def run(self, plan: str) -> Mapping[str, Any]:
        """Do it once; what is to be told besides the seconds. A task that counts its own seconds tells `seconds`.

        Args:
            plan: which of several things to do; a task with one thing takes no argument.
        """


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
        longest: seconds to wait for an answer.
    """

    def __init__(
        self,
        build: Build,
        threads: int,
        tuned: bool = False,
        imports: Sequence[str] = (),
        longest: float = LONGEST,
    ) -> None:
        self._longest = longest
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
            self._imported = bool(self.answer())

    def about(self) -> dict[str, Any]:
        """Have the task made, if it is not; what it says of itself."""
        if self._about is None:
            self.imported()
            self._pipe.send("make")
            self._about = self.answer()
        return self._about

    def run(self, plan: str = "") -> dict[str, Any]:
        """Have the task done once.

        Returns:
            `seconds` of wall time, `cpu_seconds` of all threads, `peak_mib` of the process so far, and what the task
            tells.
        """
        self.begin(plan)
        return self.answer()

    def begin(self, plan: str = "") -> None:
        """Have the task done once, without waiting."""
        self.about()
        self._pipe.send(plan)

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
            RuntimeError: the task failed, or the process ended.
            TimeoutError: there was no answer in time; the process is ended.
        """
        try:
            if not self._pipe.poll(self._longest):
                self._process.kill()
                raise TimeoutError(f"a worker was not done after {self._longest:g} s")
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            raise RuntimeError(f"a worker ended with {self._process.exitcode}; its own words are above") from None
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
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
        with limited_threads(self._threads):
            self._task = self._task or self._build()
        return dict(self._task.about)

    def run(self, plan: str = "") -> dict[str, Any]:
        """Do the task once, as `Worker.run`."""
        self.about()
        with limited_threads(self._threads):
            return timed(self._task, plan)

    def begin(self, plan: str = "") -> None:
        """It is done when its answer is asked for."""

    answer = run

    def close(self) -> None:
        """Forget the task."""
        self._task = None


def start(
    quick: bool,
    build: Build,
    threads: int,
    tuned: bool = False,
    imports: Sequence[str] = (),
    longest: float = LONGEST,
) -> Worker | Here:
    """A worker, or what stands in for it where memory and times do not matter."""
    return Here(build, threads) if quick else Worker(build, threads, tuned, imports, longest)


def serve(pipe: Connection, build: Build, threads: int, tuned: bool, imports: Sequence[str]) -> None:
    """Be a worker: import, make the task when asked, and run it until the pipe is closed."""
    if tuned:
        from recoseg_hf.process import tune_process

        tune_process()
    with limited_threads(threads):
        for module in imports:
            import_module(module)
        pipe.send(True)
        tasks: list[Task] = []
        while (plan := asked(pipe)) is not None:
            try:
                told = timed(tasks[0], plan) if tasks else made(build, tasks)
            except Exception as error:
                traceback.print_exc()
                told = {"error": f"{type(error).__name__}: {error}"}
            pipe.send(told)


def made(build: Build, tasks: list[Task]) -> dict[str, Any]:
    """Make the task; what it says of itself."""
    tasks.append(build())
    return dict(tasks[0].about)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Within, torch uses so many, whatever is set meanwhile; 0 leaves it alone."""
    if not threads:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def timed(task: Task, plan: str = "") -> dict[str, Any]:
    """Do a task once; its seconds, this process's memory, and what the task tells."""
    started, used = time.perf_counter(), time.process_time()
    told = task.run(plan) if plan else task.run()
    seconds, used = time.perf_counter() - started, time.process_time() - used
    return {"seconds": seconds, "cpu_seconds": used, "peak_mib": peak_mib(), **told}


def asked(pipe: Connection) -> str | None:
    """Wait for a request; None once there will be none."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def peak_mib() -> float:
    """The most memory that this process has had in RAM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
