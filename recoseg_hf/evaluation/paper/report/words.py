"""Verdicts and findings in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from recoseg_hf.evaluation.audit import Audit
from recoseg_hf.evaluation.in_words import p_in_words
from recoseg_hf.evaluation.paper.claims import OURS, PAPER, Claim
from recoseg_hf.evaluation.paper.evidence import COMMON_THRESHOLD
from recoseg_hf.evaluation.paper.measurement import NOT_MEASURED, Measurement
from recoseg_hf.evaluation.paper.report.cells import cell, shown
from recoseg_hf.evaluation.paper.score_tables import title
from recoseg_hf.evaluation.paper.verdicts import Verdict, verdict_counts
from recoseg_hf.evaluation.systems.rows import BASELINE

_MARKS = {"held": "✓", "did not hold": "✗", "undecided": "○", "not measured": "–"}
_UNITS = {"PSNR": (2, " dB")}
_SHOWN_PLACES = 3


def said(measurement: Measurement) -> str:
    """`Dice +0.034 (+0.010 to +0.060), p = 0.031, n = 6: 6 up, 0 down`, or why there is no number."""
    if measurement.value is None:
        return f"{measurement.score}: {measurement.why}"
    digits, unit = _UNITS.get(measurement.score, (3, ""))
    low_high = [shown(end, digits, sign=True) for end in measurement.interval or ()]
    interval = f" ({' to '.join(low_high)})" if low_high else ""
    counts = f"n = {measurement.n}"
    if measurement.higher is not None:
        counts += f": {measurement.higher} up, {measurement.lower} down"
    p = f", {p_in_words(measurement.p)}" if measurement.p is not None else ""
    return f"{measurement.score} {shown(measurement.value, digits, sign=True)}{unit}{interval}{p}, {counts}"


def told_claims(verdicts: Sequence[Verdict], by: str) -> dict[str, list[dict[str, Any]]]:
    """The claims of somebody on one data set: those `measured` with what both protocols say, and the `unmeasured`."""
    by_claim: dict[Claim, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.claim.by == by:
            by_claim[verdict.claim].append(verdict)
    told: dict[str, list[dict[str, Any]]] = {"measured": [], "unmeasured": []}
    for claim, found in by_claim.items():
        if all(verdict.outcome == NOT_MEASURED for verdict in found):
            why = sorted({one.why for verdict in found for one in verdict.measurements})
            told["unmeasured"].append({"text": claim.text, "why": "; ".join(why)})
        else:
            told["measured"].append(
                {
                    "text": claim.text,
                    "where": claim.where,
                    "published": _published(claim.published()),
                    "verdicts": {verdict.protocol: _told(verdict) for verdict in found},
                }
            )
    return told


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """How many claims held, on whole volumes: one sentence each for the paper's and for ours."""
    sentences = []
    for by, whose in ((PAPER, "the paper's"), (OURS, "our own")):
        found = [verdict for verdict in verdicts if verdict.claim.by == by and verdict.protocol == "volume"]
        counts = ", ".join(f"{count} {outcome}" for outcome, count in verdict_counts(found).items())
        doubted = sum(bool(verdict.doubt) for verdict in found)
        more = f" {doubted} of the undecided would be decided by intervals alone." if doubted else ""
        sentences.append(f"Of {whose} {len(found)} claims, judged on whole volumes: {counts}.{more}")
    hanging = sum(verdict.hangs_on_threshold for verdict in verdicts)
    compared = sum(verdict.common_outcome is not None for verdict in verdicts)
    if compared:
        sentences.append(
            f"{compared} of these compare rows with thresholds of their own; with all rows at {COMMON_THRESHOLD}, "
            f"{hanging} of the {compared} verdicts would be another: they hang on the threshold."
        )
    return sentences


def headlines(results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> list[str]:
    """The row with the highest Dice, and how that and ReCoSeg small stand to the baseline."""
    scored = {
        name: row["volume"]["dice"] for name, row in results.items() if row["volume"]["dice"]["value"] is not None
    }
    if not scored:
        return []
    best = max(scored, key=lambda name: scored[name]["value"])
    found = cell(scored[best], scored[best]["n"])
    interval = f" ({found['interval']})" if found["interval"] else ""
    sentences = [f"Highest whole-tumour Dice per volume: {title(best)}, {found['value']}{interval}."]
    for name in dict.fromkeys((best, "recoseg_small")):
        dice = differences.get(name, {}).get("volume", {}).get("volume", {}).get("dice")
        if dice:
            told = said(Measurement.of_difference("Dice", dice))
            sentences.append(f"Paired, {title(name)} minus {title(BASELINE)}: {told}.")
    return sentences


def findings(audit: Audit) -> list[dict[str, Any]]:
    """What an audit found, alike findings together."""
    alike: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for finding in audit.findings:
        alike[finding.level, finding.check, finding.message].append(finding.where)
    return [
        {
            "level": level,
            "message": message,
            "count": len(places),
            "places": "" if check == "missing_n" else _places(places),
        }
        for (level, check, message), places in alike.items()
    ]


def _places(places: Sequence[str]) -> str:
    more = f" and {len(places) - _SHOWN_PLACES} more" if len(places) > _SHOWN_PLACES else ""
    return ", ".join(places[:_SHOWN_PLACES]) + more


def _told(verdict: Verdict) -> dict[str, Any]:
    told = _told_outcome(verdict.outcome, verdict.measurements)
    common = _told_outcome(verdict.common_outcome, verdict.at_common) if verdict.common_outcome else None
    return told | {"common": common, "hangs": verdict.hangs_on_threshold, "doubt": verdict.doubt}


def _told_outcome(outcome: str, measurements: Sequence[Measurement]) -> dict[str, Any]:
    return {"outcome": outcome, "mark": _MARKS[outcome], "sentences": [said(one) + "." for one in measurements]}


def _published(differences: Mapping[str, Mapping[str, float]]) -> str:
    """`BraTS2020 +11.4 Dice, +12.8 IoU; ...` in percent points; empty where the paper has no such numbers."""
    return "; ".join(
        f"{data} {shown(one['dice'], 1, True)} Dice, {shown(one['iou'], 1, True)} IoU"
        for data, one in differences.items()
    )
