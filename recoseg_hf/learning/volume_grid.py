"""Slices 1 mm apart as a volume of larger voxels, and back: how the 3D baselines see what the 2D systems see."""

import torch
import torch.nn.functional as F


def thick_slices(slices: torch.Tensor, per_thick: int) -> torch.Tensor:
    """Means of neighbouring slices; past the end the last slice is repeated.

    Args:
        slices: float (N, C, S, S), the slices of a volume that hold brain, in order.
        per_thick: how many make a thick one.

    Returns:
        (ceil(N / per_thick), C, S, S).
    """
    missing = -len(slices) % per_thick
    padded = torch.cat([slices, slices[-1:].expand(missing, *slices.shape[1:])])
    return padded.unflatten(0, (-1, per_thick)).mean(dim=1)


def thin_slices(thick: torch.Tensor, per_thick: int, count: int) -> torch.Tensor:
    """Interpolate linearly between thick slices, whose middles lie where `thick_slices` put them.

    Args:
        thick: float (D, C, S, S).
        per_thick: how many slices make a thick one.
        count: of slices to return, at most D * per_thick.

    Returns:
        (count, C, S, S).
    """
    size = (len(thick) * per_thick, *thick.shape[2:])
    thin = F.interpolate(thick.movedim(0, 1)[None], size=size, mode="trilinear", align_corners=False)[0]
    return thin[:, :count].movedim(1, 0)
