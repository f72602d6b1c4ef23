"""One training step and one validation of a 3D baseline's segmenter."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from recoseg_hf.learning.augmentation import AugmentationSettings, draw_transform, jitter_conditions
from recoseg_hf.learning.losses import segmentation_loss
from recoseg_hf.learning.processes import Share, on_this_process
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.segmentation import warp_images
from recoseg_hf.learning.volume_patches import VolumeDataset, cut_patches, patch_corners
from recoseg_hf.pipeline.conventions import CONDITIONS, REGIONS
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


def volume_step_loss(
    net: nn.Module,
    pipeline: ReCoSegPipeline,
    batch: Mapping[str, torch.Tensor],
    randomness: SampleRandomness,
    augmentation: AugmentationSettings | None,
    tumour_share: float,
) -> torch.Tensor:
    """BCE + Dice (paper, Eq. 9) for one random patch of each volume.

    Args:
        net: the segmenter, as Accelerate wrapped it.
        pipeline: a `VolumePipeline`; gives channels, regions and the patch's size.
        batch: items of `VolumeDataset`, collated.
        randomness: gives augmentation and places.
        augmentation: that of the 2D systems, alike for all slices of a volume; None shows volumes as they are.
        tumour_share: see `patch_corners`.
    """
    volumes = dict(batch)
    depths = volumes.pop("depth")
    if augmentation is not None:
        transform = draw_transform(augmentation, randomness).to(volumes["conditions"].device)
        volumes = warp_images(volumes, transform)
        volumes["conditions"] = jitter_conditions(volumes["conditions"], transform)
    size, tumour = pipeline.config.patch_size, volumes["regions"][:, :, REGIONS.index("wt")]
    corners = patch_corners(tumour, depths, size, tumour_share, randomness)
    patches = {name: cut_patches(values, corners, size) for name, values in volumes.items()}
    logits = net(segmenter_channels(pipeline, patches)).float()
    target = patches["regions"][:, region_places(pipeline)]
    return segmentation_loss(logits.flatten(3), target.flatten(3))


def segmenter_channels(pipeline: ReCoSegPipeline, volumes: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Put a segmenter's channels, (B, C, D, H, W), in the order in which the pipeline names them.

    Args:
        pipeline: names the channels.
        volumes: `conditions` (B, 3, D, H, W) and `guides` (B, G, D, H, W), as `VolumeDataset` orders them.
    """
    names = [*CONDITIONS, *(name for name in pipeline.channels if name not in CONDITIONS)]
    order = [names.index(name) for name in pipeline.channels]
    return torch.cat([volumes["conditions"], volumes["guides"]], dim=1)[:, order]


def region_places(pipeline: ReCoSegPipeline) -> list[int]:
    """Where the regions of a model are among all regions."""
    return [REGIONS.index(name) for name in pipeline.region_names]


def validate_volumes(
    pipeline: ReCoSegPipeline, dataset: VolumeDataset, threshold: float = 0.5, share: Share = on_this_process
) -> dict[str, float]:
    """Dice of each region per subject on the volumes' own voxels, by sliding window, mean over subjects.

    Args:
        pipeline: a `VolumePipeline` with the weights to judge.
        dataset: validation volumes.
        threshold: on the probability; references are cut at one half of a voxel.
        share: how the processes of a run share the subjects.

    Returns:
        `dice_wt`, and `dice_tc`, `dice_et` where the model has them; subjects without the region are left out.
    """

    def work(index: int) -> list[float]:
        return volume_dice(pipeline, dataset[index], threshold)

    rows = share(work, range(len(dataset)))
    scores = dict(zip(pipeline.region_names, zip(*rows, strict=True), strict=True))
    defined = {name: [value for value in values if not math.isnan(value)] for name, values in scores.items()}
    return {f"dice_{name}": sum(values) / len(values) for name, values in defined.items() if values}


def volume_dice(pipeline: ReCoSegPipeline, item: Mapping[str, torch.Tensor], threshold: float) -> list[float]:
    """Dice of each region in one item of `VolumeDataset`; not a number where neither side has a voxel."""
    depth = int(item["depth"])
    volumes = {name: item[name][:depth].movedim(0, 1)[None] for name in ("conditions", "guides", "regions")}
    found = pipeline.segment_volume(segmenter_channels(pipeline, volumes)[0]) > threshold
    real = volumes["regions"][0, region_places(pipeline)] > 0.5
    overlap, total = (found & real).sum((1, 2, 3)), found.sum((1, 2, 3)) + real.sum((1, 2, 3))
    return (2 * overlap.double() / total.double()).tolist()
