"""Who is trained on: splits, folds and labelled parts, always whole subjects and always the same for one seed."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np


def subject_hash(subject: str) -> str:
    """A name for a subject that a run's record may hold where the subject's own must not appear."""
    return hashlib.sha256(f"recoseg subject {subject}".encode()).hexdigest()[:16]


def seeded_order(subjects: Sequence[str], seed: int) -> list[str]:
    """Shuffle subjects; depends on their names and the seed alone, not on the order in which they come."""
    ordered = sorted(set(subjects))
    return [ordered[place] for place in np.random.default_rng([seed, 0x5B]).permutation(len(ordered))]


def folds(subjects: Sequence[str], number: int, seed: int) -> list[list[str]]:
    """Deal subjects into folds whose sizes differ by one at most.

    Raises:
        ValueError: there are fewer than two folds, or fewer subjects than folds.
    """
    order = seeded_order(subjects, seed)
    if not 2 <= number <= len(order):
        raise ValueError(f"{number} folds of {len(order)} subjects; expected 2 folds or more, and a subject in each.")
    return [order[start::number] for start in range(number)]


def labelled_subjects(subjects: Sequence[str], fraction: float = 1.0, count: int = 0, seed: int = 0) -> list[str]:
    """Choose the subjects whose labels are used; a smaller part lies inside a larger one of the same seed.

    Args:
        subjects: those there are.
        fraction: of the subjects, in (0, 1]; rounded to whole subjects, at least one.
        count: how many instead; 0 goes by `fraction`.
        seed: of the choice.

    Raises:
        ValueError: the fraction or count is out of range.
    """
    order = seeded_order(subjects, seed)
    if not 0 < fraction <= 1:
        raise ValueError(f"label_fraction={fraction}; expected more than 0 and at most 1.")
    if not 0 <= count <= len(order):
        raise ValueError(f"label_subjects={count}; expected 0 (go by label_fraction) to {len(order)}.")
    return order[: count or max(1, math.floor(fraction * len(order) + 0.5))]


def fingerprint(subjects: Mapping[str, Sequence[str]]) -> str:
    """One hash for who is in which part of a data set."""
    lines = [f"{part} {subject}" for part in sorted(subjects) for subject in sorted(set(subjects[part]))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
