"""One subject: predicted mask against reference. The results are plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from recoseg_hf.evaluation.metrics.lesions import lesion_scores
from recoseg_hf.evaluation.metrics.overlap import Counts, counts, dice, iou, precision, recall
from recoseg_hf.evaluation.metrics.surface import NSD_TOLERANCE_MM, grid_diagonal_mm, surface_scores
from recoseg_hf.evaluation.same_grid import axial_axis, check_same_grid
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.pipeline.conventions import REGIONS, region_masks


def checked_masks(prediction_mask: Volume, reference: Volume, region: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted and the referenced mask of a region, bool.

    Raises:
        ValueError: the grids differ, or the region is unknown.
    """
    if region not in REGIONS:
        raise ValueError(f"region={region!r}; expected one of {', '.join(REGIONS)}")
    check_same_grid("prediction", prediction_mask, "reference", reference)
    return prediction_mask.data != 0, region_masks(reference.data)[region]


def compare_case(prediction_mask: Volume, reference: Volume, region: str = "wt") -> dict:
    """Compare one subject's mask with its reference, over all voxels of the native grid and per axial slice.

    Args:
        prediction_mask: uint8, 0 outside the region and anything else inside.
        reference: labels {0, 1, 2, 4} or {0, 1, 2, 3}, on the same grid; 0 and 1 will do for `region="wt"`.
        region: "wt", "tc" or "et".

    Returns:
        JSON values. None is "not defined" (`metrics.EMPTY_MASK_TABLE`).

        - `region`; `outcome`, as `metrics.Counts.outcome`; `counts`: voxels, under the field names of `Counts`
        - `dice`, `iou`, `precision`, `recall` of the volume
        - `reference_ml`, `prediction_ml`, `volume_error_ml` (prediction - reference), `false_positive_ml`
        - `slices`: `n` axial slices, of which `n_both_empty` have no score, and the mean `dice` and `iou` of the rest

    Raises:
        ValueError: the grids differ, or the region is unknown.
    """
    predicted, referenced = checked_masks(prediction_mask, reference, region)
    axis = axial_axis(reference)
    slices = zip(np.moveaxis(predicted, axis, 0), np.moveaxis(referenced, axis, 0), strict=True)
    return compare_slices(slices, region, reference.voxel_volume_ml)


def compare_slices(slices: Iterable[tuple[np.ndarray, np.ndarray]], region: str, voxel_volume_ml: float) -> dict:
    """Compare one subject's masks, slice by slice and together.

    Args:
        slices: (prediction, reference) masks of each axial slice that counts.
        region: "wt", "tc" or "et".
        voxel_volume_ml: of these slices' pixels.

    Returns:
        As `compare_case`.
    """
    of_slices = [counts(*pair) for pair in slices]
    count = sum(of_slices, Counts())
    return {
        "region": region,
        "outcome": count.outcome,
        "counts": asdict(count),
        "dice": dice(count),
        "iou": iou(count),
        "precision": precision(count),
        "recall": recall(count),
        **_millilitres(count, voxel_volume_ml),
        "slices": _slice_scores(of_slices),
    }


def compare_shape(
    prediction_mask: Volume, reference: Volume, region: str = "wt", tolerance_mm: float = NSD_TOLERANCE_MM
) -> dict:
    """Compare one subject's mask with its reference by surface and by lesion, on the native grid and in mm.

    Beside `compare_case`, because it takes the `[eval]` extra and more time.

    Args:
        prediction_mask, reference, region: as for `compare_case`.
        tolerance_mm: of the NSD.

    Returns:
        JSON values. None is "not defined" (`metrics.EMPTY_MASK_TABLE`).

        - `surface`: `hd95_mm`, None where a mask is empty; `hd95_penalized_mm`, for which a missed or invented tumour
          is as far off as the grid's diagonal; `nsd` at `tolerance_mm` (see `surface.surface_scores`)
        - `lesions`: `dice`, `n_reference`, `n_found`, `n_invented` and `n_small` (see `lesions`)

    Raises:
        RecosegError: MONAI or SciPy is not installed.
        ValueError: as for `compare_case`.
    """
    predicted, referenced = checked_masks(prediction_mask, reference, region)
    spacing = reference.voxel_spacing
    surface = surface_scores(predicted, referenced, spacing, tolerance_mm)
    one_is_empty = predicted.any() != referenced.any()
    penalized = grid_diagonal_mm(reference.shape, spacing) if one_is_empty else surface["hd95_mm"]
    return {
        "surface": {**surface, "hd95_penalized_mm": penalized, "tolerance_mm": tolerance_mm},
        "lesions": asdict(lesion_scores(predicted, referenced, spacing)),
    }


def _slice_scores(slices: list[Counts]) -> dict:
    scored = [count for count in slices if count.outcome != "both_empty"]
    means = {metric.__name__: float(np.mean([metric(count) for count in scored])) for metric in (dice, iou) if scored}
    return {"n": len(slices), "n_both_empty": len(slices) - len(scored), "dice": None, "iou": None} | means


def _millilitres(count: Counts, voxel_volume_ml: float) -> dict[str, float]:
    return {
        "reference_ml": (count.true_positive + count.false_negative) * voxel_volume_ml,
        "prediction_ml": (count.true_positive + count.false_positive) * voxel_volume_ml,
        "volume_error_ml": (count.false_positive - count.false_negative) * voxel_volume_ml,
        "false_positive_ml": count.false_positive * voxel_volume_ml,
    }
