"""From the segmenter's probability to a mask (a leaf: imports torch and numpy alone)."""

import numpy as np
import torch


def smooth_through_slices(probabilities: torch.Tensor, brain: torch.Tensor, sigma: float) -> torch.Tensor:
    """Average each pixel's probability with those above and below: slices are segmented one by one, and flicker.

    Only brain counts, so that neither the surface of the brain nor empty slices lower what lies beside them.

    Args:
        probabilities: float32 (N, R, S, S).
        brain: (N, 1, S, S), true where there is brain.
        sigma: standard deviation of the Gaussian weights in slices, which lie 1 mm apart; 0 changes nothing (paper).

    Returns:
        float32 of that shape; a pixel with no brain within four deviations stays as it is.
    """
    if sigma == 0:
        return probabilities
    places = torch.arange(len(probabilities), dtype=torch.float32)
    apart = (places[:, None] - places).abs()
    weights = torch.exp(-(apart**2) / (2 * sigma**2)) * (apart <= 4 * sigma)
    inside = brain.float()
    total = torch.einsum("nm,m...->n...", weights, probabilities * inside)
    count = torch.einsum("nm,m...->n...", weights, inside)
    return torch.where(count > 0, total / count.clamp_min(1e-6), probabilities)


def slices_to_mirror(probabilities: torch.Tensor, least: float) -> torch.Tensor:
    """Say which slices are looked at once more: those in which some probability exceeds `least`, and their neighbours.

    Args:
        probabilities: float32 (M, R, S, S), in the order of the slices.
        least: 0 names all.

    Returns:
        Positions, int64 (n,), from the lowest to the highest.
    """
    if least == 0:
        return torch.arange(len(probabilities))
    seen = (probabilities.flatten(1) > least).any(dim=1)
    near = seen.clone()
    near[1:] |= seen[:-1]
    near[:-1] |= seen[1:]
    return near.nonzero()[:, 0]


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
    if seed_threshold <= threshold or not mask.any():
        return mask.view(np.uint8)
    box = bounding_box(mask)
    seeds = probability[box] > seed_threshold
    if not seeds.any():
        return mask.view(np.uint8)
    kept = np.zeros_like(mask)
    kept[box] = _grow(seeds, mask[box])
    return kept.view(np.uint8)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box around what is true in a mask that is not empty, in a tenth of `nonzero`'s time."""
    found = (np.flatnonzero(mask.any(axis=tuple({*range(mask.ndim)} - {axis}))) for axis in range(mask.ndim))
    return tuple(slice(int(places[0]), int(places[-1]) + 1) for places in found)


def _grow(seeds: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Spread `seeds` to neighbours, diagonal ones too, as long as they lie in `mask`."""
    mask, grown, size = np.ascontiguousarray(mask), np.ascontiguousarray(seeds), -1
    while (count := int(np.count_nonzero(grown))) > size:
        size = count
        for axis in range(3):  # a cube is three lines
            grown = _widen(grown, axis)
        grown &= mask
    return grown


def _widen(parts: np.ndarray, axis: int) -> np.ndarray:
    """Add the neighbours along one axis."""
    wide = parts.copy()
    before = tuple(slice(None, -1) if i == axis else slice(None) for i in range(parts.ndim))
    after = tuple(slice(1, None) if i == axis else slice(None) for i in range(parts.ndim))
    wide[after] |= parts[before]
    wide[before] |= parts[after]
    return wide
