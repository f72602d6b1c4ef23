"""What all figures share: a page, its colours, its caption, its file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recoseg_hf.errors import RecosegError
from recoseg_hf.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which those who see no red or no green tell apart; each with a marker and a line of its own.
STYLES = (
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "D", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "^", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": "#56B4E9", "marker": "v", "linestyle": (0, (1, 1))},
)
"""For lines, in this order."""

DPI = 150
_CAPTION_SIZE = 8.5
_CAPTION_INCHES = 0.16  # a line of it


def new_figure(width: float, height: float, layout: str | None = None) -> Figure:
    """A page of so many inches, laid out as `matplotlib.figure.Figure` takes it.

    Raises:
        RecosegError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RecosegError("drawing needs matplotlib. Run: pip install 'recoseg_hf[eval]'") from None
    return Figure(figsize=(width, height), dpi=DPI, layout=layout)


def require_drawing() -> None:
    """Raise RecosegError now rather than after minutes of reading if matplotlib is missing."""
    new_figure(1, 1)


def chart(panels: int, caption: str, width: float = 4.6, height: float = 4.4) -> tuple[Figure, Sequence[Axes]]:
    """A page of panels side by side, each so many inches, over a caption."""
    figure = new_figure(1 + width * panels, height + 0.4, "constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    figure.supxlabel(wrapped(caption, 1 + width * panels), fontsize=_CAPTION_SIZE, ha="left", x=0.02)
    for axis in axes:
        axis.grid(color="0.9")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def wrapped(caption: str, width: float) -> str:
    """Break a caption into lines that fit so many inches."""
    return textwrap.fill(caption, int(15.5 * width))


def save(figure: Figure, path: Path) -> Path:
    """Write a page as PNG, whole or not at all."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
    return path


def put_caption(figure: Figure, caption: str) -> None:
    """Write a caption at the foot of a page that has no layout of its own."""
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 0.08 / height, wrapped(caption, width), fontsize=_CAPTION_SIZE, va="bottom", ha="left")


def caption_inches(caption: str, width: float) -> float:
    """Height that `put_caption` needs."""
    return 0.16 + _CAPTION_INCHES * len(wrapped(caption, width).splitlines())
