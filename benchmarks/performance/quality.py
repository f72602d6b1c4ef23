"""Whether what is timed is as good as the best setting of the same model: `benchmarks.steps` held against the bars."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.steps.result import MARGIN

_MEAN = "mean of regions"


@dataclass(frozen=True)
class Quality:
    """A condition: whether it holds, None where it was not measured, and what was found."""

    met: bool | None
    words: str


def dice_quality(about: Mapping[str, Any], steps: Mapping[str, Any] | None) -> Quality:
    """Whether Dice of WT, TC, ET and their mean is within `MARGIN` of the best setting's.

    Args:
        about: of the model that was timed: `model`, `precision` and `steps`.
        steps: the result of `benchmarks.steps`.
    """
    if missing := _mismatch(about, steps):
        return Quality(None, missing)
    lost = {
        f"{region}, {part}": max(found.values()) - found[setting]
        for part, by_setting in (("volumes", _volumes(steps)), ("slabs", _slabs(steps)))
        for region, found in by_setting.items()
        if (setting := (steps["own_solver"], about["steps"])) in found
    }
    if not lost:
        return Quality(None, f"Dice of {about['steps']} steps: not measured")
    worst = max(lost, key=lost.__getitem__)
    words = f"Dice at most {100 * lost[worst]:.2f} points below the best setting's ({worst})"
    return Quality(lost[worst] <= MARGIN, words)


def psnr_quality(about: Mapping[str, Any], steps: Mapping[str, Any] | None) -> Quality:
    """Whether PSNR is not below that of our own DDPM with all timesteps."""
    if missing := _mismatch(about, steps):
        return Quality(None, missing)
    found = steps["against_all_timesteps"].get(str(about["steps"]), {}).get("psnr")
    if not found or found["value"] is None:
        return Quality(None, f"PSNR of {about['steps']} steps: not measured")
    words = f"PSNR {found['value']:+.2f} dB against our DDPM with all timesteps, n = {found['n']}"
    return Quality(found["value"] >= 0, words)


def _mismatch(about: Mapping[str, Any], steps: Mapping[str, Any] | None) -> str:
    """Why the result of `benchmarks.steps` says nothing of this model; empty where it does."""
    if not steps or "slabs" not in steps or not about.get("model"):
        return "not measured"
    measured = steps["measurement"]
    same = measured["model"]["weights_sha256"] == about["model"]["weights_sha256"]
    return "" if same and measured["dtype"] == about["precision"] else "not measured with these weights and this dtype"


def _volumes(steps: Mapping[str, Any]) -> dict[str, dict[tuple[str, int], float]]:
    """Dice by region and setting."""
    found: dict[str, dict[tuple[str, int], float]] = {}
    for count, row in steps["steps"].items():
        rows = {"wt": row, **row["regions"]}
        dices = {region: one["volume"]["dice"]["value"] for region, one in rows.items()}
        _add(found, (steps["own_solver"], int(count)), dices)
    return found


def _slabs(steps: Mapping[str, Any]) -> dict[str, dict[tuple[str, int], float]]:
    found: dict[str, dict[tuple[str, int], float]] = {}
    for solver, by_count in steps["slabs"].items():
        for count, row in by_count.items():
            dices = {name.removeprefix("dice_"): value for name, value in row.items() if name.startswith("dice_")}
            _add(found, (solver, int(count)), dices)
    return found


def _add(found: dict, setting: tuple[str, int], dices: Mapping[str, float | None]) -> None:
    known = {region.upper(): value for region, value in dices.items() if value is not None}
    if len(known) > 1:
        known[_MEAN] = statistics.mean(known.values())
    for region, value in known.items():
        found.setdefault(region, {})[setting] = value
