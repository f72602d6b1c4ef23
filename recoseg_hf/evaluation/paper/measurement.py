"""What a claim is decided by: a mean difference on the same subjects with its interval, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoseg_hf.evaluation.intervals import bootstrap_interval

HELD, DID_NOT_HOLD, UNDECIDED, NOT_MEASURED = "held", "did not hold", "undecided", "not measured"
OUTCOMES = (HELD, DID_NOT_HOLD, UNDECIDED, NOT_MEASURED)


@dataclass(frozen=True)
class Measurement:
    """A paired difference, or why there is none.

    Attributes:
        score: of what, such as "Dice".
        value: the mean difference, the claimed better side minus the other; None where it was not measured.
        interval: 95 % by subject; None for fewer than two subjects.
        n: subjects that have the score on both sides.
        higher, lower: on how many of them the difference is above, and below, 0; None where that is not known.
        why: where there is no value, the reason in a few words.
    """

    score: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    higher: int | None = 0
    lower: int | None = 0
    why: str = ""

    @property
    def outcome(self) -> str:
        """One of the four: held or not where the interval lies on one side of 0, else undecided."""
        if self.value is None:
            return NOT_MEASURED
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return UNDECIDED
        return HELD if self.interval[0] > 0 else DID_NOT_HOLD

    @classmethod
    def of_difference(cls, score: str, found: Mapping[str, Any]) -> Measurement:
        """Take over what `paired_differences` says of a score."""
        if found["value"] is None:
            return cls(score, why="no subject has the score in both")
        interval = tuple(found["interval"]) if found["interval"] else None
        return cls(score, found["value"], interval, found["n"], found["higher"], found["lower"])

    @classmethod
    def of_values(cls, score: str, differences: Sequence[float], bootstrap: Mapping[str, Any]) -> Measurement:
        """Take one difference for each subject."""
        if not differences:
            return cls(score, why="no subject has the score")
        mean = sum(differences) / len(differences)
        higher, lower = (sum(sign * one > 0 for one in differences) for sign in (1, -1))
        interval = bootstrap_interval(differences, **bootstrap)
        return cls(score, mean, interval, len(differences), higher, lower)


def joint_outcome(measurements: Sequence[Measurement]) -> str:
    """One of `OUTCOMES` of several scores: held where every one says so, not held where one says the contrary."""
    found = [measurement.outcome for measurement in measurements]
    if all(one == NOT_MEASURED for one in found):
        return NOT_MEASURED
    if DID_NOT_HOLD in found:
        return DID_NOT_HOLD
    return HELD if all(one == HELD for one in found) else UNDECIDED
