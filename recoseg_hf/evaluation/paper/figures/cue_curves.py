"""How well each cue picks out each region, as a precision-recall curve averaged over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recoseg_hf.evaluation.aggregation import mean_statistic
from recoseg_hf.evaluation.metrics.curves import Ranked, prevalence, rank, static_residual
from recoseg_hf.imaging.case import Case
from recoseg_hf.pipeline.conventions import REGIONS, region_masks

RECALLS = np.linspace(0.01, 1, 100)
"""Where subjects' curves are averaged; a residual's and an intensity's thresholds have no common scale."""


@dataclass(frozen=True)
class CueCurve:
    """One subject, cue and region.

    Attributes:
        precision: (100,), where a falling threshold first reaches each of `RECALLS`.
        average_precision: area under the curve, see `curves.average_precision`.
        prevalence: what guessing scores.
    """

    precision: np.ndarray
    average_precision: float
    prevalence: float


Curves = Mapping[tuple[str, str], CueCurve | None]
"""By cue and region; None where the subject has none of the region."""


def cues_of(case: Case, residual: np.ndarray | None) -> dict[str, np.ndarray]:
    """The cues of one subject: `residual`, and two that need no model, `flair` and `static_residual` (|T1ce - T1|).

    Args:
        case: with T1ce for `static_residual`.
        residual: on the case's grid, or None.
    """
    cues = {} if residual is None else {"residual": residual}
    cues["flair"] = case.flair.data
    if case.t1ce is not None:
        cues["static_residual"] = static_residual(case.t1.data, case.t1ce.data, brain_of(case))
    return cues


def brain_of(case: Case) -> np.ndarray:
    """Where any of the scans that the cues are made of is not zero, as `evaluate_masks` has it."""
    scans = (case.flair, case.t1) if case.t1ce is None else (case.flair, case.t1, case.t1ce)
    return np.logical_or.reduce([scan.data != 0 for scan in scans])


def subject_curves(cues: Mapping[str, np.ndarray], labels: np.ndarray, inside: np.ndarray) -> Curves:
    """Judge one subject's cues, voxel by voxel.

    Args:
        cues: by name, each of the shape of `labels`; only their order counts.
        labels: BraTS labels.
        inside: bool, of that shape: the brain.
    """
    masks = region_masks(labels)
    shares = {region: prevalence(masks[region], inside) for region in REGIONS}
    ranked = {name: rank(cue, inside) for name, cue in cues.items()}
    return {
        (name, region): _curve(one, masks[region], shares[region])
        for name, one in ranked.items()
        for region in REGIONS
    }


def _curve(ranked: Ranked, mask: np.ndarray, share: float) -> CueCurve | None:
    precision = ranked.precision_at(mask, RECALLS)
    if precision is None:
        return None
    return CueCurve(np.array(precision), ranked.average_precision(mask), share)


@dataclass(frozen=True)
class MeanCurve:
    """The mean over the subjects that have the region.

    Attributes:
        precision: (100,), at `RECALLS`.
        average_precision: a statistic, see `aggregate`.
        prevalence: mean share of the brain.
        n: subjects.
    """

    precision: np.ndarray
    average_precision: dict
    prevalence: float
    n: int


def mean_curves(subjects: Sequence[Curves]) -> dict[tuple[str, str], MeanCurve]:
    """Average subjects' curves at equal recall; what no subject has is left out.

    Args:
        subjects: what `subject_curves` returns, one for each.
    """
    found = {}
    for key in dict.fromkeys(key for curves in subjects for key in curves):
        curves = [one[key] for one in subjects if one.get(key) is not None]
        if curves:
            found[key] = MeanCurve(
                np.mean([curve.precision for curve in curves], axis=0),
                mean_statistic([curve.average_precision for curve in curves]),
                float(np.mean([curve.prevalence for curve in curves])),
                len(curves),
            )
    return found
