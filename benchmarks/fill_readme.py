"""Write the measured table of README.md from `benchmarks/results/*.json`, between its two markers.

python benchmarks/fill_readme.py
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.in_words import mean_in_words
from recoseg_hf.files import atomic_write

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def read(name: str) -> dict | None:
    """One file of results, or None if that has not been measured."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def statistic(values: dict, decimals: int = 3, unit: str = "") -> str:
    """A mean with its interval and n."""
    mean, gap, interval = mean_in_words(values, decimals, undefined="undefined").partition(" ")
    unit = "" if values["value"] is None else unit
    return f"{mean}{unit}{gap}{interval}, n = {values['n']}"


def rows() -> list[tuple[str, str, str]]:
    """What, how much, and the command that measures it; one part for each file of results that there is."""
    parts = {
        "accuracy": accuracy_rows,
        "residual": residual_rows,
        "simulated": simulated_rows,
        "simulated_healthy": healthy_rows,
        "command": command_rows,
        "dtypes": dtype_rows,
        "space": space_rows,
    }
    measured = {name: read(name) for name in parts}
    return [row for name, result in measured.items() if result for row in parts[name](result)]


def accuracy_rows(result: dict) -> list[tuple[str, str, str]]:
    """Whole tumour, the other regions and the synthetic T1ce."""
    command, default = "`measure_model.py accuracy`", result["default"]
    regions = [
        (f"{name.upper()} Dice per volume, `_labels.nii.gz`", statistic(region["volume"]["dice"]), command)
        for name, region in result["regions"].items()
    ]
    return [
        ("Whole-tumour Dice per volume, measured T1ce", statistic(default["volume"]["dice"]), command),
        ("Whole-tumour IoU per volume, measured T1ce", statistic(default["volume"]["iou"]), command),
        *regions,
        ("Synthetic T1ce, PSNR in the brain", statistic(default["synthesis"]["psnr"], 1, " dB"), command),
        ("Synthetic T1ce, SSIM in the brain", statistic(default["synthesis"]["ssim"]), command),
    ]


def residual_rows(result: dict) -> list[tuple[str, str, str]]:
    """What is left without a measured T1ce."""
    return [
        (
            f"Whole-tumour Dice without T1ce (`{source}`)",
            statistic(result["variants"][source]["volume"]["dice"]),
            "`measure_model.py residual`",
        )
        for source in ("none", "ensemble")
    ]


def simulated_rows(result: dict) -> list[tuple[str, str, str]]:
    """Cases that anyone can make."""
    dice, lowest = statistic(result["volume"]["dice"]), min(case["dice"] for case in result["subjects"])
    shown = f"{dice}, lowest {lowest:.3f}"
    return [("Whole-tumour Dice, simulated cases of three scanners", shown, "`measure_simulated.py`")]


def healthy_rows(result: dict) -> list[tuple[str, str, str]]:
    """What is marked in simulated heads without a tumour."""
    least, *_, most = result["millilitres"]
    shown = f"{result['median']:.0f} mL, median of {result['n']} ({least:.0f} to {most:.0f})"
    return [("Marked in simulated heads without a tumour", shown, "`measure_simulated.py --without-tumour`")]


def command_rows(result: dict) -> list[tuple[str, str, str]]:
    """Time and memory of the command."""
    stages = result["stage_seconds_median"]
    nets = stages["synthesize"] + stages["segment"]
    cost = f"{result['wall_seconds_median']:.0f} s ({nets:.0f} s in the nets), {result['peak_memory_gib']:.1f} GiB"
    return [(f"One simulated subject, files to files, {result['cores']} cores", cost, "`measure_command.py`")]


def space_rows(result: dict) -> list[tuple[str, str, str]]:
    """What a visitor waits for, in a browser on the same cores."""
    seconds = result["seconds_median"]
    measured = (
        f"{seconds['mask']:.0f} s, then {seconds['next_slice']:.1f} s for another slice and "
        f"{seconds['new_threshold']:.1f} s for another threshold"
    )
    name = f"The Space, from click to mask of its simulated example, {result['cores']} cores"
    return [(name, f"{measured}, median of {len(result['seconds'])}", "`measure_space.py`")]


def dtype_rows(result: dict) -> list[tuple[str, str, str]]:
    """What bfloat16 changes."""
    dice, changed = result["mean_dice"], 100 * result["largest_change_over_mask_volume"]
    faster = result["median_seconds"]["float32"] / result["median_seconds"]["bfloat16"]
    scores = f"Dice {dice['bfloat16']:.4f} and {dice['float32']:.4f}"
    shown = f"{scores}; at most {changed:.1f} % of a mask changes; {faster:.1f} x"
    return [(f"bfloat16 and float32, speed, n = {result['n']}", shown, "`measure_dtypes.py`")]


def table() -> str:
    """The Markdown between the markers."""
    lines = ["| what | measured | command (`python benchmarks/...`) |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {value} | {command} |" for what, value, command in rows())])


def between(text: str, begin: str, end: str, content: str) -> str:
    """A text with other content between two markers."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def with_parts(text: str, parts: Mapping[str, Callable[[Mapping[str, Any]], str]]) -> str:
    """A text with each part, made of the results of its name, between its two markers; empty where not measured."""
    for name, render in parts.items():
        result = read(name)
        content = render(result) if result else ""
        text = between(text, f"<!-- measured: {name} -->", f"<!-- measured: {name} end -->", content)
    return text


def rewrite(page: Path, change: Callable[[str], str]) -> None:
    """Change a page's text, in one step."""
    text = change(page.read_text(encoding="utf-8"))
    with atomic_write(page) as path:
        path.write_text(text, encoding="utf-8")


def filled(text: str) -> str:
    """README with the table between its markers."""
    return between(text, BEGIN, END, table())


def main() -> None:
    """Rewrite README.md."""
    rewrite(ROOT / "README.md", filled)


if __name__ == "__main__":
    main()
