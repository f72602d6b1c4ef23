"""Dice against denoising steps, and against the seconds that they take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.figures.canvas import STYLES, chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class StepPoint:
    """What one number of denoising steps gives.

    Attributes:
        steps: denoising steps.
        dice: mean whole-tumour Dice of whole volumes.
        interval: of the mean, by subject, or None.
        n: subjects.
        seconds: for a subject; the median.
    """

    steps: int
    dice: float
    interval: tuple[float, float] | None
    n: int
    seconds: float


def read_steps(file: Path) -> tuple[list[StepPoint], dict[str, Any]]:
    """Read what `benchmarks/measure_model.py steps` wrote.

    Returns:
        The points from few steps to many, and how they were measured (`measurement`).

    Raises:
        InputError: the file is missing or another one.
    """
    expected, remedy = "a result of benchmarks/measure_model.py steps", "Measure the steps, and give that file."
    try:
        whole = json.loads(Path(file).read_text(encoding="utf-8"))
        points = [_point(int(steps), result) for steps, result in whole["steps"].items()]
    except OSError as error:
        raise InputError(file, f"it cannot be read ({error.strerror})", expected, remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(file, f"it holds no steps ({error})", expected, remedy) from error
    if not points:
        raise InputError(file, "it holds no steps", expected, remedy)
    return sorted(points, key=lambda point: point.steps), whole.get("measurement", {})


def _point(steps: int, result: dict[str, Any]) -> StepPoint:
    dice = result["volume"]["dice"]
    interval = None if dice["interval"] is None else (float(dice["interval"][0]), float(dice["interval"][1]))
    return StepPoint(steps, float(dice["value"]), interval, int(dice["n"]), float(result["seconds_per_subject"]))


def draw_steps(points: Sequence[StepPoint], measurement: dict[str, Any]) -> Figure:
    """Draw both curves.

    Args:
        points: from few steps to many.
        measurement: `threads` and `dtype`, where they are known.
    """
    known = [f"{measurement[name]} {unit}".strip() for name, unit in _CONDITIONS.items() if name in measurement]
    machine = f" ({', '.join(known)})" if known else ""
    caption = (
        f"Mean whole-tumour Dice of n = {points[0].n} subjects, whole volumes; bars: 95 % interval, bootstrap over "
        f"subjects. Intervals of one set of subjects overlap although the differences are paired. Seconds: median of "
        f"a subject, all stages{machine}."
    )
    figure, (left, right) = chart(2, caption)
    _draw(left, points, [point.steps for point in points], "")
    left.set_xscale("log")
    left.set_xticks([point.steps for point in points], [str(point.steps) for point in points])
    left.set_xticks([], minor=True)
    left.set_xlabel("denoising steps", fontsize=11)
    left.set_ylabel("whole-tumour Dice", fontsize=11)
    _draw(right, points, [point.seconds for point in points], "{steps}")
    right.set_xlim(0, 1.08 * max(point.seconds for point in points))
    right.set_xlabel("seconds for a subject", fontsize=11)
    right.sharey(left)
    return figure


_CONDITIONS = {"threads": "threads", "dtype": ""}


def _draw(axis: Axes, points: Sequence[StepPoint], places: Sequence[float], label: str) -> None:
    style = STYLES[0]
    axis.plot(places, [point.dice for point in points], markersize=7, linewidth=1.8, **style)
    for place, point in zip(places, points, strict=True):
        if point.interval is not None:
            axis.plot([place, place], point.interval, color=style["color"], linewidth=1.4)
        if label:
            text = f"{point.steps} step{'s'[: point.steps != 1]}"
            axis.annotate(text, (place, point.dice), xytext=(6, 6), textcoords="offset points", fontsize=9)
