"""Write the measured parts of docs/reliability.md from `benchmarks/results/*.json`, each between its two markers.

python -m benchmarks.fill_reliability
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.fill_readme import ROOT, rewrite, with_parts
from benchmarks.fill_training import table

PAGE = ROOT / "docs" / "reliability.md"
_OUTCOMES = {
    "named": "told",
    "error": "error only",
    "refused": "refused",
    "right": "read right",
    "silent": "nothing said",
}
_RIGHT = {
    "refuse": ("make a case unusable", "an error"),
    "warn": ("are usable but seldom meant", "a warning"),
    "read": ("do no harm", "read right"),
}
_OF_FAULTS = {"right_scan": "the right scan", "only_another_cause": "only another cause named"}
_SCANS = ("flair", "t1", "t2", "t1ce")
_ACTS = {"slab": "a slab", "threshold": "another threshold", "example": "the whole case"}


def space_load(result: Mapping[str, Any]) -> str:
    """The Space under many clients."""
    after = result["afterwards"]
    memory = (result["megabytes_before"], result["megabytes_peak"], after["megabytes_after"])
    seconds = [
        [f"seconds for {name}, median and 95th percentile", _seconds(result["seconds"][act])]
        for act, name in _ACTS.items()
    ]
    rows = [
        ["requests", str(result["requests"])],
        ["right answers", str(result["answers_right"])],
        ["wrong answers", str(result["answers_wrong"])],
        ["bad input, told so by field", str(result["bad_input_told"])],
        ["refused in words", str(result["refusals"])],
        ["left without waiting", str(result["left"])],
        ["errors", str(result["errors"])],
        *seconds,
        ["requests waiting, at most", f"{result['waiting_most']} (8 are allowed)"],
        ["memory in GB: before, at most, after", " / ".join(f"{megabytes / 1024:.1f}" for megabytes in memory)],
        ["temporary files, at most and after", f"{result['files_most']} / {after['files_left']}"],
    ]
    machine = f"{result['cores']} cores, shared with the clients; {result['load_before']:g} processes ran before."
    head = [f"{result['clients']} clients, {result['minutes']:g} minutes", ""]
    return f"{table(head, rows)}\n\n{machine}\n\n![Memory and queue](../benchmarks/results/space_load.png)"


def interrupted_cohort(result: Mapping[str, Any]) -> str:
    """A cohort that was killed and gone on with."""
    runs = ("undisturbed", "killed")
    memory = [result["memory"][run] for run in runs]
    moments = ", ".join(str(kill["finished"]) for kill in result["kills"])
    rows = [
        ["cases, files of their results", f"{result['cases']}, {result['files']}"],
        ["kills, after so many finished cases", f"{len(result['kills'])}: {moments}"],
        ["folders of half a result that the kills left", str(sum(kill["half_made"] for kill in result["kills"]))],
        ["files that differ at the end", str(len(result["differing_files"]))],
        ["minutes", _both(result["seconds"][run] / 60 for run in runs)],
        ["highest memory in MiB", _both(each["peak_mib"] for each in memory)],
        ["in the first quarter, median", _both(each["first_quarter_median_mib"] for each in memory)],
        ["in the last quarter, median", _both(each["last_quarter_median_mib"] for each in memory)],
        ["growth in MiB per 100 cases", _both(each["growth_mib_per_100_cases"] for each in memory)],
    ]
    picture = "![Memory over time](../benchmarks/results/interrupted_cohort.png)"
    return f"{table(['', 'undisturbed / killed'], rows)}\n\n{picture}"


def _both(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _seconds(found: Mapping[str, float] | None) -> str:
    return "none" if found is None else f"{found['p50']:.1f} and {found['p95']:.1f}, n = {found['n']}"


def readers(result: Mapping[str, Any]) -> str:
    """Who notices which damage: counts, and then every row."""
    versions = result["versions"]
    heads = {
        "nibabel": f"nibabel {versions['nibabel']}, a plain script",
        "monai": f"MONAI {versions['monai']}, a file each",
        "monai_list": f"MONAI {versions['monai']}, a list of files",
        "recoseg_hf": "this project",
    }
    counts = []
    for right, (title, _) in _RIGHT.items():
        found = [result["counts"][right][name] for name in heads]
        total = sum(row["right"] == right for row in result["rows"])
        counts.append([f"{total} {title}", *(_outcomes(one) for one in found)])
    rows = [
        [str(row["number"]), row["name"].replace("_", " "), _RIGHT[row["right"]][1]]
        + [_OUTCOMES[row[name]["outcome"]] for name in heads]
        for row in result["rows"]
    ]
    each = table(["row", "damage", "right", *heads.values()], rows)
    return f"{table(['damages that', *heads.values()], counts)}\n\n{each}"


def _outcomes(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[name]} {words}" for name, words in _OUTCOMES.items() if name in counts)


def doctor(result: Mapping[str, Any]) -> str:
    """How often the doctor is right, and what it looks at."""
    clean, limits = result["clean"], result["limits"]
    rows = [
        [fault, _rate(rates["held_out"]), _rate(rates["leave_one_out"])]
        + [f"{rates['leave_one_out'][count]} of {rates['leave_one_out']['n']}" for count in _OF_FAULTS]
        for fault, rates in sorted(result["faults"].items(), key=lambda item: _by_number(item[0]))
    ]
    rows.append(["none: suspected all the same", _rate(clean["held_out"]), _rate(clean["leave_one_out"]), "", ""])
    of = {"train": "training subjects", "held_out": "held out", "leave_one_out": "in leave-one-out"}
    train, held_out, left_out = (_alarms(clean[name], words) for name, words in of.items())
    alarms = f"Suspected though nothing was put in: by the shipped limits {train}; {held_out}; {left_out}."
    head = ["fault", "named, held out", "named, leave-one-out", *_OF_FAULTS.values()]
    looks = table(["cause", "measure, on scans at 3 mm", "suspicious"], _doctor_measures(limits))
    return f"{table(head, rows)}\n\n{alarms}\n\n{looks}"


def _doctor_measures(limits: Mapping[str, Any]) -> list[list[str]]:
    noise, steps = (" / ".join(f"{limits[name][one]:.0%}" for one in _SCANS) for name in ("noise", "steps"))
    least, most = limits["scale"]
    longer = math.exp(limits["elongation"]) - 1
    return [
        ["swapped T1 and T1ce", "lopsidedness of T1ce minus T1: vessels and enhancement are brighter on T1ce alone",
         f"below {abs(limits['enhancement']):.2f}"],
        ["swapped FLAIR and T2", "where T1 is dark, how much more often T2 is bright and FLAIR dark than the reverse",
         f"below {abs(limits['fluid_on_t2']):.2f}"],
        ["T1- and T2-weighted swapped", "T1 goes with T1ce and FLAIR with T2 better than crosswise (rank correlation)",
         f"below {abs(limits['weighting']):.2f}"],
        ["flipped", "logarithm of the likeness to the others mirrored, over that as it is",
         f"above {limits['mirrored_gain']:.2f}"],
        ["misplaced", "rigid motion that fits a scan best on the others, root mean square over the brain",
         f"above {limits['misplaced_mm']:.1f} mm"],
        ["spacing", "size of the brain against a usual one; one side against the two others",
         f"outside {least} to {most} times; above {longer:.0%}"],
        ["skull", "what is not zero; its ratio between files; share of zeros",
         f"above {limits['largest_brain_ml']:,.0f} mL; above {limits['file_ratio']}; below "
         f"{limits['least_background']:.0%}"],
        ["unlike: inverted", "by how much the scans go together (correlations, tails, fluid on FLAIR) better with one "
         "inverted than as named or with two swapped", f"above {limits['inversion']:.2f}"],
        ["unlike: noise", "at 1 mm: standard deviation in the plane over the range of tissue (FLAIR / T1 / T2 / T1ce)",
         f"above {noise}"],
        ["unlike: thick slices", "at 1 mm: steps from voxel to voxel along the axis where they are smallest, over "
         "those across (FLAIR / T1 / T2 / T1ce)", f"below {steps}"],
    ]  # fmt: skip


def _alarms(found: Mapping[str, Any], of: str) -> str:
    causes = ", ".join(f"{cause} {count}" for cause, count in found["by_cause"].items())
    return f"{_rate(found)} {of}{f': {causes}' if causes else ''}"


def _rate(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['count']} of {found['n']} ({100 * low:.0f} to {100 * high:.0f} %)"


def _by_number(name: str) -> list[str | int]:
    """For sorting: 2 mm before 10 mm."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    part.__name__: part for part in (space_load, interrupted_cohort, readers, doctor)
}


def filled(text: str) -> str:
    """docs/reliability.md with each part between its markers."""
    return with_parts(text, PARTS)


def main() -> None:
    """Rewrite docs/reliability.md."""
    rewrite(PAGE, filled)


if __name__ == "__main__":
    main()
