"""Write the measured tables of training/README.md from `benchmarks/results/*.json`, each between its two markers.

python -m benchmarks.fill_training
"""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.fill_readme import ROOT, rewrite, with_parts
from recoseg_hf.evaluation.in_words import mean_in_words
from recoseg_hf.evaluation.new_site.study import study_table
from recoseg_hf.evaluation.paper.table import table_markdown

FOLD_ROWS = {
    "residual_in_tumour": "mean R in the whole tumour",
    "residual_outside": "mean R in the brain outside",
    "ratio": "the first over the second",
    "contrast": "their difference in standard deviations of R outside",
    "psnr": "PSNR of the synthetic T1ce in the brain, dB",
}
DICE_ROWS = {f"dice_{name}": f"validation Dice, {name.upper()}" for name in ("wt", "tc", "et")}


def mean(values: Mapping[str, Any], digits: int = 3, sign: str = "") -> str:
    """A mean with its interval."""
    return mean_in_words(values, digits, sign, undefined="undefined")


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def residual_folds(result: Mapping[str, Any]) -> str:
    """In-sample against out-of-fold residuals, and segmenters of each."""
    rows = []
    for part, names in (("train", FOLD_ROWS), ("segmenters", DICE_ROWS)):
        for key, name in names.items():
            if pair := result.get(part, {}).get(key):
                digits = 4 if key.startswith("residual") else 3
                values = [mean(pair[protocol], digits) for protocol in ("in_sample", "out_of_fold")]
                label = f"{name}, n = {pair['difference']['n']}"
                rows.append([label, *values, mean(pair["difference"], digits, "+")])
    unseen = ", ".join(f"{FOLD_ROWS[key]} {mean(result['validation'][key])}" for key in ("residual_in_tumour", "psnr"))
    n = result["validation"]["psnr"]["n"]
    note = f"On the {n} validation subjects, which no synthesizer saw: {unseen}. Residuals R on T1ce in [0, 1]."
    return table(["train subjects, unless said", "in-sample", "out-of-fold", "difference"], rows) + f"\n\n{note}"


def label_ladder(result: Mapping[str, Any]) -> str:
    """Dice by number of labelled subjects, and what the teacher adds, at a threshold of one half."""
    names = {"none": "labels alone", "mean_teacher": "mean teacher"}
    taught = {row["labelled_subjects"]: row for row in result["differences"] if row["threshold"] == 0.5}
    rows = []
    for row in result["curve"]:
        if row["threshold"] != 0.5:
            continue
        added = taught.get(row["labelled_subjects"]) if row["unlabelled"] == "mean_teacher" else None
        dice = {"value": row["mean"], "interval": row["interval"]}
        choices = ", ".join(f"{value:.3f}" for value in row["mean_of_each_choice"])
        change = mean({"value": added["mean"], "interval": added["interval"]}, sign="+") if added else ""
        rows.append([str(row["labelled_subjects"]), names[row["unlabelled"]], mean(dice), choices, change])
    heads = ["labelled subjects", "others", "whole-tumour Dice", "each choice", "teacher minus labels alone"]
    return table(heads, rows) + f"\n\n{result['caption']}\n\n![Label ladder](../benchmarks/results/label_ladder.png)"


def site_study(result: Mapping[str, Any]) -> str:
    """The whole tumour's table; the other regions stand in the study's own."""
    picture = "![Site study](../benchmarks/results/site_study.png)"
    return (
        f"{study_table(result, regions=['wt']).strip()}\n\nTC and ET: `benchmarks/results/site_study.md`.\n\n{picture}"
    )


def paper(result: Mapping[str, Any]) -> str:
    """Every system of the paper and ours, on the same subjects."""
    text = table_markdown(result, further=False).replace("\n## ", "\n### ").strip()
    return f"{text}\n\nTC and ET, slices, synthesis, the residual, and each claim: `benchmarks/results/paper.md`."


def training(result: Mapping[str, Any]) -> str:
    """What the loops cost."""
    rows = []
    for name, found in result.items():
        speed, processes = found["slices_per_second"], found["processes"]
        rows.append(
            [
                f"`{name}.py`", f"{speed['bare']:.1f}", f"{speed['loop']:.1f}", f"{found['loop_over_bare']:.2f}",
                f"{speed['input']:.0f}", f"{found['input_speed_over_net']:.1f}", f"{processes['two over one']:.2f}",
                *_shares_of_peak(found),
            ]
        )  # fmt: skip
    heads = [
        "slices per second", "bare net", "script", "time over bare", "input alone", "input over net",
        "2 processes over 1", "of the conv peak: bare, script",
    ]  # fmt: skip
    return table(heads[: len(rows[0])], rows)


def _shares_of_peak(found: Mapping[str, Any]) -> list[str]:
    """In percent; an earlier result has none."""
    shares = found.get("share_of_conv_peak")
    return [", ".join(f"{100 * shares[what]:.0f} %" for what in ("bare", "loop"))] if shares else []


PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    part.__name__: part for part in (residual_folds, label_ladder, site_study, paper, training)
}


def filled(text: str) -> str:
    """training/README.md with each part between its markers."""
    return with_parts(text, PARTS)


def main() -> None:
    """Rewrite training/README.md."""
    rewrite(ROOT / "training" / "README.md", filled)


if __name__ == "__main__":
    main()
