"""From everybody's turns to one JSON: seconds, memory, ratios, floors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.performance.rounds import scaled, summary

STAGES = ("read", "preprocess", "synthesize", "segment", "restore", "write")
OURS = ("ours_mask", "ours_all", "ours_library", "ours_zlib")
_INPUT = ("read", "preprocess")

Answers = Sequence[Mapping[str, Any]]


def assemble(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from a record; who has no answer is left out, and `failed` says why.

    Args:
        raw: the values of a `Record`, with `contestants`, `case`, `machine` and `quick`.
    """
    from benchmarks.performance.floors import floor_of

    answers, about = raw["answers"], raw["about"]
    told = [one for one in raw["contestants"] if answers.get(one["name"])]
    rows = [row_of(one, about[one["name"]], answers[one["name"]]) for one in told if one["name"] != "peaks"]
    result = {"case": raw["case"], "rows": rows, "floor": floor_of(raw)}
    result["ours"] = {name: stages_of(answers[name]) for name in OURS if answers.get(name)}
    for row in rows:
        row |= compared(row, answers[row["name"]], answers.get("ours_mask", []), about.get("ours_mask", {}))
    kept = {name: raw[name] for name in ("machine", "quick", "failed", "scale", "scale_failed", "minutes")}
    return result | kept | {"parts": parts_of(result), "foreign_cpu_seconds": foreign(answers)}


def row_of(one: Mapping[str, Any], about: Mapping[str, Any], answers: Answers) -> dict[str, Any]:
    """A contestant's line of the table.

    Args:
        one: as `Contestant.described`.
        about: what its task says of itself.
        answers: of its turns.
    """
    part = summary([answer["seconds"] for answer in answers])
    measured = {
        "seconds": scaled(part, one["times"]), "measured_seconds": part,
        "peak_mib": max(answer["peak_mib"] for answer in answers),
    }  # fmt: skip
    told = dict(about)
    if told.get("flops"):
        told["flops"] = round(told["flops"] * one["times"])
    return {**one, **measured, "about": told}


def stages_of(answers: Answers) -> dict[str, Any]:
    """Medians of our stages and nets; how much of a subject is no net."""
    stages = {stage: summary([answer["stages"].get(stage, 0.0) for answer in answers]) for stage in STAGES}
    nets = {net: summary([answer["nets"][net] for answer in answers]) for net in answers[0]["nets"]}
    shares = [1 - sum(answer["nets"].values()) / answer["seconds"] for answer in answers]
    return {"stages": stages, "nets": nets, "share_without_nets": summary(shares)}


def our_seconds(answer: Mapping[str, Any], against: str) -> float:
    """What a turn of ours took of what others are held against: `mask`, `synthesize` or `input`."""
    if against == "mask":
        return answer["seconds"]
    stages = _INPUT if against == "input" else (against,)
    return sum(answer["stages"].get(stage, 0.0) for stage in stages)


def compared(row: Mapping[str, Any], answers: Answers, ours: Answers, our_about: Mapping[str, Any]) -> dict[str, Any]:
    """Theirs over ours: seconds, each turn over ours of the same round, and FLOPs; the rest is done faster."""
    own = {(answer["group"], answer["round"]): our_seconds(answer, row["against"]) for answer in ours}
    ratios = [
        answer["seconds"] * row["times"] / seconds
        for answer in answers
        if row["against"] and (seconds := own.get((answer["group"], answer["round"])))
    ]
    if not ratios:
        return {}
    found = {"ratio": summary(ratios)["median"], "ratios": summary(ratios)}
    flops, nets = row["about"].get("flops"), our_about.get("nets", {})
    names = [name for name in nets if row["against"] == "mask" or name == "synthesizer"]
    least = sum(nets[name]["flops"] for name in names)
    if not flops or not least:
        return found
    return {**found, "ratio_less_work": flops / least, "ratio_faster_work": found["ratio"] * least / flops}


def ours_for(result: Mapping[str, Any], against: str) -> float | None:
    """Our median seconds of what a contestant is held against, over all rounds."""
    row, own = row_named(result, "ours_mask"), result["ours"].get("ours_mask")
    if row is None or own is None:
        return None
    stages = {name: found["median"] for name, found in own["stages"].items()}
    return our_seconds({"seconds": row["seconds"]["median"], "stages": stages}, against)


def row_named(result: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """One row, if it was measured."""
    return next((row for row in result["rows"] if row["name"] == name), None)


def median_of(result: Mapping[str, Any], name: str) -> float | None:
    """Seconds of a row, if it was measured."""
    row = row_named(result, name)
    return row["seconds"]["median"] if row else None


def parts_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the ratio to a thousand steps of diffusion is a product of; two of its factors where none are plain."""
    ours = row_named(result, "ours_mask")
    found = []
    for setting in ("stock", "tuned"):
        names = (f"ddpm_plain_{setting}", f"ddpm_folded_{setting}", f"same_steps_folded_{setting}")
        plain, folded, same = (row_named(result, name) for name in names)
        if ours is None or not all(row and row.get("ratio") for row in (folded, same)):
            continue
        fewer = folded["times"] / same["times"]
        whole = plain["ratio"] if plain and plain.get("ratio") else None
        found.append(
            {
                "setting": setting, "whole": whole, "folding": whole and whole / folded["ratio"],
                "fewer_steps": fewer, "engineering": folded["ratio"] / fewer, "engineering_same_steps": same["ratio"],
            }
        )  # fmt: skip
    return found


def foreign(answers: Mapping[str, Answers]) -> dict[str, Any]:
    """The most CPU seconds that others than a contestant took during a turn, as a share of what all cores had."""
    shares = {
        name: max(turn["foreign_cpu_seconds"] / turn["seconds"] for turn in turns if turn["seconds"] > 1)
        for name, turns in answers.items()
        if any(turn["seconds"] > 1 for turn in turns)
    }
    name = max(shares, key=shares.__getitem__, default="")
    return {"most_cores": shares.get(name, 0.0), "during": name}
