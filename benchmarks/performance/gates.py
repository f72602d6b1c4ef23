"""The bars that were set before this run, each held against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.quality import dice_quality, psnr_quality
from benchmarks.performance.result import median_of, ours_for, row_named

_COLD_EXTRA = 1.5  # seconds


_OF_DICE = ("segresnet_stock", "segresnet_tuned", "same_steps", "ddpm", "synthesizer", "segmenter", "rest")
_OF_PSNR = ("ddpm",)
_OF_VALUES = "percentiles equal numpy's, see below"


def gates(result: Mapping[str, Any], steps: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Every bar: what it is, what was found, whether it is met; None where that was not measured.

    Args:
        result: of `result.assemble`.
        steps: the result of `benchmarks.steps`, by which what is fast is held to be good, too.
    """
    found = [*_ratios(result), *_shares(result), *_starts(result), *_memory(result), _growth(result)]
    about = (row_named(result, "ours_mask") or {}).get("about", {})
    dice, psnr = dice_quality(about, steps), psnr_quality(about, steps)
    for gate in found:
        conditions = [dice] * (gate["name"] in _OF_DICE) + [psnr] * (gate["name"] in _OF_PSNR)
        words = [condition.words for condition in conditions]
        gate["quality"] = "; ".join(dict.fromkeys(words)) or (_OF_VALUES if gate["name"] == "compose" else "")
        if gate["met"] and any(condition.met is False for condition in conditions):
            gate["met"] = False
    return found


def _gate(
    name: str, what: str, bar: float | None, found: float | None, unit: str, least: bool = True, **rest: Any
) -> dict[str, Any]:
    met = None if bar is None or found is None else found >= bar if least else found <= bar
    side = "at least" if least else "at most"
    return {"name": name, "what": what, "side": side, "bar": bar, "found": found, "unit": unit, "met": met, **rest}


def _ratios(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    def ratio(*names: str) -> float | None:
        """The smaller one, of the faster of several rows."""
        found = [row["ratio"] for name in names if (row := row_named(result, name)) and "ratio" in row]
        return min(found, default=None)

    return [
        _gate("segresnet_stock", "files to mask, against one pass of SegResNet as its users run it", 10,
              ratio("segresnet_pass_stock"), "x"),
        _gate("segresnet_tuned", "the same, SegResNet with our settings", 5, ratio("segresnet_pass_tuned"), "x"),
        _gate("compose", "reading and preprocessing, against the faster chain of MONAI's Compose", 8,
              ratio("compose_stock", "compose_cropped_stock"), "x"),
        _gate("same_steps", "same net and steps, against MONAI's DiffusionInferer as its users run it", 4,
              ratio("same_steps_folded_stock"), "x"),
        _gate("ddpm", "synthesis, against MONAI's DDPM of 1000 steps on the same folded slices (extrapolated)", 1000,
              ratio("ddpm_folded_stock"), "x"),
    ]  # fmt: skip


def _shares(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    floor, ours = result["floor"], result["ours"].get("ours_mask")
    unpacking, reading = floor["inflate_seconds"], ours_for(result, "input")
    inflate = 100 * unpacking["median"] / reading if unpacking and reading else None
    rest = 100 * ours["share_without_nets"]["median"] if ours else None
    nets = [
        _gate(name, f"the {name}, of the measured convolution peak ({floor['dtype']})", 70,
              100 * net["share_of_peak"], "%", note=f"{100 * net['share_of_gemm']:.0f} % of GEMM")
        for name, net in floor["nets"].items()
    ]  # fmt: skip
    return [
        _gate("inflate", "unpacking, of the time for reading and preprocessing", 50, inflate, "%"),
        *(nets or [_gate("nets", "the nets, of the measured convolution peak", 70, None, "%")]),
        _gate("rest", "what is no net, of files to mask", 25, rest, "%", least=False),
    ]


def _starts(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    name = "import recoseg_hf, the interpreter included"
    gates = [_gate("import", name, 0.3, median_of(result, "import_recoseg"), "s", least=False)]
    if result["quick"]:  # where no program that imports torch is started
        return gates
    lean, whole, cold = (median_of(result, name) for name in ("imports_lean", "imports", "cold_mask"))
    bars = {
        "cold_subject": (lean, "the imports that it makes"),
        "cold_subject_all_imports": (whole, "the imports of a full installation (for information)"),
    }
    for name, (imports, words) in bars.items():
        bar = None if imports is None else imports + _COLD_EXTRA
        what = f"whole cold process, files to mask, against {words} and {_COLD_EXTRA} s"
        gates.append(_gate(name, what, bar, cold, "s", least=False))
    return gates


def _memory(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    words = {"ours_mask": "files to mask", "ours_all": "files to all outputs"}
    rows = {name: row_named(result, name) for name in words}
    return [
        _gate(f"memory_{name}", f"peak memory, {words[name]}", 2048, row and row["peak_mib"], "MiB", least=False)
        for name, row in rows.items()
    ]


def _growth(result: Mapping[str, Any]) -> dict[str, Any]:
    found = result["scale"].get("cohort", [])
    if len(found) < 2:
        return _gate("cohort", "growth of peak memory in a cohort", 5, None, "%", least=False)
    *_, before, last = found
    growth = 100 * (last["peak_mib"] / before["peak_mib"] - 1)
    what = f"growth of peak memory in a cohort, from case {before['cases']} to case {last['cases']}"
    return _gate("cohort", what, 5, growth, "%", least=False)
