"""The slices of the page: pictures as data, outlines as paths, and what stands beside them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from recoseg_hf.inference.drawing import heat_bar, heat_colours, levels
from recoseg_hf.inference.page.contours import outline_path
from recoseg_hf.inference.page.scene import Scene

MOST_SLICES = 160
"""A brain is about 140 mm high. Of a higher one every second slice is shown, which halves the file."""

_JPEG = {"format": "JPEG", "quality": 80, "subsampling": 0}  # a fifth of WebP's time; colour as fine as brightness
_HEATED = ("residual", "probability")


def shown_positions(scene: Scene) -> list[int]:
    """Return the axial slices of the viewer, from below: all of the brain's, one for each of a scan with thick slices.

    The one with most tumour is among them.
    """
    first, last = scene.brain_extent[2].tolist()
    step = max(round(scene.own_thickness_mm), -(-(last - first + 1) // MOST_SLICES), 1)
    start = first + (scene.key_position - first) % step
    return list(range(start, last + 1, step))


class SlicePainter:
    """Draws axial slices at a pixel per mm, on the grey levels of the whole brain; both T1ce on the same.

    Attributes:
        levels: uint8 (X, Y, Z) by map, from darkest to brightest.
        heat_limit: the residual at the end of the colour bar; None where there is no residual.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.heat_limit = scene.windows["residual"][1] if "residual" in scene.maps else None
        self.levels = {name: levels(data, scene.windows[name]) for name, data in scene.maps.items()}

    def slice(self, position: int) -> dict[str, Any]:
        """Draw one slice.

        Returns:
            `own`, its number in the case's own scan, `mm`, its height in scan coordinates, `pictures` (data URIs by
            map) and `outlines` (SVG paths by region, those that are not empty).
        """
        scene = self._scene
        present = {name: mask for name, mask in scene.regions.items() if scene.areas[name][position]}
        return {
            "own": scene.own_slice(position),
            "mm": round(scene.height_mm(position), 1),
            "pictures": {name: data_uri(self._picture(name, position), **_JPEG) for name in scene.maps},
            "outlines": {name: outline_path(scene.plane(mask, position)) for name, mask in present.items()},
        }

    def _picture(self, name: str, position: int) -> Image.Image:
        plane = np.ascontiguousarray(self._scene.plane(self.levels[name], position))
        return heat_colours(plane) if name in _HEATED else Image.fromarray(plane)


def tumour_profile(scene: Scene, positions: list[int]) -> list[float]:
    """Return the area of the mask in each slice, in cm^2."""
    return [round(float(scene.areas["wt"][position]) / 100, 2) for position in positions]


def bar_uri() -> str:
    """Return the heat map's colour bar, the highest value on the right."""
    return data_uri(heat_bar((8, 256)).rotate(-90, expand=True), format="PNG")


def data_uri(image: Image.Image, **options: Any) -> str:
    """Return a picture as a data URI, without anything beside its pixels; `options` go to Pillow's `save`."""
    stream = io.BytesIO()
    image.save(stream, **options)
    return f"data:image/{options['format'].lower()};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
