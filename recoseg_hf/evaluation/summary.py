"""A cohort's result as lines to read; the command line and model cards lay them out."""

from __future__ import annotations

from collections.abc import Mapping

from recoseg_hf.evaluation.in_words import mean_in_words
from recoseg_hf.evaluation.protocols import PROTOCOLS

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
    ("HD95", "surface", "hd95_mm", 1, " mm"),
    ("HD95, a miss counts as the grid's diagonal", "surface", "hd95_penalized_mm", 1, " mm"),
    ("NSD", "surface", "nsd", 3, ""),
    ("Lesion-wise Dice", "lesions", "dice", 3, ""),
    ("Share of lesions found", "lesions", "found", 3, ""),
    ("Invented lesions per subject", "lesions", "invented", 1, ""),
    ("PSNR in the brain", "synthesis", "psnr", 2, " dB"),
    ("SSIM in the brain", "synthesis", "ssim", 3, ""),
    ("MAE in the brain, share of range", "synthesis", "relative_mae", 4, ""),
    ("PSNR in the whole tumour", "synthesis.tumour.wt", "psnr", 2, " dB"),
    ("SSIM in the whole tumour", "synthesis.tumour.wt", "ssim", 3, ""),
    ("MAE in the whole tumour, share of range", "synthesis.tumour.wt", "relative_mae", 4, ""),
    ("PSNR in the enhancing tumour", "synthesis.tumour.et", "psnr", 2, " dB"),
    ("MAE in the enhancing tumour, share of range", "synthesis.tumour.et", "relative_mae", 4, ""),
    ("Roughness through-plane, 1 is the real T1ce's", "synthesis.flicker", "through_plane", 2, ""),
    ("Roughness in-plane, 1 is the real T1ce's", "synthesis.flicker", "in_plane", 2, ""),
)
_PAPER_SECTIONS = ("volume", "slice", "pooled")
_CUES = {"residual": "the residual", "flair": "FLAIR intensity", "static_residual": "|T1ce - T1|"}


def summary_rows(result: Mapping) -> list[tuple[str, str]]:
    """Return a result of `aggregate` or `evaluate_masks` as (label, text) rows; each number with its interval and n.

    >>> summary_rows(result)[4]  # doctest: +SKIP
    ('Dice per volume', '0.853 [0.801, 0.899], n = 6')
    """
    share = f"{100 * result['bootstrap']['level']:g} %"
    return [
        ("Region", _REGIONS[result["region"]]),
        ("Protocol", _protocol(result)),
        ("Subjects", _subjects(result)),
        ("Intervals", f"{share}, bootstrap over subjects"),
        *_score_rows(result),
        *_cue_rows(result.get("cues") or {}),
        *_paper_rows(result.get("paper")),
        *_left_out(result),
    ]


def _protocol(result: Mapping) -> str:
    return f"{result['protocol']}: {PROTOCOLS[result['protocol']].description}"


def _score_rows(result: Mapping) -> list[tuple[str, str]]:
    found = [(row, _section(result, row[1])) for row in _ROWS]
    return [(label, _number(section, score, *shown)) for (label, _, score, *shown), section in found if section]


def _section(result: Mapping, path: str) -> Mapping | None:
    """Return a section of a result; None where it was not measured, or the result is older than it."""
    section = result
    for key in path.split("."):
        section = (section or {}).get(key)
    return section


def _cue_rows(cues: Mapping) -> list[tuple[str, str]]:
    return [
        (f"AUPRC of {_CUES.get(cue, cue)} for {region.upper()}", _cue(found))
        for cue, regions in cues.items()
        for region, found in regions.items()
    ]


def _cue(found: Mapping) -> str:
    score, guessing = _number(found, "average_precision", 3, ""), found["prevalence"]["value"]
    return score if guessing is None else f"{score}; guessing scores {guessing:.3f}"


def _paper_rows(paper: Mapping | None) -> list[tuple[str, str]]:
    if not paper:
        return []
    scores = [
        (f"{label}, paper", text) for label, text in _score_rows({name: paper[name] for name in _PAPER_SECTIONS})
    ]
    return [("Protocol beside it", _protocol(paper)), *scores]


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
    unit = "" if statistic["value"] is None else unit
    return f"{mean_in_words(statistic, decimals, undefined='undefined')}{unit}, {n}"


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
