"""A study of fine-tuning on a new site as a picture: what was gained there beside what was lost at home."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import RecosegError
from recoseg_hf.evaluation.site_study import VARIANTS, study_caption
from recoseg_hf.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by marker and line too.
_STYLES = {
    "threshold": ("#009E73", "D", ":"),
    "none": ("#0072B2", "o", "-"),
    "encoder": ("#D55E00", "s", "--"),
    "all_but_decoder": ("#CC79A7", "^", "-."),
    "all_but_last": ("#56B4E9", "v", (0, (1, 1))),
}
_SIDE_STEP = 0.1  # between markers of one size


def require_matplotlib() -> None:
    """Raise RecosegError now rather than after hours if matplotlib is missing."""
    _new_figure()


def draw_site_study(result: Mapping[str, Any], path: str | Path, region: str = "wt") -> None:
    """Draw a study as PNG: Dice against the number of subjects fine-tuned on, a panel for each site.

    Args:
        result: as for `site_study.study_table`.
        path: of the picture.
        region: whose Dice.

    Raises:
        RecosegError: matplotlib is missing.
    """
    rows = [row for row in result["summary"] if row["region"] == region and row["after"]["value"] is not None]
    figure = _new_figure()
    panels = figure.subplots(1, 2, sharey=True)
    for panel, site in zip(panels, ("target", "source"), strict=True):
        here = [row for row in rows if row["site"] == site]
        _draw_panel(panel, here)
        tested = max((row["after"]["n"] for row in here), default=0)
        news = "the new site" if site == "target" else "the old site"
        panel.set_title(f"{result[site]}, {news}: n = {tested} subjects tested", fontsize=11)
        panel.set_xlabel(f"{result['target']} subjects fine-tuned on", fontsize=11)
    panels[0].set_ylabel(f"Dice of {region.upper()}, mean of subjects tested", fontsize=11)
    panels[0].set_ylim(_lowest(rows), 1)
    panels[1].legend(loc="lower right", fontsize=9, frameon=False)
    figure.supxlabel(textwrap.fill(study_caption(result), 165), fontsize=8.5, ha="left", x=0.02)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _new_figure() -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RecosegError("drawing needs matplotlib. Run: pip install 'recoseg_hf[eval]'") from None
    return Figure(figsize=(11.5, 6), layout="constrained")


def _lowest(rows: Sequence[Mapping[str, Any]]) -> float:
    """Where the axis begins: at a tenth, below everything drawn, so that differences can be seen."""
    sides = [row[side] for row in rows for side in ("before", "after")]
    ends = [end for side in sides for end in (side["interval"] or [side["value"]])]
    lowest = min([*ends, *(mean for row in rows for mean in _rotation_means(row))], default=0)
    return max(0, math.floor(10 * lowest) / 10)


def _rotation_means(row: Mapping[str, Any]) -> list[float]:
    """Each rotation's change, put on top of the mean before: rotations test others, of other difficulty."""
    return [row["before"]["value"] + change for change in row["difference_of_each_rotation"]]


def _draw_panel(panel: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    sizes = sorted({row["size"] for row in rows})
    variants = [name for name in VARIANTS if any(row["variant"] == name for row in rows)]
    if rows:
        _draw_before(panel, rows[0]["before"])
    for place, variant in enumerate(variants):
        mine = sorted((row for row in rows if row["variant"] == variant), key=lambda row: row["size"])
        shift = _SIDE_STEP * (place - (len(variants) - 1) / 2)
        _draw_variant(panel, [(1 + sizes.index(row["size"]) + shift, row) for row in mine], variant)
    panel.set_xticks(range(len(sizes) + 1), ["0\n(before)", *map(str, sizes)], fontsize=10)
    panel.grid(axis="y", color="0.88")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_before(panel: Axes, before: Mapping[str, Any]) -> None:
    panel.axhline(before["value"], color="0.45", linewidth=1, linestyle=(0, (4, 3)))
    panel.plot([0], [before["value"]], color="0.2", marker="o", markersize=7)
    if before["interval"]:
        panel.plot([0, 0], before["interval"], color="0.2", linewidth=1.8)


def _draw_variant(panel: Axes, placed: Sequence[tuple[float, Mapping[str, Any]]], variant: str) -> None:
    colour, marker, line = _STYLES[variant]
    means = [row["after"]["value"] for _, row in placed]
    style = {"color": colour, "marker": marker, "markersize": 7, "linewidth": 1.6}
    panel.plot([at for at, _ in placed], means, linestyle=line, label=VARIANTS[variant], **style)
    for at, row in placed:
        if row["after"]["interval"]:
            panel.plot([at, at], row["after"]["interval"], color=colour, linewidth=1.6)
        each = _rotation_means(row)
        beside = [at + _SIDE_STEP / 3] * len(each)
        panel.plot(beside, each, color=colour, marker=marker, linestyle="", markersize=3.5, fillstyle="none")
