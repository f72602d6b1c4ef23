"""Tiny 3D baselines for the tests."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler

from recoseg_hf.evaluation.baselines import VolumePipeline, VolumeUNet
from tests.tiny import FEW_STEP, IMAGE_SIZE, tiny_net


def tiny_volume_net(inputs: int, outputs: int, seed: int = 0) -> VolumeUNet:
    """A real `VolumeUNet` of 4 to 8 channels, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VolumeUNet(inputs, outputs, channels=(4, 8, 8), strides=(1, 2), num_res_units=1).eval()


def tiny_volume_pipeline(seed: int = 0, synthesizer=None, **settings) -> VolumePipeline:
    """A 3D baseline on 16 x 16 pixels of 2 mm, whose patches are 8 voxels wide; nets fit the settings.

    Args:
        seed: of the weights.
        synthesizer: True makes one.
        settings: of the pipeline.
    """
    settings = {
        "image_size": IMAGE_SIZE, "field_of_view": 2 * IMAGE_SIZE, "num_inference_steps": 2, "patch_size": 8,
    } | settings  # fmt: skip
    channels = len(settings.get("segmenter_inputs", "flair,t1,t2").split(","))
    fold = settings.get("pixel_unshuffle", 1) ** 2
    pipeline = VolumePipeline(
        synthesizer=tiny_net(4 * fold, fold, seed + 1) if synthesizer is True else synthesizer,
        scheduler=DDIMScheduler(**FEW_STEP),
        segmenter=tiny_volume_net(channels, len(settings.get("regions", "wt").split(",")), seed),
        **settings,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
