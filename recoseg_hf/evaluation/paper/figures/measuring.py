"""One pass over the subjects for everything that the figures count; no volume is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.paper.figures.cue_curves import Curves, brain_of, cues_of, subject_curves
from recoseg_hf.evaluation.paper.figures.reliability import BinCounts, count_bins
from recoseg_hf.evaluation.paper.figures.subjects import Subject
from recoseg_hf.evaluation.paper.figures.threshold_scores import dice_at_thresholds
from recoseg_hf.evaluation.thresholds import THRESHOLDS
from recoseg_hf.imaging.case import Case


@dataclass
class Measured:
    """Numbers of some subjects, in their order.

    Attributes:
        dice: by row, of the masks as written; None where it is undefined.
        threshold_dice: by row with probabilities, for each subject one for each of `THRESHOLDS`.
        bins: by row with probabilities.
        curves: of the cues, the system's residual among them where it has one.
    """

    dice: dict[str, list[float | None]] = field(default_factory=dict)
    threshold_dice: dict[str, list[list[float | None]]] = field(default_factory=dict)
    bins: dict[str, list[BinCounts]] = field(default_factory=dict)
    curves: list[Curves] = field(default_factory=list)


def measure(
    subjects: Sequence[Subject],
    rows: Sequence[str],
    system: str,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure the rows' predictions, and the cues of one of them.

    Args:
        subjects: with predictions of `rows`.
        rows: to compare, `system` among them.
        system: the row whose residual is judged.
        progress: called after each subject with how many are done and how many there are.
    """
    found = Measured()
    for done, subject in enumerate(subjects, start=1):
        case = subject.read_case()
        for row in rows:
            _measure_row(found, subject, row, case)
        residual = subject.rows[system].read("residual", case)
        cues = cues_of(case, None if residual is None else residual.data)
        found.curves.append(subject_curves(cues, case.seg.data, brain_of(case)))
        if progress:
            progress(done, len(subjects))
    return found


def _measure_row(found: Measured, subject: Subject, row: str, case: Case) -> None:
    files = subject.rows[row]
    score = compare_case(files.read("mask", case), case.seg)["dice"]
    found.dice.setdefault(row, []).append(score)
    probability = files.read("probability", case)
    if probability is None:
        return
    scores = dice_at_thresholds(probability.data, case.seg.data, THRESHOLDS, files.seed_threshold)
    found.threshold_dice.setdefault(row, []).append(scores)
    counted = count_bins(probability.data, case.seg.data, brain_of(case))
    found.bins.setdefault(row, []).append(counted)


def examples(dice: Sequence[float | None], most: int = 3) -> list[int]:
    """Choose subjects to show by their Dice and not by eye: the lowest, the median and the highest, in this order.

    Args:
        dice: of each subject; those without one are not chosen.
        most: how many, spread evenly from the lowest to the highest.

    Returns:
        Their places; fewer where there are fewer subjects.
    """
    ranked = sorted((place for place, value in enumerate(dice) if value is not None), key=lambda place: dice[place])
    chosen = np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int)
    return [ranked[place] for place in chosen]
