"""The result as Markdown, a part for each section of docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.fill_training import table
from benchmarks.performance.result import row_named
from benchmarks.performance.tables_floor import machine_floor, reading, stages
from benchmarks.performance.tables_growth import on_paper, scale
from benchmarks.performance.wording import NOT_MEASURED, SETTINGS, number, ratio, seconds, setting, times

_AGAINST = {"mask": "files to mask", "synthesize": "synthesis", "input": "reading and preprocessing"}


def conditions(result: Mapping[str, Any]) -> str:
    """What it was measured on, and what is missing."""
    machine, case, foreign = result["machine"], result["case"], result["foreign_cpu_seconds"]
    shape = " x ".join(map(str, case["shape"]))
    versions = ", ".join(
        f"{name} {version or 'not installed'}" for name, version in sorted(machine["versions"].items())
    )
    dice = (row_named(result, "ours_mask") or {"about": {}})["about"].get("dice")
    shown = "" if dice is None else f" The mask that was timed has Dice {dice:.3f} with the case's own segmentation."
    quick = "**A quick run, whose times mean nothing.** " if result["quick"] else ""
    text = (
        f"{quick}{machine['processor']}, {machine['cores']} cores ({', '.join(machine['instructions'])}), "
        f"{machine['memory_gib']:g} GiB, {machine['threads']} threads for everybody; {versions}. Case "
        f"`{case['name']}`: {shape} voxels, {case['slices_with_brain']} slices with brain, "
        f"of which our nets see {case['slices_seen']}, "
        f"{case['compressed_mib']:.1f} MiB compressed. Before the run {machine['busy_cores_before']:.2f} cores were "
        f"at work; during a turn others than the contestant took {foreign['most_cores']:.2f} cores at most.{shown}"
    )
    missing = {**result["failed"], **result["scale_failed"]}
    said = "".join(f"\n- `{name}`: {why.splitlines()[0][:200]}" for name, why in sorted(missing.items()))
    return f"{text}\n\nFailed, and missing or with fewer turns below:\n{said}" if said else text


def gates(result: Mapping[str, Any]) -> str:
    """The bars."""
    rows = []
    for gate in result["gates"]:
        bar, found = (
            NOT_MEASURED if value is None else f"{number(value)} {gate['unit']}"
            for value in (gate["bar"], gate["found"])
        )
        note = f" ({gate['note']})" if gate.get("note") else ""
        met = {True: "met", False: "**missed**", None: NOT_MEASURED}[gate["met"]]
        rows.append([gate["what"], f"{gate['side']} {bar}", f"{found}{note}", met, gate.get("quality", "")])
    return table(["bar", "set", "found", "", "quality"], rows)


def contestants(result: Mapping[str, Any]) -> str:
    """Everybody: seconds, memory, and theirs over ours."""
    heads = [
        "contestant", "setting", "seconds, median (range)", "peak MiB", "seconds, theirs over ours (range)",
        "FLOPs, theirs over ours", "time per FLOP, theirs over ours (ours includes reading and writing)",
        "held against our",
    ]  # fmt: skip
    rows = []
    for row in result["rows"]:
        shown = seconds(row["seconds"])
        if row["basis"]:
            shown += f" **extrapolated** from {row['basis']}"
        work = [times(row[name]) if name in row else "" for name in ("ratio_less_work", "ratio_faster_work")]
        memory = "" if row["name"] == "inflate" else number(row["peak_mib"])
        rows.append([row["title"], setting(row), shown, memory, ratio(row), *work, _AGAINST.get(row["against"], "")])
    return table(heads, rows)


def parts(result: Mapping[str, Any]) -> str:
    """What the ratio to 1000 steps of diffusion is made of."""
    heads = ["DDPM of 1000 steps, plain slices, over our synthesis", "folding", "fewer steps", "engineering", "whole"]
    rows = [
        [
            SETTINGS[found["setting"]],
            *(times(found[name]) for name in ("folding", "fewer_steps", "engineering", "whole")),
        ]
        for found in result["parts"]
    ]
    return table(heads, rows) if rows else NOT_MEASURED.capitalize() + "."


PARTS = (conditions, gates, contestants, parts, stages, machine_floor, reading, scale, on_paper)


def in_words(result: Mapping[str, Any]) -> str:
    """All of it, for the terminal."""
    return "\n\n".join(part(result) for part in PARTS)
