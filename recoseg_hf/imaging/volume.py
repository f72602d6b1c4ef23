"""A volume on its grid: read, written, brought to the canonical grid and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from recoseg_hf.errors import InputError
from recoseg_hf.imaging import grids
from recoseg_hf.imaging.grids import Order
from recoseg_hf.imaging.nifti import read_with_range, write_nifti
from recoseg_hf.imaging.voxels import as_labels, check_intensities

GRID_TOLERANCE_MM = 1e-3
"""Two grids are one when no voxel lies farther apart than this."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image and where it lies.

    Attributes:
        data: float32 intensities in the source's units, or uint8 labels; (I, J, K).
        affine: float64 (4, 4), voxel index to mm in RAS+ world coordinates.

    Raises:
        ValueError: `data` is not 3D or of another type, or the affine is not (4, 4).
    """

    data: np.ndarray
    affine: np.ndarray

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or self.data.dtype not in (np.float32, np.uint8):
            raise ValueError(f"data is {self.data.dtype} of shape {self.data.shape}; expected 3D float32 or uint8")
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4):
            raise ValueError(f"the affine has shape {affine.shape}; expected (4, 4)")
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis (I, J, K)."""
        return self.data.shape

    @property
    def voxel_spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along I, J and K, in mm."""
        return tuple(np.linalg.norm(self.affine[:3, :3], axis=0).tolist())

    @property
    def orientation(self) -> str:
        """Where I, J and K point, as in "LPS": from right to left, front to back, bottom to top."""
        return "".join(nib.aff2axcodes(self.affine))

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000)


def read_volume(path: str | Path, content: bytes | None = None) -> Volume:
    """Read an MRI volume on its own grid.

    Args:
        path: a NIfTI-1 or NIfTI-2 file. `scl_slope` and `scl_inter` are applied.
        content: its bytes, where they are at hand; `path` then only names it in errors.

    Returns:
        float32 intensities in the source's units.

    Raises:
        InputError: the file is unusable (see `imaging.nifti.read_nifti`), or its intensities hold NaN or infinity, or
            are all the same.
    """
    data, affine, ends = read_with_range(path, content)
    check_intensities(path, data, ends)
    return Volume(data, affine)


def read_labels(path: str | Path, content: bytes | None = None) -> Volume:
    """Read a segmentation on its own grid.

    Args:
        path: a NIfTI file with labels out of {0, 1, 2, 4} or {0, 1, 2, 3}, stored as any real type.
        content: as for `read_volume`.

    Returns:
        uint8 labels. A file without tumour (all 0) is fine.

    Raises:
        InputError: the file is unusable, a value is no integer or another label, or both 3 and 4 occur.
    """
    data, affine, ends = read_with_range(path, content)
    return Volume(as_labels(path, data, ends), affine)


def write_volume(path: str | Path, volume: Volume, dtype: type | str | None = None) -> None:
    """Write a volume in one step, under a fresh header without text (no patient data is carried over).

    Args:
        path: ends in `.nii` or `.nii.gz`.
        volume: what to write.
        dtype: type to store as, without scaling; by default the volume's own.

    Raises:
        ValueError: the name ends otherwise, or `dtype` cannot hold the values.
    """
    stored = volume.data if dtype is None else volume.data.astype(dtype)
    if np.dtype(stored.dtype).kind in "iu" and not np.array_equal(stored, volume.data):
        raise ValueError(f"the values do not fit {stored.dtype}; expected integers in its range")
    write_nifti(path, stored, volume.affine)


def to_canonical(volume: Volume, spacing: float = 1.0, order: Order | None = None) -> Volume:
    """Bring a volume to the canonical grid: axes R, A, S, equal spacing, the whole field of view covered.

    A volume that already has this spacing along the world axes, in whatever order and direction, is only flipped and
    permuted: no voxel value changes, and its origin stays where it was (the grid's origin need not be a round number
    of mm). Every other volume is interpolated, after smoothing where it is finer than `spacing`.

    Args:
        volume: on any grid.
        spacing: of the result, in mm.
        order: `linear` or `nearest`; by default `nearest` for uint8 labels and `linear` for intensities.

    Returns:
        A volume of the same type, with voxels in Fortran order (each axial slice lies together in memory). Its
        layout is the same whatever the input's orientation, so that sums over it round alike.

    Raises:
        ValueError: `linear` was asked for labels.
        InputError: the canonical grid would be too large.
    """
    order = _order(volume, order)
    data, affine = grids.to_ras(volume.data, volume.affine)
    if not grids.is_regular(data.shape, affine, spacing):
        try:
            shape, target = grids.covering_grid(data.shape, affine, spacing)
        except ValueError as error:
            raise InputError("volume", str(error), "the size of a head", "Check its affine, or crop it.") from error
        data = grids.resample(data, affine, shape, target, order, antialias=True)
        affine = target
    return Volume(np.asfortranarray(data, dtype=volume.data.dtype), affine)


def scan_to_canonical(scan: Volume, spacing: float = 1.0) -> Volume:
    """Bring a skull-stripped scan to the canonical grid, its background exactly zero and its brain as large as before.

    Interpolation mixes background into the brain's edge and spreads the brain past it, where "not zero" would take it
    for brain. So a voxel is kept only where brain has at least half of the weight, and is divided by that weight
    (normalised convolution, Knutsson and Westin 1993, 10.1109/CVPR.1993.341081).

    Args:
        scan: intensities, 0 outside the brain.
        spacing: of the result, in mm.
    """
    canonical = to_canonical(scan, spacing)
    if not grids.is_regular(*grids.ras_grid(scan.shape, scan.affine), spacing):
        share = to_canonical(Volume((scan.data != 0).astype(np.float32), scan.affine), spacing)
        canonical.data[:] = np.where(share.data < 0.5, 0, canonical.data / np.maximum(share.data, 0.5))
    return canonical


def from_canonical(canonical: Volume, like: Volume, order: Order | None = None) -> Volume:
    """Bring a result on the canonical grid of `like` back to the grid of `like` itself.

    The exact inverse of `to_canonical` where that only flipped and permuted. Elsewhere the result is interpolated, not
    smoothed: what lies on the canonical grid came from `like` and holds nothing finer than its grid.

    Args:
        canonical: on the grid of `to_canonical(like)`, or any other.
        like: gives shape, affine and orientation; its voxels are not used.
        order: as for `to_canonical`.

    Returns:
        A volume of the type of `canonical` with the shape and affine of `like`.

    Raises:
        ValueError: `linear` was asked for labels.
    """
    order = _order(canonical, order)
    shape, affine = grids.ras_grid(like.shape, like.affine)
    # Sampled in RAS order whatever the axes of `like`, so that its orientation changes no voxel.
    data = canonical.data
    if not same_grid(canonical, shape, affine):
        data = grids.resample(data, canonical.affine, shape, affine, order)
    data = grids.from_ras(data, like.affine)
    return Volume(np.asfortranarray(data, dtype=canonical.data.dtype), like.affine)


def same_grid(volume: Volume, shape: tuple[int, ...], affine: np.ndarray) -> bool:
    """Say whether a volume lies on a grid, voxel for voxel, within `GRID_TOLERANCE_MM`."""
    return volume.shape == shape and grids.grid_distance(shape, volume.affine, affine) <= GRID_TOLERANCE_MM


def _order(volume: Volume, order: Order | None) -> Order:
    labels = volume.data.dtype == np.uint8
    if order == "linear" and labels:
        raise ValueError("order='linear' would mix labels; expected order='nearest' for a uint8 volume")
    return order or ("nearest" if labels else "linear")
