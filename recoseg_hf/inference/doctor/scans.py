"""A case made small for looking it over: every scan at 3 mm around the brain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.inference.doctor.texture import Texture, measure_texture

SPACING_MM = 3
_EVEN_MM = 20.0  # the coil's sensitivity changes over more than this, anatomy over less


@dataclass(frozen=True, eq=False)
class Scans:
    """What the checks look at.

    Attributes:
        images: float32 (X, Y, Z) by modality, RAS at 3 mm, 0 outside the brain of each.
        even: the same, divided by their own slow changes of intensity; 1 outside the brain.
        textures: of each at 1 mm.
        brain: bool, where all have values.
    """

    images: dict[str, np.ndarray]
    even: dict[str, np.ndarray]
    textures: dict[str, Texture]
    brain: np.ndarray


def reduce_case(volumes: Mapping[str, Volume], scale: float = 1.0) -> Scans:
    """Bring scans to 3 mm, each voxel the mean of the brain in it.

    Args:
        volumes: by modality, on one grid.
        scale: what the spacing is multiplied with first, where the header's is not to be believed.
    """
    near = brain_box(np.logical_or.reduce([volume.data != 0 for volume in volumes.values()]))
    data = {name: _at_1_mm(volume, near, scale) for name, volume in volumes.items()}
    box = brain_box(np.logical_or.reduce([array != 0 for array in data.values()]))
    images = {name: reduce_scan(in_blocks(array[box])) for name, array in data.items()}
    return make_scans(images, {name: measure_texture(array[box]) for name, array in data.items()})


def make_scans(images: dict[str, np.ndarray], textures: dict[str, Texture]) -> Scans:
    """Put together what follows from the reduced images."""
    brain = np.logical_and.reduce([image != 0 for image in images.values()])
    return Scans(images, {name: _evened(image) for name, image in images.items()}, textures, brain)


def _at_1_mm(volume: Volume, box: tuple[slice, ...], scale: float) -> np.ndarray:
    """The part of a scan in a box, which is all that has to be resampled."""
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    affine[:3] *= scale
    return to_canonical(Volume(volume.data[box], affine)).data


def smooth(array: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth with a Gaussian of `sigma` voxels; what lies outside the array counts as 0."""
    radius = max(1, round(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in range(3):
        array = _along(array.astype(np.float32, copy=False), taps, radius, axis)
    return array


def _along(array: np.ndarray, taps: np.ndarray, radius: int, axis: int) -> np.ndarray:
    moved = np.moveaxis(array, axis, 0)
    padded = np.pad(moved, ((radius, radius), (0, 0), (0, 0)))
    result = np.zeros_like(moved)
    for shift, weight in enumerate(taps):
        result += weight * padded[shift : shift + len(moved)]
    return np.moveaxis(result, 0, axis)


def _evened(image: np.ndarray) -> np.ndarray:
    brain = image != 0
    share = smooth(brain, _EVEN_MM / SPACING_MM)
    slow = smooth(image, _EVEN_MM / SPACING_MM) / np.maximum(share, 1e-3)
    return np.where(brain, image / np.where(np.abs(slow) > 1e-6, slow, 1), 1).astype(np.float32)


def brain_box(filled: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds everything."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        there = np.flatnonzero(filled.any(axis=others))
        sides.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(sides)


def in_blocks(data: np.ndarray) -> np.ndarray:
    """Put zeros around an array at 1 mm: a whole 3 mm voxel at each end, and what makes the sides multiples of 3."""
    return np.pad(data, [(SPACING_MM, SPACING_MM + -size % SPACING_MM) for size in data.shape])


def reduce_scan(data: np.ndarray) -> np.ndarray:
    """Return the 3 mm image of `in_blocks` data."""
    import torch
    from torch.nn import functional

    fine = torch.from_numpy(np.ascontiguousarray(data, dtype=np.float32))[None]
    mean, share = (functional.avg_pool3d(layer, SPACING_MM)[0].numpy() for layer in (fine, (fine != 0).float()))
    return np.where(share < 0.5, 0, mean / np.maximum(share, 0.5)).astype(np.float32)


def halved(data: np.ndarray, outside: float) -> np.ndarray:
    """Mean of each 2 x 2 x 2 voxels; `outside` fills up what is odd, on both sides so that the middle stays."""
    sides = [(0, 0) if size % 2 == 0 else (0, 1) for size in data.shape]
    data = np.pad(data, sides, constant_values=outside)
    x, y, z = (size // 2 for size in data.shape)
    return data.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))
