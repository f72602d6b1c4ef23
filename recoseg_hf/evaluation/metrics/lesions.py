"""Lesion by lesion: whether each was found, and how well, so that a large one does not hide a small one that was not.

The definition is that of the BraTS 2023 challenge (its rules for adult glioma; Saluja et al., github.com/rachitsaluja/
BraTS-2023-Metrics), but for lengths, which are in mm on every grid, where the challenge counts voxels of 1 mm:

1. The reference mask is dilated by 3 mm. Its voxels that lie in one connected part of the dilated mask are one lesion.
2. The prediction's connected parts that touch a dilated lesion are matched with it; one part may match several.
3. A lesion's Dice is that of its voxels and all voxels of the parts matched with it; 0 where nothing was.
4. Lesions of 50 mm^3 or less do not count, found or not.
5. A part that touches no dilated lesion, whatever its size, is an invented lesion with Dice 0.
6. The score is the mean over counted and invented lesions.

Connected means sharing a face, an edge or a corner. Where there is no lesion to count and none was invented the
challenge gives 1; here there is no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from recoseg_hf.errors import RecosegError
from recoseg_hf.evaluation.metrics.arrays import bounding_box
from recoseg_hf.imaging.volume import GRID_TOLERANCE_MM

DILATION_MM, SMALL_MM3 = 3.0, 50.0
"""Of the BraTS 2023 challenge for adult glioma, paediatric tumours and sub-Saharan Africa."""


@dataclass(frozen=True)
class LesionScores:
    """One subject, lesion by lesion.

    Attributes:
        dice: lesion-wise Dice in [0, 1]; None where there is no lesion to count and none was invented.
        n_reference: lesions of the reference that count.
        n_found: of these, how many a part of the prediction touches, dilated.
        n_invented: parts of the prediction that touch no lesion.
        n_small: lesions of the reference that are too small to count.
    """

    dice: float | None
    n_reference: int
    n_found: int
    n_invented: int
    n_small: int


def lesion_scores(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: Sequence[float],
    dilation_mm: float = DILATION_MM,
    small_mm3: float = SMALL_MM3,
) -> LesionScores:
    """Compare two masks lesion by lesion, as the module's text defines it.

    Args:
        prediction: mask, 3D; every non-zero voxel is inside.
        reference: mask of that shape.
        spacing: distance between voxel centres along each axis, in mm.
        dilation_mm: of the reference, along each axis.
        small_mm3: lesions of this volume or less do not count.

    Raises:
        RecosegError: SciPy is not installed.
        ValueError: the shapes differ or are not 3D.
    """
    prediction, reference = np.asarray(prediction) != 0, np.asarray(reference) != 0
    if prediction.shape != reference.shape or prediction.ndim != 3:
        raise ValueError(f"expected 3D masks of one shape; found {prediction.shape} and {reference.shape}")
    if not (prediction.any() or reference.any()):
        return LesionScores(None, 0, 0, 0, 0)
    element = _dilation_element(spacing, dilation_mm)
    prediction, reference = _cropped(prediction, reference, element)
    dilated, n_lesions = _label(_ndimage().binary_dilation(reference, element))
    parts, n_parts = _label(prediction)
    matched = _touching(dilated, parts, n_lesions, n_parts)
    sizes = _sizes(dilated[reference], n_lesions)  # a lesion is what its dilation holds of the reference
    overlaps = _sizes(dilated[reference & prediction], n_lesions)
    scores = 2 * overlaps / (sizes + matched @ _sizes(parts, n_parts))
    counted = sizes * np.prod(spacing) > small_mm3
    n_counted, n_invented = int(counted.sum()), n_parts - int(matched.any(axis=0).sum())
    return LesionScores(
        dice=float(scores[counted].sum() / (n_counted + n_invented)) if n_counted or n_invented else None,
        n_reference=n_counted,
        n_found=int(matched.any(axis=1)[counted].sum()),
        n_invented=n_invented,
        n_small=n_lesions - n_counted,
    )


def _dilation_element(spacing: Sequence[float], dilation_mm: float) -> np.ndarray:
    """Return what the challenge's dilation does to a single voxel, in mm.

    There it is done three times over faces and edges of 1 mm voxels, which reaches every voxel that is up to 3 mm away
    along each axis and up to 6 mm along all three together.
    """
    reach = [int((dilation_mm + GRID_TOLERANCE_MM) // size) for size in spacing]
    offsets = np.meshgrid(
        *(np.arange(-n, n + 1) * size for n, size in zip(reach, spacing, strict=True)), indexing="ij"
    )
    return sum(np.abs(offset) for offset in offsets) <= 2 * dilation_mm + GRID_TOLERANCE_MM


def _cropped(prediction: np.ndarray, reference: np.ndarray, element: np.ndarray) -> list[np.ndarray]:
    """Cut both masks down to the box that holds them, with room for the dilation around it."""
    box = bounding_box(prediction | reference)
    margin = [(size // 2,) * 2 for size in element.shape]
    return [np.pad(mask[box], margin) for mask in (prediction, reference)]


def _label(mask: np.ndarray) -> tuple[np.ndarray, int]:
    return _ndimage().label(mask, np.ones((3, 3, 3)))


def _touching(dilated: np.ndarray, parts: np.ndarray, n_lesions: int, n_parts: int) -> np.ndarray:
    """Return for each dilated lesion and each part of the prediction whether they share a voxel."""
    both = (dilated > 0) & (parts > 0)
    pairs = (dilated[both] - 1) * np.int64(n_parts) + parts[both] - 1
    touching = np.zeros(n_lesions * n_parts, bool)
    touching[pairs] = True
    return touching.reshape(n_lesions, n_parts)


def _sizes(labels: np.ndarray, count: int) -> np.ndarray:
    """Return how many voxels bear each of the labels 1 to `count`."""
    return np.bincount(labels.ravel(), minlength=count + 1)[1:]


def _ndimage() -> ModuleType:
    try:
        from scipy import ndimage
    except ImportError:
        raise RecosegError("lesion-wise scores need SciPy. Run: pip install 'recoseg_hf[eval]'") from None
    return ndimage
