"""Dice of the whole tumour at every threshold on a probability that is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recoseg_hf.evaluation.aggregation import mean_statistic
from recoseg_hf.evaluation.metrics.overlap import counts, dice
from recoseg_hf.evaluation.thresholds import THRESHOLDS
from recoseg_hf.pipeline.masks import seeded_mask


def dice_at_thresholds(
    probability: np.ndarray,
    reference: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
    seed_threshold: float = 0.0,
) -> list[float | None]:
    """One subject's Dice at each threshold, as if the model had been run with it.

    Args:
        probability: (I, J, K) in [0, 1].
        reference: of that shape; every non-zero voxel is tumour.
        thresholds: to try.
        seed_threshold: as for `seeded_mask`.

    Returns:
        In the order of `thresholds`; None where both masks are empty.
    """
    reference = np.asarray(reference) != 0
    held = np.argwhere((probability > min(thresholds)) | reference)
    if not len(held):
        return [None] * len(thresholds)
    box = tuple(slice(low, high + 1) for low, high in zip(held.min(axis=0), held.max(axis=0), strict=True))
    inner, truth = probability[box], reference[box]  # all masks lie in it, and it is a tenth of the volume
    return [dice(counts(seeded_mask(inner, one, seed_threshold), truth)) for one in thresholds]


def mean_dice(scores: Sequence[Sequence[float | None]], thresholds: Sequence[float] = THRESHOLDS) -> dict[float, dict]:
    """The mean over subjects at each threshold, a statistic each (see `aggregate`).

    Args:
        scores: one list for each subject, in the order of `thresholds`.
        thresholds: that were tried.
    """
    by_threshold: Mapping[float, Sequence] = dict(zip(thresholds, zip(*scores, strict=True), strict=True))
    return {one: mean_statistic(values) for one, values in by_threshold.items()}
