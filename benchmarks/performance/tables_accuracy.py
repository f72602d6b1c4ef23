"""Accuracy before and after the work on speed, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import mean, table

_REGIONS = ("wt", "tc", "et")
_LIKENESS = {"psnr": ("PSNR of the synthetic T1ce in the brain, dB", 2), "ssim": ("SSIM there", 3)}


def accuracy(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Two results of `measure_model.py accuracy` side by side.

    Such a result holds no subject's own scores but the sorted Dice, so means are compared, not subjects.
    """
    rows = []
    for name in _REGIONS:
        if (one := _dice(before, name)) and (other := _dice(after, name)):
            rows.append(_row(f"Dice per volume, {name.upper()}", one, other, 4))
    pair = [result["default"].get("synthesis") for result in (before, after)]
    if all(pair):
        rows += [_row(words, *(one[name] for one in pair), digits) for name, (words, digits) in _LIKENESS.items()]
    note = (
        f"n = {before['default']['n']} and {after['default']['n']} validation subjects, means with 95 % intervals by "
        f"subject. Before: {_conditions(before)}. After: {_conditions(after)}."
    )
    return f"{note}\n\n{table(['', 'before', 'after', 'after - before'], rows)}\n\n{_sorted(before, after)}"


def _dice(result: Mapping[str, Any], region: str) -> Mapping[str, Any] | None:
    found = result["default"] if region == "wt" else result["regions"].get(region)
    return found and found["volume"]["dice"]


def _row(words: str, before: Mapping[str, Any], after: Mapping[str, Any], digits: int) -> list[str]:
    difference = after["value"] - before["value"]
    return [words, mean(before, digits), mean(after, digits), f"{difference:+.{digits}f}"]


def _conditions(result: Mapping[str, Any]) -> str:
    measured = result["measurement"]
    commit = f"commit `{measured['commit'][:7]}`, " if "commit" in measured else ""
    return f"{commit}weights `{measured['model']['weights_sha256'][:12]}`, {measured['dtype']}"


def _sorted(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    shown = [
        ", ".join(f"{dice:.3f}" for dice in result["default"]["dice_of_each_subject_sorted"])
        for result in (before, after)
    ]
    return f"Dice of WT of each subject, sorted: before {shown[0]}; after {shown[1]}."
