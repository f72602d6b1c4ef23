"""Whether a probability means what it says: of the voxels given 70 %, are seven in ten tumour?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recoseg_hf.evaluation.intervals import bootstrap_ratio_interval

BINS = 15
"""Bins of equal width between 0 and 1, as Guo et al. 2017 take them."""


@dataclass(frozen=True)
class BinCounts:
    """Voxels by predicted probability; counts of subjects add up to those of a cohort.

    Attributes:
        voxels: float64 (B,), how many.
        probability: float64 (B,), the sum of their probabilities.
        positive: float64 (B,), how many of them are in the reference.
    """

    voxels: np.ndarray
    probability: np.ndarray
    positive: np.ndarray

    def __add__(self, other: BinCounts) -> BinCounts:
        return BinCounts(
            self.voxels + other.voxels, self.probability + other.probability, self.positive + other.positive
        )


def count_bins(probability: np.ndarray, mask: np.ndarray, inside: np.ndarray, bins: int = BINS) -> BinCounts:
    """Count one subject's voxels by probability.

    Args:
        probability: in [0, 1], any shape; bin b holds [b / bins, (b + 1) / bins), the last one 1 too.
        mask: of that shape; every non-zero voxel is positive.
        inside: bool, of that shape: the voxels that are judged, such as the brain's.
        bins: how many, B.

    Raises:
        ValueError: the shapes differ, or a probability inside is outside [0, 1].
    """
    probability, mask, inside = np.asarray(probability), np.asarray(mask), np.asarray(inside, dtype=bool)
    if not probability.shape == mask.shape == inside.shape:
        raise ValueError(f"shapes differ: probability {probability.shape}, mask {mask.shape}, inside {inside.shape}")
    said, positive = probability[inside].astype(np.float64), mask[inside] != 0
    if said.size and not (said.min() >= 0 and said.max() <= 1):
        raise ValueError("a probability inside is not in [0, 1]")
    place = np.minimum((said * bins).astype(int), bins - 1)
    weights = (None, said, positive)
    return BinCounts(*(np.bincount(place, weights=weight, minlength=bins).astype(float) for weight in weights))


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram's numbers.

    Attributes:
        said: (B,), mean probability of each bin; NaN where it is empty.
        found: (B,), share of its voxels in the reference; NaN where it is empty.
        intervals: of `found`, by subject; None for fewer than two subjects or an empty bin.
        voxels: (B,), of all subjects.
        ece: expected calibration error, the mean |found - said| weighted by voxels (Guo et al. 2017, 1706.04599); most
            voxels are far from any tumour, so it is near 0 for every model.
        ace: the same with one weight for each bin that is not empty (Neumann et al. 2018), which the many sure voxels
            do not outvote.
        n: subjects.
    """

    said: np.ndarray
    found: np.ndarray
    intervals: list[tuple[float, float] | None]
    voxels: np.ndarray
    ece: float
    ace: float
    n: int


def reliability(subjects: Sequence[BinCounts]) -> Reliability:
    """Pool subjects' voxels; the intervals are over subjects.

    Raises:
        ValueError: there are no voxels.
    """
    if not subjects or not sum(one.voxels.sum() for one in subjects):
        raise ValueError("no voxels to judge; expected subjects with brain")
    total = sum(subjects[1:], subjects[0])
    with np.errstate(invalid="ignore"):
        said, found = total.probability / total.voxels, total.positive / total.voxels
    gaps = np.abs(found - said)
    return Reliability(
        said=said,
        found=found,
        intervals=[
            bootstrap_ratio_interval([one.positive[b] for one in subjects], [one.voxels[b] for one in subjects])
            for b in range(len(said))
        ],
        voxels=total.voxels,
        ece=float(np.nansum(gaps * total.voxels) / total.voxels.sum()),
        ace=float(np.nanmean(gaps)),
        n=len(subjects),
    )
