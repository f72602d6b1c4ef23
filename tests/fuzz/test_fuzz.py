"""Whatever comes in: a valid result or a refusal, within 2 s and 1 GiB. `benchmarks/fuzz.py` runs this for long."""

import functools
import itertools
import resource

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.corpus import read_corpus
from tests.fuzz.guards import TookTooLongError, limits
from tests.fuzz.targets.all import TARGETS
from tests.fuzz.targets.target import Target, attempt, warm_up

BY_NAME = {target.name: target for target in TARGETS}
SHORT = settings(
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
WHOLE_RUNS = ("recoseg ", "Space: ")
"""Beginnings of the names of targets that take long; `tests/space` has one that is served."""


@functools.cache
def warmed(name: str) -> Target:
    """A target that has loaded and built what it needs."""
    warm_up(BY_NAME[name])
    return BY_NAME[name]


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "Space: over HTTP"])
def test_a_valid_result_or_a_refusal(name):
    target, outcomes = warmed(name), []

    @settings(SHORT, max_examples=3 if name.startswith(WHOLE_RUNS) else 12)
    @given(target.examples)
    def push(example):
        outcomes.append(attempt(target, example))

    push()
    assert outcomes


@pytest.mark.parametrize("found", read_corpus(), ids=lambda found: found.name)
def test_what_was_found_once_stays_mended(found):
    assert attempt(warmed(found.target), found.example) == found.outcome


def test_the_limit_on_time_holds():
    with pytest.raises(TookTooLongError, match="processor time"), limits(seconds=0.05):
        for _ in itertools.count():  # signals are seen between steps of Python
            pass


def test_the_limit_on_memory_holds():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), limits(memory=2**26):
        bytearray(2**34)  # more than earlier tests may have left free within the process
    assert resource.getrlimit(resource.RLIMIT_AS) == before
