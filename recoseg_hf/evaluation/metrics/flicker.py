"""How a synthetic volume changes from slice to slice, against how the real one does.

A model that draws each axial slice by itself may draw one tissue a little brighter here and darker there: the volume
flickers when scrolled, and no score of single slices sees it.
"""

from __future__ import annotations

import numpy as np

from recoseg_hf.evaluation.metrics.arrays import bounding_box


def flicker(real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray, slice_axis: int = 2) -> dict[str, float | None]:
    """Return how much neighbouring voxels of a synthetic volume differ, as a multiple of how much the real one's do.

    The measure is the mean absolute difference of neighbours that both lie in the mask: sum |s(k+1) - s(k)| over
    sum |r(k+1) - r(k)|. Above 1 the synthetic volume is rougher than the real one, below 1 smoother. A volume that is
    blurred as a whole is smooth through-plane too, so the in-plane ratio stands beside: flicker is a `through_plane`
    ratio that is higher than the `in_plane` one.

    Args:
        real: measured volume, 3D, source units.
        synthetic: volume of that shape and in those units.
        mask: bool, 3D, true in the brain.
        slice_axis: the axis that counts the slices.

    Returns:
        `through_plane` along `slice_axis` and `in_plane` along the two others; None where the real volume has no
        neighbours in the mask, or none that differ.

    Raises:
        ValueError: the shapes differ or are not 3D.
    """
    real, synthetic, mask = np.asarray(real), np.asarray(synthetic), np.asarray(mask, dtype=bool)
    if mask.ndim != 3 or not real.shape == synthetic.shape == mask.shape:
        raise ValueError(f"expected 3D of one shape; found {real.shape}, {synthetic.shape} and mask {mask.shape}")
    if not mask.any():
        return {"through_plane": None, "in_plane": None}
    box = bounding_box(mask)
    volumes = [volume[box].astype(np.float64) for volume in (real, synthetic)]
    others = [axis for axis in range(3) if axis != slice_axis % 3]
    return {
        "through_plane": _ratio(*volumes, mask[box], [slice_axis]),
        "in_plane": _ratio(*volumes, mask[box], others),
    }


def _ratio(real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray, axes: list[int]) -> float | None:
    there, here = (sum(_total_difference(volume, mask, axis) for axis in axes) for volume in (real, synthetic))
    return here / there if there > 0 else None


def _total_difference(volume: np.ndarray, mask: np.ndarray, axis: int) -> float:
    volume, mask = np.moveaxis(volume, axis, 0), np.moveaxis(mask, axis, 0)
    return float(np.abs(volume[1:] - volume[:-1])[mask[1:] & mask[:-1]].sum())
