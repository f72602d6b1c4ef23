"""Axial slices as panels: which slice, which part of it, and how its grey levels, masks and maps are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.inference.drawing import Colour, draw_outline, grey, heat, radiological
from recoseg_hf.pipeline.conventions import CONDITIONS

REFERENCE: Colour = (86, 180, 233)
PREDICTED: Colour = (255, 176, 0)
MISSED: Colour = (240, 228, 66)
INVENTED: Colour = (213, 94, 0)
AGREED: Colour = (86, 180, 233)
"""Of masks: Okabe and Ito's, bright enough on grey."""

WINDOW = (0.5, 99.5)
"""In-brain percentiles between which grey levels run, as in the overview of a prediction."""

_BORDER_MM = 5
_TINT, _ERROR_TINT = 0.32, 0.62  # errors are thin: they need more colour to be seen


@dataclass(frozen=True)
class View:
    """A part of an axial slice on the canonical grid (RAS, 1 mm).

    Attributes:
        brain: bool (X, Y, Z).
        position: of the slice.
        window: (x first, x end, y first, y end).
        height_mm: of the slice, in world coordinates.
        pixels: of a panel for each millimetre.
    """

    brain: np.ndarray
    position: int
    window: tuple[int, int, int, int]
    height_mm: float
    pixels: float = 3.0

    @classmethod
    def of(cls, case: Case) -> View:
        """The brain in the slice where the reference is largest, or the brain is where there is no reference."""
        brain = np.logical_or.reduce([to_canonical(getattr(case, name)).data != 0 for name in CONDITIONS])
        region = to_canonical(case.seg).data > 0 if case.seg is not None else brain
        region = region if region.any() else brain
        position = int(region.sum(axis=(0, 1)).argmax())
        window = (*_extent(brain.any(axis=(1, 2))), *_extent(brain.any(axis=(0, 2))))
        affine = to_canonical(case.flair).affine
        return cls(brain, position, window, float(affine[2, 3] + position * affine[2, 2]))

    def zoomed(self, region: np.ndarray, margin_mm: int = 10, at_least_mm: int = 40) -> View:
        """What lies around a mask (X, Y, Z) in this slice, with a margin, in a panel of the same size."""
        plane = region[:, :, self.position]
        if not plane.any():
            return self
        spans = [np.flatnonzero(plane.any(axis=axis))[[0, -1]] for axis in (1, 0)]
        wide, high = self.window[1] - self.window[0], self.window[3] - self.window[2]
        needed = [int(last - first) + 1 + 2 * margin_mm for first, last in spans]
        # No wider than the view itself: where the tumour fills it, nothing is left to zoom.
        width = min(max(at_least_mm, needed[0], math.ceil(needed[1] * wide / high)), wide, plane.shape[0])
        sides = (width, min(round(width * high / wide), plane.shape[1]))
        firsts = [
            min(max(int(first + last + 1 - side) // 2, 0), length - side)
            for (first, last), side, length in zip(spans, sides, plane.shape, strict=True)
        ]
        window = (firsts[0], firsts[0] + sides[0], firsts[1], firsts[1] + sides[1])
        return View(self.brain, self.position, window, self.height_mm, self.pixels * wide / width)

    @property
    def size(self) -> tuple[int, int]:
        """Of a panel in pixels, (width, height)."""
        left, right, back, front = self.window
        return round(self.pixels * (right - left)), round(self.pixels * (front - back))

    def plane(self, volume: Volume) -> np.ndarray:
        """Cut the slice's part out of a volume, turned for viewing: patient's right on the left, front at the top."""
        return self.cut(to_canonical(volume).data)

    def cut(self, data: np.ndarray) -> np.ndarray:
        """The same of an array on the canonical grid."""
        left, right, back, front = self.window
        return radiological(data[left:right, back:front, self.position])

    def limits(self, volume: Volume, window: tuple[float, float] = WINDOW) -> tuple[float, float]:
        """Grey levels between percentiles of the whole brain."""
        low, high = np.percentile(to_canonical(volume).data[self.brain], window)
        return float(low), float(high)

    def scan(self, volume: Volume, limits: tuple[float, float] | None = None) -> Image.Image:
        """Show a scan, by default between its own limits."""
        return grey(self.plane(volume), limits or self.limits(volume), self.size)

    def map(self, volume: Volume, limit: float) -> Image.Image:
        """Show values from 0 to `limit` as a heat map."""
        return heat(self.plane(volume), limit, self.size)

    def mask(self, mask: np.ndarray) -> Image.Image:
        """Show a mask (rows, columns), white, on the silhouette of the brain."""
        levels = np.where(mask, 1.0, 0.22 * self.cut(self.brain))
        return grey(levels, (0, 1), self.size)


def outlined(panel: Image.Image, masks: Mapping[Colour, np.ndarray], width: float = 2.0) -> Image.Image:
    """Draw the edges of masks (rows, columns) over a copy of a panel."""
    panel = panel.copy()
    for colour, mask in masks.items():
        draw_outline(panel, mask, colour, width)
    return panel


def tinted(panel: Image.Image, predicted: np.ndarray, reference: np.ndarray) -> Image.Image:
    """Tint a panel where two masks (rows, columns) agree, and where either stands alone."""
    panel = panel.copy()
    parts = {AGREED: predicted & reference, MISSED: reference & ~predicted, INVENTED: predicted & ~reference}
    for colour, part in parts.items():
        opacity = 255 * (_TINT if colour == AGREED else _ERROR_TINT)
        share = Image.fromarray((opacity * part).astype(np.uint8)).resize(panel.size, Image.Resampling.NEAREST)
        panel.paste(colour, mask=share)
    return panel


def _extent(occupied: np.ndarray) -> tuple[int, int]:
    first, last = np.flatnonzero(occupied)[[0, -1]].tolist()
    return max(first - _BORDER_MM, 0), min(last + 1 + _BORDER_MM, len(occupied))
