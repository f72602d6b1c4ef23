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


@dataclass(frozen=True)
class Measured:
    """What a contestant's turns gave: what its task says of itself, and an answer for each turn."""

    about: Mapping[str, Any]
    answers: Sequence[Mapping[str, Any]]


def take_turns(
    contestants: Sequence[Contestant], workload: Workload, tell: Callable[[str], None]
) -> tuple[dict[str, Measured], list[float]]:
    """Start all, let them take turns, and end them.

    Returns:
        What each gave, by name, and the load of the machine before each round.
    """
    started: dict[str, Worker | Here | Program] = {}
    answers: dict[str, list[Mapping[str, Any]]] = {one.name: [] for one in contestants}
    loads = []
    try:
        for one in contestants:
            started[one.name] = one.start(workload)
        for running in started.values():  # side by side; what is made after that is made alone, and may be timed
            running.imported()
        about = {}
        for name, running in started.items():
            tell(f"getting ready: {name}")
            about[name] = running.about()
        rounds = max(one.turns for one in contestants)
        for number in range(rounds):
            loads.append(os.getloadavg()[0])
            for one in _rotated(contestants, number):
                if has_turn(one.turns, rounds, number):
                    tell(f"round {number + 1} of {rounds}: {one.name}")
                    answers[one.name].append(started[one.name].run())
    finally:
        for running in started.values():
            running.close()
    return {name: Measured(about[name], found) for name, found in answers.items()}, loads


def has_turn(turns: int, rounds: int, number: int) -> bool:
    """Say whether one with so many turns has one in this round, counted from 0; they are spread evenly."""
    return (number * turns) % rounds < turns


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
