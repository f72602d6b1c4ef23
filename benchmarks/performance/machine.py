"""What it runs on, and whether that is free for it."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = ("torch", "diffusers", "monai", "numpy", "nibabel", "isal", "recoseg_hf")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_BUSY = 0.2  # cores
_NEEDED = 16.0  # GiB: all contestants of a group side by side
_STAT, _WAITING = Path("/proc/stat"), (3, 4)  # idle, iowait


def machine(threads: int) -> dict[str, Any]:
    """Processor, memory and versions."""
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
        "versions": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def busy_seconds() -> float:
    """CPU seconds that all cores have worked since the machine started, other machines' on them included."""
    if not _STAT.is_file():
        return 0.0
    with _STAT.open(encoding="utf-8") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]  # guests are counted as users, too
    return sum(ticks[place] for place in range(len(ticks)) if place not in _WAITING) / os.sysconf("SC_CLK_TCK")


def busy_cores(seconds: float = 2.0) -> float:
    """How many cores are at work while this process waits."""
    began, before = time.perf_counter(), busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / (time.perf_counter() - began)


def available_gib() -> float | None:
    """Memory that programs can get, if that is known."""
    information = Path("/proc/meminfo")
    if not information.is_file():
        return None
    lines = information.read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:")), None)


def require_quiet(although: bool) -> dict[str, Any]:
    """Look how busy the machine is.

    Args:
        although: measure also where something else is at work.

    Raises:
        SystemExit: something else is at work, or memory might not suffice.
    """
    cores, memory = busy_cores(), available_gib()
    if not although and cores > _BUSY:
        raise SystemExit(f"{cores:.2f} cores are at work; expected an idle machine. End what runs, or say --busy.")
    if not although and memory is not None and memory < _NEEDED:
        raise SystemExit(f"{memory:.1f} GiB of memory are free; expected {_NEEDED:g}. Free some, or say --busy.")
    return {"busy_cores_before": cores, "available_gib_before": memory}
