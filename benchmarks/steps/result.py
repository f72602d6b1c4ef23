"""From points to a result: means over subjects, and the fewest steps that lose nothing."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.measure_model import Measured, summary
from benchmarks.steps.points import SPREAD_SAMPLES, SPREAD_SUBJECTS, Point
from recoseg_hf.evaluation import aggregate
from recoseg_hf.evaluation.differences import paired_difference

MARGIN = 0.002
"""Of Dice: what the fastest may be below the best, 0.2 points."""

Setting = tuple[str, int]
"""Solver and number of steps."""
Points = Mapping[Point, Mapping[str, Any]]


def result_of(points: Points, own: str, longest: int) -> dict[str, Any]:
    """Sum all points up.

    Args:
        points: as `Subject.measure` returns them.
        own: the model's own solver.
        longest: timesteps of the scheduler.

    Returns:
        JSON values: `steps`, by number of steps what `measure_model.summary` says of whole volumes with the model's
        own solver, with `regions` and `spread_over_samples`; `proposed`, the same of other solvers, by solver and
        number of steps; `slabs` and `slices`, by solver and number of steps the means over subjects; `chosen`, see
        `chosen_of`, from volumes and from slabs; `against_all_timesteps`, of the slices, by number of steps the
        paired difference to DDPM with all timesteps; `rounds`, of slabs, the means of each round of `refine_case`.
    """
    parts = _by_part(points)
    slabs, slices = parts["slabs"], parts["slices"]
    whole: dict[str, dict[int, dict]] = {own: {}}
    for (solver, count), by_subject in sorted(parts["volumes"].items()):
        whole.setdefault(solver, {})[count] = _volume_summary(by_subject)
    volumes = whole.pop(own)
    for count, row in volumes.items():
        spreads = [one["spread"] for one in slabs.get((own, count), {}).values() if "spread" in one]
        row["spread_over_samples"] = statistics.mean(spreads) if spreads else None
    every = slices.get(("DDPM", longest), {})
    return {
        "own_solver": own,
        "samples": SPREAD_SAMPLES,
        "spread_unit": "share of the 99th percentile of the real T1ce, in a slab around the tumour, "
        f"n = {SPREAD_SUBJECTS}",
        "steps": {str(count): row for count, row in volumes.items()},
        "proposed": {solver: {str(count): row for count, row in rows.items()} for solver, rows in whole.items()},
        "slabs": _nested(slabs),
        "slices": _nested(slices),
        "rounds": _rounds(parts["rounds"][own, 0]),
        "chosen": {
            "volumes": chosen_of(_dices_of_volumes(parts["volumes"]), own),
            "slabs": _chosen_of_slabs(slabs, own),
        },
        "against_all_timesteps": {
            str(count): _against(by_subject, every)
            for (_, count), by_subject in sorted(slices.items())
            if every and count != longest
        },
    }


def proposals(points: Points, own: str) -> list[Setting]:
    """The settings that are best of all on slabs, for a region or for their mean: whole volumes are to decide."""
    chosen = _chosen_of_slabs(_by_part(points)["slabs"], own)
    return sorted({(one["best"]["solver"], one["best"]["steps"]) for one in chosen.values()})


def _by_part(points: Points) -> dict[str, dict[Setting, dict[int, Mapping]]]:
    """What was measured by part, setting and subject."""
    parts: dict[str, dict[Setting, dict[int, Mapping]]] = defaultdict(lambda: defaultdict(dict))
    for point, measured in sorted(points.items(), key=lambda item: item[0].subject):
        parts[point.part][point.solver, point.steps][point.subject] = measured
    return parts


def _chosen_of_slabs(slabs: Mapping[Setting, Mapping[int, Mapping]], own: str) -> dict[str, Any]:
    return chosen_of({name: _dices(by_subject) for name, by_subject in slabs.items()}, own)


def chosen_of(dices: Mapping[Setting, Mapping[str, Mapping[int, float]]], own: str) -> dict[str, Any]:
    """Choose, for each region and for their mean, the fewest steps whose mean Dice is within `MARGIN` of the best.

    Each step of each solver here is one call of the net, so the fewest steps are the fastest; of several solvers with
    as many, the model's own where it is good enough, or the one with the best Dice.

    Args:
        dices: by solver and steps, by region, by subject.
        own: the model's own solver.

    Returns:
        By region: `solver`, `steps` and `dice` of what was chosen, under `best` those of the best, and `difference`,
        chosen - best, paired by subject.
    """
    found = {}
    regions = dict.fromkeys(region for by_region in dices.values() for region in by_region)
    for region in regions:
        of_region = {setting: by_region[region] for setting, by_region in dices.items() if by_region.get(region)}
        means = {setting: statistics.mean(by_subject.values()) for setting, by_subject in of_region.items()}
        best = max(means, key=lambda setting: means[setting])
        near = [setting for setting in means if means[setting] >= means[best] - MARGIN]
        chosen = min(near, key=lambda setting: (setting[1], setting[0] != own, -means[setting]))
        shared = sorted(of_region[best].keys() & of_region[chosen].keys())
        pairs = [(of_region[best][subject], of_region[chosen][subject]) for subject in shared]
        found[region] = {
            **_named(chosen, means), "best": _named(best, means), "difference": paired_difference(pairs)
        }  # fmt: skip
    return found


def _named(setting: Setting, means: Mapping[Setting, float]) -> dict[str, Any]:
    return {"solver": setting[0], "steps": setting[1], "dice": means[setting]}


def _volume_summary(by_subject: Mapping[int, Mapping]) -> dict[str, Any]:
    rows = by_subject.values()
    whole = [Measured(None, one["regions"]["wt"] | {"synthesis": one["synthesis"]}, one["seconds"]) for one in rows]
    regions = {}
    for region in next(iter(rows))["regions"]:
        if region != "wt":
            total = aggregate([one["regions"][region] for one in rows])
            regions[region] = {"volume": total["volume"], "outcomes": total["outcomes"], "n": total["n"]}
    cpu = statistics.median(one["cpu_seconds"] for one in rows)
    return summary(whole) | {"regions": regions, "cpu_seconds_per_subject": cpu}


def _dices_of_volumes(volumes: Mapping[Setting, Mapping[int, Mapping]]) -> dict[Setting, dict]:
    flat = {}
    for setting, by_subject in volumes.items():
        rows = {
            subject: {f"dice_{region}": record["dice"] for region, record in one["regions"].items()}
            for subject, one in by_subject.items()
        }
        flat[setting] = _dices(rows)
    return flat


def _dices(by_subject: Mapping[int, Mapping]) -> dict[str, dict[int, float]]:
    """Dice by region and subject, where it is defined, and of subjects that have it in all regions their mean."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for subject, one in by_subject.items():
        scores = {name.removeprefix("dice_"): value for name, value in one.items() if name.startswith("dice_")}
        for region, value in scores.items():
            if value is not None:
                found[region][subject] = value
        if len(scores) > 1 and None not in scores.values():
            found["mean of regions"][subject] = statistics.mean(scores.values())
    return dict(found)


def _nested(part: Mapping[Setting, Mapping[int, Mapping]]) -> dict[str, dict[str, dict]]:
    """Means over subjects of each number, by solver and steps; `n` is how many subjects there are."""
    found: dict[str, dict[str, dict]] = defaultdict(dict)
    for (solver, count), by_subject in part.items():
        names = dict.fromkeys(name for one in by_subject.values() for name in one)
        row = {}
        for name in names:
            values = [one[name] for one in by_subject.values() if one.get(name) is not None]
            row[name] = float(np.mean(values)) if values else None
        found[solver][str(count)] = row | {"n": len(by_subject)}
    return dict(found)


def _rounds(by_subject: Mapping[int, Mapping]) -> list[dict[str, Any]]:
    """Means over subjects of each round, in their order."""
    found = []
    for name in dict.fromkeys(name for one in by_subject.values() for name in one):
        steps, samples = map(int, name.split())
        rows = {("", 0): {subject: one[name] for subject, one in by_subject.items()}}
        found.append({"steps": steps, "samples": samples, **_nested(rows)[""]["0"]})
    return found


def _against(few: Mapping[int, Mapping], every: Mapping[int, Mapping]) -> dict[str, Any]:
    """The scores of few steps minus those of all, paired by subject."""
    found = {}
    for name in next(iter(few.values())):
        pairs = [(every[subject][name], one[name]) for subject, one in few.items() if subject in every]
        pairs = [pair for pair in pairs if None not in pair]
        if not name.startswith(("seconds", "n_")):
            found[name] = paired_difference(pairs)
    return found
