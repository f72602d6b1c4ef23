"""The metrics of one pair of arrays: overlap and surfaces of masks, lesions, likeness of images, curves of a cue.

A metric that is not defined is None, never 0, 1 or NaN, so that no average can take it in by accident; what each is
where a mask is empty stands in one table, `EMPTY_MASK_TABLE`.
"""

from recoseg_hf.evaluation.metrics.curves import compare_cues
from recoseg_hf.evaluation.metrics.flicker import flicker
from recoseg_hf.evaluation.metrics.lesions import lesion_scores
from recoseg_hf.evaluation.metrics.likeness import mae, psnr, ssim
from recoseg_hf.evaluation.metrics.overlap import EMPTY_MASK_TABLE, Counts, counts, dice, iou, precision, recall
from recoseg_hf.evaluation.metrics.surface import surface_scores

__all__ = [
    "EMPTY_MASK_TABLE",
    "Counts",
    "compare_cues",
    "counts",
    "dice",
    "flicker",
    "iou",
    "lesion_scores",
    "mae",
    "precision",
    "psnr",
    "recall",
    "ssim",
    "surface_scores",
]
