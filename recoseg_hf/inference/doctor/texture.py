"""How a scan looks from voxel to voxel: noise, and slices thicker than they pretend to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EVERY = 5  # slices: their neighbours tell the same
_QUANTILE = 75  # of the steps; most are 0 where a slice was repeated, and a few are not


@dataclass(frozen=True)
class Texture:
    """Of one scan at 1 mm.

    Attributes:
        noise: standard deviation in the axial plane, over the range from dark to bright tissue (5 to 95 %).
        steps: from each voxel to the next along the axis where they are smallest, over those of the axis in between.
        axis: that axis, 0 to 2: right to left, front to back, bottom to top.
    """

    noise: float
    steps: float
    axis: int


def measure_texture(data: np.ndarray) -> Texture:
    """Measure a scan.

    The noise is what a filter leaves that takes out planes and straight edges (Immerkaer 1996,
    10.1006/cviu.1996.0060); its median, since detail is left in few places.

    Args:
        data: (X, Y, Z) at 1 mm, 0 outside the brain.
    """
    dark, bright = np.percentile(data[data != 0][::_EVERY], (5, 95))
    thinned = data[:, :, ::_EVERY]
    left = np.diff(np.diff(np.where(thinned != 0, thinned, np.nan), n=2, axis=0), n=2, axis=1)
    left = np.abs(left[np.isfinite(left)])
    noise = 1.4826 * float(np.median(left)) / 6 if left.size else 0.0  # 6: the norm of the filter's weights
    steps = [_step(data, axis) for axis in range(3)]
    axis = int(np.argmin(steps))
    return Texture(noise / max(float(bright - dark), 1e-6), steps[axis] / max(sorted(steps)[1], 1e-6), axis)


def _step(data: np.ndarray, axis: int) -> float:
    """A large one of the steps between neighbours along an axis, in intensity."""
    thinned = data[::_EVERY] if axis != 0 else data[:, ::_EVERY]
    steps = np.abs(np.diff(np.where(thinned != 0, thinned, np.nan), axis=axis))
    steps = steps[np.isfinite(steps)]
    return float(np.percentile(steps, _QUANTILE)) if steps.size else 0.0
