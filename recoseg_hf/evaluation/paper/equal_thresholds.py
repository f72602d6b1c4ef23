"""All rows at the same thresholds: a row's own threshold moves its Dice as much as what it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.paper.figures.threshold_scores import mean_dice
from recoseg_hf.evaluation.systems.rows import BASELINE

EQUAL_THRESHOLDS = (0.15, 0.3, 0.5)
"""ReCoSeg small's, the paper's, and one half."""

Dice = Sequence[Sequence[float | None]]
"""Of a row: for each subject one for each of `EQUAL_THRESHOLDS`."""


def at_equal_thresholds(dice: Mapping[str, Dice]) -> dict[str, dict[str, dict[str, Any]]]:
    """Sum up every row's whole-tumour Dice at the same thresholds, on the native grid and without seeds.

    Args:
        dice: by row, of the same subjects in the same order.

    Returns:
        By row and threshold `dice`, a statistic (see `aggregate`); `minus_baseline`, what `paired_difference` returns,
        None for the baseline itself and where it is not among the rows; and `by_subject`, the Dice of each subject in
        their order, nobody named. Empty without subjects.
    """
    return {row: _summarised(row, dice) for row, subjects in dice.items() if subjects}


def _summarised(row: str, dice: Mapping[str, Dice]) -> dict[str, dict[str, Any]]:
    means = mean_dice(dice[row], EQUAL_THRESHOLDS)
    found = {}
    for place, threshold in enumerate(EQUAL_THRESHOLDS):
        own, difference = [scores[place] for scores in dice[row]], None
        if row != BASELINE and BASELINE in dice:
            pairs = list(zip((scores[place] for scores in dice[BASELINE]), own, strict=True))
            difference = paired_difference([pair for pair in pairs if None not in pair])
        found[f"{threshold:g}"] = {"dice": means[threshold], "minus_baseline": difference, "by_subject": own}
    return found
