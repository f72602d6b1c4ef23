"""Numbers as the tables say them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_MEASURED = "not measured"
SETTINGS = {"stock": "as its users run it", "tuned": "with our settings", "ours": "", "floor": "", "process": ""}


def number(value: float) -> str:
    """Three digits that count, thousands with commas."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def seconds(found: Mapping[str, Any]) -> str:
    """Median, extremes, n."""
    return f"{number(found['median'])} ({number(found['min'])} to {number(found['max'])}, n = {found['n']})"


def median(found: Mapping[str, Any] | None) -> str:
    """Of what may not have been measured."""
    return number(found["median"]) if found else NOT_MEASURED


def times(value: float | None) -> str:
    """A factor; nothing of what was not measured."""
    return "" if value is None else f"{number(value)}x"


def ratio(row: Mapping[str, Any]) -> str:
    """Theirs over ours with its range over rounds; where ours takes longer, that is said."""
    if "ratio" not in row:
        return ""
    low, high = row["ratios"]["min"], row["ratios"]["max"]
    shown = f"{times(row['ratio'])} ({number(low)} to {number(high)})"
    return shown if row["ratio"] >= 1 else f"**ours slower**, {shown}"


def setting(row: Mapping[str, Any]) -> str:
    """As its users run it, or with our settings, and which these are; of what is no net, the allocator alone."""
    no_net = row["against"] == "input" and row["setting"] == "tuned"
    words = "with our allocator" if no_net else SETTINGS[row["setting"]]
    return ": ".join(filter(None, (words, row["about"].get("precision", ""))))
