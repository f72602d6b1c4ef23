"""Scores of rows in the page's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.paper.report.cells import cell, difference_cell, grouped, text_cell
from recoseg_hf.evaluation.paper.score_tables import REGIONS, Column, find, found_cues, found_scores, in_order
from recoseg_hf.evaluation.paper.summary_table import shown_cells, summary_table
from recoseg_hf.evaluation.systems.rows import ROWS


def score_table(
    results: Mapping[str, Mapping], columns: Sequence[Column], n: int, differences: Mapping[str, Mapping] | None = None
) -> dict[str, Any] | None:
    """A table of the rows that have any of the columns' scores, of n subjects; None where none has."""
    lines = [
        (name, [_cell(name, one, column, n) for one, column in zip(found, columns, strict=True)])
        for name, found in found_scores(results, columns, differences)
    ]
    if not lines:
        return None
    heads = [{"head": one.head, "unit": one.unit, "better": one.better} for one in columns]
    return {"heads": heads, "groups": grouped(lines)}


def paper_shaped(results: Mapping[str, Mapping[str, Mapping]]) -> dict[str, Any]:
    """The paper's own layout: `pairs` of columns, and the rows in groups."""
    table = summary_table(results)
    lines = [(line["row"], list(map(text_cell, shown_cells(table, line)))) for line in table["rows"]]
    return {"pairs": table["pairs"], "groups": grouped(lines)}


def main_table(data: str, results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> dict[str, Any]:
    """Both protocols with the paired difference to the baseline, and what was published."""
    known = _published(data)
    lines = []
    for name in in_order(results):
        cells = []
        for protocol in ("volume", "paper"):
            side = results[name] if protocol == "volume" else results[name].get("paper") or {}
            scores = side.get("volume") or {}
            cells += [cell(scores.get(score), results[name]["n"]) for score in ("dice", "iou")]
            found = find(differences.get(name), (protocol, "volume", "dice"))
            cells.append(difference_cell(name, found, results[name]["n"]))
        label = ROWS[name].published if name in ROWS else None
        cells += [text_cell(table.get(label or "", "")) for table in known.values()]
        lines.append((name, cells))
    return {"published": list(known), "groups": grouped(lines)}


def cue_table(results: Mapping[str, Mapping]) -> dict[str, Any] | None:
    """Average precision of each row's residual, and of what needs no model, against the three regions."""
    rows = [{"title": heading, "cells": [cell(one, n) for one in found]} for heading, n, found in found_cues(results)]
    return {"heads": [region.upper() for region in REGIONS], "rows": rows} if rows else None


def _cell(name: str, found: Any, column: Column, n: int) -> dict[str, str]:
    if column.minus:
        return difference_cell(name, found, n, column.minus)
    if isinstance(found, int):
        return text_cell(str(found))
    return cell(found, n, column.digits)


def _published(data: str) -> dict[str, dict[str, str]]:
    """Dice / IoU by system: of the data set where the paper has it, else of each that the paper has."""
    tables: dict[str, dict[str, str]] = {}
    for row in paper_table()["rows"]:
        tables.setdefault(row["data"], {})[row["system"]] = f"{row['dice']} / {row['iou']}"
    return {data: tables[data]} if data in tables else tables
