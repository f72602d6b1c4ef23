"""A case looked over for what is legal but wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recoseg_hf.imaging.case import Case
from recoseg_hf.inference.doctor.judging import judge
from recoseg_hf.inference.doctor.limits import Limits, load_limits
from recoseg_hf.inference.doctor.measuring import Measures, measure_case
from recoseg_hf.inference.doctor.words import Suspicion

CANNOT_SEE = (
    "all files flipped alike",
    "scans of two patients or dates that were registered to one another",
    "a displacement below the limit, or one of more than about 15 mm that also leaves the brain's outline alone",
    "a spacing that is wrong by less than about 15 % on one axis, or 30 % (60 % if too large) on all",
    "T1 and T1ce under each other's name where nothing enhances",
)
"""What no suspicion says nothing about."""


@dataclass(frozen=True)
class Examination:
    """What a case gives reason to suspect.

    Attributes:
        subject: the case's name.
        suspicions: likely causes, the plainest first; empty where nothing is suspicious.
        not_looked_for: what could not be looked for in this case, as clauses.
        measures: all that was measured.
    """

    subject: str
    suspicions: tuple[Suspicion, ...]
    not_looked_for: tuple[str, ...]
    measures: Measures

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "subject": self.subject,
            "suspicions": [one.to_json() for one in self.suspicions],
            "not_looked_for": list(self.not_looked_for),
            "measures": self.measures.to_json(),
        }


def examine_case(case: Case, limits: Limits | None = None) -> Examination:
    """Look a case over for swapped, flipped or misplaced scans, a skull, a wrong spacing, and contrasts unknown.

    It measures the images and runs no model. A suspicion is none but that: how often it is right, and how often a
    good case is suspected, stands in `docs/reliability.md`.

    Args:
        case: with or without T1ce; its segmentation is not looked at.
        limits: by default those that came with the package.
    """
    measures = measure_case(case)
    suspicions = tuple(judge(measures, limits or load_limits()))
    return Examination(case.subject, suspicions, tuple(_not_looked_for(case, suspicions)), measures)


def _not_looked_for(case: Case, suspicions: tuple[Suspicion, ...]) -> list[str]:
    causes = {one.cause for one in suspicions}
    found = ["T1 and T1ce swapped, or an inverted contrast: there is no T1ce"] if case.t1ce is None else []
    if "skull" in causes:
        found.append("swapped files: first strip the skull")
    if causes:
        found.append("noise and thick slices: first clear up what is suspected")
    return found
