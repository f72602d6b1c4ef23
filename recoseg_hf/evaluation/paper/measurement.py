"""What a claim is decided by: a mean difference on the same subjects with its interval, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoseg_hf.evaluation.intervals import bootstrap_interval
from recoseg_hf.evaluation.sign_flips import SIGNIFICANT, SMALLEST_N, sign_flip_p

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
        p: two-sided, of `sign_flips.sign_flip_p`; None where it is not known, as in results of earlier versions.
    """

    score: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    higher: int | None = 0
    lower: int | None = 0
    why: str = ""
    p: float | None = None

    @property
    def by_interval(self) -> str:
        """What the interval alone would say: it is too narrow for few subjects (`intervals.bootstrap_interval`)."""
        if self.value is None:
            return NOT_MEASURED
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return UNDECIDED
        return HELD if self.interval[0] > 0 else DID_NOT_HOLD

    @property
    def outcome(self) -> str:
        """One of the four: held or not where the interval lies on one side of 0 and p below 0.05, else undecided."""
        if self.value is not None and (self.p is None or self.p >= SIGNIFICANT):
            return UNDECIDED
        return self.by_interval

    @property
    def doubt(self) -> str:
        """Why an interval beside 0 decides nothing, in a few words; "" where it decides, or holds 0."""
        if self.by_interval in (self.outcome, NOT_MEASURED):
            return ""
        if self.n < SMALLEST_N:
            return f"the interval alone says {self.by_interval}, but fewer than {SMALLEST_N} subjects decide nothing"
        against = f"p is not below {SIGNIFICANT:g}" if self.p is not None else "p is not known"
        return f"the interval alone says {self.by_interval}, but {against}"

    @classmethod
    def of_difference(cls, score: str, found: Mapping[str, Any]) -> Measurement:
        """Take over what `paired_differences` says of a score, or `paired_difference`."""
        if found["value"] is None:
            return cls(score, why="no subject has the score in both")
        interval = tuple(found["interval"]) if found["interval"] else None
        higher, lower = (found.get(one, found.get(other)) for one, other in (("higher", "better"), ("lower", "worse")))
        return cls(score, found["value"], interval, found["n"], higher, lower, p=found.get("p"))

    @classmethod
    def of_values(cls, score: str, differences: Sequence[float], bootstrap: Mapping[str, Any]) -> Measurement:
        """Take one difference for each subject."""
        if not differences:
            return cls(score, why="no subject has the score")
        mean = sum(differences) / len(differences)
        higher, lower = (sum(sign * one > 0 for one in differences) for sign in (1, -1))
        interval = bootstrap_interval(differences, **bootstrap)
        p = sign_flip_p(differences, bootstrap.get("seed", 0))
        return cls(score, mean, interval, len(differences), higher, lower, p=p)


def joint_outcome(measurements: Sequence[Measurement]) -> str:
    """One of `OUTCOMES` of several scores: held where every one says so, not held where one says the contrary."""
    return _joint([measurement.outcome for measurement in measurements])


def joint_by_interval(measurements: Sequence[Measurement]) -> str:
    """The same by the intervals alone."""
    return _joint([measurement.by_interval for measurement in measurements])


def _joint(found: Sequence[str]) -> str:
    if all(one == NOT_MEASURED for one in found):
        return NOT_MEASURED
    if DID_NOT_HOLD in found:
        return DID_NOT_HOLD
    return HELD if all(one == HELD for one in found) else UNDECIDED
