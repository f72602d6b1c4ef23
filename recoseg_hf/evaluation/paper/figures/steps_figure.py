"""Dice against denoising steps, and against the seconds that they take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.canvas import STYLES, chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_WIDE = 20  # seconds that differ more need a logarithmic axis


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
    """Read what `python -m benchmarks.steps` wrote.

    Returns:
        The points from few steps to many, and how they were measured (`measurement`).

    Raises:
        InputError: the file is missing or another one.
    """
    expected, remedy = "a result of python -m benchmarks.steps", "Measure the steps, and give that file."
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
    machine = f" ({', '.join(known)})" if (known := _conditions(measurement)) else ""
    caption = (
        f"Mean whole-tumour Dice of n = {points[0].n} subjects, whole volumes; bars: 95 % interval, bootstrap over "
        f"subjects. Intervals of one set of subjects overlap although the differences are paired. Seconds: median of "
        f"a subject, all stages{machine}."
    )
    figure, (left, right) = chart(2, caption)
    _draw(left, points, [point.steps for point in points])
    left.set_xscale("log")
    left.set_xticks([point.steps for point in points], [str(point.steps) for point in points])
    left.set_xticks([], minor=True)
    left.set_xlabel("denoising steps", fontsize=11)
    left.set_ylabel("whole-tumour Dice", fontsize=11)
    seconds = [point.seconds for point in points]
    _draw(right, points, seconds)
    _name_steps(right, points)
    if max(seconds) > _WIDE * min(seconds):
        right.set_xscale("log")
        right.set_xlim(min(seconds) / 1.3, 1.7 * max(seconds))
    else:
        right.set_xlim(0, 1.15 * max(seconds))
    right.set_xlabel("seconds for a subject", fontsize=11)
    right.sharey(left)
    return figure


def _conditions(measurement: dict[str, Any]) -> list[str]:
    threads = measurement.get("threads")
    known = [f"{threads} thread{'s'[: threads != 1]}"] if isinstance(threads, int) else []
    return [*known, str(measurement["dtype"])] if "dtype" in measurement else known


def _draw(axis: Axes, points: Sequence[StepPoint], places: Sequence[float]) -> None:
    style = STYLES[0]
    axis.plot(places, [point.dice for point in points], markersize=7, linewidth=1.8, **style)
    for place, point in zip(places, points, strict=True):
        if point.interval is not None:
            axis.plot([place, place], point.interval, color=style["color"], linewidth=1.4)


def _name_steps(axis: Axes, points: Sequence[StepPoint]) -> None:
    for place, point in enumerate(points):
        name = f"{point.steps} step{'s'[: point.steps != 1]}"
        apart = (6, -15 if place % 2 else 7)  # by turns under and over the curve: neighbours may lie close
        axis.annotate(name, (point.seconds, point.dice), xytext=apart, textcoords="offset points", fontsize=9)
