"""The subjects that are shown as pictures: read once, drawn by several figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recoseg_hf.evaluation.paper.figures.measuring import examples
from recoseg_hf.evaluation.paper.figures.slices import View
from recoseg_hf.evaluation.paper.figures.subjects import PredictedFiles, Subject
from recoseg_hf.imaging.case import Case


@dataclass(frozen=True, eq=False)
class Example:
    """A subject to show.

    Attributes:
        case: its scans.
        rows: its predictions by row.
        view: the slice.
        label: which it is, and its Dice; no name, so that a picture can be shown where the name cannot.
        dice: of each row's mask.
    """

    case: Case
    rows: dict[str, PredictedFiles]
    view: View
    label: str
    dice: dict[str, float | None]


def read_examples(subjects: Sequence[Subject], dice: dict[str, list[float | None]], system: str) -> list[Example]:
    """Read the subjects with the lowest, the median and the highest Dice of one row.

    Args:
        subjects: all.
        dice: by row, of all.
        system: the row.
    """
    chosen = examples(dice[system])
    ranks = {0: "lowest", len(chosen) - 1: "highest"} if len(chosen) > 1 else {}
    found = []
    for rank, place in enumerate(chosen):
        subject = subjects[place]
        case = subject.read_case()
        name = "median" if len(chosen) == 3 and rank == 1 else ranks.get(rank)
        label = f"subject {place + 1} of {len(subjects)}" + (f"\n{name} Dice" if name else "")
        found.append(
            Example(
                case, dict(subject.rows), View.of(case), label, {row: scores[place] for row, scores in dice.items()}
            )
        )
    return found


def chosen_how(system: str, n: int) -> str:
    """How the subjects and slices were chosen, for a caption."""
    where = "in the axial slice with the largest reference area"
    if n == 1:
        return f"The only subject, n = 1, {where}."
    return (
        f"Subjects with the lowest, median and highest whole-tumour Dice of {system} among n = {n} (numbered in the "
        f"order of their names), {where}."
    )


def score(value: float | None) -> str:
    """A Dice for a picture."""
    return "undefined" if value is None else f"{value:.3f}"
