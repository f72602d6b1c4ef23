"""A contestant's process; this module is imported there, so it imports little."""

import os
import sys
import time
from functools import partial

import pytest

from benchmarks.performance.programs import Program
from benchmarks.performance.workers import Worker


class Adding:
    """A task without torch, which ends its process when it is asked too often."""

    def __init__(self, start: int) -> None:
        self.total, self.about = start, {"start": start}

    def run(self) -> dict:
        self.total += 1
        if self.total > 7:
            raise SystemExit(3)
        return {"total": self.total, "process": os.getpid()}


def test_a_worker_keeps_its_task_in_a_process_of_its_own_and_is_missed_when_that_ends():
    worker = Worker(partial(Adding, 5), threads=0)
    try:
        assert worker.about() == {"start": 5}
        first, second = worker.run(), worker.run()
        assert (first["total"], second["total"]) == (6, 7)
        assert first["process"] == second["process"] != os.getpid()
        assert 0 < first["seconds"] < 5
        assert 5 < first["peak_mib"] < 500
        with pytest.raises(RuntimeError, match="a worker ended with 3"):
            worker.run()
    finally:
        worker.close()


class Faulty:
    """A task that fails, or does not end."""

    def __init__(self) -> None:
        self.about = {}

    def run(self, plan: str) -> dict:
        if plan == "sleep":
            time.sleep(60)
        raise ValueError(f"no such plan as {plan}")


def test_a_task_that_fails_says_why_and_one_that_hangs_is_ended():
    worker = Worker(Faulty, threads=0, longest=5)
    try:
        with pytest.raises(RuntimeError, match="ValueError: no such plan as jump"):
            worker.run("jump")
        began = time.perf_counter()
        with pytest.raises(TimeoutError, match="not done after 5 s"):
            worker.run("sleep")
        assert time.perf_counter() - began < 30
    finally:
        worker.close()


def test_a_program_is_timed_with_its_memory_and_its_failure_is_told():
    found = Program((sys.executable, "-c", "import time; held = b'x' * (64 * 2**20); time.sleep(0.2)")).run()
    assert found["seconds"] > 0.2
    assert found["peak_mib"] > 64
    assert found["cpu_seconds"] > 0
    with pytest.raises(RuntimeError, match=r"exit code 3: no such thing"):
        Program((sys.executable, "-c", "import sys; sys.stderr.write('no such thing'); sys.exit(3)")).run()


def test_a_programs_memory_is_its_own_whatever_its_starter_holds():
    held = b"x" * (200 * 2**20)
    found = Program((sys.executable, "-S", "-c", "")).run()
    assert len(held) == 200 * 2**20
    assert 1 < found["peak_mib"] < 60


def test_a_program_that_does_not_end_is_ended():
    with pytest.raises(TimeoutError, match="not done after 2 s"):
        Program((sys.executable, "-c", "import time; time.sleep(60)"), longest=2).run()
