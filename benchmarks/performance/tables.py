"""The result as Markdown, a part for each section of docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import table
from benchmarks.performance.result import STAGES

_AGAINST = {"mask": "files to mask", "synthesize": "synthesis", "input": "reading and preprocessing"}
_SETTINGS = {"stock": "as its users run it", "tuned": "with our settings", "ours": "", "floor": "", "process": ""}
_NOT_NETS = ("read", "preprocess", "restore", "write")
_NET_STAGES = {"synthesize": "synthesizer", "segment": "segmenter"}


def number(value: float) -> str:
    """Three digits that count, thousands with commas."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def seconds(found: Mapping[str, Any]) -> str:
    """Median, extremes, n."""
    return f"{number(found['median'])} ({number(found['min'])} to {number(found['max'])}, n = {found['n']})"


def conditions(result: Mapping[str, Any]) -> str:
    """What it was measured on."""
    machine, case = result["machine"], result["case"]
    shape = " x ".join(map(str, case["shape"]))
    versions = ", ".join(f"{name} {number}" for name, number in sorted(machine["versions"].items()))
    loads = machine["load_before_rounds"]
    dice = next(row for row in result["rows"] if row["name"] == "ours_mask")["about"].get("dice")
    shown = "" if dice is None else f" The mask that was timed has Dice {dice:.3f} with the case's own segmentation."
    quick = "**A quick run, whose times mean nothing.** " if result["quick"] else ""
    return (
        f"{quick}{machine['processor']}, {machine['cores']} cores ({', '.join(machine['instructions'])}), "
        f"{machine['memory_gib']:g} GiB, {machine['threads']} threads for everybody; {versions}. Case "
        f"`{case['name']}`: {shape} voxels, {case['slices_with_brain']} slices with brain, "
        f"{case['compressed_mib']:.1f} MiB compressed. "
        f"Load of the machine before the run {machine['load_before'][0]:.2f}, before its rounds "
        f"{min(loads):.2f} to {max(loads):.2f} (one contestant alone makes up to {machine['threads']}).{shown}"
    )


def gates(result: Mapping[str, Any]) -> str:
    """The bars."""
    rows = []
    for gate in result["gates"]:
        bar = f"{gate['side']} {number(gate['bar'])} {gate['unit']}"
        rows.append(
            [gate["what"], bar, f"{number(gate['found'])} {gate['unit']}", "met" if gate["met"] else "**missed**"]
        )
    return table(["bar", "set", "found", ""], rows)


def contestants(result: Mapping[str, Any]) -> str:
    """Everybody: seconds, memory, and ours over theirs."""
    heads = [
        "contestant", "setting", "seconds, median (range)", "peak MiB", "ours is faster by",
        "of which less to multiply", "and the rest", "held against ours",
    ]  # fmt: skip
    rows = []
    for row in result["rows"]:
        shown = seconds(row["seconds"])
        if row["basis"]:
            shown += f" **extrapolated** from {row['basis']}"
        ratios = [f"{number(row[name])}x" if name in row else "" for name in _RATIOS]
        against = _AGAINST.get(row["against"], "")
        rows.append(
            [row["title"], _setting(row), shown, number(row["peak_mib"]), *ratios, against]
        )  # fmt: skip
    return table(heads, rows)


_RATIOS = ("ratio", "ratio_less_work", "ratio_faster_work")


def _setting(row: Mapping[str, Any]) -> str:
    """As its users run it, or with our settings, and which these are."""
    precision = row["about"].get("precision", "")
    return ": ".join(filter(None, (_SETTINGS[row["setting"]], precision)))


def parts(result: Mapping[str, Any]) -> str:
    """What the ratio to 1000 steps of diffusion is made of."""
    heads = ["DDPM of 1000 steps, plain slices, over our synthesis", "folding", "fewer steps", "engineering", "whole"]
    rows = [
        [
            _SETTINGS[found["setting"]],
            *(f"{number(found[name])}x" for name in ("folding", "fewer_steps", "engineering", "whole")),
        ]
        for found in result["parts"]
    ]
    return table(heads, rows)


def stages(result: Mapping[str, Any]) -> str:
    """Our stages beside their floor."""
    floor, own = result["floor"], result["ours"]
    rows = []
    for stage in STAGES:
        cells = [seconds(own[name]["stages"][stage]) for name in ("ours_mask", "ours_all")]
        rows.append([stage, *cells, _least(floor, stage)])
    named = {row["name"]: row["seconds"] for row in result["rows"]}
    rows.append(["whole", seconds(named["ours_mask"]), seconds(named["ours_all"]), number(floor["mask_seconds"])])
    return table(["stage, seconds", "files to mask", "files to all outputs", "floor, files to mask"], rows)


def _least(floor: Mapping[str, Any], stage: str) -> str:
    if stage == "read":
        return f"{number(floor['inflate_seconds']['median'])} (unpacking)"
    net = floor["nets"].get(_NET_STAGES.get(stage, ""))
    if net is None:
        return ""
    least = net["least_seconds"]
    return f"{number(least['flops'])} (convolution peak), {number(least['bytes'])} (bandwidth)"


def reading(result: Mapping[str, Any]) -> str:
    """From files to the input of the nets, and from the mask to its file."""
    rows = [
        [row["title"], _setting(row), seconds(row["seconds"]), f"{number(row['ratio'])}x" if "ratio" in row else ""]
        for row in result["rows"]
        if row["against"] == "input" or row["name"] == "inflate"
    ]
    for name, words in (("ours_mask", "files to mask"), ("ours_all", "files to all outputs")):
        own = result["ours"][name]["stages"]
        rows += [[f"recoseg_hf, {stage}", words, seconds(own[stage]), ""] for stage in _NOT_NETS]
    return table(["", "", "seconds", "ours reads and preprocesses faster by"], rows)


def machine_floor(result: Mapping[str, Any]) -> str:
    """What the machine can do, and how much of it our nets reach."""
    floor = result["floor"]
    rows = [
        [f"{threads} thread{'s' if threads != '1' else ''}"]
        + [number(peak[what][dtype]) for what in ("gemm_gflops", "conv_gflops") for dtype in ("fp32", "bf16")]
        + [number(peak["copy_gbs"])]
        for threads, peak in sorted(floor["peaks"].items())
    ]
    heads = [
        "",
        "GEMM fp32, GFLOP/s",
        "GEMM bf16",
        "3x3 convolution fp32, GFLOP/s",
        "3x3 convolution bf16",
        "copy, GB/s",
    ]
    nets = [
        [name, str(net["slices"]), number(net["flops"] / net["slices"] / 1e9), number(net["seconds"]),
         number(net["gflops"]), f"{100 * net['share_of_peak']:.0f} %"]
        for name, net in sorted(floor["nets"].items(), reverse=True)
    ]  # fmt: skip
    net_heads = ["net", "slices", "GFLOP a slice", "seconds", "GFLOP/s", f"of the convolution peak ({floor['dtype']})"]
    inflate = ", ".join(f"{name} {seconds(found)}" for name, found in sorted(floor["inflate"].items()))
    return (
        f"{table(heads, rows)}\n\n{table(net_heads, nets)}\n\nUnpacking the four files in memory, seconds: {inflate}."
    )


def scale(result: Mapping[str, Any]) -> str:
    """How time and memory grow."""
    found = result["scale"]
    subject = [[f"{row['slices']} slices", *_subject(row)] for row in found["slices"]]
    subject += [[f"{row['image_size']}² pixels in the nets", *_subject(row)] for row in found["image_size"]]
    cohort = [
        [f"{row['cases']}", number(row["seconds"]), number(row["seconds"] / row["cases"]), number(row["peak_mib"])]
        for row in found["cohort"]
    ]
    processes = [
        [f"{row['processes']} with {row['threads_each']} thread{'s' if row['threads_each'] > 1 else ''}",
         number(row["seconds"] / row["cases"]), number(row["peak_mib"])]
        for row in found["processes"]
    ]  # fmt: skip
    return "\n\n".join(
        [
            table(["files to mask", "seconds", "peak MiB"], subject),
            table(["cases of a cohort, all outputs", "seconds", "seconds a case", "peak MiB so far"], cohort),
            table(["processes", "seconds a case", "peak MiB of all"], processes),
        ]
    )


def _subject(row: Mapping[str, Any]) -> list[str]:
    return [seconds(row["seconds"]), number(row["peak_mib"])]


def on_paper(result: Mapping[str, Any]) -> str:
    """10,000 cases, calculated."""
    found = result["scale"]["on_paper"]
    assumed = found["assumed"]
    low, high = (f"{share:.0%}" for share in assumed["shares_of_peak"])
    rows = [
        [str(row["gpus"]), " to ".join(map(number, sorted(row["net_minutes"]))), number(row["host_minutes"]),
         number(row["minutes"])]
        for row in found["rows"]
    ]  # fmt: skip
    heads = [
        "GPUs", f"minutes of the nets at {high} to {low} of {assumed['peak_tflops']} TFLOP/s",
        f"minutes of {assumed['cores_a_gpu']} cores a GPU", "the longer one",
    ]  # fmt: skip
    note = (
        f"**Calculated, not measured**: {found['cases']:,} cases of {found['tflop_a_case']:.2f} TFLOP (counted) and "
        f"{number(found['host_core_seconds_a_case'])} core-seconds for all that is no net (measured, all outputs)."
    )
    return f"{note}\n\n{table(heads, rows)}"


PARTS = (conditions, gates, contestants, parts, stages, machine_floor, reading, scale, on_paper)


def in_words(result: Mapping[str, Any]) -> str:
    """All of it, for the terminal."""
    return "\n\n".join(part(result) for part in PARTS)
