"""The rungs of a ladder of labels: how many subjects are labelled, chosen how, and what the others are used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from recoseg_hf.errors import InputError
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.subjects import labelled_subjects

Options = TypeVar("Options", bound=TrainingOptions)


@dataclass(frozen=True)
class Rung:
    """One run of the ladder."""

    labelled_subjects: int
    label_seed: int
    unlabelled: str

    def __str__(self) -> str:
        return f"{self.labelled_subjects} labelled, choice {self.label_seed}, others: {self.unlabelled}"

    def options(self, common: Options) -> Options:
        """Options of this run; nothing is chosen by its validation, which comes once, at the end."""
        name = f"{self.labelled_subjects}_{self.unlabelled}_{self.label_seed}"
        return replace(
            common,
            output_dir=str(Path(common.output_dir) / "runs" / name),
            label_fraction=1.0,
            label_subjects=self.labelled_subjects,
            label_seed=self.label_seed,
            unlabelled=self.unlabelled,
            validation_steps=common.max_train_steps,
            validation_every=1,
            early_stopping_patience=0,
            resume_from_checkpoint="latest",
        )


def plan_rungs(
    texts: str,
    subjects: Sequence[str],
    seeds: Sequence[int],
    unlabelled: Sequence[str],
    taught: str = "",
    taught_seeds: Sequence[int] = (),
) -> list[Rung]:
    """Every run, fewest labels first; with all labels there is one choice, and nobody is left to teach on.

    Args:
        texts: of the rungs.
        subjects: to train on.
        seeds: of the choices of labelled subjects.
        unlabelled: uses of the others.
        taught: rungs for a mean teacher, some of `texts`; empty for all of them.
        taught_seeds: choices for it, some of `seeds`; empty for all of them.

    Raises:
        InputError: a rung is neither a number nor a share of the subjects there are, or has a teacher and no run.
    """
    numbers = _numbers(texts, subjects)
    parts = [number for number in numbers if number < len(subjects)]
    with_teacher = _numbers(taught, subjects, "--mean_teacher_rungs") if taught else parts
    if taught:
        _check_teachers_rungs(taught, with_teacher, parts, unlabelled)
    whole = [Rung(number, seeds[0], "none") for number in numbers if number == len(subjects)]
    rungs = [Rung(number, seed, use) for number in parts for seed in seeds for use in unlabelled]

    def is_wanted(rung: Rung) -> bool:
        chosen = rung.labelled_subjects in with_teacher and rung.label_seed in (taught_seeds or seeds)
        return rung.unlabelled == "none" or chosen

    return [*filter(is_wanted, rungs), *whole]


def _check_teachers_rungs(taught: str, chosen: Sequence[int], rungs: Sequence[int], unlabelled: Sequence[str]) -> None:
    flag = f"--mean_teacher_rungs {taught}"
    if "mean_teacher" not in unlabelled:
        raise InputError(flag, "no mean teacher", "--unlabelled mean_teacher with it", "Add it, or leave these out.")
    if missing := [number for number in chosen if number not in rungs]:
        listed = ", ".join(map(str, rungs))
        remedy = "Choose among these, or add to --rungs."
        raise InputError(flag, f"{missing[0]} labelled subjects", f"rungs with others left: {listed}", remedy)


def _numbers(texts: str, subjects: Sequence[str], flag: str = "--rungs") -> list[int]:
    return sorted({_number(text.strip(), subjects, flag) for text in texts.split(",")})


def _number(text: str, subjects: Sequence[str], flag: str) -> int:
    try:
        if text.endswith("%"):
            return len(labelled_subjects(subjects, fraction=float(text[:-1]) / 100))
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= len(subjects):
        expected = f"1 to {len(subjects)} subjects or a share such as 25%"
        raise InputError(f"{flag} {text}", "no part of the train subjects", expected, "Separate several by commas.")
    return number
