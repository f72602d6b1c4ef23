"""Our stages beside their floor, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import table
from benchmarks.performance.floors import NET_STAGES
from benchmarks.performance.result import STAGES, row_named
from benchmarks.performance.wording import NOT_MEASURED, number, ratio, seconds, setting, times

_NOT_NETS = ("read", "preprocess", "restore", "write")
_OURS = {"ours_mask": "files to mask", "ours_all": "files to all outputs"}


def stages(result: Mapping[str, Any]) -> str:
    """Our stages, their floor, and ours over it."""
    floor, own = result["floor"], result["ours"]
    rows = []
    for stage in STAGES:
        cells = [seconds(own[name]["stages"][stage]) if name in own else NOT_MEASURED for name in _OURS]
        least = floor["stages"].get(stage)
        median = own["ours_mask"]["stages"][stage]["median"] if "ours_mask" in own else None
        rows.append([stage, *cells, _least(floor, stage), times(median / least) if least and median else ""])
    named = [row_named(result, name) for name in _OURS]
    whole, total = (row["seconds"]["median"] if (row := named[0]) else None), floor["mask_seconds"]
    rows.append(
        ["whole", *(seconds(row["seconds"]) if row else NOT_MEASURED for row in named), number(total) if total else "",
         times(whole / total) if whole and total else ""]
    )  # fmt: skip
    return table(["stage, seconds", *_OURS.values(), "floor, files to mask", "ours over the floor"], rows)


def _least(floor: Mapping[str, Any], stage: str) -> str:
    if stage not in floor["stages"]:
        return ""
    if stage == "read":
        return f"{number(floor['stages'][stage])} (unpacking)"
    net = floor["nets"].get(NET_STAGES.get(stage, ""))
    if net is None:
        return f"{number(floor['stages'][stage])} (bandwidth)"
    least = net["least_seconds"]
    return f"{number(least['flops'])} (FLOPs at the peak), {number(least['bytes'])} (bandwidth)"


def reading(result: Mapping[str, Any]) -> str:
    """From files to the input of the nets, and from the mask to its file."""
    rows = [
        [row["title"], setting(row), seconds(row["seconds"]), ratio(row)]
        for row in result["rows"]
        if row["against"] == "input" or row["name"] == "inflate"
    ]
    for name, words in (*_OURS.items(), ("ours_zlib", "files to mask, without isal")):
        if name in result["ours"]:
            own = result["ours"][name]["stages"]
            rows += [[f"recoseg_hf, {stage}", words, seconds(own[stage]), ""] for stage in _NOT_NETS]
    return table(["", "", "seconds", "theirs over our reading and preprocessing (range)"], rows)


def machine_floor(result: Mapping[str, Any]) -> str:
    """What the machine can do, and how much of it our nets reach."""
    floor = result["floor"]
    if not floor["peaks"]:
        return NOT_MEASURED.capitalize() + "."
    rows = [
        [f"{threads} thread{'s' if threads != '1' else ''}"]
        + [number(peak[what][dtype]) for what in ("gemm_gflops", "conv_gflops") for dtype in ("fp32", "bf16")]
        + [number(peak["copy_gbs"])]
        for threads, peak in sorted(floor["peaks"].items())
    ]
    heads = [
        "", "GEMM fp32, GFLOP/s", "GEMM bf16", "3x3 convolution fp32, GFLOP/s", "3x3 convolution bf16", "copy, GB/s"
    ]  # fmt: skip
    nets = [
        [name, str(net["slices"]), number(net["flops"] / net["slices"] / 1e9), number(net["seconds"]),
         number(net["gflops"]), f"{100 * net['share_of_peak']:.0f} %", f"{100 * net['share_of_gemm']:.0f} %"]
        for name, net in sorted(floor["nets"].items(), reverse=True)
    ]  # fmt: skip
    net_heads = [
        "net", "slices", "GFLOP a slice", "seconds", "GFLOP/s", f"of the convolution peak ({floor['dtype']})",
        "of GEMM",
    ]  # fmt: skip
    inflate = ", ".join(f"{name} {seconds(found)}" for name, found in sorted(floor["inflate"].items()))
    unpacking = f"Unpacking the four files in memory, seconds: {inflate or NOT_MEASURED}."
    return f"{table(heads, rows)}\n\n{table(net_heads, nets)}\n\n{unpacking}"
