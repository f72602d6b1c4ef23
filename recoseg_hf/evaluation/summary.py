"""A cohort's result as lines to read; the command line and model cards lay them out."""

from __future__ import annotations

from collections.abc import Mapping

_REGIONS = {"wt": "whole tumour", "tc": "tumour core", "et": "enhancing tumour"}

# Label, section and score of the result, decimals and unit, in the order of the rows.
_ROWS = (
    ("Dice per volume", "volume", "dice", 3, ""),
    ("IoU per volume", "volume", "iou", 3, ""),
    ("Precision", "volume", "precision", 3, ""),
    ("Recall", "volume", "recall", 3, ""),
    ("Dice per slice", "slice", "dice", 3, ""),
    ("IoU per slice", "slice", "iou", 3, ""),
    ("Dice pooled", "pooled", "dice", 3, ""),
    ("IoU pooled", "pooled", "iou", 3, ""),
    ("Volume error", "millilitres", "volume_error_ml", 1, " mL"),
    ("Absolute volume error", "millilitres", "absolute_volume_error_ml", 1, " mL"),
    ("False-positive volume", "millilitres", "false_positive_ml", 1, " mL"),
    ("PSNR in the brain", "synthesis", "psnr", 2, " dB"),
    ("SSIM in the brain", "synthesis", "ssim", 3, ""),
    ("MAE in the brain, share of range", "synthesis", "relative_mae", 4, ""),
)


def summary_rows(result: Mapping) -> list[tuple[str, str]]:
    """Return a result of `aggregate` or `evaluate_masks` as (label, text) rows; each number with its interval and n.

    >>> summary_rows(result)[4]  # doctest: +SKIP
    ('Dice per volume', '0.853 [0.801, 0.899], n = 6')
    """
    share = f"{100 * result['bootstrap']['level']:g} %"
    rows = [
        ("Region", _REGIONS[result["region"]]),
        ("Protocol", f"{result['protocol']}: every axial slice, native grid"),
        ("Subjects", _subjects(result)),
        ("Intervals", f"{share}, bootstrap over subjects"),
    ]
    for label, section, score, decimals, unit in _ROWS:
        if result[section]:
            rows.append((label, _number(result[section], score, decimals, unit)))
    return rows + _left_out(result)


def _subjects(result: Mapping) -> str:
    parts = [f"{n} {outcome.replace('_', ' ')}" for outcome, n in sorted(result["outcomes"].items())]
    return f"{result['n']} ({', '.join(parts)})"


def _number(section: Mapping, score: str, decimals: int, unit: str) -> str:
    statistic = section[score]
    n = f"n = {statistic['n']}"
    if "n_slices" in section:
        n += f" ({section['n_slices']} slices; {section['n_slices_both_empty']} empty in both left out)"
    if statistic["n_undefined"]:
        n += f", {statistic['n_undefined']} undefined left out"
    if statistic["value"] is None:
        return f"undefined, {n}"
    interval = statistic["interval"]
    shown = f" [{interval[0]:.{decimals}f}, {interval[1]:.{decimals}f}]" if interval else ""
    return f"{statistic['value']:.{decimals}f}{shown}{unit}, {n}"


def _left_out(result: Mapping) -> list[tuple[str, str]]:
    labels = {
        "missing": "Missing predictions",
        "unlabelled": "References without a segmentation",
        "unmatched": "Predictions without a reference",
    }
    named = [(label, result.get(key, [])) for key, label in labels.items()]
    return [
        (label, f"{len(subjects)}, in no number above: {', '.join(subjects)}") for label, subjects in named if subjects
    ]
