"""Residual maps between a real and a synthetic T1ce, and their calibration (a leaf: imports torch alone)."""

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
