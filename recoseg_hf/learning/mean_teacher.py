"""Mean teacher: what the average of a run is sure of teaches the run on slices without labels.

The teacher is the moving average of the student's weights (Tarvainen & Valpola 2017, arXiv 1703.01780). It sees a
slice as it is, the student sees it as another scanner might show it, and where the teacher is sure the student has to
agree (as in FixMatch, Sohn et al. 2020, arXiv 2001.07685, and UniMatch, Yang et al. 2023, arXiv 2208.09910). Both see
the slice under one spatial transform, so that their pixels correspond.
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from torch import nn

from recoseg_hf.errors import InputError
from recoseg_hf.learning.augmentation import AugmentationSettings, draw_transform, jitter_conditions
from recoseg_hf.learning.cropping import crop_images
from recoseg_hf.learning.losses import soft_dice_loss
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.segmentation import SourceMix, guided_images, segmenter_logits, warp_images
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.training_loop import TrainingRun
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

STREAM = 1
"""Random numbers of the slices without labels are independent of those with labels."""

UNMOVED = AugmentationSettings(flip=0, affine=0)


@dataclass(frozen=True)
class ConsistencySettings:
    """How the slices without labels are learnt from.

    Attributes:
        batch_size: slices per micro-batch and process.
        weight: of the consistency loss beside the labelled one, once it has grown.
        rampup_steps: optimiser steps in which it grows, while the teacher is still poor.
        confidence: how sure the teacher must be, in [0.5, 1).

    Raises:
        ValueError: naming the setting that is out of range.
    """

    batch_size: int = 16
    weight: float = 1.0
    rampup_steps: int = 200
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"unlabelled_batch_size={self.batch_size}; expected 1 or more.")
        if self.weight < 0 or self.rampup_steps < 0:
            found = f"consistency_weight={self.weight}, consistency_rampup_steps={self.rampup_steps}"
            raise ValueError(f"{found}; expected 0 or more.")
        if not 0.5 <= self.confidence < 1:
            raise ValueError(f"confidence={self.confidence}; expected 0.5 or more, and less than 1.")

    def weight_at(self, step: int) -> float:
        """Weight at an optimiser step: grows as exp(-5 (1 - t)^2) (Tarvainen & Valpola, appendix B)."""
        if step >= self.rampup_steps:
            return self.weight
        return self.weight * math.exp(-5 * (1 - step / self.rampup_steps) ** 2)


def teacher_of(net: nn.Module, average: EMAModel) -> nn.Module:
    """Make a net in evaluation mode whose weights are the average itself, not a copy: it is never behind.

    Args:
        net: the one that is averaged, without what Accelerate wraps around it for several processes.
        average: of its parameters, in their order; on the same device.
    """
    pairs = zip(net.parameters(), average.shadow_params, strict=True)
    # deepcopy takes what it is told of instead of copying it.
    known = {id(weight): nn.Parameter(shadow, requires_grad=False) for weight, shadow in pairs}
    return deepcopy(net, known).eval()


def consistency_loss(
    logits: torch.Tensor, probability: torch.Tensor, confidence: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """BCE + Dice (paper, Eq. 9) of the student against the teacher, where the teacher is sure.

    Pixels where it is not sure count as agreement in the BCE's mean and not at all in the Dice.

    Args:
        logits: of the student, (B, R, S, S).
        probability: of the teacher, (B, R, S, S) in [0, 1].
        confidence: a pixel counts where the probability of its likelier class exceeds this.

    Returns:
        The loss, and the share of pixels that count.
    """
    sure = (torch.maximum(probability, 1 - probability) > confidence).float()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, probability, reduction="none")
    dice = soft_dice_loss(logits.sigmoid() * sure, probability * sure)
    return (cross_entropy * sure).mean() + dice, sure.mean()


def consistency_step_loss(
    net: nn.Module,
    teacher: nn.Module,
    pipeline: ReCoSegPipeline,
    batch: Mapping[str, torch.Tensor],
    randomness: SampleRandomness,
    augmentation: AugmentationSettings | None,
    sources: SourceMix,
    confidence: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`consistency_loss` for one batch of slices with their context; their labels are not looked at.

    Args:
        net: the segmenter, as Accelerate wrapped it.
        teacher: from `teacher_of`; gets no gradient.
        pipeline, batch, randomness, sources: as for `segmentation_step_loss`.
        augmentation: its spatial part moves both views; None leaves them in place.
        confidence: as for `consistency_loss`.
    """
    device = batch["conditions"].device
    labels = sources.draw(randomness).to(device)
    transform = draw_transform(stronger(augmentation or UNMOVED), randomness).to(device)
    weak = warp_images(guided_images(pipeline, batch, labels), transform)
    weak, _ = crop_images(pipeline, weak, weak["conditions"][:, 0])
    strong = weak | {"conditions": jitter_conditions(weak["conditions"], transform)}
    with torch.no_grad():
        probability = segmenter_logits(teacher, pipeline, weak, labels).sigmoid()
    return consistency_loss(segmenter_logits(net, pipeline, strong, labels), probability, confidence)


def stronger(augmentation: AugmentationSettings) -> AugmentationSettings:
    """The same movements, and changes of intensity beyond what slices with labels get."""
    return replace(
        augmentation,
        intensity=0.8,
        contrast=0.5,
        brightness=0.8,
        field=0.6,
        field_level=0.5,
        blur=0.3,
        noise=0.5,
        noise_level=0.3,
    )


class MeanTeacher:
    """A run's teacher with its slices without labels.

    A checkpoint needs to know nothing of it: the teacher is the run's average, and batches and draws are a function of
    the run's seed and the step.

    Args:
        run: already resumed; from its step on the batches are counted.
        pipeline: gives channels, regions and folding.
        dataset: slices whose labels are not looked at.
        settings: of the consistency loss.
        augmentation: of the slices with labels, or None.
        sources: how often which residual is shown.

    Raises:
        InputError: there are no such slices.
    """

    def __init__(
        self,
        run: TrainingRun,
        pipeline: ReCoSegPipeline,
        dataset: SliceDataset,
        settings: ConsistencySettings,
        augmentation: AugmentationSettings | None,
        sources: SourceMix,
    ):
        if not len(dataset):
            raise InputError(
                "--unlabelled mean_teacher",
                "the labels of all train subjects are used",
                "subjects without",
                "Use fewer labels (--label_fraction, --label_subjects), or --unlabelled none.",
            )
        self.net = teacher_of(run.bare_net, run.average.model)
        self._last: dict[str, torch.Tensor] = {}
        self._run, self._pipeline, self._settings = run, pipeline, settings
        self._augmentation, self._sources = augmentation, sources
        self._batches = run.micro_batches(dataset, settings.batch_size)

    def loss(self, step: int, micro_step: int) -> torch.Tensor:
        """The weighted consistency loss of the run's next micro-batch; must be asked for once in each."""
        randomness = self._run.sample_randomness(step, micro_step, self._settings.batch_size, STREAM)
        loss, share = consistency_step_loss(
            self._run.net, self.net, self._pipeline, next(self._batches), randomness,
            self._augmentation, self._sources, self._settings.confidence,
        )  # fmt: skip
        self._last = {"consistency": loss.detach(), "confident_share": share}
        return self._settings.weight_at(step) * loss

    def log_if_due(self) -> None:
        """Log the last consistency loss, unweighted, and the share of sure pixels: as often as the run's own loss."""
        if self._run.step % 10 == 0:
            self._run.records.write(self._run.step, {name: value.item() for name, value in self._last.items()})
