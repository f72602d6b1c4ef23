"""How alike two images are inside a mask: PSNR, SSIM and mean absolute error."""

from __future__ import annotations

import numpy as np

from recoseg_hf.evaluation.metrics.arrays import bounding_box, check_shapes

# Wang et al. 2004, section III-C: an 11-tap Gaussian window of 1.5 pixels, K1 = 0.01 and K2 = 0.03.
_SSIM_RADIUS, _SSIM_SIGMA, _SSIM_K1, _SSIM_K2 = 5, 1.5, 0.01, 0.03


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
    check_shapes(real=real, synthetic=synthetic, mask=mask)
    values = {"real": real[mask].astype(np.float64), "synthetic": synthetic[mask].astype(np.float64)}
    for name, inside in values.items():
        if not np.isfinite(inside).all():
            raise ValueError(f"the {name} image holds NaN or Inf inside the mask")
    return values["real"], values["synthetic"]
