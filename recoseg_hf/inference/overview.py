"""The overview picture: slices through the tumour, what was measured beside what was computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.drawing import draw_outline, grey, heat, heat_bar, radiological, text
from recoseg_hf.inference.views import (
    RESIDUAL_CAPTIONS,
    brain_of,
    brain_window,
    canonical,
    choose_slices,
    grey_limits,
    heat_limit,
)

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
    """Which slices are shown, and which part of them.

    Attributes:
        brain: bool (X, Y, Z) on the canonical grid.
        positions: axial slices, the highest first.
        window: the brain's extent with a border, (x first, x end, y first, y end).
        size: of a panel in pixels, (width, height).
    """

    brain: np.ndarray
    positions: list[int]
    window: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, brain: np.ndarray, mask: np.ndarray) -> _View:
        window = brain_window(brain)
        width = (WIDTH - 2 * _MARGIN - 3 * _GAP - _BAR_GUTTER) // 5
        height = round(width * (window[3] - window[2]) / (window[1] - window[0]))
        return cls(brain, choose_slices(mask, brain), window, (width, height))

    def planes(self, data: np.ndarray) -> list[np.ndarray]:
        """Cut the slices out of a canonical array, each turned for viewing."""
        left, right, back, front = self.window
        return [radiological(data[left:right, back:front, position]) for position in self.positions]

    def intensities(self, volume: Volume) -> list[Image.Image]:
        """Show a scan's slices between percentiles of the whole brain."""
        data = canonical(volume).data
        return self.scaled(data, self.limits(data))

    def limits(self, data: np.ndarray) -> tuple[float, float]:
        return grey_limits(data, self.brain)

    def scaled(self, data: np.ndarray, limits: tuple[float, float]) -> list[Image.Image]:
        return [grey(plane, limits, self.size) for plane in self.planes(data)]


@dataclass(frozen=True)
class _Column:
    """A column of panels; `panels` is None where there is nothing to show, and the caption says why."""

    title: str
    caption: str
    panels: list[Image.Image] | None
    colour: tuple[int, int, int] = _TEXT
    mark: str = ""  # in every panel, so that a panel cut out of the picture still says what it is


def draw_overview(case: Case, prediction: Prediction) -> Image.Image:
    """Draw up to three axial slices: FLAIR, measured T1ce, synthetic T1ce, residual, and the mask's outline on FLAIR.

    The slices lie through the largest area of the tumour and on both sides of it, or in the middle of the brain where
    no tumour was found. The view is the radiologists': patient's right on the left of the image, front at the top.
    Both T1ce share one grey scale. A reference segmentation of the case is outlined beside the mask.

    Args:
        case: as given to `predict_case`.
        prediction: its result.

    Returns:
        An RGB image, 1600 pixels wide.
    """
    brain = brain_of(case)
    mask = canonical(prediction.mask).data > 0
    view = _View.of(brain, mask)
    residual, limit = _residual(view, prediction)
    columns = [*_scans(view, case, prediction), residual, _segmentation(view, case, mask)]
    rows, (width, height) = len(view.positions), view.size
    canvas = Image.new("RGB", (WIDTH, _HEADER + rows * (height + _GAP) + _FOOTER), _GROUND)
    draw = ImageDraw.Draw(canvas)
    _draw_head(draw, case.subject, prediction.report)
    for column, left in zip(columns, _lefts(width), strict=True):
        _draw_column(canvas, draw, column, left, view)
    if limit is not None:
        _draw_bar(canvas, draw, _lefts(width)[3] + width, limit, height)
    _draw_heights(draw, view, canonical(case.flair).affine)
    _draw_foot(draw, prediction.report, canvas.height)
    return canvas


def _scans(view: _View, case: Case, prediction: Prediction) -> Iterator[_Column]:
    yield _Column("FLAIR", "as given", view.intensities(case.flair))
    limits = None
    if case.t1ce is None:
        yield _Column("T1ce", "not given", None)
    else:
        data = canonical(case.t1ce).data
        limits = view.limits(data)
        yield _Column("T1ce", "as given", view.scaled(data, limits))
    if prediction.t1ce is None:
        yield _Column("Synthetic T1ce", "the model makes none", None)
    else:
        data = canonical(prediction.t1ce).data
        panels = view.scaled(data, limits or view.limits(data))
        yield _Column("Synthetic T1ce", "computed, not measured", panels, _SYNTHETIC, "SYNTHETIC")


def _residual(view: _View, prediction: Prediction) -> tuple[_Column, float | None]:
    source = prediction.report["settings"]["residual_source"]
    if prediction.residual is None:
        return _Column("Residual", "not used", None), None
    data = canonical(prediction.residual).data
    limit = heat_limit(data, view.brain)
    panels = [heat(plane, limit, view.size) for plane in view.planes(data)]
    return _Column("Residual", RESIDUAL_CAPTIONS[source], panels), limit


def _segmentation(view: _View, case: Case, mask: np.ndarray) -> _Column:
    panels = view.intensities(case.flair)
    caption = "whole tumour on FLAIR"
    if case.seg is not None:
        caption = "yellow: mask   blue: reference"
        for panel, plane in zip(panels, view.planes(canonical(case.seg).data > 0), strict=True):
            draw_outline(panel, plane, _REFERENCE)
    for panel, plane in zip(panels, view.planes(mask), strict=True):
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


def _draw_heights(draw: ImageDraw.ImageDraw, view: _View, affine: np.ndarray) -> None:
    width, height = view.size
    for row, position in enumerate(view.positions):
        bottom = _top(row, height) + height - 8
        millimetres = affine[2, 3] + position * affine[2, 2]
        text(draw, (_MARGIN + 8, bottom), f"z {millimetres:+.0f} mm", 17, _TEXT, "ls")
    length = round(_SCALE_BAR_MM * width / (view.window[1] - view.window[0]))
    right, bottom = _MARGIN + width - 8, _top(len(view.positions) - 1, height) + height - 8
    draw.line((right - length, bottom, right, bottom), fill=_TEXT, width=2)
    text(draw, (right, bottom - 6), f"{_SCALE_BAR_MM // 10} cm", 15, _TEXT, "rs")


def _draw_foot(draw: ImageDraw.ImageDraw, report: dict[str, Any], height: int) -> None:
    settings = report["settings"]
    parts = [f"model {report['model']['name']}", f"residual source {settings['residual_source']}"]
    if settings["num_inference_steps"] is not None:
        parts.append(f"{settings['num_inference_steps']} steps, {settings['scheduler']}")
    parts += [f"threshold {settings['mask_threshold']:g}", f"seed {settings['seed']}"]
    text(draw, (_MARGIN, height - 84), "   ·   ".join(parts), 18, _FAINT)
    notice = "Research use only. Not a medical device."
    text(draw, (_MARGIN, height - 48), notice, 20, _TEXT)
    view = "Axial slices in radiological view: R is the patient's right."
    text(draw, (WIDTH - _MARGIN, height - 47), view, 17, _FAINT, "ra")
