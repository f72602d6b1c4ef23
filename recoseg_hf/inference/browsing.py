"""A predicted case as a person scrolls through it: any axial slice at once, at an eighth of the volumes' memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.drawing import heat_colours, radiological
from recoseg_hf.inference.page.contours import outline_path
from recoseg_hf.inference.page.scene import Scene
from recoseg_hf.inference.page.slices import SlicePainter
from recoseg_hf.inference.views import canonical
from recoseg_hf.pipeline.conventions import region_masks

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.inference.prediction import Prediction

_HEATED = ("residual", "probability")


@dataclass(frozen=True, eq=False)
class SliceBrowser:
    """The brain of a predicted case in RAS at 1 mm, ready to be drawn.

    Attributes:
        levels: uint8 (X, Y, Z) by map (`flair`, `t1ce`, `synthetic`, `residual`, those that there are): grey levels,
            one scale for both T1ce; of a residual its share of `limit`.
        regions: bool (X, Y, Z): `wt`, `tc` and `et` where the model has them, `reference` where the case has one.
        affine: of these arrays.
        limit: the residual at which the heat map ends; None where there is none.
        own_slices: for each position along Z the case's own axial slice that lies there, counted from 1 at the bottom.
        own_count: axial slices of the case.
        box: where these arrays lie on the canonical grid of the whole case.
    """

    levels: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    affine: np.ndarray
    limit: float | None
    own_slices: list[int]
    own_count: int
    box: tuple[slice, slice, slice]

    @classmethod
    def of(cls, prediction: Prediction, case: Case) -> SliceBrowser:
        """Take from a prediction, and the scans it was made from, what is shown of them."""
        scene = Scene.of(prediction, case)
        painter = SlicePainter(scene)
        bottom, top = scene.brain_extent[2].tolist()
        part = np.s_[:, :, bottom : top + 1]
        affine = scene.affine.copy()
        affine[:3, 3] = (affine @ [0, 0, bottom, 1])[:3]
        first = np.linalg.solve(canonical(case.flair).affine, affine)[:3, 3].round().astype(int).tolist()
        size = (*scene.size, top + 1 - bottom)
        return cls(
            levels={name: np.ascontiguousarray(levels[part]) for name, levels in painter.levels.items()},
            regions={name: np.ascontiguousarray(mask[part]) for name, mask in scene.regions.items()},
            affine=affine,
            limit=painter.heat_limit,
            own_slices=[scene.own_slice(position) for position in range(bottom, top + 1)],
            own_count=scene.own_shape[2],
            box=tuple(slice(start, start + length) for start, length in zip(first, size, strict=True)),
        )

    def with_mask(self, prediction: Prediction) -> SliceBrowser:
        """Show another mask of the same case: that of `with_threshold`."""
        regions = {"wt": canonical(prediction.mask).data[self.box] > 0}
        if prediction.labels is not None:
            inner = region_masks(canonical(prediction.labels).data[self.box])
            regions |= {name: inner[name] for name in ("tc", "et")}
        return replace(self, regions=self.regions | regions)

    @cached_property
    def start(self) -> int:
        """The position with most tumour, or the middle of the brain where none was found."""
        areas = self.regions["wt"].sum(axis=(0, 1))
        return int(areas.argmax()) if areas.any() else len(areas) // 2

    @property
    def focus(self) -> tuple[float, float, float]:
        """The middle of the tumour in the slice where it starts, or of the brain, in world coordinates (mm)."""
        plane = self.regions["wt"][:, :, self.start]
        across, deep = np.argwhere(plane if plane.any() else np.ones_like(plane)).mean(axis=0)
        return tuple((self.affine @ [across, deep, self.start, 1])[:3].tolist())

    @property
    def count(self) -> int:
        """Positions along Z, 1 mm apart: all axial slices that hold brain."""
        return len(self.own_slices)

    @property
    def size(self) -> tuple[int, int]:
        """Of a picture in pixels, which are mm: (width, height)."""
        return next(iter(self.regions.values())).shape[:2]

    def position_of(self, own_slice: int) -> int:
        """Return where one of the case's own axial slices lies: in the middle of its thickness, within the brain."""
        own = np.asarray(self.own_slices)
        return int(np.flatnonzero(np.abs(own - own_slice) == np.abs(own - own_slice).min()).mean())

    def height_mm(self, position: int) -> float:
        """Return where a position lies in the scan's world coordinates."""
        return float(self.affine[2, 3] + position * self.affine[2, 2])

    def picture(self, name: str, position: int) -> Image.Image:
        """Draw a map's axial slice: patient's right on the left, front at the top."""
        plane = np.ascontiguousarray(radiological(self.levels[name][:, :, position]))
        return heat_colours(plane) if name in _HEATED else Image.fromarray(plane)

    def outlines(self, position: int) -> dict[str, str]:
        """Outline the regions in a slice, those that are in it, each as `outline_path` does."""
        paths = {name: outline_path(radiological(mask[:, :, position])) for name, mask in self.regions.items()}
        return {name: path for name, path in paths.items() if path}

    def volume(self, name: str) -> Volume:
        """Return a map's levels as a volume, for a viewer."""
        return Volume(self.levels[name], self.affine)

    def tumour(self) -> Volume:
        """Return the regions as a volume, for a viewer: 1 whole tumour, 2 of it core, 3 of it enhancing."""
        nested = [self.regions[name] for name in ("wt", "tc", "et") if name in self.regions]
        return Volume(np.sum(nested, axis=0, dtype=np.uint8), self.affine)
