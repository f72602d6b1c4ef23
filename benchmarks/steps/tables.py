"""The result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import mean, table

REGIONS = {"wt": "WT", "tc": "TC", "et": "ET"}


def steps(result: Mapping[str, Any]) -> str:
    """All tables, as `docs/performance.md` shows them."""
    parts = [_volumes(result), _chosen(result), _slabs(result), _slices(result)]
    return "\n\n".join(part for part in parts if part)


def _volumes(result: Mapping[str, Any]) -> str:
    rows = []
    for count, row in result["steps"].items():
        dices = [mean(row["volume"]["dice"]), *(mean(one["volume"]["dice"]) for one in row["regions"].values())]
        likeness = [f"{row['synthesis'][name]['value']:.{digits}f}" for name, digits in (("psnr", 2), ("ssim", 3))]
        rows.append([count, *dices, *likeness, f"{row['cpu_seconds_per_subject']:.1f}"])
    if not rows:
        return ""
    first = next(iter(result["steps"].values()))
    heads = ["steps", "Dice, WT", *(f"Dice, {REGIONS[name]}" for name in first["regions"]), "PSNR, dB", "SSIM"]
    conditions = result["measurement"]
    note = (
        f"Whole volumes of n = {first['n']} validation subjects, {result['own_solver']}, {conditions['dtype']}; means "
        "with 95 % intervals by subject. PSNR and SSIM in the brain. CPU seconds of a subject in memory, median."
    )
    return f"{note}\n\n{table([*heads, 'CPU seconds'], rows)}"


def _chosen(result: Mapping[str, Any]) -> str:
    rows = []
    for part, name in (("volumes", "whole volumes"), ("slabs", "slabs, all solvers")):
        for region, one in result["chosen"][part].items():
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
        for count, row in by_count.items():
            dices = [_number(row.get(f"dice_{region}"), 3) for region in REGIONS]
            rows.append([solver, count, *dices, _number(row["psnr"], 2), _number(row["ssim"], 3)])
    if not rows:
        return ""
    n = next(iter(next(iter(result["slabs"].values())).values()))["n"]
    note = f"Slabs of {result['measurement']['slab']} slices around the middle of the tumour, n = {n} subjects, means:"
    heads = ["solver", "steps", *(f"Dice, {name}" for name in REGIONS.values()), "PSNR, dB", "SSIM"]
    return f"{note}\n\n{table(heads, rows)}"


def _slices(result: Mapping[str, Any]) -> str:
    rows = []
    for solver, by_count in result["slices"].items():
        for count, row in by_count.items():
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


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
