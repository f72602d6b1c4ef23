"""What our work would take at the machine's best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.rounds import summary

NET_STAGES = {"synthesize": "synthesizer", "segment": "segmenter"}
_BYTES = {"scan": 2, "float": 4, "mask": 1}


def floor_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Peaks, and what each stage would take at them; what was not measured is missing.

    Args:
        raw: the values of a `Record`.

    Returns:
        `peaks` by number of threads; `dtype` and `nets`; `inflate`, seconds by library, and `inflate_seconds` of the
        faster one; `stages`, least seconds; `mask_seconds`, their sum.
    """
    peaks = peaks_of([answer["peaks"] for answer in raw["answers"].get("peaks", [])])
    best = peaks.get(str(raw["machine"]["threads"]))
    ours, about = raw["answers"].get("ours_mask", []), raw["about"].get("ours_mask", {})
    dtype = "bf16" if about.get("precision") == "bfloat16" else "fp32"
    nets = {}
    for name, work in about.get("nets", {}).items() if best and ours else ():
        seconds = summary([answer["nets"][name] for answer in ours])["median"]
        nets[name] = net_floor(work, seconds, best, dtype)
    found = {"peaks": peaks, "dtype": dtype, "nets": nets, **_inflate(raw["answers"].get("inflate", []))}
    stages = stages_floor(found, best, raw["case"])
    complete = len(stages) > 1 and nets
    return {**found, "stages": stages, "mask_seconds": sum(stages.values()) if complete else None}


def peaks_of(turns: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The best of all turns, by number of threads."""
    return {
        threads: {
            what: {dtype: max(turn[threads][what][dtype] for turn in turns) for dtype in turns[0][threads][what]}
            for what in ("gemm_gflops", "conv_gflops")
        }
        | {"copy_gbs": max(turn[threads]["copy_gbs"] for turn in turns)}
        for threads in (turns[0] if turns else ())
    }


def net_floor(work: Mapping[str, Any], seconds: float, best: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """A net's least seconds, and how near it comes to the peak of convolutions and of products."""
    gemm, convolution = best["gemm_gflops"][dtype], best["conv_gflops"][dtype]
    least = {"flops": 1e-9 * work["flops"] / max(gemm, convolution), "bytes": 1e-9 * work["bytes"] / best["copy_gbs"]}
    rate = 1e-9 * work["flops"] / seconds if seconds else 0.0
    return {
        **work, "seconds": seconds, "least_seconds": least, "gflops": rate, "share_of_peak": rate / convolution,
        "share_of_gemm": rate / gemm,
    }  # fmt: skip


def stages_floor(
    found: Mapping[str, Any], best: Mapping[str, Any] | None, case: Mapping[str, Any]
) -> dict[str, float]:
    """Least seconds of our stages on the way to the mask.

    Reading is unpacking; a net is the larger one of FLOPs at the peak and bytes at the bandwidth; preprocessing reads
    each voxel of the scans and writes the nets' grid, and restoring reads that grid and writes the mask.
    """
    least = {"read": found["inflate_seconds"]["median"]} if found["inflate_seconds"] else {}
    nets = {stage: found["nets"][net] for stage, net in NET_STAGES.items() if net in found["nets"]}
    least |= {stage: max(net["least_seconds"].values()) for stage, net in nets.items()}
    if best:
        voxels, pixels = case["voxels"], case["grid"] ** 2 * case["slices_seen"]
        moved = {
            "preprocess": case["scans"] * (voxels * _BYTES["scan"] + pixels * _BYTES["float"]),
            "restore": case["regions"] * pixels * _BYTES["float"] + voxels * _BYTES["mask"],
        }
        least |= {stage: 1e-9 * count / best["copy_gbs"] for stage, count in moved.items()}
    return least


def _inflate(answers: list[Mapping[str, Any]]) -> dict[str, Any]:
    libraries = {
        name: summary([answer["by_library"][name] for answer in answers])
        for name in (answers[0]["by_library"] if answers else ())
    }
    quickest = summary([answer["seconds"] for answer in answers]) if answers else None
    return {"inflate": libraries, "inflate_seconds": quickest}
