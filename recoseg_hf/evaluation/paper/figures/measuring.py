"""One pass over the subjects for all that is counted of rows' predictions; no volume is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.paper.equal_thresholds import EQUAL_THRESHOLDS
from recoseg_hf.evaluation.paper.figures.cue_curves import Curves, brain_of, cues_of, subject_curves
from recoseg_hf.evaluation.paper.figures.reliability import BinCounts, count_bins
from recoseg_hf.evaluation.paper.figures.subjects import Subject, find_subjects, rows_with_predictions
from recoseg_hf.evaluation.paper.figures.threshold_scores import dice_at_thresholds
from recoseg_hf.evaluation.thresholds import THRESHOLDS
from recoseg_hf.imaging.case import Case


@dataclass
class Measured:
    """Numbers of some subjects, in their order.

    Attributes:
        subjects: who was measured.
        system: the row whose residual was judged.
        dice: by row, of the masks as written; None where it is undefined.
        threshold_dice: by row with probabilities, for each subject one for each of `THRESHOLDS`.
        equal_dice: by row with probabilities, for each subject one for each of `EQUAL_THRESHOLDS`, without seeds.
        bins: by row with probabilities.
        curves: of the cues, the system's residual among them where it has one.
    """

    subjects: Sequence[Subject] = ()
    system: str = ""
    dice: dict[str, list[float | None]] = field(default_factory=dict)
    threshold_dice: dict[str, list[list[float | None]]] = field(default_factory=dict)
    equal_dice: dict[str, list[list[float | None]]] = field(default_factory=dict)
    bins: dict[str, list[BinCounts]] = field(default_factory=dict)
    curves: list[Curves] = field(default_factory=list)

    def own_cuts(self) -> dict[str, dict[str, float]]:
        """By row what made its masks of its probabilities: `mask_threshold` and `seed_threshold`."""
        rows = self.subjects[0].rows if self.subjects else {}
        return {
            name: {"mask_threshold": row.threshold, "seed_threshold": row.seed_threshold} for name, row in rows.items()
        }


PREFERRED_SYSTEMS = ("recoseg_small", "recoseg_plus_plus", "recoseg")
"""Whose T1ce, residual and probabilities are shown: the first that there is."""


def chosen_system(rows: Sequence[str]) -> str:
    """The first of `PREFERRED_SYSTEMS` among some rows, else their last."""
    return next((row for row in PREFERRED_SYSTEMS if row in rows), rows[-1])


def measure_rows(
    folder: Path, cases: Path, rows: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> Measured:
    """Measure all rows of one data set that have predictions, on the subjects that all of these have finished.

    Args:
        folder: of the data set, as `training/reproduce_paper.py` writes it.
        cases: the data set, with segmentations.
        rows: to measure; those without predictions are left out.
        progress: as for `measure`.

    Returns:
        Without subjects where no row has finished a labelled one.

    Raises:
        InputError: `cases` holds no case, or a file of a subject is unusable or on another grid.
    """
    available = rows_with_predictions(Path(folder), rows)
    subjects = find_subjects(Path(folder), Path(cases), available) if available else []
    return measure(subjects, available, chosen_system(available), progress) if subjects else Measured()


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
    found = Measured(subjects, system)
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
    equal = dice_at_thresholds(probability.data, case.seg.data, EQUAL_THRESHOLDS)
    found.equal_dice.setdefault(row, []).append(equal)
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
