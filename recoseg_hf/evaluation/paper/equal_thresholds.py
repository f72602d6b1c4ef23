"""All rows at the same thresholds: a row's own threshold moves its Dice as much as what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.paper.figures.subjects import find_subjects
from recoseg_hf.evaluation.paper.figures.threshold_scores import dice_at_thresholds, mean_dice
from recoseg_hf.evaluation.systems.rows import BASELINE

EQUAL_THRESHOLDS = (0.15, 0.3, 0.5)
"""ReCoSeg small's, the paper's, and one half."""


def at_equal_thresholds(folder: Path, cases: Path, rows: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Cut every row's whole-tumour probability at the same thresholds, on the native grid and without seeds.

    Args:
        folder: of one data set, as `training/reproduce_paper.py` writes it.
        cases: the data set.
        rows: with predictions.

    Returns:
        By row and threshold `dice`, a statistic (see `aggregate`), and `minus_baseline`, what `paired_difference`
        returns; None for the baseline itself and where it is not among the rows. Empty where no subject has all rows.

    Raises:
        InputError: a file is unusable, or on another grid than its case.
    """
    scores: dict[str, list[list[float | None]]] = {row: [] for row in rows}
    subjects = find_subjects(folder, cases, rows)
    for subject in subjects:
        case = subject.read_case()
        for row in rows:
            probability = subject.rows[row].read("probability", case).data
            scores[row].append(dice_at_thresholds(probability, case.seg.data, EQUAL_THRESHOLDS))
    return {row: _summarised(row, scores) for row in rows} if subjects else {}


def _summarised(row: str, scores: dict[str, list[list[float | None]]]) -> dict[str, dict[str, Any]]:
    means = mean_dice(scores[row], EQUAL_THRESHOLDS)
    found = {}
    for place, threshold in enumerate(EQUAL_THRESHOLDS):
        difference = None
        if row != BASELINE and BASELINE in scores:
            pairs = [(base[place], own[place]) for base, own in zip(scores[BASELINE], scores[row], strict=True)]
            difference = paired_difference([pair for pair in pairs if None not in pair])
        found[f"{threshold:g}"] = {"dice": means[threshold], "minus_baseline": difference}
    return found
