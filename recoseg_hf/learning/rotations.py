"""Whom a study of few subjects trains on in turn: everyone equally often, and smaller groups inside larger ones."""

from __future__ import annotations

from collections.abc import Sequence

from recoseg_hf.learning.subjects import seeded_order


def rotations(subjects: Sequence[str], size: int, limit: int = 0, seed: int = 0) -> list[list[str]]:
    """Groups of `size` subjects; the others of each are left to test on.

    Subjects stand in a circle, in a seeded order, and a group is the next `size` from each place on. So everyone is in
    equally many groups (also under a limit that divides the number of subjects and leaves no gaps), and the k-th
    group of one size lies inside the k-th of every larger one.

    Args:
        subjects: those there are.
        size: of a group.
        limit: how many groups at most, evenly spread; 0 takes all, one for each subject.
        seed: of the order.

    Raises:
        ValueError: nobody would be left to test on, or the limit is negative.
    """
    order = seeded_order(subjects, seed)
    if not 1 <= size < len(order):
        raise ValueError(f"groups of {size} out of {len(order)} subjects; expected 1 to {len(order) - 1}.")
    if limit < 0:
        raise ValueError(f"limit={limit}; expected 0 (all rotations) or more.")
    number = min(limit or len(order), len(order))
    starts = [place * len(order) // number for place in range(number)]
    return [[order[(start + step) % len(order)] for step in range(size)] for start in starts]
