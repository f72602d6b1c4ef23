"""One training step and one validation of the synthesizer."""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from recoseg_hf.learning.augmentation import AugmentationSettings, draw_transform, jitter_conditions, warp
from recoseg_hf.learning.cropping import Crops, draw_cropped, volume_window
from recoseg_hf.learning.losses import reconstruction_loss
from recoseg_hf.learning.processes import Share, on_this_process
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.pipeline.denoising import predict_clean, slice_generators
from recoseg_hf.pipeline.folding import fold_pixels, unfold_pixels
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


@dataclass(frozen=True)
class NoiseLevels:
    """At which timesteps a synthesizer learns.

    The paper draws them evenly. A model that is sampled in a few steps meets a few of them only, and pure noise above
    all; learning these more often is what Fast-DDPM does (Jiang et al. 2024, arXiv 2405.14802), there always.

    Attributes:
        few_steps: denoising steps of the sampling that is learnt for.
        share: of the slices that learn at the timesteps which those steps visit; the others learn at any. 0 is the
            paper's.

    Raises:
        ValueError: naming the setting that is out of range.
    """

    few_steps: int = 1
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.few_steps < 1:
            raise ValueError(f"few_steps={self.few_steps}; expected 1 or more.")
        if not 0 <= self.share <= 1:
            raise ValueError(f"few_step_share={self.share}; expected 0 to 1.")

    def draw(self, scheduler: Any, randomness: SampleRandomness) -> torch.Tensor:
        """Timesteps int64 (B,), one for each slice of a batch."""
        place = randomness.uniform()
        any_of_all = (place * scheduler.config.num_train_timesteps).long()
        if self.share == 0:
            return any_of_all
        visited = visited_timesteps(scheduler, self.few_steps)
        return torch.where(randomness.uniform() < self.share, visited[(place * len(visited)).long()], any_of_all)


def visited_timesteps(scheduler: Any, steps: int) -> torch.Tensor:
    """The timesteps int64 (steps,) that a scheduler goes through in so many denoising steps; it stays as it was."""
    walking = deepcopy(scheduler)
    walking.set_timesteps(steps)
    return walking.timesteps.round().long().cpu()


def synthesis_loss(
    net: nn.Module,
    pipeline: ReCoSegPipeline,
    batch: Mapping[str, torch.Tensor],
    randomness: SampleRandomness,
    augmentation: AugmentationSettings | None,
    reconstruction: str,
    levels: NoiseLevels = NoiseLevels(),
) -> torch.Tensor:
    """L_simple (paper, Eq. 4) + L_recon (Eq. 6) for one batch of slices at random timesteps.

    Args:
        net: the synthesizer, as Accelerate wrapped it.
        pipeline: gives scheduler and folding.
        batch: `conditions` (B, 1, 3, S, S) and `t1ce` (B, 1, 1, S, S) in [0, 1].
        randomness: gives augmentation, timesteps and noise.
        augmentation: None trains on the slices as they are.
        reconstruction: form of L_recon, see `reconstruction_loss`.
        levels: where the timesteps are drawn from.
    """
    scheduler, fold = pipeline.scheduler, pipeline.config.pixel_unshuffle
    conditions, clean = augmented_pair(batch, randomness, augmentation, pipeline.window_multiple)
    timesteps = levels.draw(scheduler, randomness)
    noise = randomness.normal(*clean.shape[1:])
    device = next(net.parameters()).device
    clean, noise, timesteps = clean.to(device), noise.to(device), timesteps.to(device)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    # Channels in the pipeline's order: those of the noisy image first, then those of the conditions.
    inputs = fold_pixels(torch.cat([noisy, conditions.to(device)], dim=1), fold)
    output = unfold_pixels(net(inputs, timesteps).sample.float(), fold)
    simple = F.mse_loss(output, _target(scheduler, clean, noise, timesteps))
    alpha_bar = scheduler.alphas_cumprod.to(device)[timesteps].view(-1, 1, 1, 1)
    estimate = predict_clean(output, noisy, alpha_bar, scheduler.config.prediction_type)
    return simple + reconstruction_loss(estimate, clean, alpha_bar, reconstruction)


def augmented_pair(
    batch: Mapping[str, torch.Tensor],
    randomness: SampleRandomness,
    augmentation: AugmentationSettings | None,
    window_multiple: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Conditions (B, 3, S, S) and T1ce (B, 1, S, S) in [-1, 1] under one spatial transform.

    Cut to the brain where a window's multiple is named, see `ReCoSegPipeline.window_multiple`.
    """
    names = ("conditions", "t1ce") if window_multiple is None else ("conditions", "t1ce", "brain")
    images = torch.cat([batch[name] for name in names], dim=2)
    if augmentation is not None:
        transform = draw_transform(augmentation, randomness).to(images.device)
        images = warp(images, transform)
        images = torch.cat([jitter_conditions(images[:, :, :3], transform), images[:, :, 3:]], dim=2)
    if window_multiple is not None:
        images = Crops.around(images[:, 0, 4], window_multiple).cut(images)
    return images[:, 0, :3], 2 * images[:, 0, 3:4] - 1


def _target(scheduler, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return scheduler.get_velocity(clean, noise, timesteps)
    return noise if kind == "epsilon" else clean


@torch.no_grad()
def validate_synthesis(
    pipeline: ReCoSegPipeline,
    dataset: SliceDataset,
    steps: int,
    batch_size: int,
    seed: int = 0,
    share: Share = on_this_process,
) -> dict[str, float]:
    """In-brain error of the synthetic T1ce with the pipeline's sampler, mean over subjects.

    Args:
        pipeline: with the weights to judge.
        dataset: validation slices, without context.
        steps: denoising steps.
        batch_size: slices per call.
        seed: of the noise; fixed, so that scores can be compared.
        share: how the processes of a run share the subjects.

    Returns:
        `psnr` in dB (range 1, the T1ce's [0, 1] on the nets' grid; at most 120) and `mae` in units of that range.
    """
    groups = [list(items) for _, items in groupby(range(len(dataset)), key=dataset.subject)]
    errors = share(lambda items: _subject_errors(pipeline, dataset, items, steps, batch_size, seed), groups)
    return {
        "psnr": sum(-10 * math.log10(max(squared, 1e-12)) for squared, _ in errors) / len(errors),
        "mae": sum(absolute for _, absolute in errors) / len(errors),
    }


def _subject_errors(
    pipeline: ReCoSegPipeline, dataset: SliceDataset, items: list[int], steps: int, batch_size: int, seed: int
) -> tuple[float, float]:
    squared = absolute = count = 0.0
    window = volume_window(pipeline, partial(dataset.brain, items))
    for first in range(0, len(items), batch_size):
        chosen = items[first : first + batch_size]
        batch = dataset.batch(chosen)
        generators = slice_generators(seed, chosen, 0)
        draw = partial(pipeline.denoise, generators=generators, steps=steps)
        synthetic = draw_cropped(window, batch["conditions"][:, 0], draw)
        error = (synthetic - batch["t1ce"][:, 0])[batch["brain"][:, 0] > 0]
        squared += error.square().sum().item()
        absolute += error.abs().sum().item()
        count += error.numel()
    return squared / count, absolute / count
