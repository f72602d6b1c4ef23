"""What is summed up over subjects: each score as a ratio of two sums, with one term of each per subject.

A mean over subjects has denominators of 1, a mean over all slices the number of slices, a pooled score voxels. A
subject that does not have a score has (0, 0) and enters neither sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Terms = Callable[[Mapping], tuple[float, float]]
"""From one subject's record to its (numerator, denominator)."""


def path_terms(*path: str) -> Terms:
    """Return the terms of the mean over subjects of what stands at a path in their records; None is no score."""

    def terms(record: Mapping) -> tuple[float, float]:
        value = record
        for key in path:
            value = value[key]
        return (0, 0) if value is None else (value, 1)

    return terms


def _over_slices(score: str) -> Terms:
    """Mean over all slices of all subjects."""

    def terms(record: Mapping) -> tuple[float, float]:
        slices = record["slices"]
        n = slices["n"] - slices["n_both_empty"]
        return (slices[score] or 0) * n, n

    return terms


def _pooled_dice(record: Mapping) -> tuple[float, float]:
    both, one = _voxels(record)
    return 2 * both, 2 * both + one


def _pooled_iou(record: Mapping) -> tuple[float, float]:
    both, one = _voxels(record)
    return both, both + one


def _voxels(record: Mapping) -> tuple[int, int]:
    """How many voxels are in both masks, and in one alone."""
    counts = record["counts"]
    return counts["true_positive"], counts["false_positive"] + counts["false_negative"]


def _absolute_volume_error(record: Mapping) -> tuple[float, float]:
    return abs(record["volume_error_ml"]), 1


def _lesions_found(record: Mapping) -> tuple[float, float]:
    return record["lesions"]["n_found"], record["lesions"]["n_reference"]


_MILLILITRES = ("reference_ml", "prediction_ml", "volume_error_ml", "false_positive_ml")

SECTIONS: dict[str, dict[str, Terms]] = {
    "volume": {name: path_terms(name) for name in ("dice", "iou", "precision", "recall")},
    "slice": {name: _over_slices(name) for name in ("dice", "iou")},
    "pooled": {"dice": _pooled_dice, "iou": _pooled_iou},
    "millilitres": {
        **{name: path_terms(name) for name in _MILLILITRES},
        "absolute_volume_error_ml": _absolute_volume_error,
    },
    "surface": {name: path_terms("surface", name) for name in ("hd95_mm", "hd95_penalized_mm", "nsd")},
    "lesions": {
        "dice": path_terms("lesions", "dice"),
        "found": _lesions_found,
        "invented": path_terms("lesions", "n_invented"),
    },
    "synthesis": {name: path_terms("synthesis", name) for name in ("psnr", "ssim", "relative_mae")},
}
"""Every score of a cohort, by section of its result."""

OPTIONAL_SECTIONS = ("surface", "lesions", "synthesis")
"""Sections for which a record needs an entry of that name."""
