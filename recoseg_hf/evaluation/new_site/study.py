"""What fine-tuning on few subjects of a new site brings there and costs on the old one: rotations as numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.in_words import mean_in_words
from recoseg_hf.evaluation.intervals import bootstrap_interval
from recoseg_hf.evaluation.region_masks import REGION_THRESHOLD
from recoseg_hf.pipeline.conventions import REGIONS

BEFORE = "before"
VARIANTS = {
    "threshold": "threshold recalibrated, no weight changed",
    "none": "fine-tuned, every weight",
    "encoder": "fine-tuned, encoder frozen",
    "all_but_decoder": "fine-tuned, decoder alone",
    "all_but_last": "fine-tuned, last layer alone",
}
"""How a model was adapted, by the name that a study's points carry; those fine-tuned by what was frozen."""


def summarise_study(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Summarise a study over its rotations.

    A subject's Dice is averaged over the rotations that test it, so that everyone counts once; then the mean and its
    interval are over subjects. That interval says nothing about the choice of whom to fine-tune on, for which
    `difference_of_each_rotation` stands.

    Args:
        points: one for each rotation of each size and variant: `variant` (of `VARIANTS`), `size`, `rotation`, and for
            `target` and `source` the Dice by region and number of the subject (a string); None where undefined. The
            model before adaptation is the point with the variant `BEFORE`.

    Returns:
        For each variant and size, on each `site` and `region`: these four, `rotations`, and

        - `before`, `after`: mean Dice over the subjects tested, each with `interval` by subject and `n`
        - `difference`: see `differences.paired_difference`
        - `difference_of_each_rotation`: mean difference over the subjects that a rotation tests

    Raises:
        ValueError: there is not exactly one point of the model before.
    """
    first = [point for point in points if point["variant"] == BEFORE]
    if len(first) != 1:
        raise ValueError(f"{len(first)} points of the model before adaptation; expected one")
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for point in points:
        if point["variant"] != BEFORE:
            groups[point["variant"], point["size"]].append(point)
    return [
        {"variant": variant, "size": size, "site": site, "region": region, "rotations": len(runs)}
        | _compare(first[0][site][region], [run[site][region] for run in runs])
        for (variant, size), runs in groups.items()
        for site in ("target", "source")
        for region in first[0][site]
    ]


def _compare(before: Mapping[str, float | None], runs: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    found: dict[str, list[float]] = defaultdict(list)
    changes = []
    for run in runs:
        defined = {who: dice for who, dice in run.items() if dice is not None and before[who] is not None}
        for who, dice in defined.items():
            found[who].append(dice)
        if defined:
            changes.append(float(np.mean([dice - before[who] for who, dice in defined.items()])))
    pairs = [(before[who], float(np.mean(found[who]))) for who in sorted(found, key=int)]
    return {
        "before": _mean([pair[0] for pair in pairs]),
        "after": _mean([pair[1] for pair in pairs]),
        "difference": paired_difference(pairs),
        "difference_of_each_rotation": changes,
    }


def _mean(values: Sequence[float]) -> dict[str, Any]:
    interval = bootstrap_interval(values)
    return {
        "value": float(np.mean(values)) if values else None,
        "interval": list(interval) if interval else None,
        "n": len(values),
    }


def study_caption(result: Mapping[str, Any]) -> str:
    """What a reader has to know to believe the numbers.

    Args:
        result: `target` and `source` (names of the sites), `subjects` (how many: `source_train`, `source_test` and
            `target`), `pretraining_steps`, `finetuning` (`steps`), `measured` (`every`, `image_size`, `field_of_view`,
            `residual` or None, `seen_allowed`, and `tested_drawn_by_trained`: how many tested subjects are known to
            have been drawn by a synthesizer trained on them) and `points`.
    """
    source, target, n, how = result["source"], result["target"], result["subjects"], result["measured"]
    steps, size = result["pretraining_steps"], how["image_size"]
    sentences = [
        f"Before: trained on {n['source_train']} {source} subjects" + (f", {steps} steps." if steps else "."),
        f"After: {result['finetuning']['steps']} steps more on some of {n['target']} {target} subjects;",
        f"tested on the others, and on {n['source_test']} {source} subjects that were never trained on.",
        "A subject's Dice is its mean over the rotations that test it.",
        "95 % intervals are by subject: too narrow for so few, and silent on the choice of whom to fine-tune on,",
        "for which each rotation's mean change stands (hollow marks).",
        f"Probability above {result['points'][0]['mask_threshold']:g},",
        f"which is best for the {source} subjects trained on, unless recalibrated (TC and ET: {REGION_THRESHOLD}).",
        f"Dice on the nets' grid ({size} x {size} pixels of {how['field_of_view'] / size:g} mm),",
        "all slices with brain;" if how["every"] == 1 else f"one in {how['every']} slices with brain;",
        *_residual(how),
        "Nothing was chosen by a subject tested.",
    ]
    warning = ["TESTED SUBJECTS MAY HAVE BEEN TRAINED ON."] if how["seen_allowed"] else []
    return " ".join(sentences + warning)


def _residual(how: Mapping[str, Any]) -> list[str]:
    if how["residual"] is None:
        return ["no residual."]
    drawn = how["tested_drawn_by_trained"]
    return [f"residual: {how['residual']}, of a synthesizer known to be trained on {drawn or 'none'} of those tested."]


def study_table(result: Mapping[str, Any], regions: Sequence[str] = REGIONS) -> str:
    """Render a study as Markdown: a table for each region, with n, intervals by subject and the rotations' range.

    Recalibration moves the whole tumour's threshold and is in its table alone.

    Args:
        result: as for `study_caption`, and `summary` (from `summarise_study`).
        regions: to show, as far as they were measured.
    """
    found = {row["region"] for row in result["summary"]}
    shown = [region for region in regions if region in found]
    return "\n".join([*(_region_table(result, region) for region in shown), study_caption(result), ""])


def _region_table(result: Mapping[str, Any], region: str) -> str:
    target, source = result["target"], result["source"]
    rows = {(row["variant"], row["size"], row["site"]): row for row in result["summary"] if row["region"] == region}
    heads = (
        "adaptation", f"on {target} subjects", f"{target} before", f"{target} after", "difference", "each rotation",
        f"{source} difference",
    )  # fmt: skip
    lines = [f"### Dice, {region.upper()}: from {source} to {target}", "", _row(heads), "|" + "---|" * len(heads)]
    for (variant, size, site), row in sorted(rows.items(), key=_place):
        if site == "target" and (variant != "threshold" or region == "wt"):
            elsewhere = rows[variant, size, "source"]["difference"]
            dice = [_value(row["before"]), _value(row["after"]), _change(row["difference"])]
            changes = _range(row["difference_of_each_rotation"])
            lines.append(_row([VARIANTS[variant], str(size), *dice, changes, _change(elsewhere)]))
    return "\n".join([*lines, ""])


def _place(item: tuple[tuple[str, int, str], Any]) -> tuple[int, int]:
    variant, size, _ = item[0]
    return list(VARIANTS).index(variant), size


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _value(mean: Mapping[str, Any]) -> str:
    return mean_in_words(mean, undefined="undefined")


def _change(difference: Mapping[str, Any]) -> str:
    if difference["value"] is None:
        return "undefined"
    return f"{mean_in_words(difference, sign='+')}, n = {difference['n']}"


def _range(changes: Sequence[float]) -> str:
    if not changes:
        return "undefined"
    worse = sum(change < 0 for change in changes)
    return f"{min(changes):+.3f} to {max(changes):+.3f}, {worse} of {len(changes)} worse"
