"""Residual maps, their calibration, and the channels that guide the segmenter (a leaf: imports torch alone)."""

import torch


def residual_map(real: torch.Tensor, synthetic: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """R = |x0_hat - x0| (paper, Eq. 7), zero outside the brain.

    Args:
        real, synthetic: float32 (N, 1, H, W), intensities in [0, 1].
        brain: bool (N, 1, H, W).

    Returns:
        float32 (N, 1, H, W) in [0, 1].

    Raises:
        ValueError: if shapes differ (all are named).
    """
    if not real.shape == synthetic.shape == brain.shape:
        raise ValueError(
            f"real {tuple(real.shape)}, synthetic {tuple(synthetic.shape)} and brain {tuple(brain.shape)}; "
            "expected one shape."
        )
    return (synthetic - real).abs() * brain


def sample_spread(samples: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """Standard deviation over K draws, zero outside the brain: what stands in for R where no real T1ce exists.

    Args:
        samples: float32 (K, N, 1, H, W), K >= 2, intensities in [0, 1].
        brain: bool (N, 1, H, W).
    """
    return samples.std(dim=0, correction=0) * brain


def calibrate_residual(residual: torch.Tensor, residual_clip: float) -> torch.Tensor:
    """Clip at `residual_clip` ("threshold calibration" of the paper), then min-max normalise over the whole volume.

    Args:
        residual: float32 (N, 1, H, W), one volume, values >= 0.
        residual_clip: upper limit in units of R, in (0, 1].

    Returns:
        float32 (N, 1, H, W) in [0, 1]; all zero for a flat map.
    """
    clipped = residual.clamp(max=residual_clip)
    low, high = clipped.min(), clipped.max()
    return (clipped - low) / (high - low).clamp_min(torch.finfo(clipped.dtype).tiny)


def named_planes(
    conditions: torch.Tensor,
    t1: torch.Tensor | None = None,
    brain: torch.Tensor | None = None,
    t1ce: torch.Tensor | None = None,
    synthetic_t1ce: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """The channels that `segmenter_inputs` may name, each (N, 1, H, W); Eq. 8 of the paper concatenates four.

    Images in [0, 1] enter centred, as 2 x - 1; residuals as they are; a T1ce or a residual that is None enters as
    zeros. What else cannot be made from the arguments is absent.

    Args:
        conditions: (N, 3, H, W), FLAIR, T1 and T2, standardised.
        t1, t1ce, synthetic_t1ce: (N, 1, H, W) in [0, 1].
        brain: bool (N, 1, H, W).
        residual: calibrated, (N, 1, H, W) in [0, 1].
    """
    planes = dict(zip(("flair", "t1", "t2"), conditions.split(1, dim=1), strict=True))
    planes["residual"] = torch.zeros_like(conditions[:, :1]) if residual is None else residual
    planes["t1ce"] = torch.zeros_like(conditions[:, :1]) if t1ce is None else 2 * t1ce - 1
    if t1ce is not None and t1 is not None and brain is not None:
        planes["static_residual"] = residual_map(t1ce, t1, brain)
    if synthetic_t1ce is not None:
        planes["synthetic_t1ce"] = 2 * synthetic_t1ce - 1
    return planes
