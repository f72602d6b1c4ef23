"""The 3D rows of the paper's table: MONAI's U-Net on patches of a volume, behind the same call as the 2D systems.

For local folders, and with the `eval` extra. Synthesis, residual, intensities, grid and what comes back are those of
`ReCoSegPipeline`; only the segmenter differs, which sees the slices of a volume together as cubes of voxels.
"""

import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from diffusers import DiffusionPipeline, UNet2DModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from recoseg_hf.errors import RecosegError
from recoseg_hf.learning.volume_grid import thick_slices, thin_slices
from recoseg_hf.pipeline.checks import check_channels, check_roles, check_settings
from recoseg_hf.pipeline.conventions import INNER_THRESHOLD, REGIONS, SEGMENTER_CHANNELS, parse_names
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.pipeline.preprocessing import PreparedStack


class VolumeUNet(ModelMixin, ConfigMixin):
    """MONAI's 3D U-Net with residual units (Kerfoot et al. 2019, 10.1007/978-3-030-12029-0_40) as a diffusers model.

    Args:
        in_channels: of the volume.
        out_channels: one logit per region.
        channels: widths of the levels.
        strides: of the step into each level but the last, which has the resolution of the one before. With 1 in the
            first place there are features at full resolution, as in 3D U-Net (Cicek et al. 2016, arXiv 1606.06650).
        num_res_units: convolutions per residual unit.
        dropout: probability.

    Raises:
        RecosegError: MONAI is not installed.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        strides: Sequence[int] = (1, 2, 2, 2),
        num_res_units: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.net = monai_part("networks.nets").UNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=tuple(channels),
            strides=tuple(strides),
            num_res_units=num_res_units,
            dropout=dropout,
        )

    @property
    def multiple(self) -> int:
        """What the sides of a volume must be multiples of."""
        return math.prod(self.config.strides)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Logits (B, out_channels, D, H, W) for a volume (B, in_channels, D, H, W)."""
        return self.net(volume)

    def to(self, *args: Any, **kwargs: Any) -> "VolumeUNet":
        """As for any module; `channels_last` is for 2D weights and leaves these as they lie, which is faster here."""
        if kwargs.get("memory_format") is torch.channels_last:
            del kwargs["memory_format"]
        return super().to(*args, **kwargs) if args or kwargs else self


class VolumePipeline(ReCoSegPipeline):
    """A 3D U-Net on FLAIR, T1, T2 and, by choice, T1ce or a residual, called as `ReCoSegPipeline` is.

    Args:
        synthesizer, scheduler: as for `ReCoSegPipeline`; they draw T1ce slice by slice.
        segmenter: sees a patch of the volume, one logit per region.
        image_size, field_of_view, lower_percentile, upper_percentile, normalization: as for `ReCoSegPipeline`.
        segmenter_inputs, regions, mask_threshold, seed_threshold, residual_clip: as for `ReCoSegPipeline`.
        num_inference_steps, pixel_unshuffle: as for `ReCoSegPipeline`; the latter for the synthesizer alone.
        slice_spacing: height of the segmenter's voxels in whole mm, each the mean of so many slices; across they are
            as wide as the pixels: 2 mm make cubes of the paper's 120 pixels over 240 mm.
        patch_size: side of the cube that the segmenter sees, in voxels.
        patch_overlap: part of it that neighbouring patches share, in [0, 1).

    Raises:
        ValueError: if a setting is out of its range, or the nets do not fit the settings.
    """

    own_components = {"VolumeUNet": VolumeUNet}  # noqa: RUF012 (read as a class attribute)

    def __init__(
        self,
        synthesizer: UNet2DModel | None,
        scheduler: SchedulerMixin,
        segmenter: VolumeUNet,
        image_size: int = 120,
        field_of_view: int = 240,
        lower_percentile: float = 1.0,
        upper_percentile: float = 99.0,
        normalization: str = "zscore",
        segmenter_inputs: str = "flair,t1,t2",
        regions: str = "wt",
        mask_threshold: float = 0.5,
        seed_threshold: float = 0.0,
        residual_clip: float = 1.0,
        num_inference_steps: int = 1000,
        pixel_unshuffle: int = 1,
        slice_spacing: int = 2,
        patch_size: int = 64,
        patch_overlap: float = 0.5,
    ):
        DiffusionPipeline.__init__(self)  # the 2D systems' own has settings that mean nothing here
        self.register_modules(synthesizer=synthesizer, scheduler=scheduler, segmenter=segmenter)
        self.register_to_config(
            image_size=image_size,
            field_of_view=field_of_view,
            lower_percentile=lower_percentile,
            upper_percentile=upper_percentile,
            normalization=normalization,
            segmenter_inputs=segmenter_inputs,
            regions=regions,
            mask_threshold=mask_threshold,
            seed_threshold=seed_threshold,
            residual_clip=residual_clip,
            num_inference_steps=num_inference_steps,
            pixel_unshuffle=pixel_unshuffle,
            slice_spacing=slice_spacing,
            patch_size=patch_size,
            patch_overlap=patch_overlap,
        )
        self.channels = parse_names(segmenter_inputs, SEGMENTER_CHANNELS, "segmenter_inputs")
        self.region_names = parse_names(regions, REGIONS, "regions")
        absent = {"slice_smoothing": 0, "region_threshold": INNER_THRESHOLD, "slice_step": 1, "flip_above": 0}
        check_settings(dict(self.config) | absent, [synthesizer or segmenter])
        check_roles(self.config, synthesizer, self.channels, self.region_names)
        check_channels("segmenter", segmenter, len(self.channels), len(self.region_names))
        check_channels("synthesizer", synthesizer, 4 * pixel_unshuffle**2, pixel_unshuffle**2)
        self._check_patches()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None = None, **kwargs) -> "VolumePipeline":
        """Load a pipeline from a local folder; only safetensors are read.

        Raises:
            ValueError: it is no folder: the 3D baselines are not published.
        """
        if pretrained_model_name_or_path is None or not Path(pretrained_model_name_or_path).is_dir():
            raise ValueError(
                f"{pretrained_model_name_or_path}: no such folder; expected a local one with a trained 3D baseline."
            )
        return super().from_pretrained(pretrained_model_name_or_path, **kwargs)

    def with_synthesizer_of(self, model: ReCoSegPipeline) -> "VolumePipeline":
        """This pipeline with the synthesizer of a 2D model, and the steps that it draws in.

        Raises:
            ValueError: the model has no synthesizer, or its grid or intensities are others, or it crops to the brain,
                and its synthesizer never saw as much as this pipeline shows it.
        """
        shared = ("image_size", "field_of_view", "lower_percentile", "upper_percentile", "normalization")
        differing = [f"{name} {model.config[name]}" for name in shared if model.config[name] != self.config[name]]
        differing += ["crop_to_brain"] if model.window_multiple else []
        if model.synthesizer is None or differing:
            found = ", ".join(differing) or "no synthesizer"
            raise ValueError(f"the 2D model has {found}; expected a synthesizer, and the grid of this one.")
        settings = {name: value for name, value in self.config.items() if not name.startswith("_")}
        settings |= {name: model.config[name] for name in ("num_inference_steps", "pixel_unshuffle")}
        settings |= {"synthesizer": model.synthesizer, "scheduler": model.scheduler, "segmenter": self.segmenter}
        return type(self)(**settings)

    @torch.no_grad()
    def segment_volume(self, volume: torch.Tensor) -> torch.Tensor:
        """Slide the patch over a volume and average what is found, weighted towards each patch's middle.

        Args:
            volume: float32 (C, D, S, S), the segmenter's channels slices of `slice_spacing`; where it is smaller than
                a patch, its border is repeated.

        Returns:
            Probability of each region, float32 (R, D, S, S), on the CPU.
        """

        def probability(patch: torch.Tensor) -> torch.Tensor:
            return self.segmenter(patch.to(self.segmenter.dtype)).float().sigmoid()

        found = monai_part("inferers").sliding_window_inference(
            volume[None].to(self._execution_device),
            roi_size=(self.config.patch_size,) * 3,
            sw_batch_size=1,
            predictor=probability,
            overlap=self.config.patch_overlap,
            mode="gaussian",
            padding_mode="replicate",
        )
        return found[0].cpu()

    def _segment(
        self,
        stack: PreparedStack,
        draws: torch.Tensor | None,
        residual: torch.Tensor | None,
        source: str,
        batch_size: int,
    ) -> torch.Tensor:
        positions, inputs = self._channels_of(stack, draws, residual, source)
        spacing = self.config.slice_spacing
        found = self.segment_volume(thick_slices(inputs, spacing).movedim(0, 1)).movedim(1, 0)
        probabilities = torch.zeros(len(stack.brain), len(self.region_names), *inputs.shape[2:])
        probabilities[positions] = thin_slices(found, spacing, len(positions))
        return probabilities

    def _check_patches(self) -> None:
        config, multiple = self.config, self.segmenter.multiple
        spacing, size, side = config.slice_spacing, config.image_size, config.patch_size
        if spacing != int(spacing) or spacing < 1:
            raise ValueError(f"slice_spacing={spacing}; expected whole mm, 1 or more.")
        if side % multiple or not 0 < side <= size or not 0 <= config.patch_overlap < 1:
            raise ValueError(
                f"patch_size={side}, patch_overlap={config.patch_overlap}; expected a multiple of {multiple} up to "
                f"image_size={size}, and an overlap within [0, 1)."
            )


def monai_part(name: str) -> ModuleType:
    """A module of MONAI, imported where it is needed.

    Raises:
        RecosegError: MONAI is not installed.
    """
    try:
        return import_module(f"monai.{name}")
    except ImportError:
        raise RecosegError("the 3D baselines need MONAI. Run: pip install 'recoseg_hf[eval]'") from None
