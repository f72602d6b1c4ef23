"""From a probability to a mask (a leaf: imports torch and numpy alone)."""

import numpy as np
import torch
import torch.nn.functional as F


def seeded_mask(probability: np.ndarray, threshold: float, seed_threshold: float = 0.0) -> np.ndarray:
    """Threshold a volume and keep what hangs together with a confident voxel (hysteresis, Canny 1986).

    Faint parts of a tumour stay, since they touch its confident part; faint islands elsewhere go. Several confident
    lesions all stay. Where no voxel is confident, the plain threshold decides.

    Args:
        probability: float32 of any 3D shape, in [0, 1].
        threshold: tau; a voxel must exceed it.
        seed_threshold: what a confident voxel exceeds; at or below `threshold` it changes nothing (paper).

    Returns:
        uint8 of that shape.
    """
    mask = probability > threshold
    seeds = probability > max(seed_threshold, threshold)
    if seed_threshold <= threshold or not seeds.any():
        return mask.astype(np.uint8)
    box = tuple(slice(where.min(), where.max() + 1) for where in np.nonzero(mask))
    kept = np.zeros(mask.shape, np.uint8)
    kept[box] = _grow(seeds[box], mask[box])
    return kept


def _grow(seeds: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Spread `seeds` to neighbours, diagonal ones too, as long as they lie in `mask`."""
    inside = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None]
    grown = torch.from_numpy(np.ascontiguousarray(seeds, dtype=np.float32))[None, None]
    size = -1.0
    while grown.sum().item() > size:
        size = grown.sum().item()
        for _ in range(8):  # several steps before each look at whether anything still grows
            grown = F.max_pool3d(grown, kernel_size=3, stride=1, padding=1) * inside
    return grown[0, 0].numpy().astype(np.uint8)
