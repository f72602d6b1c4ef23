"""The metrics of one pair of arrays: overlap of masks, likeness of images. NumPy only.

A metric that is not defined is None, never 0, 1 or NaN, so that no average can take it in by accident.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# What each metric of two masks is where one is empty; every other case follows from the voxels.
# A missed tumour and an invented one both score 0; agreement on "nothing here" is not a score and is counted apart.
# A distance to a mask that is not there is no number, least of all 0, the best one.
EMPTY_MASK_TABLE: dict[str, dict[str, float | None]] = {
    "both_empty": {"dice": None, "iou": None, "precision": None, "recall": None, "hd95_mm": None, "nsd": None},
    "empty_reference": {"dice": 0.0, "iou": 0.0, "precision": 0.0, "recall": None, "hd95_mm": None, "nsd": 0.0},
    "empty_prediction": {"dice": 0.0, "iou": 0.0, "precision": None, "recall": 0.0, "hd95_mm": None, "nsd": 0.0},
}

# Wang et al. 2004, section III-C: an 11-tap Gaussian window of 1.5 pixels, K1 = 0.01 and K2 = 0.03.
_SSIM_RADIUS, _SSIM_SIGMA, _SSIM_K1, _SSIM_K2 = 5, 1.5, 0.01, 0.03


@dataclass(frozen=True)
class Counts:
    """Voxels of a predicted mask against a reference mask; counts of parts add up to the counts of the whole."""

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    @property
    def outcome(self) -> str:
        """One of "both_empty", "empty_reference", "empty_prediction", "disjoint" and "overlap"."""
        if self.true_positive:
            return "overlap"
        if self.false_positive:
            return "disjoint" if self.false_negative else "empty_reference"
        return "empty_prediction" if self.false_negative else "both_empty"


def counts(prediction: np.ndarray, reference: np.ndarray) -> Counts:
    """Count the voxels of two masks of one shape (any number of axes); every non-zero voxel is inside.

    Raises:
        ValueError: the shapes differ.
    """
    prediction, reference = np.asarray(prediction) != 0, np.asarray(reference) != 0
    _check_shapes(prediction=prediction, reference=reference)
    both = int(np.count_nonzero(prediction & reference))
    predicted, referenced = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    return Counts(both, predicted - both, referenced - both, prediction.size - predicted - referenced + both)


def dice(count: Counts) -> float | None:
    """Return 2 TP / (2 TP + FP + FN) in [0, 1] (Dice 1945); `EMPTY_MASK_TABLE` where a mask is empty."""
    overlap = 2 * count.true_positive
    return _score(count, "dice", overlap, overlap + count.false_positive + count.false_negative)


def iou(count: Counts) -> float | None:
    """Return TP / (TP + FP + FN) in [0, 1] (Jaccard 1912); `EMPTY_MASK_TABLE` where a mask is empty."""
    union = count.true_positive + count.false_positive + count.false_negative
    return _score(count, "iou", count.true_positive, union)


def precision(count: Counts) -> float | None:
    """Return TP / (TP + FP) in [0, 1]; `EMPTY_MASK_TABLE` where a mask is empty."""
    return _score(count, "precision", count.true_positive, count.true_positive + count.false_positive)


def recall(count: Counts) -> float | None:
    """Return TP / (TP + FN) in [0, 1]; `EMPTY_MASK_TABLE` where a mask is empty."""
    return _score(count, "recall", count.true_positive, count.true_positive + count.false_negative)


def _score(count: Counts, metric: str, numerator: int, denominator: int) -> float | None:
    row = EMPTY_MASK_TABLE.get(count.outcome)
    return row[metric] if row else numerator / denominator


def in_brain_range(real: np.ndarray, mask: np.ndarray) -> float | None:
    """Return the data range that PSNR and SSIM use by default: the 99th percentile of the real image inside the mask.

    The background is 0, so the range is that percentile itself; the maximum would let one bright vessel raise a score.
    None where the mask is empty.
    """
    inside = np.asarray(real)[np.asarray(mask, bool)]
    return float(np.percentile(inside, 99)) if inside.size else None


def psnr(real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray, data_range: float | None = None) -> float | None:
    """Return the peak signal-to-noise ratio inside a mask, in dB: 10 log10(data_range^2 / MSE).

    Args:
        real: measured image, any shape, source units.
        synthetic: image of that shape and in those units.
        mask: bool array of that shape, true in the brain. Background would add several dB.
        data_range: in source units; `in_brain_range` when None.

    Returns:
        dB; `inf` for images identical inside the mask; None where the mask is empty or the range is not positive.

    Raises:
        ValueError: the shapes differ, or a value inside the mask is not finite.
    """
    inside_real, inside_synthetic = _inside(real, synthetic, mask)
    if not inside_real.size:
        return None
    error = np.mean((inside_real - inside_synthetic) ** 2)
    if error == 0:
        return float("inf")
    data_range = in_brain_range(real, mask) if data_range is None else data_range
    return float(10 * np.log10(data_range**2 / error)) if data_range > 0 else None


def mae(real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray) -> float | None:
    """Return the mean absolute error inside a mask, in source units; None where it is empty. Arguments as `psnr`."""
    inside_real, inside_synthetic = _inside(real, synthetic, mask)
    return float(np.mean(np.abs(inside_real - inside_synthetic))) if inside_real.size else None


def ssim(
    real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray, data_range: float | None = None, slice_axis: int = 2
) -> float | None:
    """Return the mean of `ssim_map` over all voxels of the mask.

    Arguments and errors as `ssim_map`.

    Returns:
        In [-1, 1], 1 for images identical inside the mask; None where the mask is empty or the range is not positive.
    """
    similarity = ssim_map(real, synthetic, mask, data_range, slice_axis)
    return mean_inside(similarity, np.asarray(mask, dtype=bool))


def ssim_map(
    real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray, data_range: float | None = None, slice_axis: int = 2
) -> np.ndarray | None:
    """Return the structural similarity of every voxel of a mask (Wang et al. 2004, 10.1109/TIP.2003.819861).

    An 11x11 Gaussian window (sigma 1.5 voxels) slides over each slice, as the paper defines the index. Both images
    count as 0 outside the mask and outside the array, so that only what is inside decides. Constant images need no
    rule of their own: C1 and C2 keep each ratio defined.

    Args:
        real: measured volume, 3D, source units.
        synthetic: volume of that shape and in those units.
        mask: bool, 3D, true in the brain.
        data_range: in source units; `in_brain_range` when None.
        slice_axis: the axis that counts the slices.

    Returns:
        float64 of that shape, in [-1, 1] inside the mask and 0 outside; 1 throughout the mask where the images are
        identical in it. None where they differ and the range is not positive, and where the mask is empty.

    Raises:
        ValueError: the shapes differ or are not 3D, or a value inside the mask is not finite.
    """
    inside_real, inside_synthetic = _inside(real, synthetic, mask)
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 3:
        raise ValueError(f"SSIM needs 3D volumes; found shape {mask.shape}")
    if not inside_real.size:
        return None
    similarity = mask.astype(np.float64)
    if np.array_equal(inside_real, inside_synthetic):
        return similarity
    data_range = in_brain_range(real, mask) if data_range is None else data_range
    if data_range <= 0:
        return None
    box = bounding_box(mask)
    target = np.moveaxis(similarity[box], slice_axis, 0)  # a view: what is written to it is in the map
    slices = zip(*_brain_slices(real, synthetic, mask, box, slice_axis), strict=True)
    for place, (x, y, inside) in enumerate(slices):
        target[place] = np.where(inside, _ssim_map(x, y, data_range), 0)
    return similarity


def mean_inside(values: np.ndarray | None, mask: np.ndarray) -> float | None:
    """Return the mean of an array over a mask; None for no array or an empty mask."""
    if values is None or not mask.any():
        return None
    return float(values[mask].mean())


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box that holds all of a mask that is not empty, as one slice per axis."""
    axes = range(mask.ndim)
    profiles = (mask.any(axis=tuple(other for other in axes if other != axis)).nonzero()[0] for axis in axes)
    return tuple(slice(int(profile[0]), int(profile[-1]) + 1) for profile in profiles)


def cut_to(mask: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return the mask and arrays of its shape in its bounding box, in C order; whole where the mask is empty.

    Volumes from files lie in Fortran order, in which picking voxels by a mask takes several times as long.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(mask=mask, **{f"array {number}": array for number, array in enumerate(arrays, start=1)})
    box = bounding_box(mask) if mask.any() else ()
    return [np.ascontiguousarray(array[box]) for array in (mask, *arrays)]


def _brain_slices(
    real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray, box: tuple[slice, ...], slice_axis: int
) -> list[np.ndarray]:
    """Return real, synthetic and mask in the mask's bounding box, 0 outside the mask, slices along the first axis."""
    mask = mask[box]
    images = (np.where(mask, np.asarray(image)[box], 0).astype(np.float64) for image in (real, synthetic))
    return [np.moveaxis(volume, slice_axis, 0) for volume in (*images, mask)]


def _ssim_map(real: np.ndarray, synthetic: np.ndarray, data_range: float) -> np.ndarray:
    """Return the SSIM of every pixel of two float64 slices (H, W), taken as 0 beyond their borders."""
    rows, columns = (_gaussian_matrix(size) for size in real.shape)

    def blur(image: np.ndarray) -> np.ndarray:
        return rows @ image @ columns.T

    mean_real, mean_synthetic = blur(real), blur(synthetic)
    variances = blur(real**2) - mean_real**2 + blur(synthetic**2) - mean_synthetic**2
    covariance = blur(real * synthetic) - mean_real * mean_synthetic
    c1, c2 = (_SSIM_K1 * data_range) ** 2, (_SSIM_K2 * data_range) ** 2
    luminance = (2 * mean_real * mean_synthetic + c1) / (mean_real**2 + mean_synthetic**2 + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def _gaussian_matrix(size: int) -> np.ndarray:
    """Return the window as a banded (size, size) matrix: two products with such blur a slice."""
    distance = np.arange(size)[:, None] - np.arange(size)[None, :]
    taps = np.exp(-0.5 * (np.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1) / _SSIM_SIGMA) ** 2)
    weights = np.exp(-0.5 * (distance / _SSIM_SIGMA) ** 2) / taps.sum()
    return np.where(np.abs(distance) <= _SSIM_RADIUS, weights, 0.0)


def _inside(real: np.ndarray, synthetic: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the float64 values of both images inside the mask, checked to be finite and of one shape."""
    real, synthetic, mask = np.asarray(real), np.asarray(synthetic), np.asarray(mask, dtype=bool)
    _check_shapes(real=real, synthetic=synthetic, mask=mask)
    values = {"real": real[mask].astype(np.float64), "synthetic": synthetic[mask].astype(np.float64)}
    for name, inside in values.items():
        if not np.isfinite(inside).all():
            raise ValueError(f"the {name} image holds NaN or Inf inside the mask")
    return values["real"], values["synthetic"]


def _check_shapes(**arrays: np.ndarray) -> None:
    if len({array.shape for array in arrays.values()}) > 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes differ: {found}")
