"""The points of a site study that need no training: the model before, and its threshold recalibrated on a few."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recoseg_hf.evaluation.new_site.study import BEFORE
from recoseg_hf.evaluation.region_masks import REGION_THRESHOLD
from recoseg_hf.evaluation.thresholds import THRESHOLDS, best_threshold

Dice = Mapping[str, Mapping[str, Sequence[float | None]]]
"""By region and number of the subject (a string), one for each of `THRESHOLDS`."""


def chosen_threshold(dice: Dice, numbers: Collection[str], current: float = 0.5) -> float:
    """The threshold of the highest mean whole-tumour Dice of some subjects, see `best_threshold`."""
    rows = zip(*(dice["wt"][number] for number in numbers), strict=True)
    return best_threshold(dict(zip(THRESHOLDS, rows, strict=True)), current)


def at_threshold(
    dice: Dice, threshold: float, without: Collection[str] = (), thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, dict[str, float | None]]:
    """Dice of the whole tumour at one of `thresholds`, and of TC and ET at `REGION_THRESHOLD`, which a model keeps.

    Args:
        dice: one for each of `thresholds`, `REGION_THRESHOLD` among them.
        threshold: of the whole tumour.
        without: subjects to leave out.
        thresholds: of `dice`.
    """
    places = {region: thresholds.index(threshold if region == "wt" else REGION_THRESHOLD) for region in dice}
    return {
        region: {number: values[places[region]] for number, values in by_subject.items() if number not in without}
        for region, by_subject in dice.items()
    }


def points_without_training(
    trained: Dice, source: Dice, target: Dice, groups: Mapping[int, Sequence[Sequence[str]]]
) -> list[dict[str, Any]]:
    """The model before, with the threshold that suits those it was trained on best, then with each group's own.

    Args:
        trained: of the subjects that the model was trained on.
        source: of those of the same site that are tested.
        target: of the new site's.
        groups: for each size the groups of target subjects to recalibrate on.

    Returns:
        Points as `study.summarise_study` takes them, with `group` and `mask_threshold`; that of the model before
        comes first.
    """
    own = chosen_threshold(trained, list(trained["wt"]))
    before = {"variant": BEFORE, "mask_threshold": own}
    points = [before | {"source": at_threshold(source, own), "target": at_threshold(target, own)}]
    for size, rotations in groups.items():
        for rotation, group in enumerate(rotations):
            best = chosen_threshold(target, group, own)
            scores = {"source": at_threshold(source, best), "target": at_threshold(target, best, group)}
            name = {"variant": "threshold", "size": size, "rotation": rotation, "group": list(group)}
            points.append(name | {"mask_threshold": best} | scores)
    return points
