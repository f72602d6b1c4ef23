"""The result as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.steps.result import MARGIN
from recoseg_hf.evaluation.canvas import STYLES, chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REGIONS = {"wt": "whole tumour", "tc": "tumour core", "et": "enhancing tumour"}


def draw(result: Mapping[str, Any]) -> Figure:
    """Draw Dice of whole volumes, and Dice, PSNR and SSIM of slabs with each solver."""
    measured = result["measurement"]
    n = next(iter(result["steps"].values()))["n"]
    caption = (
        f"Left: mean Dice of whole volumes, n = {n} validation subjects, {result['own_solver']}; bars: 95 % interval, "
        "bootstrap over subjects (of one set of subjects they overlap although the differences are paired). Others: "
        f"means of slabs of {measured['slab']} slices around the middle of the tumour. Likeness to the measured T1ce, "
        f"in the brain. Nets in {measured['dtype']}."
    )
    figure, axes = chart(4, caption, width=3.9)
    _volumes(axes[0], result["steps"])
    for axis, name, label in zip(
        axes[1:], ("dice_wt", "psnr", "ssim"), ("whole-tumour Dice of slabs", "PSNR, dB", "SSIM"), strict=True
    ):
        for style, (solver, by_count) in zip(STYLES, result["slabs"].items(), strict=False):
            _line(axis, {int(count): row[name] for count, row in by_count.items()}, solver, style)
        axis.set_ylabel(label, fontsize=11)
    _band(axes[1], [row["dice_wt"] for by_count in result["slabs"].values() for row in by_count.values()])
    axes[1].legend(fontsize=9)
    every = {int(count) for by_count in result["slabs"].values() for count in by_count} | set(
        map(int, result["steps"])
    )
    for axis in axes:
        _steps_below(axis, sorted(every))
    return figure


def _volumes(axis: Axes, steps: Mapping[str, Mapping]) -> None:
    counts = sorted(map(int, steps))
    for place, (region, label) in enumerate(_REGIONS.items()):
        of_region = {
            count: row["volume"] if region == "wt" else row["regions"][region]["volume"]
            for count, row in ((count, steps[str(count)]) for count in counts)
            if region == "wt" or region in row["regions"]
        }
        _line(axis, {count: one["dice"]["value"] for count, one in of_region.items()}, label, STYLES[place])
        for count, one in of_region.items():
            if one["dice"]["interval"]:
                shifted = count * (1 + 0.05 * (place - 1))  # so that bars of one number of steps stand side by side
                axis.plot([shifted] * 2, one["dice"]["interval"], color=STYLES[place]["color"], linewidth=1.2)
    axis.set_ylabel("Dice of whole volumes", fontsize=11)
    axis.legend(fontsize=9)


def _band(axis: Axes, dices: Sequence[float | None]) -> None:
    """Show what is good enough, on an axis that does not blow small differences up."""
    dices = [dice for dice in dices if dice is not None]
    if not dices:
        return
    best, lowest = max(dices), min(dices)
    axis.axhspan(best - MARGIN, best, color="0.85", zorder=0, label="within 0.2 points of the best")
    axis.set_ylim(min(lowest, best - 5 * MARGIN) - MARGIN, best + 2 * MARGIN)


def _line(axis: Axes, values: Mapping[int, float | None], label: str, style: Mapping[str, Any]) -> None:
    shown = {count: value for count, value in sorted(values.items()) if value is not None}
    axis.plot([*shown], [*shown.values()], label=label, markersize=6, linewidth=1.6, **style)


def _steps_below(axis: Axes, counts: Sequence[int]) -> None:
    axis.set_xscale("log")
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("denoising steps", fontsize=11)
