"""Checks of voxel values: what intensities and labels may be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from recoseg_hf.errors import InputError

LABELS = (0, 1, 2, 3, 4)
"""BraTS labels; 3 and 4 both mean enhancing tumour, in one data set or the other, never together."""

_ROUNDING = 1e-3  # float masks scaled to integers come back as 4.00000024


def check_intensities(path: str | Path, data: np.ndarray, ends: tuple[float, float] | None = None) -> None:
    """Check that an MRI volume has finite intensities that are not all the same.

    Args:
        path: named in errors.
        data: float32 (I, J, K).
        ends: its smallest and largest value, NaN where one is; None looks for them.

    Raises:
        InputError: they are not; for NaN and infinity the message gives their number and the first one's index.
    """
    low, high = _finite_range(path, data, ends)
    if low == high:
        raise InputError(
            path,
            f"every voxel is {low:g}",
            "an MRI volume with contrast",
            "Check that the export was complete.",
        )


def as_labels(path: str | Path, data: np.ndarray, ends: tuple[float, float] | None = None) -> np.ndarray:
    """Return a segmentation as uint8 labels.

    Args:
        path: named in errors.
        data: float32 (I, J, K), integers up to rounding.
        ends: as for `check_intensities`.

    Raises:
        InputError: a value is NaN, between two labels, another label, or labels 3 and 4 both occur.
    """
    _finite_range(path, data, ends)
    rounded = np.rint(data)
    between = np.abs(data - rounded) > _ROUNDING
    if between.any():
        found = f"{_voxels(int(between.sum()), 'lies', 'lie')} between labels (the first is {data[_first(between)]:g})"
        raise InputError(path, found, "whole numbers", "Resample segmentations with nearest neighbour.")
    _check_known(path, rounded)
    labels = rounded.astype(np.uint8)
    if (labels == 3).any() and (labels == 4).any():
        raise InputError(
            path,
            "labels 3 and 4 both occur",
            "enhancing tumour as 4 (BraTS 2017 to 2020) or as 3 (BraTS 2021 and later), not both",
            "Map the file to one of the two schemes.",
        )
    return labels


def _check_known(path: str | Path, rounded: np.ndarray) -> None:
    unknown = (rounded < min(LABELS)) | (rounded > max(LABELS))
    if not unknown.any():
        return
    values, counts = np.unique(rounded[unknown], return_counts=True)
    named = ", ".join(f"{value:g} ({_voxels(count)})" for value, count in zip(values[:5], counts[:5], strict=True))
    more = f" and {len(values) - 5} more" if len(values) > 5 else ""
    raise InputError(
        path,
        f"unknown labels {named}{more}",
        "labels out of {0, 1, 2, 4} or {0, 1, 2, 3}",
        "Map the file to the BraTS labels.",
    )


def _finite_range(path: str | Path, data: np.ndarray, ends: tuple[float, float] | None = None) -> tuple[float, float]:
    """Return the smallest and largest value; NaN and infinity show in them, so one pass serves both ends."""
    low, high = ends or (float(data.min()), float(data.max()))
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    bad = ~np.isfinite(data)
    index = _first(bad)
    raise InputError(
        path,
        f"{_voxels(int(bad.sum()), 'is', 'are')} NaN or infinite, the first at index {index}",
        "finite intensities",
        "Find the processing step that made them, or set them to 0 if they are background.",
    )


def _voxels(count: int, one: str = "", several: str = "") -> str:
    return f"1 voxel {one}".rstrip() if count == 1 else f"{count:,} voxels {several}".rstrip()


def _first(mask: np.ndarray) -> tuple[int, ...]:
    """Return the index of the first True in C order."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(mask), mask.shape))


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box that holds all of a mask that is not empty, as one slice per axis."""
    axes = range(mask.ndim)
    profiles = (mask.any(axis=tuple(other for other in axes if other != axis)).nonzero()[0] for axis in axes)
    return tuple(slice(int(profile[0]), int(profile[-1]) + 1) for profile in profiles)
