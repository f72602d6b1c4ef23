"""An exact test of two systems on the same subjects. NumPy only.

Beside a bootstrap interval, which is too narrow for few subjects (`intervals.bootstrap_interval`): this one keeps its
level for any number of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

SIGNIFICANT = 0.05
"""Below it a difference is more than chance."""
SMALLEST_N = 6
"""With fewer subjects not even one that all agree on gets below `SIGNIFICANT`: the least p is 2 / 2^n."""

_EXACT_UP_TO = 16
_ROUNDING = 1e-9


def sign_flip_p(differences: Sequence[float], seed: int = 0, draws: int = 10_000) -> float | None:
    """Return the two-sided p of a mean difference: how often chance signs give one as far from 0.

    If neither system were better, each subject's difference might as well have the other sign (Fisher 1935, The Design
    of Experiments, section 21). Up to 16 subjects all 2^n choices of signs are tried; for more, `draws` of them.

    Args:
        differences: one finite number per subject.
        seed: of the draws.
        draws: how many, with more than 16 subjects.

    Returns:
        In (0, 1]; None without subjects.
    """
    return paired_ratio_p([(one, 1) for one in differences], [(0, 1)] * len(differences), seed, draws)


def paired_ratio_p(
    a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]], seed: int = 0, draws: int = 10_000
) -> float | None:
    """Return the two-sided p of ratio(a) - ratio(b), where a[i] and b[i] are two systems on one subject.

    A ratio is that of `intervals.bootstrap_ratio_interval`. To flip a subject's sign is to swap its two systems.

    Args:
        a, b: (numerator, denominator) of each subject, every denominator above 0.

    Other arguments and result as `sign_flip_p`.

    Raises:
        ValueError: the lengths differ, or a number is not finite.
    """
    if len(a) != len(b):
        raise ValueError(f"expected the same subjects on both sides; found {len(a)} and {len(b)} values")
    if not len(a):
        return None
    own, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if not (np.isfinite(own).all() and np.isfinite(other).all()):
        raise ValueError("expected finite numbers; leave undefined values out first and count them")
    moved = _swaps(len(own), seed, draws) @ (other - own)
    by_chance = _ratio(own.sum(axis=0) + moved) - _ratio(other.sum(axis=0) - moved)
    found, near = by_chance[0], _ROUNDING * np.abs(by_chance).max()  # the first swaps nobody
    as_far = min(np.mean(by_chance >= found - near), np.mean(by_chance <= found + near))
    return min(1.0, 2 * float(as_far))


def _ratio(terms: np.ndarray) -> np.ndarray:
    return terms[:, 0] / terms[:, 1]


@lru_cache(maxsize=4)
def _swaps(subjects: int, seed: int, draws: int) -> np.ndarray:
    """1 where a subject is swapped, a line for each choice; nobody in the first, which chance gives too."""
    if subjects <= _EXACT_UP_TO:
        return (np.arange(2**subjects)[:, None] >> np.arange(subjects) & 1).astype(np.float64)
    drawn = np.random.default_rng(seed).integers(2, size=(draws, subjects))
    return np.concatenate([np.zeros((1, subjects)), drawn])
