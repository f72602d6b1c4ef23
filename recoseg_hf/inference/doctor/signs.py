"""What a case's measures come down to: one number for each thing that may be wrong."""

from __future__ import annotations

import math

import numpy as np

from recoseg_hf.inference.doctor.groups import Apart, most_apart
from recoseg_hf.inference.doctor.limits import Limits
from recoseg_hf.inference.doctor.measuring import TYPICAL_BRAIN_ML, Measures
from recoseg_hf.pipeline.conventions import MODALITIES

_LEAST_LIKENESS = 0.1  # below, two scans fit nowhere, mirrored or not


def head_scale(measures: Measures) -> float:
    """Length of the head against a usual brain's: 1 where they are alike."""
    return float((np.median([*measures.filled_ml.values()]) / TYPICAL_BRAIN_ML) ** (1 / 3))


def elongation(measures: Measures, limits: Limits) -> tuple[float, int]:
    """Return the logarithm by which one axis is too long (above 0) or short against both others, and which axis."""
    usual = [
        math.log(size / typical) for size, typical in zip(measures.extent_mm, limits.usual_extent_mm, strict=True)
    ]
    apart = [[usual[axis] - other for number, other in enumerate(usual) if number != axis] for axis in range(3)]
    agreed = [min(pair, key=abs) if pair[0] * pair[1] > 0 else 0.0 for pair in apart]
    axis = int(np.argmax(np.abs(agreed)))
    return agreed[axis], axis


def mirrored_apart(measures: Measures) -> Apart:
    """The scans that fit the others better with left and right exchanged, and by how much (logarithm)."""

    def gain(one: str, other: str) -> float:
        pair = measures.pair(one, other)
        if pair.mirrored_likeness < _LEAST_LIKENESS:
            return -1.0
        return math.log(pair.mirrored_likeness / max(pair.likeness, 1e-3))

    return most_apart([*measures.filled_ml], gain)


def misplaced_apart(measures: Measures, mirrored: tuple[str, ...] = ()) -> Apart:
    """The scans that lie apart from the others, in mm; `mirrored` ones are taken with left and right exchanged."""

    def distance(one: str, other: str) -> float:
        pair = measures.pair(one, other)
        return pair.mirrored_distance_mm if (one in mirrored) != (other in mirrored) else pair.distance_mm

    return most_apart([*measures.filled_ml], distance)


def weighting(measures: Measures) -> tuple[float, tuple[str, str]]:
    """Return how much better T1 goes with T1ce, and FLAIR with T2, than crosswise; and the likeliest swap if below 0.

    Two T1-weighted scans go together, and the two others do. If T1 goes with FLAIR instead, either FLAIR holds the
    T1ce or T1 holds the T2: the two scans with the darker tails are taken for the T1-weighted ones.
    """

    def together(one: str, other: str) -> float:
        name = f"{one}-{other}"
        return measures.correlations[name if name in measures.correlations else f"{other}-{one}"]

    swaps = {"flair": (("flair", "t1ce"), ("t1", "t2")), "t2": (("t1ce", "t2"), ("flair", "t1"))}
    crosswise = {}
    for mate in swaps:
        rest = tuple(name for name in MODALITIES if name not in ("t1", mate))
        crosswise[mate] = together("t1", mate) + together(*rest)
    mate = max(crosswise, key=crosswise.__getitem__)
    t1_holds_t1 = measures.tails["t1"] + measures.tails[mate] < 0.5 * sum(measures.tails.values())
    margin = together("t1", "t1ce") + together("flair", "t2") - crosswise[mate]
    return margin, swaps[mate][0 if t1_holds_t1 else 1]
