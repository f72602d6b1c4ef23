"""The bars that were set before anything was measured, each held against the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.result import ours_for, row_named

_COLD_EXTRA = 1.5  # seconds


def gates(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every bar: what it is, what was found, whether it is met."""
    return [*_ratios(result), *_shares(result), *_starts(result), *_memory(result), _growth(result)]


def _gate(name: str, what: str, bar: float, found: float, unit: str, least: bool = True) -> dict[str, Any]:
    met = found >= bar if least else found <= bar
    side = "at least" if least else "at most"
    return {"name": name, "what": what, "side": side, "bar": bar, "found": found, "unit": unit, "met": met}


def _ratios(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    def ratio(name: str) -> float:
        return row_named(result, name)["ratio"]

    return [
        _gate("segresnet_stock", "files to mask, against one pass of SegResNet as its users run it", 10,
              ratio("segresnet_pass_stock"), "x"),
        _gate("segresnet_tuned", "the same, SegResNet with our settings", 5, ratio("segresnet_pass_tuned"), "x"),
        _gate("compose", "reading and preprocessing, against MONAI's Compose", 8, ratio("compose_stock"), "x"),
        _gate("same_steps", "same net and steps, against MONAI's DiffusionInferer as its users run it", 4,
              ratio("same_steps_folded_stock"), "x"),
        _gate("ddpm", "synthesis, against MONAI's DDPM of 1000 steps on the same folded slices (extrapolated)", 1000,
              ratio("ddpm_folded_stock"), "x"),
    ]  # fmt: skip


def _shares(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    floor = result["floor"]
    inflate = 100 * floor["inflate_seconds"]["median"] / ours_for(result, "input")
    rest = 100 * result["ours"]["ours_mask"]["share_without_nets"]["median"]
    return [
        _gate("inflate", "unpacking, of the time for reading and preprocessing", 50, inflate, "%"),
        *(
            _gate(name, f"the {name}, of the measured convolution peak ({floor['dtype']})", 70,
                  100 * net["share_of_peak"], "%")
            for name, net in floor["nets"].items()
        ),
        _gate("rest", "what is no net, of files to mask", 25, rest, "%", least=False),
    ]  # fmt: skip


def _starts(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    seconds = {row["name"]: row["seconds"]["median"] for row in result["rows"]}
    name = "import recoseg_hf, the interpreter included"
    gates = [_gate("import", name, 0.3, seconds["import_recoseg"], "s", least=False)]
    if "cold_mask" in seconds:  # which it is not in a quick run
        cold, bar = seconds["cold_mask"], seconds["imports"] + _COLD_EXTRA
        words = f"(files to mask), against the imports and {_COLD_EXTRA} s"
        start = cold - seconds["ours_mask"]
        gates += [
            _gate("cold_start", f"cold start without the subject {words}", bar, start, "s", least=False),
            _gate("cold_subject", f"whole cold process {words}", bar, cold, "s", least=False),
        ]
    return gates


def _memory(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _gate(f"memory_{name}", f"peak memory, {words}", 2048, row_named(result, name)["peak_mib"], "MiB", least=False)
        for name, words in (("ours_mask", "files to mask"), ("ours_all", "files to all outputs"))
    ]


def _growth(result: Mapping[str, Any]) -> dict[str, Any]:
    *_, before, last = result["scale"]["cohort"]
    growth = 100 * (last["peak_mib"] / before["peak_mib"] - 1)
    what = f"growth of peak memory in a cohort, from case {before['cases']} to case {last['cases']}"
    return _gate("cohort", what, 5, growth, "%", least=False)
