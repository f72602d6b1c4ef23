"""A case as stacks of axial slices around its brain, and what is made of these back on the case's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recoseg_hf.imaging.case import Case, brain_of_scans
from recoseg_hf.imaging.grids import is_regular, ras_grid, to_ras
from recoseg_hf.imaging.volume import Volume, from_canonical, scan_to_canonical
from recoseg_hf.imaging.voxels import bounding_box
from recoseg_hf.pipeline.conventions import MODALITIES


@dataclass(frozen=True, eq=False)
class BrainWindow:
    """The smallest box around a brain in RAS at 1 mm, from the lowest to the highest slice of the scan.

    Attributes:
        like: FLAIR, whose grid is the case's.
        brain: bool (I, J, K) on that grid.
        affine: of the canonical grid.
        shape: of the canonical grid, (X, Y, Z).
        box: slices of X and Y.
    """

    like: Volume
    brain: np.ndarray
    affine: np.ndarray
    shape: tuple[int, int, int]
    box: tuple[slice, slice]

    @classmethod
    def around(cls, case: Case) -> tuple[BrainWindow, dict[str, np.ndarray]]:
        """Find a case's window and cut its scans by it.

        Returns:
            The window, and float32 (Z, X, Y) by modality, with X closest together in memory, then Y, whatever the axes
            of the scans, so that sums over them round alike; views where the scans are stored so.
        """
        scans = {name: volume for name, volume in case.volumes().items() if name in MODALITIES}
        if is_regular(*ras_grid(case.flair.shape, case.flair.affine), spacing=1.0):
            canonical = {name: Volume(*to_ras(volume.data, volume.affine)) for name, volume in scans.items()}
            brain = to_ras(case.brain, case.flair.affine)[0]
        else:
            canonical = {name: scan_to_canonical(volume) for name, volume in scans.items()}
            brain = brain_of_scans(canonical)
        flair, box = canonical["flair"], _extent(_any_slice(brain))
        window = cls(case.flair, case.brain, flair.affine, flair.shape, box)
        return window, {name: np.moveaxis(_in_order(volume.data[box]), 2, 0) for name, volume in canonical.items()}

    @property
    def is_exact(self) -> bool:
        """Whether the case was only flipped and permuted, so that what is decided on the stack is decided."""
        return is_regular(*ras_grid(self.like.shape, self.like.affine), spacing=1.0)

    def volume(self, stack: np.ndarray, first: int = 0) -> Volume:
        """Bring (Z, X, Y), zero outside the brain, back to the case's grid; zero outside the window.

        What was only flipped and permuted comes back as it is, of any type; all else is interpolated, float32.

        Args:
            stack: of the window's slices, or of some that lie together.
            first: of these.
        """
        slices, place = np.moveaxis(stack, 0, 2), (*self.box, slice(first, first + len(stack)))
        if self.is_exact:
            data = np.zeros(self.like.shape, stack.dtype, order="F")
            to_ras(data, self.like.affine)[0][place] = slices
            return Volume(data, self.like.affine)
        whole = np.zeros(self.shape, np.float32, order="F")
        whole[place] = slices
        volume = from_canonical(Volume(whole, self.affine), like=self.like)
        volume.data[~self.brain] = 0  # interpolation reaches a voxel past the edge of the brain
        return volume


def _in_order(data: np.ndarray) -> np.ndarray:
    """Lay an array out with its first axis closest together; backwards along an axis will do."""
    steps = [abs(step) for step in data.strides]
    return data if steps == sorted(steps) else np.asfortranarray(data)


def _any_slice(brain: np.ndarray) -> np.ndarray:
    """Return `brain.any(axis=2)`, turned to run forwards in memory for it: backwards it takes many times as long."""
    forwards = tuple(slice(None, None, -1 if step < 0 else 1) for step in brain.strides)
    return brain[forwards].any(axis=2)[forwards[:2]]


def _extent(seen: np.ndarray) -> tuple[slice, ...]:
    """Return the rows and columns from the first to the last that holds something; all where none does."""
    return bounding_box(seen) if seen.any() else tuple(slice(0, count) for count in seen.shape)
