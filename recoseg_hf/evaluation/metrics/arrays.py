"""What all metrics do with arrays before they count: one shape, and the part that matters."""

from __future__ import annotations

import numpy as np

from recoseg_hf.imaging.voxels import bounding_box as bounding_box


def cut_to(mask: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return the mask and arrays of its shape in its bounding box, in C order; whole where the mask is empty.

    Volumes from files lie in Fortran order, in which picking voxels by a mask takes several times as long.

    Raises:
        ValueError: the shapes differ.
    """
    check_shapes(mask=mask, **{f"array {number}": array for number, array in enumerate(arrays, start=1)})
    box = bounding_box(mask) if mask.any() else ()
    return [np.ascontiguousarray(array[box]) for array in (mask, *arrays)]


def check_shapes(**arrays: np.ndarray) -> None:
    """Refuse arrays of different shapes.

    Raises:
        ValueError: the shapes differ; it names each array.
    """
    if len({array.shape for array in arrays.values()}) > 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes differ: {found}")
