"""F9 over several processes: one that is lost, with its machine, say, is told of and not waited for without end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from recoseg_hf.cli import processes
from recoseg_hf.cli.processes import Exchange, LostProcessesError, Place
from tests.cli.test_predict_cohort import free_port, launched
from tests.faults.forks import outcome

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(processes, "_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(processes, "_PATIENCE_SECONDS", 3.0)


def place(rank: int, port: int) -> Exchange:
    os.environ.update(launched(rank, 2, port))
    return Exchange(Place.from_environment())


def meet(port: int, second) -> object:
    """What the first of two processes collects, the other doing `second` with its exchange."""
    child = os.fork()
    if not child:
        try:
            second(place(1, port))
        finally:
            os._exit(0)
    try:
        return place(0, port).collect([{"subject": "sub-01"}])
    finally:
        os.waitpid(child, 0)


def test_f09_a_process_that_is_killed_is_not_waited_for(impatient):
    said = outcome(lambda: meet(free_port(), lambda exchange: os.kill(os.getpid(), signal.SIGKILL)))
    assert said == (
        "LostProcessesError: the other processes: process 1 has shown no life for 3 s; expected all of them until the "
        "end. The results are on the disk: the same command goes on from there."
    )


def test_f09_the_rows_of_those_that_were_there_are_kept(impatient):
    def first() -> list[dict]:
        with pytest.raises(LostProcessesError) as caught:
            meet(free_port(), lambda exchange: os.kill(os.getpid(), signal.SIGKILL))
        return caught.value.rows

    assert outcome(first) == [{"subject": "sub-01"}]


def test_f09_a_process_that_takes_long_is_waited_for(impatient):
    def take_long(exchange: Exchange) -> None:
        time.sleep(4.5)
        exchange.collect([{"subject": "sub-02"}])

    assert outcome(lambda: meet(free_port(), take_long)) == [{"subject": "sub-01"}, {"subject": "sub-02"}]


BEATING_TO_THE_END = """
from recoseg_hf.cli import processes
processes._BEAT_SECONDS = 0
with processes.Exchange(processes.Place.from_environment()) as exchange:
    exchange.collect([])
    beating = exchange._beating
    assert beating.is_alive()
assert not beating.is_alive()
"""


def test_f09_nothing_beats_while_the_process_ends():
    port = free_port()
    commands = [
        subprocess.Popen([sys.executable, "-c", BEATING_TO_THE_END], env=os.environ | launched(rank, 2, port))
        for rank in (0, 1)
    ]
    assert [command.wait(60) for command in commands] == [0, 0]


def test_f09_a_beat_that_fails_once_is_not_the_last(impatient):
    def stumble(exchange: Exchange) -> None:
        store, refused = exchange._store, []

        class Busy:
            def add(self, key: str, amount: int) -> int:
                if len(refused) < 2:
                    refused.append(key)
                    raise RuntimeError("Connection reset by peer")
                return store.add(key, amount)

        exchange._store = Busy()
        time.sleep(4.5)
        exchange._store = store
        assert refused
        exchange.collect([{"subject": "sub-02"}])

    assert outcome(lambda: meet(free_port(), stumble)) == [{"subject": "sub-01"}, {"subject": "sub-02"}]
