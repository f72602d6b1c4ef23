"""Tiny real parts for the tests: nets of a few channels, pipelines around them, slices of a simulated brain."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

IMAGE_SIZE = 16
"""Side of the tiny nets' grid."""

FEW_STEP = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
"""A schedule that samples in a few steps, as `pipelines/recoseg_small` has it."""


def brain_slices(count: int = 6, height: int = 17, width: int = 21, seed: int = 0) -> dict[str, np.ndarray]:
    """Float32 (N, H, W) by modality: an ellipsoid of smooth texture on zeros, the first and last slice empty."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in (count, height, width)), indexing="ij")
    inside = sum((a / r) ** 2 for a, r in zip(axes, (0.9, 0.8, 0.8), strict=True)) < 1
    rng = np.random.default_rng(seed)
    images = {}
    for name in ("flair", "t1", "t2", "t1ce"):
        waves = sum(np.cos(a * rng.uniform(2, 5) + rng.uniform(0, 3)) for a in axes)
        images[name] = np.where(inside, 300 + 60 * waves + rng.normal(0, 20, inside.shape), 0).astype(np.float32)
    return images


def tiny_net(inputs: int, outputs: int, seed: int = 0, **config) -> UNet2DModel:
    """A real `UNet2DModel` of 8 channels, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet2DModel(
            in_channels=inputs,
            out_channels=outputs,
            block_out_channels=(8, 8),
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=8,
            **config,
        ).eval()


def tiny_pipeline(
    seed: int = 0, scheduler=None, synthesizer=True, classes: int | None = 3, **settings
) -> ReCoSegPipeline:
    """A pipeline on 16 x 16 pixels whose nets fit its settings.

    Args:
        seed: of the weights.
        scheduler: by default DDIM with `FEW_STEP`.
        synthesizer: True makes one; None leaves it out; anything else is taken as it is.
        classes: `num_class_embeds` of the segmenter.
        settings: of the pipeline.
    """
    settings = {"image_size": IMAGE_SIZE, "field_of_view": 20, "num_inference_steps": 2} | settings
    fold = settings.get("pixel_unshuffle", 1) ** 2
    channels = len(settings.get("segmenter_inputs", "flair,t1,t2,residual").split(","))
    context = 2 * settings.get("context_slices", 0) + 1
    regions = len(settings.get("regions", "wt").split(","))
    pipeline = ReCoSegPipeline(
        synthesizer=tiny_net(4 * fold, fold, seed) if synthesizer is True else synthesizer,
        scheduler=scheduler or DDIMScheduler(**FEW_STEP),
        segmenter=tiny_net(channels * context * fold, regions * fold, seed + 1, num_class_embeds=classes),
        **settings,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def clean_of(conditions: torch.Tensor) -> torch.Tensor:
    """The clean image in [-1, 1] that `Oracle` knows for conditions (B, 3, S, S)."""
    return (conditions[:, :1] - 0.5 * conditions[:, 1:2]).tanh()


class Oracle(ModelMixin, ConfigMixin):
    """A perfect synthesizer: whatever the noise, it returns the exact target for the clean image `clean_of`.

    Args:
        alphas_cumprod: of the scheduler, one per training timestep.
        prediction_type: `epsilon`, `v_prediction` or `sample`.
    """

    @register_to_config
    def __init__(self, alphas_cumprod: list, prediction_type: str, in_channels: int = 4, out_channels: int = 1):
        super().__init__()
        self.register_buffer("alphas", torch.tensor(alphas_cumprod))

    def forward(self, inputs: torch.Tensor, timestep: torch.Tensor) -> SimpleNamespace:
        alpha = self.alphas[int(timestep)]
        noisy, clean = inputs[:, :1], clean_of(inputs[:, 1:])
        if self.config.prediction_type == "sample":
            return SimpleNamespace(sample=clean)
        noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        if self.config.prediction_type == "epsilon":
            return SimpleNamespace(sample=noise)
        return SimpleNamespace(sample=alpha.sqrt() * noise - (1 - alpha).sqrt() * clean)


def oracle_for(scheduler) -> Oracle:
    """An oracle for a scheduler's own noise levels and prediction type."""
    return Oracle(scheduler.alphas_cumprod.tolist(), scheduler.config.prediction_type)
