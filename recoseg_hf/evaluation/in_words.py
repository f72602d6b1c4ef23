"""A mean with its interval as text, the same in the tables, cards and READMEs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mean_in_words(statistic: Mapping[str, Any] | None, digits: int = 3, sign: str = "", undefined: str = "") -> str:
    """Put a statistic into words: `0.853 [0.801, 0.899]`, the interval left out where there is none.

    Args:
        statistic: with `value` and `interval`, each of which may be None (see `aggregate`).
        digits: after the point.
        sign: "+" for a difference, so that a gain has its sign too.
        undefined: where there is no statistic, or it has no value.
    """
    if not statistic or statistic["value"] is None:
        return undefined
    interval = statistic["interval"]
    ends = f" [{interval[0]:{sign}.{digits}f}, {interval[1]:{sign}.{digits}f}]" if interval else ""
    return f"{statistic['value']:{sign}.{digits}f}{ends}"


def p_in_words(p: float | None) -> str:
    """`p = 0.031` or `p < 0.001`; empty where it is not known."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
