"""Distances between the surfaces of two masks, by MONAI, behind our table of empty masks.

MONAI's own aggregation takes the HD95 of a missed tumour for 0.0, the best there is; here a mask that is empty on
either side is settled by `metrics.EMPTY_MASK_TABLE` before MONAI is asked.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from recoseg_hf.errors import RecosegError
from recoseg_hf.evaluation.metrics.arrays import bounding_box
from recoseg_hf.evaluation.metrics.overlap import EMPTY_MASK_TABLE, counts
from recoseg_hf.imaging.volume import GRID_TOLERANCE_MM

NSD_TOLERANCE_MM = 1.0
"""How far a surface may be from the other and still count as found, by default."""


def surface_scores(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: Sequence[float],
    tolerance_mm: float = NSD_TOLERANCE_MM,
) -> dict[str, float | None]:
    """Compare the surfaces of two masks.

    A surface is the voxels of a mask that share a face with a voxel outside it, or with the border of the array. On an
    array of a single slice it is the outline in that slice.

    - HD95 is the larger of two 95th percentiles: of the distances from each surface voxel of the prediction to the
      nearest of the reference, and the other way round.
    - NSD, the normalised surface Dice (Nikolov et al. 2021, 10.2196/26151), is the share of the surface voxels of both
      masks whose distance to the other surface is `tolerance_mm` at most. Voxels are counted, not areas.

    Args:
        prediction: mask, 2D or 3D; every non-zero voxel is inside.
        reference: mask of that shape.
        spacing: distance between voxel centres along each axis, in mm.
        tolerance_mm: of the NSD, not negative.

    Returns:
        `hd95_mm` and `nsd` in [0, 1]. Where a mask is empty, `EMPTY_MASK_TABLE`: no HD95; NSD 0 for a missed and for
        an invented tumour, none where both are empty.

    Raises:
        RecosegError: MONAI or SciPy is not installed.
        ValueError: the shapes differ or are neither 2D nor 3D, or the spacing or tolerance does not fit.
    """
    prediction, reference = np.asarray(prediction) != 0, np.asarray(reference) != 0
    _check(prediction, spacing, tolerance_mm)
    if row := EMPTY_MASK_TABLE.get(counts(prediction, reference).outcome):
        return {name: row[name] for name in ("hd95_mm", "nsd")}
    hausdorff, surface_dice = _monai()
    pair, spacing = _cropped(prediction, reference, spacing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI warns of an argument that it passes itself
        hd95 = hausdorff(*pair, include_background=True, percentile=95, spacing=spacing)
        # Spacings are seldom round to the last digit, and a neighbour 1.0000001 mm away is 1 mm away.
        limit = tolerance_mm + GRID_TOLERANCE_MM
        nsd = surface_dice(*pair, [limit], include_background=True, spacing=spacing)
    return {"hd95_mm": float(hd95), "nsd": float(nsd)}


def grid_diagonal_mm(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return how far apart two points of a grid can be, in mm: what a mask that is not there counts as, at worst.

    373.1 mm for 240 x 240 x 155 voxels of 1 mm, for which BraTS 2023 takes 374.
    """
    return math.hypot(*(count * size for count, size in zip(shape, spacing, strict=True)))


def _check(prediction: np.ndarray, spacing: Sequence[float], tolerance_mm: float) -> None:
    if prediction.ndim not in (2, 3):
        raise ValueError(f"expected masks of two or three axes; found shape {prediction.shape}")
    if len(spacing) != prediction.ndim or not all(0 < size < math.inf for size in spacing):
        raise ValueError(f"spacing {tuple(spacing)}; expected {prediction.ndim} positive sizes in mm")
    if not 0 <= tolerance_mm < math.inf:
        raise ValueError(f"tolerance_mm={tolerance_mm}; expected 0 or more")


def _monai() -> tuple:
    try:
        import scipy.spatial  # noqa: F401  (MONAI defers it, and would fail half-way)
        from monai.metrics import compute_hausdorff_distance, compute_surface_dice
    except ImportError:
        raise RecosegError("HD95 and NSD need MONAI and SciPy. Run: pip install 'recoseg_hf[eval]'") from None
    return compute_hausdorff_distance, compute_surface_dice


def _cropped(prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float]) -> tuple[list, list[float]]:
    """Return both masks, as MONAI takes them, in the box that holds them, and its spacing; a lone slice as 2D."""
    import torch

    lone = tuple(axis for axis, count in enumerate(prediction.shape) if count == 1)
    if prediction.ndim - len(lone) < 2:
        lone = ()
    flat = [mask.squeeze(axis=lone) for mask in (prediction, reference)]
    box = bounding_box(flat[0] | flat[1])
    pair = [torch.from_numpy(np.ascontiguousarray(mask[box]))[None, None] for mask in flat]
    return pair, [float(size) for axis, size in enumerate(spacing) if axis not in lone]
