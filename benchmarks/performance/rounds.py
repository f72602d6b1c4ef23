"""Turns: everybody once, then everybody again, so that all meet the same machine."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.performance.contestants import Contestant
from benchmarks.performance.programs import Program
from benchmarks.performance.workers import Here, Worker
from benchmarks.performance.workload import Workload

ROUNDS = 3  # with each group


@dataclass(frozen=True)
class Measured:
    """What a contestant's turns gave: what its task says of itself, and an answer for each turn."""

    about: Mapping[str, Any]
    answers: Sequence[Mapping[str, Any]]


def take_turns(
    contestants: Sequence[Contestant], workload: Workload, tell: Callable[[str], None]
) -> tuple[dict[str, Measured], list[float]]:
    """Let everybody take turns, one group of others after the other, for all at once would not fit into memory.

    Those of no group, ours, take turns with each of the groups.

    Returns:
        What each gave, by name, and the load of the machine before each round.
    """
    turns = _Turns(workload, tell)
    ours = [one for one in contestants if not one.group]
    groups = {one.group: [other for other in contestants if other.group == one.group] for one in contestants}
    try:
        turns.start(ours)
        for name, members in groups.items():
            if not name:
                continue
            turns.start(members)
            for number in range(1 if workload.quick else ROUNDS):
                turns.take(_rotated([*ours, *members], number), f"{name}, round {number + 1}")
            turns.close(members)
    finally:
        turns.close(contestants)
    return {name: Measured(turns.about[name], found) for name, found in turns.answers.items()}, turns.loads


class _Turns:
    """Who is running, and what they have answered."""

    def __init__(self, workload: Workload, tell: Callable[[str], None]) -> None:
        self.workload, self.tell = workload, tell
        self.running: dict[str, Worker | Here | Program] = {}
        self.about: dict[str, Mapping[str, Any]] = {}
        self.answers: dict[str, list[Mapping[str, Any]]] = {}
        self.loads: list[float] = []

    def start(self, contestants: Sequence[Contestant]) -> None:
        """Start some side by side; what they make after their imports is made alone, since it may be timed."""
        for one in contestants:
            self.running[one.name] = one.start(self.workload)
        for one in contestants:
            self.running[one.name].imported()
        for one in contestants:
            self.tell(f"getting ready: {one.name}")
            self.about[one.name] = self.running[one.name].about()

    def take(self, contestants: Sequence[Contestant], words: str) -> None:
        """A turn for each."""
        self.loads.append(os.getloadavg()[0])
        for one in contestants:
            self.tell(f"{words}: {one.name}")
            self.answers.setdefault(one.name, []).append(self.running[one.name].run())

    def close(self, contestants: Sequence[Contestant]) -> None:
        """End those that run."""
        for one in contestants:
            if one.name in self.running:
                self.running.pop(one.name).close()


def _rotated(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """Another one begins each round."""
    first = number * len(contestants) // 3 % len(contestants)
    return [*contestants[first:], *contestants[:first]]


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, extremes and number of repeated measurements."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def scaled(found: Mapping[str, Any], times: float) -> dict[str, Any]:
    """A summary of a part, for the whole."""
    return {name: value if name == "n" else value * times for name, value in found.items()}
