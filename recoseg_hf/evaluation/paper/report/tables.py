"""Scores of rows as cells of tables: a value with its interval, and n where it is not that of the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoseg_hf.evaluation.in_words import p_in_words
from recoseg_hf.evaluation.paper.measurement import DID_NOT_HOLD, HELD, UNDECIDED, Measurement
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.paper.summary_table import shown_cells, summary_table
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

MINUS = "−"
GROUPS = ("Systems of the paper", "Beside them", "What parts of ReCoSeg++ are worth")
_CUES = {"flair": "FLAIR intensity", "static_residual": "|T1ce - T1|"}
_REGIONS = ("wt", "tc", "et")
_REGION_SCORES = ("Dice", "Dice difference", "precision", "recall")


@dataclass(frozen=True)
class Column:
    """Where a score stands in a result, and how it is shown.

    Attributes:
        head: of the column.
        path: of the statistic in a row's result.
        digits: after the point.
        unit: of the score.
        better: "higher" or "lower", for the head; "" where neither is.
    """

    head: str
    path: tuple[str, ...]
    digits: int = 3
    unit: str = ""
    better: str = "higher"


VOXELS = (
    Column("Precision", ("volume", "precision")),
    Column("Recall", ("volume", "recall")),
    Column("Dice per slice", ("slice", "dice")),
    Column("Dice pooled", ("pooled", "dice")),
    Column("Volume error, absolute", ("millilitres", "absolute_volume_error_ml"), 1, "mL", "lower"),
    Column("False-positive volume", ("millilitres", "false_positive_ml"), 1, "mL", "lower"),
)
SHAPE = (
    Column("HD95", ("surface", "hd95_mm"), 1, "mm", "lower"),
    Column("HD95, a miss counts as the grid's diagonal", ("surface", "hd95_penalized_mm"), 1, "mm", "lower"),
    Column("NSD", ("surface", "nsd")),
    Column("Lesion-wise Dice", ("lesions", "dice")),
    Column("Share of lesions found", ("lesions", "found")),
    Column("Invented lesions per subject", ("lesions", "invented"), 1, "", "lower"),
)
SYNTHESIS = (
    Column("PSNR, brain", ("synthesis", "psnr"), 2, "dB"),
    Column("SSIM, brain", ("synthesis", "ssim")),
    Column("MAE, brain", ("synthesis", "relative_mae"), 4, "", "lower"),
    Column("PSNR, whole tumour", ("synthesis", "tumour", "wt", "psnr"), 2, "dB"),
    Column("SSIM, whole tumour", ("synthesis", "tumour", "wt", "ssim")),
    Column("PSNR, enhancing tumour", ("synthesis", "tumour", "et", "psnr"), 2, "dB"),
    Column("MAE, enhancing tumour", ("synthesis", "tumour", "et", "relative_mae"), 4, "", "lower"),
    Column("Roughness through-plane (1: as the real T1ce)", ("synthesis", "flicker", "through_plane"), 2, "", ""),
)


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


def in_order(rows: Mapping[str, Any]) -> list[str]:
    """The names of rows as the table has them; those that it does not know come last."""
    return sorted(rows, key=lambda name: (list(ROWS).index(name) if name in ROWS else len(ROWS), name))


def title(name: str) -> str:
    """How a row is called."""
    return ROWS[name].title if name in ROWS else name


def grouped(lines: Iterable[tuple[str, list]]) -> list[dict[str, Any]]:
    """Rows (name, cells) under the headings of `GROUPS`."""
    groups: dict[str, list] = {heading: [] for heading in GROUPS}
    for name, cells in lines:
        groups[_group(name)].append({"title": title(name), "baseline": name == BASELINE, "cells": cells})
    return [{"heading": heading, "rows": rows} for heading, rows in groups.items() if rows]


def score_table(results: Mapping[str, Mapping], columns: Sequence[Column]) -> dict[str, Any] | None:
    """A table of the rows that have any of the columns' scores; None where none has."""
    lines = []
    for name in in_order(results):
        found = [(_find(results[name], column.path), column.digits) for column in columns]
        if any(found_one for found_one, _ in found):
            lines.append((name, [cell(one, results[name]["n"], digits) for one, digits in found]))
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
            cells.append(_difference(name, differences.get(name, {}).get(protocol), results[name]["n"]))
        label = ROWS[name].published if name in ROWS else None
        cells += [text_cell(table.get(label or "", "")) for table in known.values()]
        lines.append((name, cells))
    return {"published": list(known), "groups": grouped(lines)}


def region_table(results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> dict[str, Any] | None:
    """Tumour core and enhancing tumour of the rows that have them, with the paired difference to their baseline."""
    lines = []
    for name in in_order(results):
        parts = results[name].get("regions")
        if not parts:
            continue
        cells = []
        for region in _REGIONS[1:]:
            part, n = parts.get(region) or {}, results[name]["n"]
            scores, found = part.get("volume") or {}, differences.get(name, {}).get("regions", {}).get(region)
            cells += [cell(scores.get("dice"), n), _difference(name, found, n, REGION_BASELINE)]
            cells += [cell(scores.get(score), n) for score in ("precision", "recall")]
        lines.append((name, cells))
    if not lines:
        return None
    heads = [f"{region.upper()} {score}" for region in _REGIONS[1:] for score in _REGION_SCORES]
    return {"heads": [{"head": head, "unit": "", "better": ""} for head in heads], "groups": grouped(lines)}


def cue_table(results: Mapping[str, Mapping]) -> dict[str, Any] | None:
    """Average precision of each row's residual, and of what needs no model, against the three regions."""
    held = {name: results[name]["cues"] for name in in_order(results) if results[name].get("cues")}
    if not held:
        return None
    rows = [
        {"title": f"Residual of {title(name)}", "cells": _cue_cells(cues["residual"], results[name]["n"])}
        for name, cues in held.items()
        if cues.get("residual")
    ]
    name, cues = next(iter(held.items()))
    n, others = results[name]["n"], {cue: heading for cue, heading in _CUES.items() if cues.get(cue)}
    rows += [{"title": heading, "cells": _cue_cells(cues[cue], n)} for cue, heading in others.items()]
    if others:
        shares = _cue_cells(cues[next(iter(others))], n, "prevalence")
        rows.append({"title": "Guessing (the region's share of the brain)", "cells": shares})
    return {"heads": [region.upper() for region in _REGIONS], "rows": rows}


def sweep_table(sweeps: Mapping[str, Any]) -> dict[str, Any]:
    """Dice of one model with each setting varied alone, of what `training/ablate_inference.py` wrote."""
    groups, n = [], sweeps["n"]
    for name, points in sweeps["sweeps"].items():
        own = sweeps["default"]["settings"].get(name)
        rows = [
            {
                "title": f"{value} (its own)" if value == _as_text(own) else value,
                "baseline": value == _as_text(own),
                "cells": _sweep_cells(point, n),
            }
            for value, point in sorted(points.items(), key=_by_number)
        ]
        groups.append({"heading": name.replace("_", " "), "rows": rows})
    heads = [("Dice", "higher"), ("Dice difference", "higher"), ("Precision", ""), ("Recall", "")]
    return {"heads": [{"head": head, "unit": "", "better": better} for head, better in heads], "groups": groups}


def dice_chart(results: Mapping[str, Mapping]) -> dict[str, Any]:
    """Dice per volume of each row on one axis: places in percent of its width, and the same in words."""
    found = {name: results[name]["volume"]["dice"] for name in in_order(results)}
    found = {name: one for name, one in found.items() if one["value"] is not None}
    lowest = min((min(one["interval"] or [one["value"]]) for one in found.values()), default=0.0)
    start = max(0, min(int(lowest * 10), 9)) / 10

    def place(value: float) -> float:
        return round(100 * (value - start) / (1 - start), 2)

    rows = [
        {
            "title": title(name),
            "baseline": name == BASELINE,
            "at": place(one["value"]),
            "ends": [place(end) for end in one["interval"] or [one["value"]] * 2],
            **cell(one, results[name]["n"]),
        }
        for name, one in found.items()
    ]
    ticks = [tick / 10 for tick in range(round(start * 10), 11, 1 if start >= 0.4 else 2)]
    baseline = found.get(BASELINE)
    return {
        "rows": rows,
        "ticks": [{"at": place(tick), "label": f"{tick:.1f}"} for tick in ticks],
        "baseline": place(baseline["value"]) if baseline else None,
    }


def _sweep_cells(point: Mapping[str, Any], n: int) -> list[dict[str, str]]:
    scores, differences = point["scores"], point["difference"]
    difference = cell(differences.get("dice_wt"), n, sign=True)
    return [cell(scores.get("dice_wt"), n), difference, *(cell(scores.get(one), n) for one in ("precision", "recall"))]


def _by_number(item: tuple[str, Any]) -> tuple[float, str]:
    """Numbers in their order, of which JSON keeps that of their digits; words behind them."""
    try:
        return float(item[0]), ""
    except ValueError:
        return float("inf"), item[0]


def _as_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _group(name: str) -> str:
    row = ROWS.get(name)
    if row and row.published:
        return GROUPS[0]
    return GROUPS[2] if row and row.title.startswith("ReCoSeg++,") else GROUPS[1]


def _find(result: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any] | None:
    found: Any = result
    for key in path:
        found = (found or {}).get(key)
    return found


def _difference(name: str, found: Mapping[str, Any] | None, n: int, baseline: str = BASELINE) -> dict[str, str]:
    if name == baseline:
        return text_cell("compared with")
    dice = ((found or {}).get("volume") or {}).get("dice")
    if not dice:
        return cell(None, n)
    outcome = Measurement.of_difference("Dice", dice).outcome
    trend = {HELD: "better", DID_NOT_HOLD: "worse", UNDECIDED: "undecided"}.get(outcome, "")
    return cell(dice, n, sign=True) | {"trend": trend}


def _published(data: str) -> dict[str, dict[str, str]]:
    """Dice / IoU by system: of the data set where the paper has it, else of each that the paper has."""
    tables: dict[str, dict[str, str]] = {}
    for row in paper_table()["rows"]:
        tables.setdefault(row["data"], {})[row["system"]] = f"{row['dice']} / {row['iou']}"
    return {data: tables[data]} if data in tables else tables


def _cue_cells(found: Mapping[str, Mapping], n: int, score: str = "average_precision") -> list[dict[str, str]]:
    return [cell(found.get(region, {}).get(score), n) for region in _REGIONS]
