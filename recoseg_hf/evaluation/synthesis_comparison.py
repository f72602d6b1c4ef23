"""One subject: synthetic against real T1ce. The results are plain JSON values."""

from __future__ import annotations

import numpy as np

from recoseg_hf.evaluation.metrics.arrays import cut_to
from recoseg_hf.evaluation.metrics.flicker import flicker
from recoseg_hf.evaluation.metrics.likeness import in_brain_range, mae, mean_inside, psnr, ssim_map
from recoseg_hf.evaluation.same_grid import axial_axis, check_same_grid
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.pipeline.conventions import region_masks


def compare_synthesis(
    real: Volume, synthetic: Volume, brain: np.ndarray | None = None, labels: Volume | None = None
) -> dict:
    """Compare one subject's synthetic T1ce with the real one inside the brain, and inside its tumour.

    Args:
        real: measured T1ce, source units, native grid.
        synthetic: T1ce in those units and on that grid.
        brain: bool, of the same shape; where the real T1ce is not 0 when None, which is the brain once skull-stripped.
        labels: the reference segmentation on that grid, or None.

    Returns:
        JSON values.

        - `psnr` in dB, `ssim` (on axial slices), `mae` in source units, `relative_mae` as a share of the data range
        - `data_range`: 99th percentile of the real T1ce in the brain, in source units; `n_voxels` of the brain
        - `undefined`: for each of these that is None, the reason
        - `tumour`: for each region of `labels` (`wt`, `tc`, `et`) the same over its voxels in the brain, with the data
          range of the brain, so that the numbers can be compared; None without labels
        - `flicker`: as `flicker.flicker`

    Raises:
        ValueError: the grids differ, or a value in the brain is not finite.
    """
    check_same_grid("synthetic T1ce", synthetic, "real T1ce", real)
    if labels is not None:
        check_same_grid("segmentation", labels, "real T1ce", real)
    brain = real.data != 0 if brain is None else np.asarray(brain, dtype=bool)
    brain, *images = cut_to(brain, real.data, synthetic.data, *([] if labels is None else [labels.data]))
    pair, axis, data_range = images[:2], axial_axis(real), in_brain_range(images[0], brain)
    similarity = ssim_map(*pair, brain, data_range, axis)
    regions = {} if labels is None else region_masks(images[2])
    tumour = {
        region: _synthesis_scores(*pair, mask & brain, data_range, similarity, "the region is empty")
        for region, mask in regions.items()
    }
    return {
        **_synthesis_scores(*pair, brain, data_range, similarity, "the brain mask is empty"),
        "data_range": data_range,
        "tumour": tumour or None,
        "flicker": flicker(*pair, brain, axis),
    }


def _synthesis_scores(
    real: np.ndarray,
    synthetic: np.ndarray,
    mask: np.ndarray,
    data_range: float | None,
    similarity: np.ndarray | None,
    if_empty: str,
) -> dict:
    error = mae(real, synthetic, mask)
    scores = {
        "psnr": psnr(real, synthetic, mask, data_range),
        "ssim": mean_inside(similarity, mask),
        "mae": error,
        "relative_mae": _share(error, data_range),
    }
    if scores["psnr"] == float("inf"):
        scores["psnr"] = None
    undefined = {name: _why_undefined(error, if_empty) for name, score in scores.items() if score is None}
    return {**scores, "n_voxels": int(np.count_nonzero(mask)), "undefined": undefined}


def _share(error: float | None, data_range: float | None) -> float | None:
    if not error:
        return error
    return error / data_range if data_range > 0 else None


def _why_undefined(error: float | None, if_empty: str) -> str:
    if error is None:
        return if_empty
    return "the images are identical, so it is infinite" if error == 0 else "the real T1ce has no positive range"
