"""Two volumes of one subject are compared voxel for voxel: on one grid, or not at all."""

from __future__ import annotations

from recoseg_hf.imaging.grids import grid_distance
from recoseg_hf.imaging.volume import GRID_TOLERANCE_MM, Volume


def grid_difference(a: Volume, b: Volume) -> str | None:
    """Say how the grids of two volumes differ, or None where they are one grid, voxel for voxel."""
    if a.shape != b.shape:
        return f"shape {_times(a.shape)} against {_times(b.shape)}"
    distance = grid_distance(a.shape, a.affine, b.affine)
    return f"voxels up to {distance:.3g} mm apart" if distance > GRID_TOLERANCE_MM else None


def axial_axis(volume: Volume) -> int:
    """Return the array axis that runs most nearly from feet to head: slices are taken along it, on the native grid."""
    return next(axis for axis, letter in enumerate(volume.orientation) if letter in "SI")


def check_same_grid(name: str, volume: Volume, reference_name: str, reference: Volume) -> None:
    """Raise ValueError, naming both, where they are not on one grid."""
    if difference := grid_difference(volume, reference):
        raise ValueError(f"{name} and {reference_name} lie on different grids: {difference}")


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
