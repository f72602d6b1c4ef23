"""Turns: everybody once, then everybody again, so that all meet the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.performance.contestants import GROUPS, Contestant
from benchmarks.performance.machine import busy_seconds
from benchmarks.performance.programs import Program
from benchmarks.performance.record import Record
from benchmarks.performance.workers import Here, Worker
from benchmarks.performance.workload import Workload

ROUNDS = 3  # with each group


def take_turns(contestants: Sequence[Contestant], workload: Workload, record: Record, rounds: int = ROUNDS) -> None:
    """Let everybody take turns, one group of others after the other, for all at once would not fit into memory.

    Those of no group take turns with each of the groups. Whoever fails is left out from then on.

    Args:
        contestants: everybody.
        workload: what they work on.
        record: gets what each said of itself and its answers, and is saved after each round.
        rounds: with each group; once the record is late, no other is begun.
    """
    turns = Turns(workload, record)
    always = [one for one in contestants if not one.group]
    try:
        turns.start(always)
        for group in GROUPS:
            members = [one for one in contestants if one.group == group]
            if members:
                turns.take_group(group, always, members, rounds)
    finally:
        turns.close(contestants)


class Turns:
    """Who is running.

    Args:
        workload: what they work on.
        record: gets what they answer.
    """

    def __init__(self, workload: Workload, record: Record) -> None:
        self.workload, self.record = workload, record
        self.running: dict[str, Worker | Here | Program] = {}

    def take_group(self, group: str, always: Sequence[Contestant], members: Sequence[Contestant], rounds: int) -> None:
        """All rounds of a group, if there is time for it at all."""
        if self.record.is_late():
            self.record.values["failed"].update(dict.fromkeys((one.name for one in members), "no time was left"))
            return
        self.start(members)
        for number in range(min(rounds, max(one.most for one in members))):
            if number and self.record.is_late():
                self.record.tell(f"{group}: no time for round {number + 1}")
                break
            for one in _rotated([*always, *members], number):
                if number < one.most:
                    self.take(one, group, number)
            self.record.save()
        self.close(members)

    def start(self, contestants: Sequence[Contestant]) -> None:
        """Start some side by side; what they make after their imports is made alone, since it may be timed."""
        for one in contestants:
            if one.process not in self.running:
                self.running[one.process] = one.start(self.workload)
        for one in contestants:
            self._attempt(one, lambda running: running.imported())
        for one in contestants:
            self.record.tell(f"getting ready: {one.name}")
            about = self._attempt(one, lambda running: running.about())
            if about is not None:
                self.record.values["about"][one.name] = about

    def take(self, one: Contestant, group: str, number: int) -> None:
        """A turn; with it is noted how long others than the contestant worked meanwhile."""
        self.record.tell(f"{group}, round {number + 1}: {one.name}")
        busy, own = busy_seconds(), time.process_time()
        answer = self._attempt(one, lambda running: running.run(one.plan))
        if answer is None:
            return
        others = busy_seconds() - busy - (time.process_time() - own)
        if not self.workload.quick:  # where all is done in one process, which counts as this one
            others -= answer["cpu_seconds"]
        place = {"group": group, "round": number, "foreign_cpu_seconds": max(others, 0.0)}
        self.record.add_answer(one.name, {**answer, **place})

    def _attempt(self, one: Contestant, act: Any) -> Any:
        if one.name in self.record.values["failed"]:
            return None
        found = self.record.attempt(one.name, lambda: act(self._running(one)))
        if one.name in self.record.values["failed"]:
            self.close([one])
        return found

    def _running(self, one: Contestant) -> Worker | Here | Program:
        if one.process not in self.running:
            raise RuntimeError("its process has been ended for another contestant's failure")
        return self.running[one.process]

    def close(self, contestants: Sequence[Contestant]) -> None:
        """End those that run."""
        for one in contestants:
            if one.process in self.running:
                self.running.pop(one.process).close()


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
