"""Augmentation of a batch of slices (torch; Albumentations, which the paper used, gets no more releases).

One spatial transform for all channels of a slice alike; brightness, contrast and noise on the conditions only, since a
change of x_0 or R would change what the residual means. All draws come first, from one generator; the rest is
deterministic given them.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F


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
    noise: float = 0.15
    noise_level: float = 0.15


@dataclass(frozen=True)
class Transform:
    """The draws for one batch."""

    affine: torch.Tensor  # (B, 2, 3), as `affine_grid` takes it
    gain: torch.Tensor  # (B, 3)
    offset: torch.Tensor  # (B, 3)
    noise_seed: int
    noise_scale: torch.Tensor  # (B,)


def draw_transform(size: int, settings: AugmentationSettings, generator: torch.Generator) -> Transform:
    """Draw all random numbers for `size` slices."""

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    def chosen(probability: float, *shape: int) -> torch.Tensor:
        return (torch.rand(*shape, generator=generator) < probability).float()

    apply = chosen(settings.affine, size)
    angle = apply * uniform(size) * settings.rotation * torch.pi / 180
    scale = 1 + apply * uniform(size) * settings.scaling
    shear = apply * uniform(size) * settings.shearing
    mirror = 1 - 2 * chosen(settings.flip, size)
    shift = apply[:, None] * uniform(size, 2) * 2 * settings.translation
    affine = torch.stack(
        [
            torch.stack([angle.cos() * scale, -angle.sin() * scale + shear, shift[:, 0]], dim=1),
            torch.stack([angle.sin() * scale * mirror, angle.cos() * scale * mirror, shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    jitter = chosen(settings.intensity, size, 3)
    return Transform(
        affine=affine,
        gain=1 + jitter * uniform(size, 3) * settings.contrast,
        offset=jitter * uniform(size, 3) * settings.brightness,
        noise_seed=int(torch.randint(2**62, (1,), generator=generator)),
        noise_scale=chosen(settings.noise, size) * settings.noise_level,
    )


def warp(images: torch.Tensor, transform: Transform, padding: str = "border") -> torch.Tensor:
    """Apply the spatial part to (B, ..., H, W), all channels alike; H runs left-right."""
    flat = images.flatten(1, -3)
    grid = F.affine_grid(transform.affine, list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode=padding, align_corners=False).view_as(images)


def jitter_conditions(conditions: torch.Tensor, transform: Transform) -> torch.Tensor:
    """Apply contrast, brightness and noise to (B, K, 3, H, W), the K context slices of a slice alike."""
    gain, offset = (values[:, None, :, None, None] for values in (transform.gain, transform.offset))
    noise = torch.randn(conditions.shape, generator=torch.Generator().manual_seed(transform.noise_seed))
    return conditions * gain + offset + noise * transform.noise_scale[:, None, None, None, None]
