"""Whether the numbers of a table agree: intervals with their means, n with n, differences with rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recoseg_hf.evaluation.audit.score_pairs import as_decimal
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE

Found = tuple[str, str, str, str]
"""Level, check, where and message, as `audit.Finding` has them."""

_ROUNDING = 1e-6


def statistic_findings(path: str, values: Mapping[str, Any]) -> Iterator[Found]:
    """Look at one mapping of a file: a statistic with its interval, or a cohort with its n.

    Args:
        path: where it stands.
        values: its content.
    """
    where = path or "the file"
    value, interval = as_decimal(values.get("value")), values.get("interval")
    ends = [as_decimal(end) for end in interval] if isinstance(interval, list | tuple) else []
    if value is not None and len(ends) == 2 and None not in ends:
        low, high = map(float, ends)
        if not low - _ROUNDING <= float(value) <= high + _ROUNDING:
            message = f"The interval {low:.4g} to {high:.4g} does not hold its own mean, {float(value):.4g}."
            yield "error", "bad_interval", where, message
    outcomes = values.get("outcomes")
    if isinstance(outcomes, Mapping) and "n" in values:
        counted = sum(int(as_decimal(count) or 0) for count in outcomes.values())
        if counted != values["n"]:
            yield "error", "wrong_n", where, f"n is {values['n']}, but {counted} subjects are counted by outcome."
        if values.get("protocol") == "paper" and values.get("oracle_slices") is not True:
            message = "These are slices chosen by the reference, and nothing says so: `oracle_slices` is not true."
            yield "error", "unmarked_oracle", where, message


def table_findings(content: Any) -> Iterator[Found]:
    """Look at a whole table, what `training/reproduce_paper.py` writes to `results.json`; nothing of other files.

    Args:
        content: with `results` and `differences` by data set and row.
    """
    parts = [content.get(name) if isinstance(content, Mapping) else None for name in ("results", "differences")]
    if not all(isinstance(part, Mapping) for part in parts):
        return
    for data, rows in parts[0].items():
        if not isinstance(rows, Mapping):
            continue
        sizes = sorted(
            {row["n"] for row in rows.values() if isinstance(row, Mapping) and isinstance(row.get("n"), int)}
        )
        if len(sizes) > 1:
            message = (
                f"The rows stand on {' and '.join(map(str, sizes))} subjects: not one set, so not to be compared."
            )
            yield "warning", "different_n", f"results.{data}", message
        for name, by_protocol in _mapping(parts[1].get(data)).items():
            yield from _wrong_differences(f"differences.{data}.{name}", _mapping(by_protocol), rows, name)


def _wrong_differences(path: str, by_protocol: Mapping, rows: Mapping, name: str) -> Iterator[Found]:
    row, base, inner = (_mapping(rows.get(one)) for one in (name, BASELINE, REGION_BASELINE))
    pairs = [("volume", row, base), ("paper", _mapping(row.get("paper")), _mapping(base.get("paper")))]
    for region in _mapping(by_protocol.get("regions")):
        sides = [_mapping(_mapping(one.get("regions")).get(region)) for one in (row, inner)]
        pairs.append((f"regions.{region}", *sides))
    for place, *sides in pairs:
        for section, scores in _at(by_protocol, place).items():
            for score, difference in _mapping(scores).items():
                expected = _expected(sides, section, score, difference)
                if expected is not None and abs(expected - float(difference["value"])) > _ROUNDING:
                    told = f"{float(difference['value']):+.4g} is said, the rows differ by {expected:+.4g}"
                    where = f"{path}.{place}.{section}.{score}"
                    yield "error", "wrong_difference", where, f"This is not the difference of its rows: {told}."


def _at(values: Mapping, path: str) -> Mapping:
    for key in path.split("."):
        values = _mapping(values.get(key))
    return values


def _expected(sides: list[Mapping], section: str, score: str, difference: Any) -> float | None:
    """The difference of two means, where all three are of the same subjects."""
    found = [_mapping(_mapping(side.get(section)).get(score)) for side in sides] + [_mapping(difference)]
    values, sizes = [as_decimal(one.get("value")) for one in found], {as_decimal(one.get("n")) for one in found}
    if None in values or len(sizes) > 1:
        return None
    return float(values[0]) - float(values[1])


def _mapping(value: Any) -> Mapping:
    return value if isinstance(value, Mapping) else {}
