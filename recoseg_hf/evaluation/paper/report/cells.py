"""Scores as cells of the page's tables: a value with its interval, and n where it is not that of the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recoseg_hf.evaluation.in_words import p_in_words
from recoseg_hf.evaluation.paper.measurement import DID_NOT_HOLD, HELD, UNDECIDED, Measurement
from recoseg_hf.evaluation.paper.score_tables import title
from recoseg_hf.evaluation.systems.rows import BASELINE, ROWS

MINUS = "−"
GROUPS = ("Systems of the paper", "Beside them", "What parts of ReCoSeg++ are worth")


def shown(number: float, digits: int = 3, sign: bool = False) -> str:
    """A number with a true minus; with its sign for a difference."""
    text = f"{number:+.{digits}f}" if sign else f"{number:.{digits}f}"
    return text.replace("-", MINUS)


def cell(statistic: Mapping[str, Any] | None, n: int, digits: int = 3, sign: bool = False) -> dict[str, str]:
    """A statistic as texts: `value`, `interval`, `p` of a difference and, where its n is not the table's, `note`."""
    if not statistic:
        return text_cell("")
    note = "" if statistic["n"] == n else f"n = {statistic['n']}"
    if statistic["value"] is None:
        return text_cell("undefined") | {"note": note}
    ends = [shown(end, digits, sign) for end in statistic["interval"] or ()]
    value = shown(statistic["value"], digits, sign)
    p = p_in_words(statistic.get("p"))
    return text_cell(value) | {"interval": " to ".join(ends), "p": p, "note": note}


def text_cell(value: str) -> dict[str, str]:
    """A cell with nothing beside its value."""
    return {"value": value, "interval": "", "p": "", "note": "", "trend": ""}


def difference_cell(name: str, found: Mapping[str, Any] | None, n: int, baseline: str = BASELINE) -> dict[str, str]:
    """A paired difference to a baseline, with a `trend` where it is decided."""
    if name == baseline:
        return text_cell("compared with")
    if not found:
        return cell(None, n)
    outcome = Measurement.of_difference("Dice", found).outcome
    trend = {HELD: "better", DID_NOT_HOLD: "worse", UNDECIDED: "undecided"}.get(outcome, "")
    return cell(found, n, sign=True) | {"trend": trend}


def grouped(lines: Iterable[tuple[str, list]]) -> list[dict[str, Any]]:
    """Rows (name, cells) under the headings of `GROUPS`."""
    groups: dict[str, list] = {heading: [] for heading in GROUPS}
    for name, cells in lines:
        groups[_group(name)].append({"title": title(name), "baseline": name == BASELINE, "cells": cells})
    return [{"heading": heading, "rows": rows} for heading, rows in groups.items() if rows]


def _group(name: str) -> str:
    row = ROWS.get(name)
    if row and row.published:
        return GROUPS[0]
    return GROUPS[2] if row and row.title.startswith("ReCoSeg++,") else GROUPS[1]
