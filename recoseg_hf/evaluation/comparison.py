"""One subject: predicted mask against reference, synthetic against real T1ce. The results are plain JSON values."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from recoseg_hf.evaluation.metrics import Counts, counts, dice, in_brain_range, iou, mae, precision, psnr, recall, ssim
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
    if region not in REGIONS:
        raise ValueError(f"region={region!r}; expected one of {', '.join(REGIONS)}")
    _check_grids("prediction", prediction_mask, "reference", reference)
    predicted, referenced = prediction_mask.data != 0, region_masks(reference.data)[region]
    slices = _slice_counts(predicted, referenced, axial_axis(reference))
    count = sum(slices, Counts())
    return {
        "region": region,
        "outcome": count.outcome,
        "counts": asdict(count),
        "dice": dice(count),
        "iou": iou(count),
        "precision": precision(count),
        "recall": recall(count),
        **_millilitres(count, reference.voxel_volume_ml),
        "slices": _slice_scores(slices),
    }


def compare_synthesis(real: Volume, synthetic: Volume, brain: np.ndarray | None = None) -> dict:
    """Compare one subject's synthetic T1ce with the real one inside the brain.

    Args:
        real: measured T1ce, source units, native grid.
        synthetic: T1ce in those units and on that grid.
        brain: bool, of the same shape; where the real T1ce is not 0 when None, which is the brain once skull-stripped.

    Returns:
        JSON values.

        - `psnr` in dB, `ssim` (on axial slices), `mae` in source units, `relative_mae` as a share of the data range
        - `data_range`: 99th percentile of the real T1ce in the brain, in source units; `n_voxels` of the brain
        - `undefined`: for each of these that is None, the reason

    Raises:
        ValueError: the grids differ, or a value in the brain is not finite.
    """
    _check_grids("synthetic T1ce", synthetic, "real T1ce", real)
    brain = real.data != 0 if brain is None else np.asarray(brain, dtype=bool)
    data_range = in_brain_range(real.data, brain)
    error = mae(real.data, synthetic.data, brain)
    scores = {
        "psnr": psnr(real.data, synthetic.data, brain, data_range),
        "ssim": ssim(real.data, synthetic.data, brain, data_range, axial_axis(real)),
        "mae": error,
        "relative_mae": _share(error, data_range),
    }
    if scores["psnr"] == float("inf"):
        scores["psnr"] = None
    undefined = {name: _why_undefined(data_range, error) for name, score in scores.items() if score is None}
    return {**scores, "data_range": data_range, "n_voxels": int(np.count_nonzero(brain)), "undefined": undefined}


def _share(error: float | None, data_range: float | None) -> float | None:
    if not error:
        return error
    return error / data_range if data_range > 0 else None


def _why_undefined(data_range: float | None, error: float | None) -> str:
    if data_range is None:
        return "the brain mask is empty"
    return "the images are identical, so it is infinite" if error == 0 else "the real T1ce has no positive range"


def _slice_counts(predicted: np.ndarray, referenced: np.ndarray, axis: int) -> list[Counts]:
    pairs = zip(np.moveaxis(predicted, axis, 0), np.moveaxis(referenced, axis, 0), strict=True)
    return [counts(*pair) for pair in pairs]


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
