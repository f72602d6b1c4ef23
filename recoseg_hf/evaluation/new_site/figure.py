"""A study of fine-tuning on a new site as a picture: what was gained there beside what was lost at home."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.evaluation.canvas import new_figure, save
from recoseg_hf.evaluation.new_site.study import VARIANTS, study_caption

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by marker and line too.
_STYLES = {
    "threshold": ("#009E73", "D", ":"),
    "none": ("#0072B2", "o", "-"),
    "encoder": ("#D55E00", "s", "--"),
    "all_but_decoder": ("#CC79A7", "^", "-."),
    "all_but_last": ("#56B4E9", "v", (0, (1, 1))),
}
_SIDE_STEP = 0.14  # between markers of one size


def draw_site_study(result: Mapping[str, Any], path: str | Path, region: str = "wt") -> None:
    """Draw a study as PNG: the change in Dice against the number of subjects fine-tuned on, a panel for each site.

    Args:
        result: as for `study.study_table`.
        path: of the picture.
        region: whose Dice.

    Raises:
        RecosegError: matplotlib is missing.
    """
    rows = [row for row in result["summary"] if row["region"] == region and row["difference"]["value"] is not None]
    figure = new_figure(11.5, 6, "constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, site in zip(panels, ("target", "source"), strict=True):
        here = [row for row in rows if row["site"] == site]
        _draw_panel(panel, here)
        panel.set_title(_title(result[site], "new" if site == "target" else "old", here), fontsize=11)
        panel.set_xlabel(f"{result['target']} subjects adapted to", fontsize=11)
    panels[0].set_ylabel(f"change in Dice of {region.upper()}, after minus before", fontsize=11)
    panels[1].legend(loc="best", fontsize=9, frameon=False)
    notes = f"{study_caption(result)} Bars: 95 % interval of the paired difference."
    figure.supxlabel(textwrap.fill(notes, 165), fontsize=8.5, ha="left", x=0.02)
    save(figure, Path(path))


def _title(site: str, age: str, rows: Sequence[Mapping[str, Any]]) -> str:
    tested = [row["before"] for row in rows]
    if not tested:
        return f"{site}, the {age} site"
    most = max(tested, key=lambda before: before["n"])
    return f"{site}, the {age} site: Dice {most['value']:.3f} before, n = {most['n']} subjects"


def _draw_panel(panel: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    sizes = sorted({row["size"] for row in rows})
    variants = [name for name in VARIANTS if any(row["variant"] == name for row in rows)]
    panel.axhline(0, color="0.3", linewidth=1)
    for place, variant in enumerate(variants):
        mine = sorted((row for row in rows if row["variant"] == variant), key=lambda row: row["size"])
        shift = _SIDE_STEP * (place - (len(variants) - 1) / 2)
        _draw_variant(panel, [(sizes.index(row["size"]) + shift, row) for row in mine], variant)
    panel.set_xticks(range(len(sizes)), list(map(str, sizes)), fontsize=10)
    panel.margins(x=0.12)
    panel.grid(axis="y", color="0.88")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_variant(panel: Axes, placed: Sequence[tuple[float, Mapping[str, Any]]], variant: str) -> None:
    colour, marker, line = _STYLES[variant]
    means = [row["difference"]["value"] for _, row in placed]
    style = {"color": colour, "marker": marker, "markersize": 7, "linewidth": 1.6}
    panel.plot([at for at, _ in placed], means, linestyle=line, label=VARIANTS[variant], **style)
    for at, row in placed:
        if row["difference"]["interval"]:
            panel.plot([at, at], row["difference"]["interval"], color=colour, linewidth=1.6)
        each = row["difference_of_each_rotation"]
        beside = [at + _SIDE_STEP / 2.5] * len(each)
        panel.plot(beside, each, color=colour, marker=marker, linestyle="", markersize=3.5, fillstyle="none")
