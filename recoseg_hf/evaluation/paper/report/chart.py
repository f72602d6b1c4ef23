"""Dice of each row on one axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recoseg_hf.evaluation.paper.report.cells import cell
from recoseg_hf.evaluation.paper.score_tables import in_order, title
from recoseg_hf.evaluation.systems.rows import BASELINE


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
