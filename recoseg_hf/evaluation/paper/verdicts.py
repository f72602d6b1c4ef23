"""Whether the claims held in a run of the paper's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recoseg_hf.evaluation.paper.claims import CLAIMS, Claim
from recoseg_hf.evaluation.paper.evidence import Evidence
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.measurement import (
    NOT_MEASURED,
    OUTCOMES,
    Measurement,
    joint_by_interval,
    joint_outcome,
)
from recoseg_hf.evaluation.sign_flips import SIGNIFICANT


@dataclass(frozen=True)
class Verdict:
    """What one data set says of a claim under one protocol.

    Attributes:
        claim: judged.
        data: the data set's name.
        protocol: "volume" (whole volumes) or "paper" (slices with tumour only).
        measurements: one for each score of the claim, each row's masks at its own threshold.
        at_common: the same with all masks cut at `evidence.COMMON_THRESHOLD`; empty where that changes nothing, or is
            not known.
    """

    claim: Claim
    data: str
    protocol: str
    measurements: tuple[Measurement, ...]
    at_common: tuple[Measurement, ...] = ()

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`, each row at its own threshold."""
        return joint_outcome(self.measurements)

    @property
    def by_interval(self) -> str:
        """What the intervals alone would say, where few subjects make them too narrow."""
        return joint_by_interval(self.measurements)

    @property
    def doubt(self) -> str:
        """Why what the intervals alone would say is not the outcome; "" where it is."""
        if self.by_interval == self.outcome:
            return ""
        return next(one.doubt for one in self.measurements if one.doubt and one.by_interval == self.by_interval)

    @property
    def common_outcome(self) -> str | None:
        """One of `OUTCOMES`, all rows at one threshold; None without `at_common`."""
        return joint_outcome(self.at_common) if self.at_common else None

    @property
    def hangs_on_threshold(self) -> bool:
        """Whether one threshold for all rows gives another outcome than each row's own."""
        return self.common_outcome not in (None, self.outcome)

    def as_json(self) -> dict[str, Any]:
        """JSON values, without a subject's name."""
        return {
            "claim": self.claim.text,
            "by": self.claim.by,
            "where": self.claim.where,
            "data": self.data,
            "protocol": self.protocol,
            "outcome": self.outcome,
            "by_interval_alone": self.by_interval,
            "measurements": [_as_json(one) for one in self.measurements],
            "common_outcome": self.common_outcome,
            "at_common": [_as_json(one) for one in self.at_common],
        }


def _as_json(one: Measurement) -> dict[str, Any]:
    return {
        "score": one.score,
        "value": one.value,
        "interval": list(one.interval) if one.interval else None,
        "n": one.n,
        "higher": one.higher,
        "lower": one.lower,
        "p": one.p,
        "why": one.why,
    }


def judge_claims(folder: PaperFolder, claims: Sequence[Claim] = CLAIMS) -> list[Verdict]:
    """Judge claims by what `training/reproduce_paper.py` wrote.

    Differences to UNet2D + T1ce are taken from `results.json`, others computed from the rows' own results, subject by
    subject. A claim is decided only where the 95 % interval of its difference does not hold 0, and an exact test by
    subject has p < 0.05 (`sign_flips`): with few subjects that interval alone is too narrow. How many claims chance
    would decide even so, `chance_in_words` says. A claim about two rows' masks is judged at each row's own threshold
    and, where these differ, at one threshold for both too.

    Args:
        folder: the script's `--output_dir`.
        claims: to judge.

    Returns:
        For each data set and claim a verdict under each protocol that the claim can be judged under.
    """
    evidence, verdicts = Evidence(folder), []
    for data in folder.results:
        for claim in claims:
            for protocol in claim.test.protocols:
                measured = tuple(evidence.measure(claim.test, data, protocol))
                common = evidence.at_common_threshold(claim.test, data) if protocol == "volume" else ()
                verdicts.append(Verdict(claim, data, protocol, measured, tuple(common)))
    return verdicts


def verdict_counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many verdicts have each outcome, in the order of `OUTCOMES`."""
    return {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in OUTCOMES}


def chance_in_words(verdicts: Sequence[Verdict]) -> str:
    """How many claims were measured, and how many of so many are decided by chance: one or two sentences."""
    measured = len({verdict.claim for verdict in verdicts if verdict.outcome != NOT_MEASURED})
    if not measured:
        return "No claim was measured."
    claims = "1 claim was" if measured == 1 else f"{measured} claims were"
    return (
        f"{claims} measured, on the same subjects and without correction for their number: were there nothing in any "
        f"of them, about {SIGNIFICANT * measured:.1f} would be decided by chance, at {100 * SIGNIFICANT:g} % each."
    )
