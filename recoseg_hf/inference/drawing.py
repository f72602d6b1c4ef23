"""Pieces of a picture made of slices: grey levels, a heat map, an outline. Pillow alone; no plotting library."""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Size = tuple[int, int]
Colour = tuple[int, int, int]

# Ten stops of the "inferno" map of Smith and van der Walt (CC0): even to the eye, and readable without colour vision.
_HEAT = "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4"


def radiological(axial: np.ndarray) -> np.ndarray:
    """Turn an axial RAS slice (X, Y) for viewing: patient's right on the left of the image, front at the top."""
    return axial[::-1, ::-1].T


def levels(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Turn intensities between the window's two limits into levels from 0 to 255, uint8 of the same shape."""
    low, high = window
    unit = np.clip((image - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    return (255 * unit).astype(np.uint8)


def grey(image: np.ndarray, window: tuple[float, float], size: Size) -> Image.Image:
    """Show intensities (rows, columns) between the window's two limits as grey levels."""
    return Image.fromarray(levels(image, window)).resize(size, Image.Resampling.BICUBIC).convert("RGB")


def heat(image: np.ndarray, limit: float, size: Size) -> Image.Image:
    """Show values from 0 to `limit` as a heat map."""
    return heat_colours(grey(image, (0.0, limit), size).getchannel(0))


def heat_colours(shown: np.ndarray | Image.Image) -> Image.Image:
    """Colour levels from 0 to 255 (rows, columns) as the heat map does."""
    image = Image.fromarray(np.asarray(shown))
    image.putpalette(_heat_table().tobytes())
    return image.convert("RGB")


def heat_bar(size: Size) -> Image.Image:
    """Draw the heat map's colours, the highest value at the top."""
    width, height = size
    column = np.linspace(255, 0, height).astype(np.uint8)
    return Image.fromarray(np.repeat(_heat_table()[column][:, None], width, axis=1))


def draw_outline(image: Image.Image, mask: np.ndarray, colour: Colour, width: float = 2.0) -> None:
    """Draw the edge of a mask (rows, columns) over an image, as a smooth line some `width` pixels wide."""
    scale = image.width / mask.shape[1]
    finer = max(1, math.ceil(2 / scale))  # an edge must be some pixels wide to be found
    size = (image.width * finer, image.height * finer)
    levels = Image.fromarray(255 * mask.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    # Enlarged, the mask rises from 0 to 255 over about two of its voxels; the line is where it passes the middle.
    distances = (abs(level - 127.5) / 127.5 * max(1.0, scale / width) for level in range(256))
    line = levels.point([min(255, round(600 * max(0.0, 1 - distance))) for distance in distances])
    image.paste(colour, mask=line.reduce(finer))


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font, which is there on every system."""
    return ImageFont.load_default(size)


def text(draw: ImageDraw.ImageDraw, at: Size, content: str, size: int, colour: Colour, anchor: str = "la") -> None:
    """Write one line of text; `anchor` says which point of it lies at `at`, in Pillow's letters."""
    draw.text(at, content, fill=colour, font=font(size), anchor=anchor)


@functools.cache
def _heat_table() -> np.ndarray:
    stops = np.array([list(bytes.fromhex(stop)) for stop in _HEAT.split()])
    levels = np.linspace(0, 255, len(stops))
    return np.stack([np.interp(np.arange(256), levels, stops[:, i]) for i in range(3)], axis=1).astype(np.uint8)
