"""Whether what is timed is as good as the best setting of the same model: `benchmarks.steps` held against the bars."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.steps.result import MARGIN, Setting

_MEAN = "mean of regions"


@dataclass(frozen=True)
class Quality:
    """A condition: whether it holds, None where it was not measured, and what was found."""

    met: bool | None
    words: str


def dice_quality(about: Mapping[str, Any], steps: Mapping[str, Any] | None) -> Quality:
    """Whether Dice of WT, TC, ET and their mean is within `MARGIN` of the best setting's, on whole volumes.

    The best setting is the one with the highest mean of the regions: nobody runs one setting for WT and another for
    TC. Where another is better in a region alone, that is said beside it.

    Args:
        about: of the model that was timed: `model`, `precision` and `steps`.
        steps: the result of `benchmarks.steps`.
    """
    if missing := _mismatch(about, steps):
        return Quality(None, missing)
    dices, timed = _volumes(steps), (steps["own_solver"], about["steps"])
    if not dices.get(timed):
        return Quality(None, f"Dice of {about['steps']} steps: not measured")
    dices = {setting: found for setting, found in dices.items() if found.keys() >= dices[timed].keys()}
    best = max(dices, key=lambda setting: (dices[setting].get(_MEAN, dices[setting]["WT"]), setting == timed))
    lost = {region: dices[best][region] - value for region, value in dices[timed].items()}
    worst = max(lost, key=lost.__getitem__)
    found = (
        "Dice is that of the best setting"
        if best == timed
        else f"Dice at most {100 * lost[worst]:.2f} points below the best setting's ({_words(best)}; {worst})"
    )
    return Quality(lost[worst] <= MARGIN, found + _better_alone(dices, timed))


def _better_alone(dices: Mapping[Setting, Mapping[str, float]], timed: Setting) -> str:
    """Name the regions in which some other setting is better by more than `MARGIN`."""
    found = []
    for region, value in dices[timed].items():
        best = max(dices, key=lambda setting: dices[setting][region])
        if dices[best][region] - value > MARGIN:
            found.append(f"{region} {100 * (dices[best][region] - value):.2f} points below {_words(best)}")
    return f" (in one region alone: {', '.join(found)})" if found else ""


def _words(setting: Setting) -> str:
    return f"{setting[0]}, {setting[1]} step{'s' * (setting[1] > 1)}"


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
    same = measured["model"] == {name: about["model"].get(name) for name in measured["model"]}
    return "" if same and measured["dtype"] == about["precision"] else "not measured with this model and this dtype"


def _volumes(steps: Mapping[str, Any]) -> dict[Setting, dict[str, float]]:
    """Dice of whole volumes by setting and region, and the mean of the regions."""
    found: dict[Setting, dict[str, float]] = {}
    for solver, by_count in {steps["own_solver"]: steps["steps"], **steps.get("proposed", {})}.items():
        for count, row in by_count.items():
            rows = {"wt": row, **row["regions"]}
            values = {region.upper(): one["volume"]["dice"]["value"] for region, one in rows.items()}
            known = {region: value for region, value in values.items() if value is not None}
            if len(known) > 1:
                known[_MEAN] = statistics.mean(known.values())
            found[solver, int(count)] = known
    return found
