"""One model with each of its settings varied alone, of what `training/ablate_inference.py` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recoseg_hf.evaluation.paper.report.cells import cell, text_cell
from recoseg_hf.evaluation.paper.score_tables import Column

_DICE = (
    Column("Dice", ("scores", "dice_wt")),
    Column("Dice difference", ("difference", "dice_wt"), minus="its own"),
)
_OTHERS = {
    "mask_threshold": (Column("Precision", ("scores", "precision")), Column("Recall", ("scores", "recall"))),
    "num_inference_steps": (
        Column("PSNR, brain", ("scores", "psnr"), 2, "dB"),
        Column("PSNR difference", ("difference", "psnr"), 2, "dB", minus="its own"),
        Column("Seconds", ("scores", "seconds"), 1, "", "lower"),
    ),
    "residual_clip": (
        Column("AUPRC of the residual, WT", ("scores", "average_precision_wt")),
        Column("AUPRC difference", ("difference", "average_precision_wt"), minus="its own"),
    ),
    "noise": (
        Column("Roughness through-plane", ("scores", "flicker_through_plane"), 2, "", ""),
        Column("Roughness difference", ("difference", "flicker_through_plane"), 2, "", "", minus="its own"),
    ),
}
"""What a sweep is about, beside Dice; of others precision and recall."""


def sweep_tables(sweeps: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table for each setting, with the scores that it is about."""
    return [
        _table(name, points, sweeps["default"]["settings"].get(name), sweeps["n"])
        for name, points in sweeps["sweeps"].items()
    ]


def _table(name: str, points: Mapping[str, Mapping], own: Any, n: int) -> dict[str, Any]:
    columns = (*_DICE, *_OTHERS.get(name, _OTHERS["mask_threshold"]))
    rows = [
        {
            "title": f"{value} (its own)" if value == _as_text(own) else value,
            "baseline": value == _as_text(own),
            "cells": [_cell(point, column, n) for column in columns],
        }
        for value, point in sorted(points.items(), key=_by_number)
    ]
    heading = name.replace("_", " ")
    heads = [{"head": one.head, "unit": one.unit, "better": one.better} for one in columns]
    return {"row": heading, "heads": heads, "groups": [{"heading": heading, "rows": rows}]}


def _cell(point: Mapping[str, Mapping], column: Column, n: int) -> dict[str, str]:
    """A score that the setting leaves as it is stands in no point of it."""
    section, score = column.path
    found = point[section].get(score)
    return cell(found, n, column.digits, bool(column.minus)) if found else text_cell("as its own")


def _by_number(item: tuple[str, Any]) -> tuple[float, str]:
    """Numbers in their order, of which JSON keeps that of their digits; words behind them."""
    try:
        return float(item[0]), ""
    except ValueError:
        return float("inf"), item[0]


def _as_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
