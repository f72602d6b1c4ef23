"""What 10,000 cases would cost on GPUs, calculated: FLOPs counted, host seconds measured, the nets' rate assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.result import row_named

CASES = 10_000
GPUS = (1, 8, 64)
PEAK_TFLOPS = 989  # dense bf16 of an H100 or H200, the vendor's figure
SHARES = (0.1, 0.3)  # of that peak: nets of 32 channels are bound by memory and launches
CORES_A_GPU = 8


def calculated(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Minutes for all cases: of the GPUs, and of the cores beside them that read and write; the longer one counts.

    Returns:
        None where ours was not measured.
    """
    ours, own = row_named(result, "ours_all"), result["ours"].get("ours_all")
    if ours is None or own is None:
        return None
    threads = result["machine"]["threads"]
    host = (ours["seconds"]["median"] - sum(net["median"] for net in own["nets"].values())) * threads
    flops = ours["about"]["flops"]
    rows = []
    for gpus in GPUS:
        cores = CASES * host / (gpus * CORES_A_GPU) / 60
        nets = [CASES * flops / (share * PEAK_TFLOPS * 1e12) / gpus / 60 for share in SHARES]
        rows.append({"gpus": gpus, "net_minutes": nets, "host_minutes": cores, "minutes": max(*nets, cores)})
    return {
        "cases": CASES,
        "tflop_a_case": flops / 1e12,
        "host_core_seconds_a_case": host,
        "assumed": {"peak_tflops": PEAK_TFLOPS, "shares_of_peak": list(SHARES), "cores_a_gpu": CORES_A_GPU},
        "rows": rows,
    }
