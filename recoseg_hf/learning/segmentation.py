"""One training step and one validation of the segmenter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch
from torch import nn

from recoseg_hf.learning.augmentation import AugmentationSettings, Transform, draw_transform, jitter_conditions, warp
from recoseg_hf.learning.cropping import crop_images, volume_window
from recoseg_hf.learning.losses import segmentation_loss
from recoseg_hf.learning.processes import Share, on_this_process
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.pipeline.conventions import REGIONS, RESIDUAL_SOURCES, hides_t1ce
from recoseg_hf.pipeline.folding import fold_pixels, unfold_pixels
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.pipeline.residual import named_planes

_COLUMNS_OF = {
    "t1ce": ("t1ce",),
    "synthetic_t1ce": ("synthetic_t1ce",),
    "static_residual": ("brain", "t1", "t1ce"),
}
"""Image columns that a channel is made of, beside the conditions and the residual."""


@dataclass(frozen=True)
class SourceMix:
    """How often a training slice gets which residual: residual dropout, so that the segmenter works without T1ce.

    Raises:
        ValueError: if a share is negative or all are 0.
    """

    measured: float = 0.7
    ensemble: float = 0.15
    none: float = 0.15

    def __post_init__(self) -> None:
        shares = [getattr(self, name) for name in RESIDUAL_SOURCES]
        if min(shares) < 0 or sum(shares) <= 0:
            raise ValueError(f"{self}; expected shares of 0 or more, not all of them 0.")

    @property
    def shown(self) -> tuple[str, ...]:
        """The sources that are shown at all; the first is the one to validate with."""
        return tuple(name for name in RESIDUAL_SOURCES if getattr(self, name) > 0)

    def draw(self, randomness: SampleRandomness) -> torch.Tensor:
        """Class labels int64 (B,), positions in `RESIDUAL_SOURCES`."""
        shares = torch.tensor([float(getattr(self, name)) for name in RESIDUAL_SOURCES])
        return torch.bucketize(randomness.uniform(), (shares / shares.sum()).cumsum(0)[:-1], right=True)


def segmentation_step_loss(
    net: nn.Module,
    pipeline: ReCoSegPipeline,
    batch: Mapping[str, torch.Tensor],
    randomness: SampleRandomness,
    augmentation: AugmentationSettings | None,
    sources: SourceMix,
) -> torch.Tensor:
    """BCE + Dice (paper, Eq. 9) for one batch of slices with their context.

    Args:
        net: the segmenter, as Accelerate wrapped it.
        pipeline: gives channels, regions and folding.
        batch: items of `SliceDataset`, collated.
        randomness: gives augmentation and residual sources.
        augmentation: None trains on the slices as they are.
        sources: how often which residual is shown.
    """
    images, target, labels = augmented_slices(pipeline, batch, randomness, augmentation, sources)
    logits = segmenter_logits(net, pipeline, images, labels)
    return segmentation_loss(logits, target.to(logits.device))


def augmented_slices(
    pipeline: ReCoSegPipeline,
    batch: Mapping[str, torch.Tensor],
    randomness: SampleRandomness,
    augmentation: AugmentationSettings | None,
    sources: SourceMix,
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """What one training step shows the segmenter, where the batch is; arguments as for `segmentation_step_loss`.

    Returns:
        The images of `guided_images`, the regions (B, R, S, S), and each slice's residual source, int64 (B,); cut to
        the brain for a pipeline that does so.
    """
    device = batch["conditions"].device
    labels = sources.draw(randomness).to(device)
    images = guided_images(pipeline, batch, labels)
    target = batch["regions"][:, [REGIONS.index(name) for name in pipeline.region_names]]
    if augmentation is not None:
        images, target = _augment(images, target, draw_transform(augmentation, randomness).to(device))
    return *crop_images(pipeline, images, target), labels


def segmenter_logits(
    net: nn.Module, pipeline: ReCoSegPipeline, images: Mapping[str, torch.Tensor], labels: torch.Tensor
) -> torch.Tensor:
    """Logit of each region, float32 (B, R, S, S), on the net's device.

    Args:
        net: the segmenter, wrapped or not; gradients flow if they are enabled.
        pipeline: gives channels and folding.
        images: from `guided_images`.
        labels: int64 (B,), positions in `RESIDUAL_SOURCES`.
    """
    device = next(net.parameters()).device
    inputs = fold_pixels(segmenter_inputs(pipeline, images, labels), pipeline.config.pixel_unshuffle).to(device)
    extra = {} if pipeline.segmenter.config.num_class_embeds is None else {"class_labels": labels.to(device)}
    logits = net(inputs, torch.zeros(len(labels), device=device), **extra).sample.float()
    return unfold_pixels(logits, pipeline.config.pixel_unshuffle)


def cached_columns(channels: Sequence[str], sources: SourceMix) -> list[str]:
    """The columns of `training/cache_residuals.py` that a segmenter with these channels is trained on."""
    by_source = {"measured": ["synthetic_t1ce", "residual_max"], "ensemble": ["spread", "spread_max"], "none": []}
    columns = ["synthetic_t1ce"] if "synthetic_t1ce" in channels else []
    if "residual" in channels:
        columns += [column for source in sources.shown for column in by_source[source]]
    return list(dict.fromkeys(columns))


def guided_images(
    pipeline: ReCoSegPipeline, batch: Mapping[str, torch.Tensor], labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The images that the segmenter's channels are made of, each (B, K, C, S, S), with each slice's own residual.

    Calibration is that of `calibrate_residual` over the whole volume, whose maximum the cache holds.

    Args:
        pipeline: gives channels and `residual_clip`.
        batch: items of `SliceDataset`, collated.
        labels: int64 (B,), positions in `RESIDUAL_SOURCES`.
    """
    needed = {column for channel in pipeline.channels for column in _COLUMNS_OF.get(channel, ())}
    needed |= {"brain"} if pipeline.window_multiple else set()
    images = {name: batch[name] for name in ("conditions", *sorted(needed)) if name in batch}
    if "residual" not in pipeline.channels:
        return images
    residual = torch.zeros_like(batch["t1ce"])
    for label in labels.unique().tolist():
        if RESIDUAL_SOURCES[label] != "none":
            chosen = (labels == label).view(-1, 1, 1, 1, 1)
            calibrated = _calibrated(batch, RESIDUAL_SOURCES[label], pipeline.config.residual_clip)
            residual = torch.where(chosen, calibrated, residual)
    return images | {"residual": residual}


def _calibrated(batch: Mapping[str, torch.Tensor], source: str, clip: float) -> torch.Tensor:
    if source == "measured":
        values, highest = (batch["synthetic_t1ce"] - batch["t1ce"]).abs() * batch["brain"], batch["residual_max"]
    else:
        values, highest = batch["spread"], batch["spread_max"]
    return values.clamp(max=clip) / highest.clamp(1e-6, clip).view(-1, 1, 1, 1, 1)


def segmenter_inputs(
    pipeline: ReCoSegPipeline, images: Mapping[str, torch.Tensor], labels: torch.Tensor
) -> torch.Tensor:
    """Channels of the segmenter, (B, K * C, S, S), in the order in which the pipeline puts them.

    Args:
        pipeline: gives the channels.
        images: from `guided_images`.
        labels: int64 (B,), positions in `RESIDUAL_SOURCES`; with some, the measured T1ce is hidden.
    """
    size, context = images["conditions"].shape[:2]
    flat = {name: values.flatten(0, 1) for name, values in images.items()}
    if "brain" in flat:
        flat["brain"] = flat["brain"] > 0.5
    planes = named_planes(**flat)
    hidden = torch.tensor([hides_t1ce(source, pipeline.channels) for source in RESIDUAL_SOURCES])
    shown = ~hidden.to(labels.device)[labels].repeat_interleave(context).view(-1, 1, 1, 1)
    planes["t1ce"] = planes["t1ce"] * shown.to(planes["t1ce"].device)
    stacked = torch.cat([planes[name] for name in pipeline.channels], dim=1)
    return stacked.unflatten(0, (size, context)).flatten(1, 2)


def _augment(
    images: Mapping[str, torch.Tensor], target: torch.Tensor, transform: Transform
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """One spatial transform for all images and the target; intensity jitter on the conditions alone."""
    moved = warp_images({**images, "target": target[:, None]}, transform)
    target = moved.pop("target")[:, 0]
    return moved | {"conditions": jitter_conditions(moved["conditions"], transform)}, target


def warp_images(images: Mapping[str, torch.Tensor], transform: Transform) -> dict[str, torch.Tensor]:
    """Move images (B, K, C, S, S) alike."""
    widths = [values.shape[1] * values.shape[2] for values in images.values()]
    parts = warp(torch.cat([values.flatten(1, 2) for values in images.values()], dim=1), transform).split(widths, 1)
    return {name: part.view_as(images[name]) for name, part in zip(images, parts, strict=True)}


def validate_segmentation(
    pipeline: ReCoSegPipeline,
    dataset: SliceDataset,
    batch_size: int,
    source: str = "measured",
    threshold: float = 0.5,
    share: Share = on_this_process,
) -> dict[str, float]:
    """Dice of each region per subject on the nets' grid, mean over subjects.

    Args:
        pipeline: with the weights to judge.
        dataset: validation slices with the pipeline's context.
        batch_size: slices per call.
        source: the residual that the segmenter is shown.
        threshold: on the probability; references are cut at one half of a pixel.
        share: how the processes of a run share the subjects.

    Returns:
        `dice_wt`, and `dice_tc`, `dice_et` where the model has them; subjects without the region are left out.
    """
    by_subject = subject_dice(pipeline, dataset, batch_size, source, (threshold,), share).values()
    scores = {name: [dice[name][0] for dice in by_subject] for name in pipeline.region_names}
    defined = {name: [value for value in values if value is not None] for name, values in scores.items()}
    return {f"dice_{name}": sum(values) / len(values) for name, values in defined.items() if values}


@torch.no_grad()
def subject_dice(
    pipeline: ReCoSegPipeline,
    dataset: SliceDataset,
    batch_size: int,
    source: str = "measured",
    thresholds: Sequence[float] = (0.5,),
    share: Share = on_this_process,
) -> dict[str, dict[str, list[float | None]]]:
    """Dice of each subject and region on the nets' grid, at each threshold; the nets run once for all thresholds.

    Args:
        pipeline, dataset, batch_size, source, share: as for `validate_segmentation`.
        thresholds: on the probability.

    Returns:
        By subject, in the order of the slices, and region: one Dice for each threshold, None where neither the mask
        nor the reference has a pixel.
    """

    def work(items: list[int]) -> list[float]:
        overlap, total = _subject_counts(pipeline, dataset, items, batch_size, source, thresholds)
        return (2 * overlap.double() / total.double()).flatten().tolist()  # 0 / 0 is not a number

    groups = {subject: list(items) for subject, items in groupby(range(len(dataset)), key=dataset.subject)}
    rows = share(work, list(groups.values()))
    return {subject: _by_region(row, pipeline.region_names) for subject, row in zip(groups, rows, strict=True)}


def _by_region(row: Sequence[float], regions: Sequence[str]) -> dict[str, list[float | None]]:
    defined = [None if math.isnan(value) else value for value in row]
    width = len(row) // len(regions)
    return {name: defined[place * width : (place + 1) * width] for place, name in enumerate(regions)}


def _subject_counts(
    pipeline: ReCoSegPipeline,
    dataset: SliceDataset,
    items: list[int],
    batch_size: int,
    source: str,
    thresholds: Sequence[float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in mask and reference, and in one plus in the other; each (regions, thresholds)."""
    regions = [REGIONS.index(name) for name in pipeline.region_names]
    window = volume_window(pipeline, partial(dataset.brain, items))
    overlap = total = torch.zeros(len(regions), len(thresholds))
    for first in range(0, len(items), batch_size):
        batch = dataset.batch(items[first : first + batch_size])
        labels = torch.full((len(batch["regions"]),), RESIDUAL_SOURCES.index(source))
        inputs = segmenter_inputs(pipeline, guided_images(pipeline, batch, labels), labels)[window]
        probability = pipeline.segment_slices(inputs.to(pipeline._execution_device), source).cpu()
        found = torch.stack([probability > threshold for threshold in thresholds], dim=2)
        real = (batch["regions"][:, regions] > 0.5)[window].unsqueeze(2)
        overlap = overlap + (found & real).sum((0, 3, 4))
        total = total + found.sum((0, 3, 4)) + real.sum((0, 3, 4))
    return overlap, total
