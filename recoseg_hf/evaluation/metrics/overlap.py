"""How far two masks overlap: the counts of their voxels, and the scores that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recoseg_hf.evaluation.metrics.arrays import check_shapes

# What each metric of two masks is where one is empty; every other case follows from the voxels.
# A missed tumour and an invented one both score 0; agreement on "nothing here" is not a score and is counted apart.
# A distance to a mask that is not there is no number, least of all 0, the best one.
EMPTY_MASK_TABLE: dict[str, dict[str, float | None]] = {
    "both_empty": {"dice": None, "iou": None, "precision": None, "recall": None, "hd95_mm": None, "nsd": None},
    "empty_reference": {"dice": 0.0, "iou": 0.0, "precision": 0.0, "recall": None, "hd95_mm": None, "nsd": 0.0},
    "empty_prediction": {"dice": 0.0, "iou": 0.0, "precision": None, "recall": 0.0, "hd95_mm": None, "nsd": 0.0},
}


@dataclass(frozen=True)
class Counts:
    """Voxels of a predicted mask against a reference mask; counts of parts add up to the counts of the whole."""

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    @property
    def outcome(self) -> str:
        """One of "both_empty", "empty_reference", "empty_prediction", "disjoint" and "overlap"."""
        if self.true_positive:
            return "overlap"
        if self.false_positive:
            return "disjoint" if self.false_negative else "empty_reference"
        return "empty_prediction" if self.false_negative else "both_empty"


def counts(prediction: np.ndarray, reference: np.ndarray) -> Counts:
    """Count the voxels of two masks of one shape (any number of axes); every non-zero voxel is inside.

    Raises:
        ValueError: the shapes differ.
    """
    prediction, reference = np.asarray(prediction) != 0, np.asarray(reference) != 0
    check_shapes(prediction=prediction, reference=reference)
    both = int(np.count_nonzero(prediction & reference))
    predicted, referenced = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    return Counts(both, predicted - both, referenced - both, prediction.size - predicted - referenced + both)


def dice(count: Counts) -> float | None:
    """Return 2 TP / (2 TP + FP + FN) in [0, 1] (Dice 1945); `EMPTY_MASK_TABLE` where a mask is empty."""
    overlap = 2 * count.true_positive
    return _score(count, "dice", overlap, overlap + count.false_positive + count.false_negative)


def iou(count: Counts) -> float | None:
    """Return TP / (TP + FP + FN) in [0, 1] (Jaccard 1912); `EMPTY_MASK_TABLE` where a mask is empty."""
    union = count.true_positive + count.false_positive + count.false_negative
    return _score(count, "iou", count.true_positive, union)


def precision(count: Counts) -> float | None:
    """Return TP / (TP + FP) in [0, 1]; `EMPTY_MASK_TABLE` where a mask is empty."""
    return _score(count, "precision", count.true_positive, count.true_positive + count.false_positive)


def recall(count: Counts) -> float | None:
    """Return TP / (TP + FN) in [0, 1]; `EMPTY_MASK_TABLE` where a mask is empty."""
    return _score(count, "recall", count.true_positive, count.true_positive + count.false_negative)


def _score(count: Counts, metric: str, numerator: int, denominator: int) -> float | None:
    row = EMPTY_MASK_TABLE.get(count.outcome)
    return row[metric] if row else numerator / denominator
