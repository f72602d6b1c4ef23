"""Bootstrap intervals over subjects. NumPy only.

Subjects are what is drawn: voxels and slices of one subject are alike, so an interval over them is far too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def bootstrap_interval(
    values: Sequence[float], seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of a mean over subjects (Efron 1979, 10.1214/aos/1176344552).

    It is too narrow for few subjects: on simulated Dice scores (beta distribution, mean 0.86) a 95 % interval held the
    true mean in about 83 % of trials with 6 subjects, 87 % with 10 and 91 % with 20. So n always stands beside it.

    Args:
        values: one finite number per subject; leave undefined ones out first and say how many.
        seed: the interval is a function of the values, the seed, the resamples and the level.
        resamples: how many times the subjects are drawn with replacement.
        level: share of the resampled means inside the interval.

    Returns:
        (low, high), or None for fewer than two subjects, whose spread is unknown.

    Raises:
        ValueError: `values` is not one-dimensional, or one is not finite.
    """
    return bootstrap_ratio_interval(values, np.ones(len(values)), seed, resamples, level)


def paired_difference_interval(
    a: Sequence[float], b: Sequence[float], seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the bootstrap interval of the mean of a - b, where a[i] and b[i] are two systems on one subject.

    Arguments, result and errors as `bootstrap_interval`; also ValueError where the lengths differ.
    """
    a, b = _subject_values(a), _subject_values(b)
    _check_lengths(a, b)
    return bootstrap_interval(a - b, seed, resamples, level)


def bootstrap_ratio_interval(
    numerators: Sequence[float],
    denominators: Sequence[float],
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Return the bootstrap interval of sum(numerators) / sum(denominators), one term of each per subject.

    Pooled Dice (2 TP over 2 TP + FP + FN) and a mean over all slices (sum of scores over their number) are such.
    Denominators are 0 or more; draws whose denominators sum to 0 are left out. Other arguments, result and errors as
    `bootstrap_interval`.
    """
    numerators, denominators = _subject_values(numerators), _subject_values(denominators)
    _check_lengths(numerators, denominators)
    if len(numerators) < 2 or not denominators.any():
        return None
    ratios = np.concatenate(list(_resampled_ratios(numerators, denominators, seed, resamples)))
    low, high = np.nanpercentile(ratios, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def paired_ratio_difference_interval(
    a: Sequence[tuple[float, float]],
    b: Sequence[tuple[float, float]],
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Return the bootstrap interval of ratio(a) - ratio(b), where a[i] and b[i] are two systems on one subject.

    A ratio is that of `bootstrap_ratio_interval`; each draw takes the same subjects on both sides. With denominators
    of 1 it is `paired_difference_interval`.

    Args:
        a, b: (numerator, denominator) of each subject, every denominator above 0.

    Other arguments, result and errors as `bootstrap_interval`; also ValueError where the lengths differ.
    """
    _check_lengths(np.empty(len(a)), np.empty(len(b)))
    if len(a) < 2:
        return None
    sides = []
    for terms in (a, b):
        numerators, denominators = (_subject_values(values) for values in zip(*terms, strict=True))
        sides.append(np.concatenate(list(_resampled_ratios(numerators, denominators, seed, resamples))))
    low, high = np.nanpercentile(sides[0] - sides[1], [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _resampled_ratios(
    numerators: np.ndarray, denominators: np.ndarray, seed: int, resamples: int, block: int = 500
) -> Iterator[np.ndarray]:
    """Yield the ratios of `resamples` draws, `block` at a time: a thousand subjects at once would take 100 MB."""
    generator, subjects = np.random.default_rng(seed), len(numerators)
    for start in range(0, resamples, block):
        drawn = generator.integers(subjects, size=(min(block, resamples - start), subjects))
        totals = denominators[drawn].sum(axis=1)
        yield np.divide(numerators[drawn].sum(axis=1), totals, out=np.full(len(drawn), np.nan), where=totals > 0)


def _subject_values(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("expected one finite number per subject; leave undefined values out first and count them")
    return array


def _check_lengths(a: np.ndarray, b: np.ndarray) -> None:
    if len(a) != len(b):
        raise ValueError(f"expected the same subjects on both sides; found {len(a)} and {len(b)} values")
