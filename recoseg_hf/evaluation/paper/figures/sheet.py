"""A sheet of panels in lines and columns, with what a reader needs beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recoseg_hf.evaluation.canvas import caption_inches, new_figure, put_caption
from recoseg_hf.inference.drawing import Colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from recoseg_hf.evaluation.paper.figures.slices import View

RESEARCH_ONLY = "Research use only. Radiological view: R is the patient's right."
_GAP, _SIDE, _RIGHT = 0.05, 0.42, 0.1  # inches
_HEADING, _LEGEND = 0.19, 0.3
_LIGHT = "#F2F2F2"


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        image: None leaves the place empty.
        note: in its lower left corner.
        view: for the marks of sides and the scale bar; None for none.
        scale_mm: length of the scale bar; 0 for none.
    """

    image: Image.Image | None
    note: str = ""
    view: View | None = None
    scale_mm: int = 0


def draw_sheet(
    lines: Sequence[Sequence[Panel]],
    titles: Sequence[str],
    sides: Sequence[str],
    caption: str,
    legend: Mapping[str, Colour] | None = None,
    heat_limit: float | None = None,
    column_inches: float = 2.0,
) -> Figure:
    """Lay panels out.

    Args:
        lines: of panels, each as long as `titles`.
        titles: of the columns.
        sides: beside the lines.
        caption: at the foot.
        legend: colours of outlines and tints by what they mean.
        heat_limit: the highest value of heat maps in the last column; draws their colour bar.
        column_inches: width of a column.
    """
    shapes = [max(p.image.height / p.image.width for p in line if p.image is not None) for line in lines]
    heights = [column_inches * shape for shape in shapes]
    bar = 0.55 if heat_limit is not None else 0
    width = _SIDE + len(titles) * (column_inches + _GAP) + bar + _RIGHT
    foot = caption_inches(caption, width) + (_LEGEND if legend else 0.08)
    head = 0.12 + _HEADING * max(title.count("\n") + 1 for title in titles)
    height = head + sum(heights) + _GAP * len(lines) + foot
    figure = new_figure(width, height)
    top = height - head
    for line, high, side in zip(lines, heights, sides, strict=True):
        figure.text(0.2 / width, (top - high / 2) / height, side, fontsize=9, rotation=90, va="center", ha="center")
        for place, panel in enumerate(line):
            left = _SIDE + place * (column_inches + _GAP)
            _draw_panel(figure, panel, (left / width, (top - high) / height, column_inches / width, high / height))
        top -= high + _GAP
    _draw_titles(figure, titles, column_inches, height - head)
    if heat_limit is not None:
        left = _SIDE + len(titles) * (column_inches + _GAP)
        _draw_bar(figure, heat_limit, (left / width, (height - head - heights[0]) / height, 0.12 / width), heights[0])
    if legend:
        _draw_legend(figure, legend, (foot - _LEGEND) / height)
    put_caption(figure, caption)
    return figure


def _draw_titles(figure: Figure, titles: Sequence[str], column_inches: float, bottom: float) -> None:
    width, height = figure.get_size_inches()
    for place, title in enumerate(titles):
        middle = (_SIDE + place * (column_inches + _GAP) + column_inches / 2) / width
        figure.text(middle, (bottom + 0.06) / height, title, fontsize=9.5, va="bottom", ha="center")


def _draw_panel(figure: Figure, panel: Panel, place: tuple[float, float, float, float]) -> None:
    if panel.image is None:
        return
    from matplotlib.patheffects import withStroke

    axes = figure.add_axes(place)
    axes.imshow(panel.image, interpolation="antialiased", aspect="equal")
    axes.set_axis_off()
    width, height = panel.image.size
    edge = [withStroke(linewidth=1.6, foreground="black")]  # legible on grey
    text = {"color": _LIGHT, "fontsize": 7.5, "path_effects": edge, "linespacing": 1.15}
    if panel.view is not None:
        axes.text(0.02 * width, 0.02 * width, "R", va="top", ha="left", **text)
        axes.text(0.98 * width, 0.02 * width, "L", va="top", ha="right", **text)
    axes.text(0.02 * width, height - 0.02 * width, panel.note, va="bottom", ha="left", **text)
    if panel.view is not None and panel.scale_mm:
        length, right, bottom = panel.scale_mm * panel.view.pixels, 0.97 * width, height - 0.03 * width
        axes.plot(
            [right - length, right],
            [bottom, bottom],
            color=_LIGHT,
            linewidth=1.5,
            solid_capstyle="butt",
            path_effects=edge,
        )
        axes.text(right, bottom - 0.02 * width, f"{panel.scale_mm} mm", va="bottom", ha="right", **text)
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)


def _draw_bar(figure: Figure, limit: float, place: tuple[float, float, float], inches: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_axes((*place, inches / figure.get_size_inches()[1]))
    bar = figure.colorbar(ScalarMappable(Normalize(0, limit), "inferno"), cax=axes)
    bar.ax.tick_params(labelsize=7.5)


def _draw_legend(figure: Figure, legend: Mapping[str, Colour], bottom: float) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=[part / 255 for part in colour], edgecolor="0.4", linewidth=0.5, label=name)
        for name, colour in legend.items()
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.01, bottom), ncols=len(handles), fontsize=8.5,
        frameon=False, handlelength=1.2, columnspacing=1.6,
    )  # fmt: skip
