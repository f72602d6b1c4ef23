"""Augmentation of a batch of slices (torch; Albumentations, which the paper used, gets no more releases).

One spatial transform for all channels of a slice alike. Brightness, contrast, a slow change of brightness over the
head (as a coil makes it), lower resolution and noise on the conditions only, since a change of x_0 or R would change
what the residual means. All draws come first, each slice's from its own stream; the rest is deterministic given them.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from recoseg_hf.learning.randomness import SampleRandomness

FIELD_SIZE = 4


@dataclass(frozen=True)
class AugmentationSettings:
    """Probabilities per slice and ranges (paper: flips, rotation, affine, brightness and contrast, p 0.3 to 0.5)."""

    flip: float = 0.5  # left-right
    affine: float = 0.8
    rotation: float = 15.0  # degrees either way
    scaling: float = 0.15
    shearing: float = 0.1
    translation: float = 0.04  # of the field of view
    intensity: float = 0.5  # per condition
    contrast: float = 0.3
    brightness: float = 0.4  # standard deviations of the brain
    field: float = 0.3  # per slice
    field_level: float = 0.3  # standard deviations of the brain
    blur: float = 0.15  # per slice: half the resolution
    noise: float = 0.15
    noise_level: float = 0.15


@dataclass(frozen=True)
class Transform:
    """The draws for one batch."""

    affine: torch.Tensor  # (B, 2, 3), as `affine_grid` takes it
    gain: torch.Tensor  # (B, 3)
    offset: torch.Tensor  # (B, 3)
    field: torch.Tensor  # (B, 3, 4, 4), to be stretched over the slice
    blurred: torch.Tensor  # (B,), 0 or 1
    noise_seeds: torch.Tensor  # (B,)
    noise_scale: torch.Tensor  # (B,)

    def to(self, device: torch.device) -> "Transform":
        """The same draws, which are made on the CPU, where the images are."""
        return Transform(**{name: values.to(device) for name, values in vars(self).items()})


def draw_transform(settings: AugmentationSettings, randomness: SampleRandomness) -> Transform:
    """Draw all random numbers for a batch."""
    affine = _draw_affine(settings, randomness.uniform(7))
    jitter, gain, offset = randomness.uniform(3, 3).unbind(1)
    jitter = (jitter < settings.intensity).float()
    with_field, blurred = randomness.uniform(2).unbind(1)
    level = settings.field_level * (with_field < settings.field)
    return Transform(
        field=level[:, None, None, None] * randomness.normal(3, FIELD_SIZE, FIELD_SIZE),
        blurred=(blurred < settings.blur).float(),
        affine=affine,
        gain=1 + jitter * _either_way(gain) * settings.contrast,
        offset=jitter * _either_way(offset) * settings.brightness,
        noise_scale=(randomness.uniform() < settings.noise) * settings.noise_level,
        noise_seeds=randomness.seeds(),
    )


def _draw_affine(settings: AugmentationSettings, uniform: torch.Tensor) -> torch.Tensor:
    """(B, 2, 3) from (B, 7) draws in [0, 1)."""
    apply = (uniform[:, 0] < settings.affine).float()
    mirror = 1 - 2 * (uniform[:, 1] < settings.flip).float()
    angle, scale, shear, *shift = (apply[:, None] * _either_way(uniform[:, 2:])).unbind(1)
    angle = angle * settings.rotation * torch.pi / 180
    scale = 1 + scale * settings.scaling
    shear = shear * settings.shearing
    across, along = (value * 2 * settings.translation for value in shift)
    return torch.stack(
        [
            torch.stack([angle.cos() * scale, -angle.sin() * scale + shear, across], dim=1),
            torch.stack([angle.sin() * scale * mirror, angle.cos() * scale * mirror, along], dim=1),
        ],
        dim=1,
    )


def _either_way(uniform: torch.Tensor) -> torch.Tensor:
    return uniform * 2 - 1


def warp(images: torch.Tensor, transform: Transform, padding: str = "border") -> torch.Tensor:
    """Apply the spatial part to (B, ..., H, W), all channels alike; H runs left-right."""
    flat = images.flatten(1, -3)
    grid = F.affine_grid(transform.affine, list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode=padding, align_corners=False).view_as(images)


def jitter_conditions(conditions: torch.Tensor, transform: Transform) -> torch.Tensor:
    """Change the intensities of (B, K, 3, H, W), the K context slices of a slice alike.

    Fields, blur and noise, which cost the most, are made for the slices alone that get them.
    """
    gain, offset = (values[:, None, :, None, None] for values in (transform.gain, transform.offset))
    blurred, noisy = transform.blurred > 0, transform.noise_scale > 0
    uneven = transform.field.flatten(1).any(dim=1)
    seen = conditions.index_put((blurred,), _half_resolution(conditions[blurred]))
    seen.mul_(gain).add_(offset)
    seen[uneven] += _stretched_field(transform.field[uneven], conditions.shape[-2:])
    seen[noisy] += _noise(transform, noisy, conditions.shape[1:])
    return seen


def _stretched_field(field: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(field, size, mode="bicubic", align_corners=True)[:, None]


def _noise(transform: Transform, chosen: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    seeds, scale = transform.noise_seeds[chosen].tolist(), transform.noise_scale[chosen]
    noise = SampleRandomness(seeds).normal(*shape) if seeds else torch.empty(0, *shape)
    return noise.to(scale.device) * scale[:, None, None, None, None]


def _half_resolution(images: torch.Tensor) -> torch.Tensor:
    flat = images.flatten(1, 2)
    small = F.interpolate(flat, scale_factor=0.5, mode="area")
    return F.interpolate(small, flat.shape[-2:], mode="bilinear", align_corners=False).view_as(images)
