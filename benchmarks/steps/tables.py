"""The result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import mean, table

REGIONS = {"wt": "WT", "tc": "TC", "et": "ET"}


def steps(result: Mapping[str, Any]) -> str:
    """All tables and the picture, as `docs/performance.md` shows them; nothing of a result of earlier versions."""
    if "slabs" not in result:
        return ""
    picture = "![Dice, PSNR and SSIM against denoising steps](../benchmarks/results/steps.png)"
    parts = [_volumes(result), _chosen(result), picture, _slabs(result), _rounds(result), _slices(result)]
    return "\n\n".join(part for part in parts if part)


def _volumes(result: Mapping[str, Any]) -> str:
    rows = []
    settings = by_steps(result["steps"])
    for solver, by_count in result.get("proposed", {}).items():
        settings += [(f"{count}, {solver}", row) for count, row in by_steps(by_count)]
    for count, row in settings:
        dices = [mean(one["volume"]["dice"]) for one in (row, *(row["regions"][name] for name in inner_regions(row)))]
        likeness = [f"{row['synthesis'][name]['value']:.{digits}f}" for name, digits in (("psnr", 2), ("ssim", 3))]
        rows.append([count, *dices, *likeness, f"{row['cpu_seconds_per_subject']:.1f}"])
    if not rows:
        return ""
    first = settings[0][1]
    heads = ["steps", "Dice, WT", *(f"Dice, {REGIONS[name]}" for name in inner_regions(first)), "PSNR, dB", "SSIM"]
    conditions = result["measurement"]
    note = (
        f"Whole volumes of n = {first['n']} validation subjects, {result['own_solver']}, {conditions['dtype']}; means "
        "with 95 % intervals by subject. PSNR and SSIM in the brain. CPU seconds of a subject in memory, median. "
        "Among them what was best of all on slabs, in a region or in the mean; another solver is named with its steps."
    )
    return f"{note}\n\n{table([*heads, 'CPU seconds'], rows)}"


def _chosen(result: Mapping[str, Any]) -> str:
    rows = []
    for part, name in (("volumes", "whole volumes"), ("slabs", "slabs, all solvers")):
        order = [*REGIONS, "mean of regions"]
        for region, one in sorted(result["chosen"][part].items(), key=lambda item: order.index(item[0])):
            best = one["best"]
            rows.append(
                [
                    name, REGIONS.get(region, region), f"{one['steps']}, {one['solver']}", f"{one['dice']:.4f}",
                    f"{best['steps']}, {best['solver']}", f"{best['dice']:.4f}", mean(one["difference"], 4, "+"),
                ]
            )  # fmt: skip
    heads = ["where", "Dice of", "fastest within 0.2 points", "Dice", "best", "Dice", "fastest minus best"]
    note = (
        "The fewest steps whose mean Dice is at most 0.2 points below the best; a step of any solver here is one call "
        "of the net."
    )
    return f"{note}\n\n{table(heads, rows)}" if rows else ""


def _slabs(result: Mapping[str, Any]) -> str:
    rows = []
    for solver, by_count in result["slabs"].items():
        for count, row in by_steps(by_count):
            dices = [_number(row.get(f"dice_{region}"), 3) for region in REGIONS]
            rows.append([solver, count, *dices, _number(row["psnr"], 2), _number(row["ssim"], 3)])
    if not rows:
        return ""
    n = next(iter(next(iter(result["slabs"].values())).values()))["n"]
    note = f"Slabs of {result['measurement']['slab']} slices around the middle of the tumour, n = {n} subjects, means:"
    heads = ["solver", "steps", *(f"Dice, {name}" for name in REGIONS.values()), "PSNR, dB", "SSIM"]
    return f"{note}\n\n{table(heads, rows)}"


def _rounds(result: Mapping[str, Any]) -> str:
    rows = []
    for one in result["rounds"]:
        dices = [_number(one.get(f"dice_{region}"), 3) for region in REGIONS]
        between = _number(one["dice_to_the_one_before"], 3)
        counts = [str(one["steps"]), str(one["samples"])]
        rows.append([*counts, between, *dices, _number(one["psnr"], 2), _number(one["ssim"], 3)])
    if not rows:
        return ""
    heads = ["steps", "samples", "Dice to the mask before", *(f"Dice, {name}" for name in REGIONS.values())]
    note = f"The rounds of `refine_case`, on the same slabs, n = {result['rounds'][0]['n']} subjects, means:"
    return f"{note}\n\n{table([*heads, 'PSNR, dB', 'SSIM'], rows)}"


def _slices(result: Mapping[str, Any]) -> str:
    rows = []
    for solver, by_count in result["slices"].items():
        for count, row in by_steps(by_count):
            difference = result["against_all_timesteps"].get(count) if solver == result["own_solver"] else None
            added = mean(difference["psnr"], 2, "+") if difference else ""
            scores = [_number(row["psnr"], 2), added, _number(row["ssim"], 3), _number(row["average_precision_wt"], 3)]
            rows.append([solver, count, *scores, f"{row['seconds_per_slice']:.2f}"])
    if not rows:
        return ""
    row = next(iter(next(iter(result["slices"].values())).values()))
    total = round(row["n"] * row["n_slices"])
    note = (
        f"{total} slices with tumour of n = {row['n']} subjects, T1ce in [0, 1] on the nets' grid, all from the same "
        "noise:"
    )
    likeness = ["PSNR, dB", "against all timesteps of DDPM", "SSIM", "AUPRC of R, WT"]
    heads = ["solver", "steps", *likeness, "seconds a slice"]
    return f"{note}\n\n{table(heads, rows)}"


def by_steps(results: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Results from few steps to many."""
    return sorted(results.items(), key=lambda item: int(item[0]))


def inner_regions(row: Mapping[str, Any]) -> list[str]:
    """TC and ET, as far as a model has them."""
    return [name for name in REGIONS if name in row["regions"]]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
