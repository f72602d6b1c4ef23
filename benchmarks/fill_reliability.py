"""Write the measured parts of docs/reliability.md from `benchmarks/results/*.json`, each between its two markers.

python -m benchmarks.fill_reliability
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.fill_readme import ROOT, read
from benchmarks.fill_training import table
from recoseg_hf.files import atomic_write

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


PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    part.__name__: part for part in (space_load, interrupted_cohort, readers)
}


def filled(text: str) -> str:
    """docs/reliability.md with each part between its markers."""
    for name, render in PARTS.items():
        begin, end = f"<!-- measured: {name} -->", f"<!-- measured: {name} end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        result = read(name)
        text = f"{before}{begin}\n{render(result) if result else ''}\n{end}{after}"
    return text


def main() -> None:
    """Rewrite docs/reliability.md."""
    text = filled(PAGE.read_text(encoding="utf-8"))
    with atomic_write(PAGE) as path:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
