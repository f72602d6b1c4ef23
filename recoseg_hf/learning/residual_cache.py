"""Synthetic T1ce and spread of every training slice, drawn once and kept beside the slices."""

from itertools import groupby
from typing import Any

import numpy as np
import torch

from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.pipeline_recoseg import ENSEMBLE_MIN_STEPS, ReCoSegPipeline
from recoseg_hf.pipeline.residual import residual_map, sample_spread


def cache_split(
    pipeline: ReCoSegPipeline, table: Any, steps: int, samples: int, seed: int, batch_size: int, progress: Any = None
) -> Any:
    """Add `synthetic_t1ce`, `spread`, `residual_max` and `spread_max` to one split.

    Args:
        pipeline: with the synthesizer that draws.
        table: a split of the prepared data set, rows of a subject in order.
        steps: denoising steps of the synthetic T1ce; the spread is drawn with at least `ENSEMBLE_MIN_STEPS`.
        samples: draws whose spread is cached, at least 2; 0 leaves the spread at zero.
        seed: of the noise.
        batch_size: slices per call of the net.
        progress: called with the number of slices done.

    Returns:
        The split with the four columns; maxima are over each subject's volume.
    """
    from datasets import Dataset, Features, Value, concatenate_datasets

    plane = table.features["t1ce"]
    features = Features(synthetic_t1ce=plane, spread=plane, residual_max=Value("float32"), spread_max=Value("float32"))
    subjects = table["subject"][:]
    parts = []
    for _, rows in groupby(range(len(subjects)), key=subjects.__getitem__):
        volume = table.select(list(rows)).with_format("torch")
        columns = _cache_volume(pipeline, volume, steps, samples, seed, batch_size)
        parts.append(Dataset.from_dict(columns, features=features))
        if progress is not None:
            progress(len(volume))
    return concatenate_datasets([table, concatenate_datasets(parts)], axis=1)


def _cache_volume(
    pipeline: ReCoSegPipeline, volume: Any, steps: int, samples: int, seed: int, batch_size: int
) -> dict[str, np.ndarray]:
    positions, brain = volume["position"][:], volume["brain"][:].bool()
    conditions, real = volume["conditions"][:].float(), volume["t1ce"][:].float()
    synthetic = draw(pipeline, conditions, positions, steps, 0, seed, batch_size)
    spread = torch.zeros_like(synthetic)
    if samples:
        longer = max(steps, ENSEMBLE_MIN_STEPS)
        draws = [draw(pipeline, conditions, positions, longer, k, seed, batch_size) for k in range(samples)]
        spread = sample_spread(torch.stack(draws), brain)
    highest = residual_map(real, synthetic, brain).max().item()
    return {
        "synthetic_t1ce": synthetic.half().numpy(),
        "spread": spread.half().numpy(),
        "residual_max": np.full(len(positions), highest, np.float32),
        "spread_max": np.full(len(positions), spread.max().item(), np.float32),
    }


def draw(
    pipeline: ReCoSegPipeline,
    conditions: torch.Tensor,
    positions: torch.Tensor,
    steps: int,
    sample: int,
    seed: int,
    batch_size: int,
) -> torch.Tensor:
    """One draw of T1ce for the slices of one volume, (N, 1, S, S) in [0, 1], with the pipeline's own noise."""
    found = [
        pipeline.denoise(part, slice_generators(seed, where.tolist(), sample), steps)
        for part, where in zip(conditions.split(batch_size), positions.split(batch_size), strict=True)
    ]
    return torch.cat(found)
