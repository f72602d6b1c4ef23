"""On what a system is judged: whole volumes on their own grid, and beside it the slices and the grid of the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recoseg_hf.evaluation.comparison import checked_masks, compare_slices
from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.pipeline.conventions import region_masks

PAPER_IMAGE_SIZE, PAPER_FIELD_OF_VIEW_MM = 120, 240


@dataclass(frozen=True)
class Protocol:
    """Which voxels count.

    Attributes:
        description: for a reader of the numbers.
        oracle_slices: whether the reference chooses the slices. Whoever predicts does not have it, and what a system
            invents on the other slices, nobody sees.
    """

    description: str
    oracle_slices: bool


PROTOCOLS = {
    "volume": Protocol("every axial slice, native grid", oracle_slices=False),
    "paper": Protocol(
        f"only axial slices with tumour in the reference (oracle_slices), {PAPER_IMAGE_SIZE} x {PAPER_IMAGE_SIZE} px",
        oracle_slices=True,
    ),
}


def compare_case_as_paper(prediction_mask: Volume, reference: Volume, region: str = "wt") -> dict:
    """Compare one subject's mask with its reference as the paper does: arXiv 2508.01058, section "Pre-processing".

    Both masks are brought to axial slices of 1 mm, and these to 120 x 120 pixels over 240 mm (over the whole slice
    where it is larger) as the pipeline resamples its images; a pixel is inside where more than half of its weight is.
    Slices whose reference holds no whole tumour there are dropped.

    Args:
        prediction_mask, reference, region: as for `compare_case`.

    Returns:
        As `compare_case`; `slices` holds `n_left_out` too, the slices that were dropped. A subject without tumour has
        no slice left, and no score.

    Raises:
        ValueError: as for `compare_case`.
    """
    checked_masks(prediction_mask, reference, region)
    labels = to_canonical(reference)
    regions = region_masks(labels.data)
    predicted = to_canonical(Volume((prediction_mask.data != 0).astype(np.uint8), prediction_mask.affine)).data
    (whole, referenced, predicted), pixel_mm = _on_model_grid([regions["wt"], regions[region], predicted])
    kept = whole.any(axis=(1, 2))
    slices = zip(predicted[kept], referenced[kept], strict=True)
    record = compare_slices(slices, region, voxel_volume_ml=pixel_mm**2 / 1000)
    record["slices"]["n_left_out"] = int(np.count_nonzero(~kept))
    return record


def _on_model_grid(masks: list[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Return canonical masks (X, Y, Z) as bool (Z, 120, 120), and the size of their pixels in mm."""
    import torch

    from recoseg_hf.pipeline.preprocessing import MORE_THAN_HALF, ModelGrid

    stacks = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(mask, 2, 0), dtype=np.float32)) for mask in masks]
    everywhere = torch.ones_like(stacks[0], dtype=torch.bool)
    grid = ModelGrid.around(everywhere, PAPER_FIELD_OF_VIEW_MM, PAPER_IMAGE_SIZE)
    resampled = [(grid.to_model(stack) > MORE_THAN_HALF)[:, 0].numpy() for stack in stacks]
    return resampled, grid.field_of_view / PAPER_IMAGE_SIZE
