"""From everybody's turns to one JSON: seconds, memory, ratios, floors."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.performance.contestants import TRAINED_STEPS, Contestant
from benchmarks.performance.rounds import Measured, scaled, summary
from benchmarks.performance.workload import Workload

STAGES = ("read", "preprocess", "synthesize", "segment", "restore", "write")
OURS = ("ours_mask", "ours_all", "ours_library")
_LIBRARIES = ("torch", "diffusers", "monai", "numpy", "nibabel", "recoseg_hf")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def assemble(
    contestants: Sequence[Contestant], measured: Mapping[str, Measured], workload: Workload
) -> dict[str, Any]:
    """Everything that was measured and what follows from it."""
    rows = [row_of(one, measured[one.name]) for one in contestants if one.name != "peaks"]
    own = {name: stages_of(measured[name]) for name in OURS}
    floor = floor_of(measured, workload)
    result = {"case": case_of(workload), "rows": rows, "ours": own, "floor": floor}
    for row in rows:
        row |= compared(row, result)
    return result | {"parts": parts_of(result, workload)}


def row_of(one: Contestant, measured: Measured) -> dict[str, Any]:
    """A contestant's line of the table."""
    part = summary([answer["seconds"] for answer in measured.answers])
    row = {
        "name": one.name, "title": one.title, "setting": one.setting, "basis": one.basis, "times": one.times,
        "seconds": scaled(part, one.times), "measured_seconds": part, "against": one.against,
        "peak_mib": max(answer["peak_mib"] for answer in measured.answers),
    }  # fmt: skip
    about = dict(measured.about)
    if "flops" in about:
        about["flops"] = round(about["flops"] * one.times)
    return row | {"about": about}


def stages_of(measured: Measured) -> dict[str, Any]:
    """Medians of our stages and nets; how much of a subject is no net."""
    answers = measured.answers
    stages = {stage: summary([answer["stages"].get(stage, 0.0) for answer in answers]) for stage in STAGES}
    nets = {net: summary([answer["nets"][net] for answer in answers]) for net in answers[0]["nets"]}
    shares = [1 - sum(answer["nets"].values()) / answer["seconds"] for answer in answers]
    return {"stages": stages, "nets": nets, "share_without_nets": summary(shares)}


def floor_of(measured: Mapping[str, Measured], workload: Workload) -> dict[str, Any]:
    """The machine's best of all turns, and what our work would take at that."""
    turns = [answer["peaks"] for answer in measured["peaks"].answers]
    peaks = {
        threads: {
            what: {dtype: max(turn[threads][what][dtype] for turn in turns) for dtype in turns[0][threads][what]}
            for what in ("gemm_gflops", "conv_gflops")
        }
        | {"copy_gbs": max(turn[threads]["copy_gbs"] for turn in turns)}
        for threads in turns[0]
    }
    best, ours = peaks[str(workload.threads)], measured["ours_mask"]
    dtype = "bf16" if ours.about["precision"] == "bfloat16" else "fp32"
    nets = {}
    for name, work in ours.about["nets"].items():
        seconds = summary([answer["nets"][name] for answer in ours.answers])["median"]
        least = {
            "flops": 1e-9 * work["flops"] / best["conv_gflops"][dtype],
            "bytes": 1e-9 * work["bytes"] / best["copy_gbs"],
        }
        nets[name] = work | {
            "seconds": seconds, "least_seconds": least, "gflops": 1e-9 * work["flops"] / seconds,
            "share_of_peak": least["flops"] / seconds,
        }  # fmt: skip
    inflate = [answer["seconds"] for answer in measured["inflate"].answers]
    libraries = {
        name: summary([answer["by_library"][name] for answer in measured["inflate"].answers])
        for name in measured["inflate"].about["with"]
    }
    total = min(inflate) + sum(max(net["least_seconds"].values()) for net in nets.values())
    return {
        "peaks": peaks, "dtype": dtype, "nets": nets, "inflate": libraries, "inflate_seconds": summary(inflate),
        "mask_seconds": total,
    }  # fmt: skip


def ours_for(result: Mapping[str, Any], against: str) -> float:
    """Our median seconds of what a contestant is held against."""
    if against == "mask":
        return row_named(result, "ours_mask")["seconds"]["median"]
    stages = {name: found["median"] for name, found in result["ours"]["ours_mask"]["stages"].items()}
    return stages["read"] + stages["preprocess"] if against == "input" else stages["synthesize"]


def row_named(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One row."""
    return next(row for row in result["rows"] if row["name"] == name)


def compared(row: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """By how much ours takes less, and how much of that is less to multiply; the rest is done faster."""
    if not row["against"]:
        return {}
    ratio = row["seconds"]["median"] / ours_for(result, row["against"])
    flops, nets = row["about"].get("flops"), row_named(result, "ours_mask")["about"]["nets"]
    if not flops:
        return {"ratio": ratio}
    names = ["synthesizer"] if row["against"] == "synthesize" else [*nets]
    less = flops / sum(nets[name]["flops"] for name in names)
    return {"ratio": ratio, "ratio_less_work": less, "ratio_faster_work": ratio / less}


def parts_of(result: Mapping[str, Any], workload: Workload) -> list[dict[str, Any]]:
    """What the ratio to 1000 steps of diffusion is a product of."""
    steps = row_named(result, "ours_mask")["about"]["steps"]
    ours = ours_for(result, "synthesize")
    found = []
    for setting in ("stock", "tuned"):
        seconds = {
            name: row_named(result, f"{name}_{setting}")["seconds"]["median"]
            for name in ("ddpm_plain", "ddpm_folded", "same_steps_folded")
        }
        found.append(
            {
                "setting": setting,
                "whole": seconds["ddpm_plain"] / ours,
                "folding": seconds["ddpm_plain"] / seconds["ddpm_folded"],
                "fewer_steps": TRAINED_STEPS / steps,
                "engineering": seconds["ddpm_folded"] * steps / TRAINED_STEPS / ours,
                "engineering_same_steps": seconds["same_steps_folded"] / ours,
            }
        )
    return found


def case_of(workload: Workload) -> dict[str, Any]:
    """What everybody was given; no path."""
    return {
        "name": workload.case.name, "shape": list(workload.shape), "slices_with_brain": workload.slices,
        "compressed_mib": sum(file.stat().st_size for file in workload.files()) / 2**20,
    }  # fmt: skip


def machine(threads: int) -> dict[str, Any]:
    """What it ran on."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    lines = dict(line.split(":", 1) for line in information.splitlines() if ":" in line)
    lines = {name.strip(): value.strip() for name, value in lines.items()}
    flags = set(lines.get("flags", "").split())
    return {
        "processor": lines.get("model name", platform.processor()),
        "instructions": [name for name in _INSTRUCTIONS if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _LIBRARIES},
    }
