"""Write the measured table of README.md from `benchmarks/results/*.json`, between its two markers.

python benchmarks/fill_readme.py
"""

import json
from pathlib import Path

from recoseg_hf.files import atomic_write

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def read(name: str) -> dict:
    """One file of results."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def statistic(values: dict, decimals: int = 3, unit: str = "") -> str:
    """A mean with its interval and n."""
    if values["value"] is None:
        return f"undefined, n = {values['n']}"
    interval = values["interval"]
    shown = f" [{interval[0]:.{decimals}f}, {interval[1]:.{decimals}f}]" if interval else ""
    return f"{values['value']:.{decimals}f}{unit}{shown}, n = {values['n']}"


def rows() -> list[tuple[str, str, str]]:
    """What, how much, and the command that measures it."""
    accuracy, residual, command, simulated = (read(name) for name in ("accuracy", "residual", "command", "simulated"))
    default, variants = accuracy["default"], residual["variants"]
    of_model, of_residual = "`measure_model.py accuracy`", "`measure_model.py residual`"
    stages = command["stage_seconds_median"]
    nets = stages["synthesize"] + stages["segment"]
    return [
        ("Whole-tumour Dice per volume, measured T1ce", statistic(default["volume"]["dice"]), of_model),
        ("Whole-tumour IoU per volume, measured T1ce", statistic(default["volume"]["iou"]), of_model),
        *[
            (f"{name.upper()} Dice per volume, probability above 0.5", statistic(region["volume"]["dice"]), of_model)
            for name, region in accuracy["regions"].items()
        ],
        ("Whole-tumour Dice without T1ce (`none`)", statistic(variants["none"]["volume"]["dice"]), of_residual),
        (
            "Whole-tumour Dice without T1ce (`ensemble`)",
            statistic(variants["ensemble"]["volume"]["dice"]),
            of_residual,
        ),
        ("Synthetic T1ce, PSNR in the brain", statistic(default["synthesis"]["psnr"], 1, " dB"), of_model),
        ("Synthetic T1ce, SSIM in the brain", statistic(default["synthesis"]["ssim"]), of_model),
        (
            "Whole-tumour Dice, five simulated cases",
            statistic(simulated["volume"]["dice"]),
            "`measure_simulated.py`",
        ),
        (
            f"One 240 x 240 x 155 subject, files to files, {command['cores']} cores",
            f"{command['wall_seconds_median']:.0f} s ({nets:.0f} s in the nets), {command['peak_memory_gib']:.1f} GiB",
            "`measure_command.py`",
        ),
    ]


def table() -> str:
    """The Markdown between the markers."""
    lines = ["| what | measured | command (`python benchmarks/...`) |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {value} | {command} |" for what, value, command in rows())])


def filled(text: str) -> str:
    """README with the table between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    """Rewrite README.md."""
    readme = ROOT / "README.md"
    text = filled(readme.read_text(encoding="utf-8"))
    with atomic_write(readme) as path:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
