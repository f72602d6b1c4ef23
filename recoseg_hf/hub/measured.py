"""What `benchmarks/measure_model.py` and `benchmarks.steps` measured, laid out for a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recoseg_hf.evaluation.in_words import mean_in_words


def benchmark_rows(results: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out what `benchmarks/measure_model.py` and `benchmarks.steps` wrote.

    Args:
        results: `accuracy`, and `residual` and `steps` or None, as they are in their JSON files.
    """
    from recoseg_hf.evaluation import summary_rows

    accuracy = results["accuracy"]
    regions = [
        (f"Dice per volume, {name.upper()}", mean_in_words(region["volume"]["dice"], undefined="undefined"))
        for name, region in accuracy["regions"].items()
    ]
    seconds = ("Seconds per subject in memory, median", f"{accuracy['default']['seconds_per_subject']:.1f}")
    rows = [*summary_rows(accuracy["default"]), *_paper_rows(accuracy.get("paper")), *regions, seconds]
    values = {"accuracy": accuracy["default"], "measurement": accuracy["measurement"], "rows": rows}
    values |= {name: results[name] for name in ("residual", "steps")}  # tables that a card may lack
    if values["residual"]:
        values["residual_rows"] = _residual_rows(values["residual"])
    if values["steps"]:
        by_count = sorted(values["steps"]["steps"].items(), key=lambda item: int(item[0]))
        values["step_rows"] = [_step_row(count, row) for count, row in by_count]
        values["steps_n"] = next(iter(values["steps"]["steps"].values()))["n"]
    return values


def _paper_rows(paper: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Dice as the paper takes it, which is of slices that the reference chose."""
    titles = {"volume": "Dice per volume", "slice": "Dice per slice", "pooled": "Dice pooled"}
    return [
        (f"{title}, slices with tumour alone", mean_in_words(paper[section]["dice"], undefined="undefined"))
        for section, title in titles.items()
        if paper
    ]


def evaluation_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lay out what `recoseg evaluate` wrote: its own rows, and Dice of TC and ET where they were measured."""
    from recoseg_hf.evaluation import summary_rows

    regions = [
        (f"Dice per volume, {name.upper()}", mean_in_words(region["volume"]["dice"], undefined="undefined"))
        for name, region in (evaluation.get("regions") or {}).items()
    ]
    return [*summary_rows(evaluation), *regions]


def _residual_rows(residual: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Each variant's Dice and what it loses against the measured residual, subject by subject; measured first."""
    lost = residual["dice_lost_against_measured"]
    by_loss = sorted(lost, key=lambda name: lost[name]["value"])
    shown = {name: mean_in_words(lost[name], undefined="undefined") for name in by_loss}
    dice = {
        name: mean_in_words(variant["volume"]["dice"], undefined="undefined")
        for name, variant in residual["variants"].items()
    }
    return [("measured", dice["measured"], ""), *((name, dice[name], shown[name]) for name in by_loss)]


def _step_row(count: str, values: Mapping[str, Any]) -> list[str]:
    synthesis = values["synthesis"]
    return [
        count,
        f"{synthesis['psnr']['value']:.2f}",
        f"{synthesis['ssim']['value']:.3f}",
        f"{values['volume']['dice']['value']:.3f}",
        f"{values['spread_over_samples']:.3f}",
        f"{values['seconds_per_subject']:.1f}",
    ]
