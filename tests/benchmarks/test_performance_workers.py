"""A contestant's process; this module is imported there, so it imports little."""

import os
from functools import partial

import pytest

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
