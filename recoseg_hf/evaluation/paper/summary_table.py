"""The table as the paper prints it: a line for each system, a pair of columns for each data set."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.systems.rows import ROWS

CAPTION = (
    "As the paper's Table 1: mean Dice and IoU in percent, a pair for each data set. Ours are of whole volumes, each "
    "row at its own threshold; n, intervals, differences and the paper's own protocol stand below. The paper's are of "
    "its own cases and of slices with tumour only, without n or interval: not to be set against ours point by point."
)


SCORES = ("dice_percent", "iou_percent")
"""Of a cell; named so that an audit, which judges every Dice beside an IoU, takes none of these twice."""


def summary_table(results: Mapping[str, Mapping[str, Mapping]]) -> dict[str, Any]:
    """Lay out a run as the paper's Table 1.

    Args:
        results: by data set and row, of `evaluate_masks`, as `results.json` has them.

    Returns:
        JSON values: `pairs`, each a `data` set with `published` (whether the numbers are the paper's) and `n` (None
        for the paper's), a published one behind ours of that name and the others last; `rows`, each with `row`,
        `title` and `cells`: for each of `pairs` the `SCORES`, None where there is none.
    """
    known = _published()
    pairs: list[dict[str, Any]] = []
    for data, rows in results.items():
        n = max((result["n"] for result in rows.values()), default=0)
        pairs.append({"data": data, "published": False, "n": n})
        if data in known:
            pairs.append({"data": data, "published": True, "n": None})
    pairs += [{"data": data, "published": True, "n": None} for data in known if data not in results]
    names = dict.fromkeys(name for rows in results.values() for name in rows)
    order = [*(name for name in ROWS if name in names), *(name for name in names if name not in ROWS)]
    return {"pairs": pairs, "rows": [_line(name, pairs, results, known) for name in order]}


def summary_csv(table: Mapping[str, Any]) -> str:
    """What `summary_table` returns as CSV, a line for each system."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    heads = [
        f"{pair['data']}{'_published' if pair['published'] else ''}_{score}"
        for pair in table["pairs"]
        for score in SCORES
    ]
    writer.writerow(["row", "title", *heads])
    for line in table["rows"]:
        values = [cell[score] for cell in line["cells"] for score in SCORES]
        writer.writerow([line["row"], line["title"], *("" if value is None else value for value in values)])
    return stream.getvalue()


def pair_heads(pair: Mapping[str, Any]) -> tuple[str, str]:
    """The heads of a pair's two columns."""
    name = f"{pair['data']} in the paper" if pair["published"] else f"{pair['data']} (n = {pair['n']})"
    return f"{name}: Dice", "IoU"


def shown_cells(table: Mapping[str, Any], line: Mapping[str, Any]) -> list[str]:
    """One of the table's `rows` as texts: ours with one digit behind the point, the paper's as it prints them."""
    shown = []
    for pair, cell in zip(table["pairs"], line["cells"], strict=True):
        for score in SCORES:
            text = "" if cell[score] is None else f"{cell[score]:.2f}" if pair["published"] else f"{cell[score]:.1f}"
            shown.append(text.removesuffix("0") if pair["published"] else text)
    return shown


def _line(name: str, pairs: list, results: Mapping, known: Mapping) -> dict[str, Any]:
    label = ROWS[name].published if name in ROWS else None
    cells = []
    for pair in pairs:
        if pair["published"]:
            cells.append(known[pair["data"]].get(label, dict.fromkeys(SCORES)))
        else:
            scores = results[pair["data"]].get(name, {}).get("volume", {})
            cells.append({score: _in_percent(scores.get(score.removesuffix("_percent"))) for score in SCORES})
    return {"row": name, "title": ROWS[name].title if name in ROWS else name, "cells": cells}


def _in_percent(statistic: Mapping[str, Any] | None) -> float | None:
    return round(100 * statistic["value"], 2) if statistic and statistic["value"] is not None else None


def _published() -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in paper_table()["rows"]:
        scores = {score: float(row[score.removesuffix("_percent")]) for score in SCORES}
        found.setdefault(row["data"], {})[row["system"]] = scores
    return found
