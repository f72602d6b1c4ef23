"""The charts: cues, calibration and thresholds. Every mean with its interval by subject, and n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from recoseg_hf.evaluation.canvas import STYLES, chart
from recoseg_hf.evaluation.paper.figures.cue_curves import RECALLS, MeanCurve
from recoseg_hf.evaluation.paper.figures.reliability import Reliability
from recoseg_hf.pipeline.conventions import REGIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CUES = {"residual": "residual", "flair": "FLAIR intensity", "static_residual": "|T1ce - T1|"}
_REGIONS = {"wt": "whole tumour (WT)", "tc": "tumour core (TC)", "et": "enhancing tumour (ET)"}
_PAPER_THRESHOLDS = (0.3, 0.4, 0.5)


def draw_cues(curves: Mapping[tuple[str, str], MeanCurve], title: str) -> Figure:
    """Precision against recall of each cue, a panel for each region.

    Args:
        curves: from `mean_curves`; at least one.
        title: of the system whose residual it is.
    """
    regions = [region for region in REGIONS if any(key[1] == region for key in curves)]
    caption = (
        f"Residual of {title} against two cues that need no model. Every voxel of the brain is judged by the cue's "
        "value alone; subjects' curves are averaged at equal recall. AUPRC: mean over subjects of the area under the "
        "curve (no interpolation) with its 95 % interval, bootstrap over subjects. Guessing scores the region's share "
        "of the brain."
    )
    figure, axes = chart(len(regions), caption)
    for axis, region in zip(axes, regions, strict=True):
        here = {cue: curves[cue, region] for cue in _CUES if (cue, region) in curves}
        _draw_region(axis, here)
        first = next(iter(here.values()))
        axis.set_title(f"{_REGIONS[region]}, n = {first.n} subject{'s'[: first.n != 1]}", fontsize=11)
    axes[0].set_ylabel("precision", fontsize=11)
    return figure


def _draw_region(axis: Axes, curves: Mapping[str, MeanCurve]) -> None:
    for cue, curve in curves.items():
        style = STYLES[list(_CUES).index(cue)]
        label = f"{_CUES[cue]}: AUPRC {_number(curve.average_precision)}"
        axis.plot(RECALLS, curve.precision, linewidth=1.8, markevery=(10, 20), markersize=5, label=label, **style)
    share = next(iter(curves.values())).prevalence
    axis.axhline(share, color="0.35", linewidth=1, linestyle=":", label=f"guessing: {share:.3f}")
    axis.set(xlim=(0, 1), ylim=(0, 1.02))
    axis.set_xlabel("recall", fontsize=11)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=9, frameon=False)


def draw_reliability(rows: Mapping[str, Reliability]) -> Figure:
    """Share of tumour against predicted probability, over how many voxels were given that probability.

    Args:
        rows: by title; at least one, at most as many as `STYLES`.
    """
    n = next(iter(rows.values())).n
    caption = (
        f"All voxels of the brain of n = {n} subject{'s'[: n != 1]}, in {len(next(iter(rows.values())).said)} bins of "
        "equal width. Bars: 95 % interval, bootstrap over subjects. ECE: mean distance from the diagonal weighted by "
        "voxels, near 0 for all since most voxels are far from any tumour; ACE: the same with equal weights for bins. "
        "Below the diagonal the model is too sure, above it not sure enough."
    )
    figure, (left, right) = chart(2, caption)
    for place, ((title, found), style) in enumerate(zip(rows.items(), STYLES, strict=False)):
        label = f"{title}: ECE {found.ece:.3f}, ACE {found.ace:.3f}"
        _draw_bins(left, found, label, style, 0.006 * (place - (len(rows) - 1) / 2))
        edges = np.linspace(0, 1, len(found.voxels) + 1)
        right.stairs(found.voxels, edges, color=style["color"], linestyle=style["linestyle"], linewidth=1.6)
    left.plot([0, 1], [0, 1], color="0.35", linewidth=1, linestyle=":", label="perfectly calibrated")
    left.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of these voxels in the reference")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=9, frameon=False)
    right.set(yscale="log", xlim=(0, 1), ylabel="voxels")
    for axis in (left, right):
        axis.set_xlabel("predicted probability of whole tumour", fontsize=11)
    return figure


def _draw_bins(axis: Axes, found: Reliability, label: str, style: Mapping, shift: float) -> None:
    held = np.flatnonzero(found.voxels)
    axis.plot(found.said[held], found.found[held], markersize=5, linewidth=1.6, label=label, **style)
    for place in held:
        if (ends := found.intervals[place]) is not None:
            axis.plot([found.said[place] + shift] * 2, ends, color=style["color"], linewidth=1.1)


def draw_threshold_curve(
    rows: Mapping[str, Mapping[float, Mapping]], own: Mapping[str, float], seeds: Mapping[str, float]
) -> Figure:
    """Whole-tumour Dice against the threshold.

    Args:
        rows: by title, statistics by threshold, see `mean_dice`; at most as many as `STYLES`.
        own: by title, each model's threshold, which is marked.
        seeds: by title, each model's seed threshold, 0 for none.
    """
    first = next(iter(next(iter(rows.values())).values()))
    grown = [title for title in rows if seeds.get(title)]
    caption = (
        f"Mean over n = {first['n']} subject{'s'[: first['n'] != 1]}, whole volumes; band: 95 % interval, bootstrap "
        "over subjects. Ring: each model's own threshold. Dashed: the paper's 0.3, 0.4 and 0.5."
    )
    if grown:
        caption += f" {', '.join(grown)}: only what hangs together with a confident voxel counts, at every threshold."
    figure, (axis,) = chart(1, caption, width=7.4)
    for (title, scores), style in zip(rows.items(), STYLES, strict=False):
        _draw_dice(axis, scores, title, style, own.get(title))
    for threshold in _PAPER_THRESHOLDS:
        axis.axvline(threshold, color="0.35", linewidth=1, linestyle=(0, (4, 3)), zorder=0.6)
    axis.set_xlabel("threshold tau on the probability", fontsize=11)
    axis.set_ylabel("whole-tumour Dice", fontsize=11)
    axis.set(xlim=(0, 1), xticks=np.linspace(0, 1, 11))
    axis.set_ylim(max(0.0, axis.get_ylim()[0]), min(1.0, axis.get_ylim()[1]))
    axis.legend(loc="best", fontsize=9, frameon=False)
    return figure


def _draw_dice(axis: Axes, scores: Mapping[float, Mapping], title: str, style: Mapping, own: float | None) -> None:
    shown = {at: score for at, score in sorted(scores.items()) if score["value"] is not None}
    if not shown:
        return
    values = [score["value"] for score in shown.values()]
    axis.plot(list(shown), values, markersize=4.5, linewidth=1.8, label=title, **style)
    ends = [score["interval"] or (np.nan, np.nan) for score in shown.values()]
    axis.fill_between(list(shown), *np.transpose(ends), color=style["color"], alpha=0.12, linewidth=0)
    if own is not None:
        at = np.interp(own, list(shown), values)
        axis.plot(own, at, marker="o", markersize=12, fillstyle="none", color=style["color"], markeredgewidth=1.8)


def _number(statistic: Mapping) -> str:
    value, interval = statistic["value"], statistic["interval"]
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
