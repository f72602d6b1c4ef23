"""More of everything, as Markdown: slices, pixels, cases, processes, GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import table
from benchmarks.performance.wording import NOT_MEASURED, number, seconds


def scale(result: Mapping[str, Any]) -> str:
    """How time and memory grow; parts that were not measured are left out."""
    found = result["scale"]
    subject = [[f"{row['slices']} slices", *_subject(row)] for row in found.get("slices", [])]
    subject += [[f"{row['image_size']}² pixels in the nets", *_subject(row)] for row in found.get("image_size", [])]
    subject += [[f"the first mask of `refine_case` ({_round(row)})", *_subject(row)]
                for row in found.get("first_mask", [])]  # fmt: skip
    cohort = [
        [f"{row['cases']}", number(row["seconds"]), number(row["seconds"] / row["cases"]), number(row["peak_mib"])]
        for row in found.get("cohort", [])
    ]
    processes = [
        [f"{row['processes']} with {row['threads_each']} thread{'s' if row['threads_each'] > 1 else ''}",
         number(row["seconds"] / row["cases"]), number(row["peak_mib"])]
        for row in found.get("processes", [])
    ]  # fmt: skip
    tables = [
        (["files to mask", "seconds", "peak MiB"], subject),
        (["cases of a cohort, all outputs", "seconds", "seconds a case", "peak MiB so far"], cohort),
        (["processes", "seconds a case", "peak MiB of all"], processes),
    ]
    shown = [table(heads, rows) for heads, rows in tables if rows]
    return "\n\n".join(shown) or NOT_MEASURED.capitalize() + "."


def _subject(row: Mapping[str, Any]) -> list[str]:
    return [seconds(row["seconds"]), number(row["peak_mib"])]


def _round(row: Mapping[str, Any]) -> str:
    if row["steps"] is None:
        return "no synthesizer"
    return f"{row['steps']} step{'s' if row['steps'] > 1 else ''}, {row['samples']} sample"


def on_paper(result: Mapping[str, Any]) -> str:
    """10,000 cases, calculated."""
    found = result["on_paper"]
    if found is None:
        return NOT_MEASURED.capitalize() + "."
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
        f"**Calculated, not measured**: {found['cases']:,} cases of {found['tflop_a_case']:.2f} TFLOP (counted). The "
        "share of its peak that a GPU reaches on these nets is assumed; "
        f"{number(found['host_core_seconds_a_case'])} core-seconds a case for all that is no net are measured here, "
        "with all outputs."
    )
    return f"{note}\n\n{table(heads, rows)}"
