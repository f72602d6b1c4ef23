"""What every picture of a case shows alike: which brain, which slices of it, which grey levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recoseg_hf.imaging.case import Case, brain_of_scans
from recoseg_hf.imaging.grids import is_regular, ras_grid, to_ras
from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.pipeline.conventions import CONDITIONS

HEAT_PERCENTILE = 99.5
"""In-brain percentile of a residual at which the heat map ends."""

RESIDUAL_CAPTIONS = {
    "measured": "|synthetic - given T1ce|",
    "ensemble": "spread over samples",
    "none": "not used",
}
"""What a residual is, by its source."""

_BORDER_MM = 6
_WINDOW = (0.5, 99.5)  # in-brain percentiles


def canonical(volume: Volume) -> Volume:
    """Do what `to_canonical` does, without a copy where a volume is only flipped or permuted."""
    if is_regular(*ras_grid(volume.shape, volume.affine), spacing=1.0):
        return Volume(*to_ras(volume.data, volume.affine))
    return to_canonical(volume)


def brain_of(case: Case) -> np.ndarray:
    """Return the brain of a case, bool (X, Y, Z) on the canonical grid."""
    if is_regular(*ras_grid(case.flair.shape, case.flair.affine), spacing=1.0):
        return to_ras(case.brain, case.flair.affine)[0]
    return brain_of_scans({name: canonical(getattr(case, name)) for name in CONDITIONS})


def brain_window(brain: np.ndarray) -> tuple[int, int, int, int]:
    """Return the axial extent of a brain with a border: (x first, x end, y first, y end)."""
    return (*_extent(brain.any(axis=(1, 2))), *_extent(brain.any(axis=(0, 2))))


def grey_limits(data: np.ndarray, brain: np.ndarray) -> tuple[float, float]:
    """Return the intensities that are shown black and white."""
    low, high = _percentiles(data, brain, _WINDOW)
    return low, high


def heat_limit(residual: np.ndarray, brain: np.ndarray) -> float:
    """Return the residual at which the heat map ends; 1 for a residual that is zero everywhere."""
    return _percentiles(residual, brain, [HEAT_PERCENTILE])[0] or 1.0


def _percentiles(data: np.ndarray, brain: np.ndarray, percentages: Sequence[float]) -> list[float]:
    from recoseg_hf.pipeline.preprocessing import percentiles  # loads torch

    # Transposed, voxels that lie together in memory are gathered together, at twice the speed.
    return percentiles(data.T[brain.T].astype(np.float32, copy=False), percentages)


def choose_slices(mask: np.ndarray, brain: np.ndarray) -> list[int]:
    """Choose axial slices: the largest area of the mask and one on each side, or around the middle of the brain.

    Args:
        mask, brain: bool (X, Y, Z), RAS; the brain is not empty.

    Returns:
        Up to three positions along Z, the highest first.
    """
    region, shares = (mask, (0.2, 0.8)) if mask.any() else (brain, (0.35, 0.65))
    areas = region.sum(axis=(0, 1))
    lower, upper = np.searchsorted(np.cumsum(areas) / areas.sum(), shares).tolist()
    middle = int(areas.argmax()) if mask.any() else (lower + upper) // 2
    apart = 4  # mm: nearer slices look alike
    chosen = {min(lower, middle - apart), middle, max(upper, middle + apart)}
    return sorted({min(max(position, 0), len(areas) - 1) for position in chosen}, reverse=True)


def _extent(occupied: np.ndarray) -> tuple[int, int]:
    first, last = np.flatnonzero(occupied)[[0, -1]].tolist()
    return max(first - _BORDER_MM, 0), min(last + 1 + _BORDER_MM, len(occupied))
