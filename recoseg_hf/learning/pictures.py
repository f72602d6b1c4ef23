"""Pictures of a few validation slices, for whoever watches a run: rows of slices, columns of images.

They show the site's own patients: they go into the run's own logs and nowhere else.
"""

from collections.abc import Mapping

import numpy as np
import torch

from recoseg_hf.learning.cropping import Crops
from recoseg_hf.learning.segmentation import guided_images, segmenter_inputs
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.pipeline.conventions import RESIDUAL_SOURCES
from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

ROWS = 4


def watched_slices(dataset: SliceDataset, rows: int = ROWS) -> list[int]:
    """Items to look at: of each of the first few subjects, the slice with the most tumour."""
    tumour = dataset.tumour_pixels()
    found = []
    for subject in dataset.chosen_subjects()[:rows]:
        items = [index for index in range(len(dataset)) if dataset.subject(index) == subject]
        found.append(max(items, key=lambda index: tumour[dataset.rows[index]]))
    return found


@torch.no_grad()
def synthesis_picture(pipeline: ReCoSegPipeline, dataset: SliceDataset, items: list[int], steps: int) -> np.ndarray:
    """FLAIR, measured T1ce, synthetic T1ce and twice their difference, uint8 (rows * S, 4 * S)."""
    batch = dataset.batch(items)
    brain, real = batch["brain"][:, 0], batch["t1ce"][:, 0]
    crops = Crops.seen_by(pipeline, brain[:, 0])
    drawn = pipeline.denoise(crops.cut(batch["conditions"][:, 0]), slice_generators(0, items, 0), steps).cpu()
    synthetic = crops.put_back(drawn, brain.shape[-1])
    return _tiles([_stretched(_flair(batch), brain), real, synthetic * brain, (synthetic - real).abs() * 2 * brain])


@torch.no_grad()
def segmentation_picture(
    pipeline: ReCoSegPipeline, dataset: SliceDataset, items: list[int], source: str
) -> np.ndarray:
    """FLAIR, T1ce, the residual shown, the whole tumour's probability and its label, uint8 (rows * S, 5 * S)."""
    batch = dataset.batch(items)
    labels = torch.full((len(batch["regions"]),), RESIDUAL_SOURCES.index(source))
    images = guided_images(pipeline, batch, labels)
    crops = Crops.seen_by(pipeline, batch["brain"].flatten(1, 2).amax(dim=1))
    inputs = crops.cut(segmenter_inputs(pipeline, images, labels)).to(pipeline._execution_device)
    found = pipeline.segment_slices(inputs, source).cpu()[:, :1]
    probability = crops.put_back(found, batch["brain"].shape[-1])
    middle = pipeline.config.context_slices
    residual = images["residual"][:, middle] if "residual" in images else torch.zeros_like(probability)
    flair, t1ce = _stretched(_flair(batch, middle), batch["brain"][:, middle]), batch["t1ce"][:, middle]
    return _tiles([flair, t1ce, residual, probability, batch["regions"][:, :1]])


def _flair(batch: Mapping[str, torch.Tensor], middle: int = 0) -> torch.Tensor:
    return batch["conditions"][:, middle, :1]


def _stretched(image: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """A standardised image as grey values: -2 to 3 deviations of the brain, black outside."""
    return (image + 2) / 5 * brain


def _tiles(columns: list[torch.Tensor]) -> np.ndarray:
    """(B, 1, S, S) in [0, 1] each, put side by side; on the model grid the first axis runs left-right."""
    side_by_side = torch.cat([column.clamp(0, 1).mT.flip(-2) for column in columns], dim=-1)
    return (side_by_side.flatten(0, 2) * 255).byte().numpy()
