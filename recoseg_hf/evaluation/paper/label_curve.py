"""What labels are worth: Dice against the number of labelled subjects, with intervals, as numbers and as a picture."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recoseg_hf.evaluation.canvas import new_figure, save
from recoseg_hf.evaluation.intervals import bootstrap_interval, paired_difference_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's blue and vermilion, told apart by shape and line too: name, colour, marker, line.
_STYLES = {
    "none": ("labelled subjects alone", "#0072B2", "o", "-"),
    "mean_teacher": ("mean teacher on the others", "#D55E00", "s", "--"),
}
_MARGIN = 1.4
_SIDE_STEP = 1.04  # on the logarithmic axis, so that intervals beside each other do not overlap


def label_curve(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Summarise runs that were trained on the labels of few subjects.

    A subject's Dice is averaged over the choices of labelled subjects; the interval is over validation subjects. It
    says nothing about the choice of the labelled ones, for which `mean_of_each_choice` stands.

    Args:
        points: one for each run: `labelled_subjects`, `label_seed`, `unlabelled` ("none" or how the others were used)
            and `dice`, by threshold, of each validation subject in one order; None where it is undefined.

    Returns:
        One for each number of labelled subjects, use of the others and threshold: these three, `choices`, `n`,
        `n_undefined`, `mean`, `interval` (None for fewer than two subjects) and `mean_of_each_choice`.
    """
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for point in points:
        groups[point["labelled_subjects"], point["unlabelled"]].append(point)
    return [
        {"labelled_subjects": labelled, "unlabelled": unlabelled, "threshold": float(threshold)}
        | _summary(_dice(runs, threshold))
        for (labelled, unlabelled), runs in sorted(groups.items(), key=lambda group: group[0])
        for threshold in _thresholds(runs[0])
    ]


def _thresholds(point: Mapping[str, Any]) -> list[str]:
    """From the highest; a JSON file does not keep their order."""
    return sorted(point["dice"], key=float, reverse=True)


def _dice(runs: Iterable[Mapping[str, Any]], threshold: str) -> np.ndarray:
    """(choices, subjects), NaN where undefined."""
    return np.array([run["dice"][threshold] for run in runs], dtype=float)


def _summary(dice: np.ndarray) -> dict[str, Any]:
    defined = dice[:, np.isfinite(dice).all(axis=0)]
    counts = {"choices": len(dice), "n": defined.shape[1], "n_undefined": dice.shape[1] - defined.shape[1]}
    if not defined.size:
        return counts | {"mean": None, "interval": None, "mean_of_each_choice": []}
    return counts | {
        "mean": round(float(defined.mean()), 4),
        "interval": _rounded(bootstrap_interval(defined.mean(axis=0))),
        "mean_of_each_choice": [round(float(value), 4) for value in defined.mean(axis=1)],
    }


def label_differences(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the use of the others adds: paired by validation subject, at the choices that were run both ways.

    Args:
        points: as for `label_curve`.

    Returns:
        For each number of labelled subjects, use of the others and threshold: these three, `choices`, `n`, the `mean`
        difference to the labelled subjects alone and its `interval`.
    """
    alone = {_choice(point): point for point in points if point["unlabelled"] == "none"}
    pairs: dict[tuple[int, str], list[tuple[Mapping, Mapping]]] = defaultdict(list)
    for point in points:
        if point["unlabelled"] != "none" and _choice(point) in alone:
            pairs[point["labelled_subjects"], point["unlabelled"]].append((point, alone[_choice(point)]))
    return [
        {"labelled_subjects": labelled, "unlabelled": unlabelled, "threshold": float(threshold)}
        | _difference(_dice((used for used, _ in both), threshold), _dice((other for _, other in both), threshold))
        for (labelled, unlabelled), both in sorted(pairs.items(), key=lambda group: group[0])
        for threshold in _thresholds(both[0][0])
    ]


def _choice(point: Mapping[str, Any]) -> tuple[int, int]:
    return point["labelled_subjects"], point["label_seed"]


def _difference(used: np.ndarray, alone: np.ndarray) -> dict[str, Any]:
    defined = np.isfinite(used).all(axis=0) & np.isfinite(alone).all(axis=0)
    a, b = used[:, defined].mean(axis=0), alone[:, defined].mean(axis=0)
    mean = round(float((a - b).mean()), 4) if len(a) else None
    interval = _rounded(paired_difference_interval(a, b))
    return {"choices": len(used), "n": len(a), "mean": mean, "interval": interval}


def _rounded(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(end, 4) for end in interval]


def draw_label_curve(result: Mapping[str, Any], path: str | Path) -> None:
    """Draw the curve as PNG, one panel for each threshold.

    Args:
        result: `curve` (from `label_curve`), `train_subjects` (how many there are) and `caption`.
        path: of the picture.

    Raises:
        RecosegError: matplotlib is missing.
    """
    thresholds = sorted({row["threshold"] for row in result["curve"]}, reverse=True)
    width = 1.5 + 4.8 * len(thresholds)
    figure = new_figure(width, 5.6, "constrained")
    panels = figure.subplots(1, len(thresholds), sharey=True, squeeze=False)[0]
    for panel, threshold in zip(panels, thresholds, strict=True):
        rows = [row for row in result["curve"] if row["threshold"] == threshold and row["mean"] is not None]
        _draw_panel(panel, rows, result["train_subjects"])
        panel.set_title(f"probability above {threshold:g}", fontsize=11)
    panels[0].set_ylabel("whole-tumour Dice, mean of validation subjects", fontsize=11)
    panels[0].legend(*panels[0].get_legend_handles_labels(), loc="lower right", fontsize=10, frameon=False)
    figure.supxlabel(textwrap.fill(result["caption"], int(14 * width)), fontsize=9, ha="left", x=0.02)
    save(figure, Path(path))


def _draw_panel(panel: Axes, rows: Sequence[Mapping[str, Any]], train_subjects: int) -> None:
    for name in _STYLES:
        _draw_use(panel, [(row, _side(row, rows)) for row in rows if row["unlabelled"] == name], name)
    numbers = sorted({row["labelled_subjects"] for row in rows})
    panel.set_xscale("log")
    panel.set_xticks(numbers, [_tick(number, train_subjects) for number in numbers], fontsize=10)
    panel.set_xticks([], minor=True)
    panel.set_xlim(numbers[0] / _MARGIN, numbers[-1] * _MARGIN)
    panel.set_ylim(0, 1)
    panel.set_yticks(np.linspace(0, 1, 11))
    panel.tick_params(axis="y", labelsize=10)
    panel.grid(axis="y", color="0.88")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_xlabel("labelled subjects (share of the train subjects)", fontsize=11)


def _tick(number: int, train_subjects: int) -> str:
    return f"{number}\n{100 * number / train_subjects:.0f} %"


def _side(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> int:
    """-1 for the left of two at one number of labelled subjects, 1 for the right one, 0 for one alone."""
    uses = [other["unlabelled"] for other in rows if other["labelled_subjects"] == row["labelled_subjects"]]
    return 2 * sorted(uses, key=list(_STYLES).index).index(row["unlabelled"]) - len(uses) + 1


def _draw_use(panel: Axes, rows: Sequence[tuple[Mapping[str, Any], int]], name: str) -> None:
    if not rows:
        return
    label, colour, marker, line = _STYLES[name]
    places = [row["labelled_subjects"] * _SIDE_STEP**side for row, side in rows]
    means = [row["mean"] for row, _ in rows]
    panel.plot(places, means, color=colour, marker=marker, linestyle=line, markersize=7, linewidth=1.8, label=label)
    for place, (row, side) in zip(places, rows, strict=True):
        if row["interval"] is not None:
            panel.plot([place, place], row["interval"], color=colour, linewidth=1.8, solid_capstyle="butt")
        each = row["mean_of_each_choice"] if row["choices"] > 1 else []
        beside = [place * _SIDE_STEP ** (1.5 * (side or 1))] * len(each)
        panel.plot(beside, each, color=colour, marker=marker, linestyle="", markersize=4, fillstyle="none")
