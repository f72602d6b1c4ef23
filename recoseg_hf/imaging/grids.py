"""Geometry of voxel grids: axis order, the canonical RAS grid, and resampling from one grid to another.

A grid is a shape (I, J, K) and an affine (4, 4) that maps a voxel's index to its centre in mm, RAS+ world coordinates.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal

import nibabel as nib
import numpy as np

from recoseg_hf.files import MAX_VOXELS

if TYPE_CHECKING:
    import torch

Order = Literal["linear", "nearest"]

# Over the whole grid a drift of a tenth of a voxel blurs less when ignored than when interpolated away.
_DRIFT_IN_VOXELS = 0.1
_SLAB_VOXELS = 2**22
# Breaks ties between two equally near voxels the same way everywhere; rounding would break them at random.
_NEAREST_BIAS = 1e-3
_EDGE = 1e-3  # rounding must not put a voxel on the edge of the field of view outside it
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def grid_distance(shape: tuple[int, ...], affine: np.ndarray, other: np.ndarray) -> float:
    """Return by how many mm the worst voxel of a grid moves when `other` replaces its affine.

    The map is linear, so the worst voxel is one of the eight corners.
    """
    corners = np.array(list(itertools.product(*((0, n - 1) for n in shape)))).T
    difference = np.asarray(affine) - np.asarray(other)
    return float(np.linalg.norm(difference[:3, :3] @ corners + difference[:3, 3:], axis=0).max())


def to_ras(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip and permute axes until they point as nearly as possible to right, front and top; no voxel is changed."""
    orientation = nib.io_orientation(affine)
    return nib.apply_orientation(data, orientation), affine @ nib.orientations.inv_ornt_aff(orientation, data.shape)


def from_ras(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Undo `to_ras`: flip and permute an array in RAS order to the axes of `affine`."""
    ras = nib.orientations.axcodes2ornt("RAS")
    return nib.apply_orientation(data, nib.orientations.ornt_transform(ras, nib.io_orientation(affine)))


def ras_grid(shape: tuple[int, ...], affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the shape and affine that `to_ras` gives for a grid."""
    stand_in = np.broadcast_to(np.uint8(0), shape)  # takes one byte, whatever the shape
    data, ras_affine = to_ras(stand_in, affine)
    return data.shape, ras_affine


def is_regular(shape: tuple[int, ...], affine: np.ndarray, spacing: float) -> bool:
    """Say whether a grid in RAS order is a `spacing` mm grid along the world axes, its origin aside."""
    regular = np.diag([spacing, spacing, spacing, 1.0])
    regular[:3, 3] = affine[:3, 3]
    return grid_distance(shape, affine, regular) <= _DRIFT_IN_VOXELS * spacing


def covering_grid(shape: tuple[int, ...], affine: np.ndarray, spacing: float) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the smallest RAS grid of `spacing` mm that covers a grid's field of view, voxel edges included.

    Raises:
        ValueError: it would hold more than `MAX_VOXELS`.
    """
    corners = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in shape)))).T
    world = affine[:3, :3] @ corners + affine[:3, 3:]
    low, high = world.min(axis=1), world.max(axis=1)
    counts = np.maximum(np.ceil((high - low) / spacing - 1e-3), 1).astype(int)
    if math.prod(counts.tolist()) > MAX_VOXELS:
        raise ValueError(f"a {spacing:g} mm grid over {np.round(high - low)} mm exceeds {MAX_VOXELS:,} voxels")
    target = np.diag([spacing, spacing, spacing, 1.0])
    target[:3, 3] = (low + high) / 2 - (counts - 1) / 2 * spacing
    return tuple(counts.tolist()), target


def resample(
    data: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target: np.ndarray,
    order: Order,
    antialias: bool = False,
) -> np.ndarray:
    """Sample an array on another grid; 0 outside its field of view, the edge value in the outer half voxel.

    Args:
        data: (I, J, K), any real type.
        affine: of `data`.
        shape: of the target grid.
        target: affine of the target grid.
        order: `linear`, or `nearest` for labels.
        antialias: smooth first where the target is coarser, with the Gaussian that matches the two grids' point spread
            functions (Cardoso et al. 2015, 10.1007/978-3-319-24571-3_81); for `linear` only.

    Returns:
        float32 of shape `shape`; for `nearest` only values that `data` holds.
    """
    import torch

    to_source = np.linalg.inv(affine) @ target
    # torch takes its axes as (z, y, x): transposed, x, y and z are I, J and K, and Fortran order needs no copy.
    source = torch.from_numpy(np.ascontiguousarray(data.T, dtype=np.float32))[None, None]
    if antialias and order == "linear":
        source = _smooth(source, np.linalg.norm(to_source[:3, :3], axis=1))
    result = np.empty(shape, dtype=np.float32, order="F")
    thickness = max(1, _SLAB_VOXELS // math.prod(shape[:2]))  # bounds the memory that the sampling points take
    for start in range(0, shape[2], thickness):
        slab = result[:, :, start : start + thickness]
        shift = np.eye(4)
        shift[2, 3] = start
        slab[:] = _sample(source, to_source @ shift, slab.shape, order).numpy().T
    return result


def _sample(source: torch.Tensor, to_source: np.ndarray, shape: tuple[int, ...], order: Order) -> torch.Tensor:
    """Sample `source` (1, 1, K, J, I) on a grid of `shape`, whose indices `to_source` maps to its own: (K, J, I)."""
    import torch
    from torch.nn import functional

    to_source = to_source.copy()
    if order == "nearest":
        to_source[:3, 3] -= _NEAREST_BIAS
    theta = _unit_cube(source.shape[:1:-1]) @ to_source @ np.linalg.inv(_unit_cube(shape))
    theta = torch.from_numpy(theta[None, :3].astype(np.float32))
    grid = functional.affine_grid(theta, [1, 1, *reversed(shape)], align_corners=False)
    mode = "bilinear" if order == "linear" else "nearest"
    values = functional.grid_sample(source, grid, mode=mode, padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1 + _EDGE).all(dim=-1)
    return (values[0] * inside)[0]


def _unit_cube(shape: tuple[int, ...]) -> np.ndarray:
    """Return the map from voxel indices to torch's coordinates: -1 and 1 at the outer voxel edges of each axis."""
    matrix = np.eye(4)
    for axis, count in enumerate(shape):
        matrix[axis, axis] = 2 / count
        matrix[axis, 3] = 1 / count - 1
    return matrix


def _smooth(volume: torch.Tensor, factors: np.ndarray) -> torch.Tensor:
    """Smooth (1, 1, K, J, I) along each of I, J, K that gets coarser by a factor above 1."""
    import torch
    from torch.nn import functional

    for axis, factor in enumerate(factors):
        if factor <= 1 + _DRIFT_IN_VOXELS:
            continue
        sigma = math.sqrt(factor**2 - 1) / _FWHM_PER_SIGMA
        radius = math.ceil(3 * sigma)
        taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
        padding = [radius if i // 2 == axis else 0 for i in range(6)]
        padded = functional.pad(volume, padding, mode="replicate")
        volume = torch.zeros_like(volume)
        # Shifted sums: for a single channel a fifth of the time that conv3d takes.
        for shift, weight in enumerate((taps / taps.sum()).tolist()):
            volume.add_(padded.narrow(4 - axis, shift, volume.shape[4 - axis]), alpha=weight)
    return volume
