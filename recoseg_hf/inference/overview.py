"""The overview picture: slices through the tumour, what was measured beside what was computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from recoseg_hf.imaging.case import Case
from recoseg_hf.inference.drawing import draw_outline, grey, heat, heat_bar, text
from recoseg_hf.inference.page.scene import Scene
from recoseg_hf.inference.views import RESIDUAL_CAPTIONS

if TYPE_CHECKING:
    from recoseg_hf.inference.prediction import Prediction

WIDTH = 1600
_MARGIN, _GAP, _BAR_GUTTER = 28, 8, 76
_HEADER, _FOOTER = 124, 100
_SCALE_BAR_MM = 50

_GROUND, _BLACK = (16, 18, 22), (0, 0, 0)
_TEXT, _FAINT = (236, 238, 242), (156, 162, 172)
_PREDICTED, _REFERENCE, _SYNTHETIC = (255, 204, 0), (70, 190, 255), (255, 170, 90)


@dataclass(frozen=True)
class _View:
    """The slices that are shown of a scene, the highest first, and the size of a panel in pixels, (width, height)."""

    scene: Scene
    size: tuple[int, int]

    @classmethod
    def of(cls, scene: Scene) -> _View:
        width = (WIDTH - 2 * _MARGIN - 3 * _GAP - _BAR_GUTTER) // 5
        return cls(scene, (width, round(width * scene.size[1] / scene.size[0])))

    @property
    def positions(self) -> list[int]:
        return self.scene.key_positions

    def planes(self, data: np.ndarray) -> list[np.ndarray]:
        """Cut the slices out of an array of the scene, each turned for viewing."""
        return [self.scene.plane(data, position) for position in self.positions]

    def intensities(self, name: str) -> list[Image.Image]:
        """Show a map's slices between percentiles of the whole brain."""
        planes = self.planes(self.scene.maps[name])
        return [grey(plane, self.scene.windows[name], self.size) for plane in planes]


@dataclass(frozen=True)
class _Column:
    """A column of panels; `panels` is None where there is nothing to show, and the caption says why."""

    title: str
    caption: str
    panels: list[Image.Image] | None
    colour: tuple[int, int, int] = _TEXT
    mark: str = ""  # in every panel, so that a panel cut out of the picture still says what it is


def draw_overview(case: Case, prediction: Prediction, scene: Scene | None = None) -> Image.Image:
    """Draw up to three axial slices: FLAIR, measured T1ce, synthetic T1ce, residual, and the mask's outline on FLAIR.

    The slices lie through the largest area of the tumour and on both sides of it, or in the middle of the brain where
    no tumour was found. The view is the radiologists': patient's right on the left of the image, front at the top.
    Both T1ce share one grey scale. A reference segmentation of the case is outlined beside the mask.

    Args:
        case: as given to `predict_case`.
        prediction: its result.
        scene: `Scene.of` these two, where it is at hand.

    Returns:
        An RGB image, 1600 pixels wide.
    """
    view = _View.of(scene or Scene.of(prediction, case))
    columns = [*_scans(view), _residual(view, prediction), _segmentation(view)]
    rows, (width, height) = len(view.positions), view.size
    canvas = Image.new("RGB", (WIDTH, _HEADER + rows * (height + _GAP) + _FOOTER), _GROUND)
    draw = ImageDraw.Draw(canvas)
    _draw_head(draw, case.subject, prediction.report)
    for column, left in zip(columns, _lefts(width), strict=True):
        _draw_column(canvas, draw, column, left, view)
    if "residual" in view.scene.maps:
        _draw_bar(canvas, draw, _lefts(width)[3] + width, view.scene.windows["residual"][1], height)
    _draw_heights(draw, view)
    _draw_foot(draw, prediction.report, canvas.height)
    return canvas


def _scans(view: _View) -> Iterator[_Column]:
    maps = view.scene.maps
    yield _Column("FLAIR", "as given", view.intensities("flair"))
    if "t1ce" in maps:
        yield _Column("T1ce", "as given", view.intensities("t1ce"))
    else:
        yield _Column("T1ce", "not given", None)
    if "synthetic" in maps:
        panels = view.intensities("synthetic")
        yield _Column("Synthetic T1ce", "computed, not measured", panels, _SYNTHETIC, "SYNTHETIC")
    else:
        yield _Column("Synthetic T1ce", "the model makes none", None)


def _residual(view: _View, prediction: Prediction) -> _Column:
    scene = view.scene
    if "residual" not in scene.maps:
        return _Column("Residual", "not used", None)
    limit = scene.windows["residual"][1]
    panels = [heat(plane, limit, view.size) for plane in view.planes(scene.maps["residual"])]
    return _Column("Residual", RESIDUAL_CAPTIONS[prediction.report["settings"]["residual_source"]], panels)


def _segmentation(view: _View) -> _Column:
    regions, panels = view.scene.regions, view.intensities("flair")
    caption = "whole tumour on FLAIR"
    if "reference" in regions:
        caption = "yellow: mask   blue: reference"
        for panel, plane in zip(panels, view.planes(regions["reference"]), strict=True):
            draw_outline(panel, plane, _REFERENCE)
    for panel, plane in zip(panels, view.planes(regions["wt"]), strict=True):
        draw_outline(panel, plane, _PREDICTED)
    return _Column("Mask outline", caption, panels)


def _lefts(width: int) -> list[int]:
    """Return the left edge of each column; the colour bar stands between the fourth and the fifth."""
    lefts = [_MARGIN + i * (width + _GAP) for i in range(4)]
    return [*lefts, lefts[3] + width + _BAR_GUTTER]


def _top(row: int, height: int) -> int:
    return _HEADER + row * (height + _GAP)


def _draw_head(draw: ImageDraw.ImageDraw, subject: str, report: dict[str, Any]) -> None:
    text(draw, (_MARGIN, 20), subject, 30, _TEXT)
    volume = report["results"]["tumour_volume_ml"]
    text(draw, (WIDTH - _MARGIN, 20), f"Whole tumour {volume:.1f} mL", 30, _PREDICTED, "ra")


def _draw_column(canvas: Image.Image, draw: ImageDraw.ImageDraw, column: _Column, left: int, view: _View) -> None:
    width, height = view.size
    text(draw, (left, _HEADER - 54), column.title, 22, column.colour)
    text(draw, (left, _HEADER - 27), column.caption, 17, _FAINT)
    for row in range(len(view.positions)):
        top = _top(row, height)
        if column.panels is None:
            draw.rectangle((left, top, left + width - 1, top + height - 1), outline=(48, 52, 60))
            text(draw, (left + width // 2, top + height // 2), column.caption, 20, _FAINT, "mm")
            continue
        canvas.paste(column.panels[row], (left, top))
        text(draw, (left + 7, top + 6), "R", 17, _FAINT, "la")
        text(draw, (left + width - 7, top + 6), "L", 17, _FAINT, "ra")
        text(draw, (left + 8, top + height - 8), column.mark, 14, column.colour, "ls")


def _draw_bar(canvas: Image.Image, draw: ImageDraw.ImageDraw, left: int, limit: float, height: int) -> None:
    top, width = _HEADER + 24, 14
    canvas.paste(heat_bar((width, height - 48)), (left + 10, top))
    text(draw, (left + 10 + width + 6, top), f"{limit:.2f}", 16, _FAINT, "lm")
    text(draw, (left + 10 + width + 6, top + height - 48), "0", 16, _FAINT, "lm")


def _draw_heights(draw: ImageDraw.ImageDraw, view: _View) -> None:
    width, height = view.size
    for row, position in enumerate(view.positions):
        bottom = _top(row, height) + height - 8
        text(draw, (_MARGIN + 8, bottom), f"z {view.scene.height_mm(position):+.0f} mm", 17, _TEXT, "ls")
    length = round(_SCALE_BAR_MM * width / view.scene.size[0])
    right, bottom = _MARGIN + width - 8, _top(len(view.positions) - 1, height) + height - 8
    draw.line((right - length, bottom, right, bottom), fill=_TEXT, width=2)
    text(draw, (right, bottom - 6), f"{_SCALE_BAR_MM // 10} cm", 15, _TEXT, "rs")


def _draw_foot(draw: ImageDraw.ImageDraw, report: dict[str, Any], height: int) -> None:
    settings = report["settings"]
    parts = [f"model {report['model']['name']}", f"residual source {settings['residual_source']}"]
    if settings["num_inference_steps"] is not None:
        steps = settings["num_inference_steps"]
        parts.append(f"{steps} step{'s' * (steps > 1)}, {settings['scheduler']}")
    parts += [f"threshold {settings['mask_threshold']:g}", f"seed {settings['seed']}"]
    text(draw, (_MARGIN, height - 84), "   ·   ".join(parts), 18, _FAINT)
    notice = "Research use only. Not a medical device."
    text(draw, (_MARGIN, height - 48), notice, 20, _TEXT)
    view = "Axial slices in radiological view: R is the patient's right."
    text(draw, (WIDTH - _MARGIN, height - 47), view, 17, _FAINT, "ra")
