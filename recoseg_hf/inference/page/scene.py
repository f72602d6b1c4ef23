"""What the pictures are cut from: scans, maps and regions on the canonical grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from recoseg_hf.imaging.grids import ras_grid
from recoseg_hf.inference.drawing import radiological
from recoseg_hf.inference.views import brain_of, brain_window, canonical, choose_slices, grey_limits, heat_limit
from recoseg_hf.pipeline.conventions import region_masks

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.inference.prediction import Prediction


@dataclass(frozen=True, eq=False)
class Scene:
    """A case and its prediction in RAS at 1 mm, cut to the brain across and from front to back.

    Attributes:
        brain: bool (X, Y, Z).
        maps: float32 (X, Y, Z): `flair`, `t1ce`, `synthetic` and `residual`, those that there are; `probability` where
            there is nothing anatomical to draw outlines on.
        regions: bool (X, Y, Z): `wt`; `tc` and `et` where the model has them; `reference` where the case has one.
        affine: of these arrays.
        own_shape, own_affine: the case's own grid in RAS order, in which its slices are counted.
    """

    brain: np.ndarray
    maps: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    affine: np.ndarray
    own_shape: tuple[int, ...]
    own_affine: np.ndarray

    @classmethod
    def of(cls, prediction: Prediction, case: Case | None) -> Scene:
        """Bring a prediction, and the scans it was made from where they are at hand, to the canonical grid."""
        brain = brain_of(case) if case else _brain_of_result(prediction)
        left, right, back, front = brain_window(brain)
        affine = canonical(prediction.mask).affine.copy()
        affine[:3, 3] = (affine @ [left, back, 0, 1])[:3]
        own_grid = ras_grid(prediction.mask.shape, prediction.mask.affine)
        part = np.s_[left:right, back:front]
        maps = {name: data[part] for name, data in _maps(prediction, case).items()}
        regions = {name: data[part] for name, data in _regions(prediction, case).items()}
        return cls(brain[part], maps, regions, affine, *own_grid)

    @property
    def size(self) -> tuple[int, int]:
        """Of an axial slice in mm, (width, height)."""
        return self.brain.shape[:2]

    @property
    def own_thickness_mm(self) -> float:
        """From one of the case's own axial slices to the next."""
        return float(np.linalg.norm(self.own_affine[:3, 2]))

    @cached_property
    def windows(self) -> dict[str, tuple[float, float]]:
        """The values of each map that are its darkest and its brightest, of the whole brain; both T1ce alike."""
        return {name: self._window(name) for name in self.maps}

    def _window(self, name: str) -> tuple[float, float]:
        if name == "probability":
            return 0.0, 1.0
        if name == "residual":
            return 0.0, heat_limit(self.maps[name], self.brain)
        like = "t1ce" if name == "synthetic" and "t1ce" in self.maps else name
        return grey_limits(self.maps[like], self.brain)

    @cached_property
    def areas(self) -> dict[str, np.ndarray]:
        """Of each region in each axial slice, in mm^2."""
        return {name: mask.sum(axis=(0, 1)) for name, mask in self.regions.items()}

    @cached_property
    def brain_extent(self) -> np.ndarray:
        """First and last voxel of the brain along X, Y and Z, (3, 2)."""
        return extent(self.brain)

    @cached_property
    def key_positions(self) -> list[int]:
        """The slices that show most, the highest first; see `views.choose_slices`."""
        return choose_slices(self.regions["wt"], self.brain)

    @property
    def key_position(self) -> int:
        """The slice with most tumour, or in the middle of the brain."""
        areas, chosen = self.areas["wt"], self.key_positions
        return int(areas.argmax()) if areas.any() else chosen[len(chosen) // 2]

    def plane(self, data: np.ndarray, position: int) -> np.ndarray:
        """Cut an axial slice out of an array, turned for viewing, (rows, columns)."""
        return radiological(data[:, :, position])

    def height_mm(self, position: int) -> float:
        """Return where an axial slice lies in the scan's world coordinates."""
        return float(self.affine[2, 3] + position * self.affine[2, 2])

    def own_slice(self, position: float) -> int:
        """Return which of the case's own axial slices lies there, counted from 1 at the bottom."""
        middle = [(size - 1) / 2 for size in self.size]
        index = np.linalg.solve(self.own_affine, self.affine @ [*middle, position, 1])[2]
        return int(np.clip(np.floor(index + 0.5), 0, self.own_shape[2] - 1)) + 1


def extent(occupied: np.ndarray) -> np.ndarray:
    """Return the first and last index along each of three axes at which a mask is true, (3, 2)."""
    flat = occupied.any(axis=2)
    lines = (flat.any(axis=1), flat.any(axis=0), occupied.any(axis=(0, 1)))
    return np.array([np.flatnonzero(line)[[0, -1]] for line in lines])


def _maps(prediction: Prediction, case: Case | None) -> dict[str, np.ndarray]:
    given = {"flair": case.flair, "t1ce": case.t1ce} if case else {}
    volumes = given | {"synthetic": prediction.t1ce, "residual": prediction.residual}
    if not case and prediction.t1ce is None:
        volumes["probability"] = prediction.probability
    return {name: canonical(volume).data for name, volume in volumes.items() if volume is not None}


def _regions(prediction: Prediction, case: Case | None) -> dict[str, np.ndarray]:
    regions = {"wt": canonical(prediction.mask).data > 0}
    if prediction.labels is not None:
        inner = region_masks(canonical(prediction.labels).data)
        regions |= {name: inner[name] for name in ("tc", "et")}
    if case is not None and case.seg is not None:
        regions["reference"] = canonical(case.seg).data > 0
    return regions


def _brain_of_result(prediction: Prediction) -> np.ndarray:
    """Return where a result is not zero: it is zero outside the brain, and seldom within."""
    volumes = (prediction.t1ce, prediction.residual, prediction.probability)
    brain = np.logical_or.reduce([canonical(volume).data != 0 for volume in volumes if volume is not None])
    return brain if brain.any() else np.ones_like(brain)
