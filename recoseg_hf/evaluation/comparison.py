"""One subject: predicted mask against reference, synthetic against real T1ce. The results are plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from recoseg_hf.evaluation.metrics.arrays import cut_to
from recoseg_hf.evaluation.metrics.flicker import flicker
from recoseg_hf.evaluation.metrics.lesions import lesion_scores
from recoseg_hf.evaluation.metrics.likeness import in_brain_range, mae, mean_inside, psnr, ssim_map
from recoseg_hf.evaluation.metrics.overlap import Counts, counts, dice, iou, precision, recall
from recoseg_hf.evaluation.metrics.surface import NSD_TOLERANCE_MM, grid_diagonal_mm, surface_scores
from recoseg_hf.imaging.grids import grid_distance
from recoseg_hf.imaging.volume import GRID_TOLERANCE_MM, Volume
from recoseg_hf.pipeline.conventions import REGIONS, region_masks


def grid_difference(a: Volume, b: Volume) -> str | None:
    """Say how the grids of two volumes differ, or None where they are one grid, voxel for voxel."""
    if a.shape != b.shape:
        return f"shape {_times(a.shape)} against {_times(b.shape)}"
    distance = grid_distance(a.shape, a.affine, b.affine)
    return f"voxels up to {distance:.3g} mm apart" if distance > GRID_TOLERANCE_MM else None


def axial_axis(volume: Volume) -> int:
    """Return the array axis that runs most nearly from feet to head: slices are taken along it, on the native grid."""
    return next(axis for axis, letter in enumerate(volume.orientation) if letter in "SI")


def checked_masks(prediction_mask: Volume, reference: Volume, region: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted and the referenced mask of a region, bool.

    Raises:
        ValueError: the grids differ, or the region is unknown.
    """
    if region not in REGIONS:
        raise ValueError(f"region={region!r}; expected one of {', '.join(REGIONS)}")
    _check_grids("prediction", prediction_mask, "reference", reference)
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
    _check_grids("synthetic T1ce", synthetic, "real T1ce", real)
    if labels is not None:
        _check_grids("segmentation", labels, "real T1ce", real)
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


def _check_grids(name: str, volume: Volume, reference_name: str, reference: Volume) -> None:
    if difference := grid_difference(volume, reference):
        raise ValueError(f"{name} and {reference_name} lie on different grids: {difference}")


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
