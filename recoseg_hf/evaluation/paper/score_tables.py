"""Which scores of the rows stand together in a table, and where each is found; page, Markdown and CSV lay them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

REGIONS = ("wt", "tc", "et")
CUES = {"flair": "FLAIR intensity", "static_residual": "|T1ce - T1|"}
"""Those that need no model."""
N_SLICES = "n_slices"
"""The one column that holds a number and no statistic."""
GUESSING = "Guessing (the region's share of the brain)"


@dataclass(frozen=True)
class Column:
    """Where a score stands in a result, and how it is shown.

    Attributes:
        head: of the column.
        path: of the statistic, or the number, in a row's result; of a paired difference in the row's `differences`.
        digits: after the point.
        unit: of the score.
        better: "higher" or "lower", for the head; "" where neither is.
        minus: of a paired difference, the row that is subtracted; "" for a score of the row itself.
    """

    head: str
    path: tuple[str, ...]
    digits: int = 3
    unit: str = ""
    better: str = "higher"
    minus: str = ""


VOXELS = (
    Column("Precision", ("volume", "precision")),
    Column("Recall", ("volume", "recall")),
    Column("Volume error, absolute", ("millilitres", "absolute_volume_error_ml"), 1, "mL", "lower"),
    Column("False-positive volume", ("millilitres", "false_positive_ml"), 1, "mL", "lower"),
)


def _slices(*side: str) -> tuple[Column, ...]:
    """Means over slices and pooled voxels of one protocol."""
    return (
        Column("Dice per slice", (*side, "slice", "dice")),
        Column("IoU per slice", (*side, "slice", "iou")),
        Column("Slices", (*side, "slice", N_SLICES), better=""),
        Column("Dice pooled", (*side, "pooled", "dice")),
        Column("IoU pooled", (*side, "pooled", "iou")),
    )


SLICES, SLICES_AS_PAPER = _slices(), _slices("paper")
SHAPE = (
    Column("HD95", ("surface", "hd95_mm"), 1, "mm", "lower"),
    Column("HD95, a miss counts as the grid's diagonal", ("surface", "hd95_penalized_mm"), 1, "mm", "lower"),
    Column("NSD", ("surface", "nsd")),
    Column("Lesion-wise Dice", ("lesions", "dice")),
    Column("Share of lesions found", ("lesions", "found")),
    Column("Invented lesions per subject", ("lesions", "invented"), 1, "", "lower"),
)


def _region(name: str) -> tuple[Column, ...]:
    """One of the inner regions, with the paired difference to the row that it is compared with."""
    short, side = name.upper(), ("regions", name)
    return (
        Column(f"{short} Dice", (*side, "volume", "dice")),
        Column(f"{short} Dice difference", (*side, "volume", "dice"), minus=REGION_BASELINE),
        Column(f"{short} IoU", (*side, "volume", "iou")),
        Column(f"{short} precision", (*side, "volume", "precision")),
        Column(f"{short} recall", (*side, "volume", "recall")),
    )


INNER_REGIONS = {name: _region(name) for name in REGIONS[1:]}
SYNTHESIS = (
    Column("PSNR, brain", ("synthesis", "psnr"), 2, "dB"),
    Column("SSIM, brain", ("synthesis", "ssim")),
    Column("MAE, brain", ("synthesis", "relative_mae"), 4, "", "lower"),
    Column("PSNR, whole tumour", ("synthesis", "tumour", "wt", "psnr"), 2, "dB"),
    Column("SSIM, whole tumour", ("synthesis", "tumour", "wt", "ssim")),
    Column("MAE, whole tumour", ("synthesis", "tumour", "wt", "relative_mae"), 4, "", "lower"),
    Column("PSNR, enhancing tumour", ("synthesis", "tumour", "et", "psnr"), 2, "dB"),
    Column("SSIM, enhancing tumour", ("synthesis", "tumour", "et", "ssim")),
    Column("MAE, enhancing tumour", ("synthesis", "tumour", "et", "relative_mae"), 4, "", "lower"),
    Column("Roughness through-plane (1: as the real T1ce)", ("synthesis", "flicker", "through_plane"), 2, "", ""),
)


def _csv_columns() -> dict[str, Column]:
    """Every score in a file that a program reads: what each is called there."""
    overlap, likeness = ("dice", "iou", "precision", "recall"), ("psnr", "ssim", "relative_mae")
    found = {f"volume_{score}": ("volume", score) for score in overlap}
    found |= {f"paper_{score}": ("paper", "volume", score) for score in overlap}
    for prefix, side in (("", ()), ("paper_", ("paper",))):
        for section in ("slice", "pooled"):
            found |= {f"{prefix}{section}_{score}": (*side, section, score) for score in ("dice", "iou")}
        found[f"{prefix}{N_SLICES}"] = (*side, "slice", N_SLICES)
    found |= {f"surface_{score}": ("surface", score) for score in ("hd95_mm", "hd95_penalized_mm", "nsd")}
    found |= {f"lesions_{score}": ("lesions", score) for score in ("dice", "found", "invented")}
    found |= {score: ("millilitres", score) for score in ("absolute_volume_error_ml", "false_positive_ml")}
    for name in REGIONS[1:]:
        found |= {f"{name}_{score}": ("regions", name, "volume", score) for score in overlap}
    found |= {f"synthesis_{score}": ("synthesis", score) for score in likeness}
    for name in REGIONS:
        found |= {f"synthesis_{name}_{score}": ("synthesis", "tumour", name, score) for score in likeness}
    found |= {f"flicker_{score}": ("synthesis", "flicker", score) for score in ("through_plane", "in_plane")}
    for cue in ("residual", *CUES):
        found |= {f"auprc_{cue}_{name}": ("cues", cue, name, "average_precision") for name in REGIONS}
    columns = {name: Column(name, path) for name, path in found.items()}
    for protocol in ("volume", "paper"):
        for score in ("dice", "iou"):
            columns[f"difference_{protocol}_{score}"] = Column(score, (protocol, "volume", score), minus=BASELINE)
    for name in REGIONS[1:]:
        columns[f"difference_{name}_dice"] = Column(name, ("regions", name, "volume", "dice"), minus=REGION_BASELINE)
    return columns


CSV_COLUMNS = _csv_columns()


def in_order(rows: Iterable[str]) -> list[str]:
    """The names of rows as the table has them; those that it does not know come last."""
    return sorted(rows, key=lambda name: (list(ROWS).index(name) if name in ROWS else len(ROWS), name))


def title(name: str) -> str:
    """How a row is called."""
    return ROWS[name].title if name in ROWS else name


def find(values: Mapping[str, Any] | None, path: Sequence[str]) -> Any:
    """What stands at a path; None where there is nothing."""
    found: Any = values
    for key in path:
        found = (found or {}).get(key)
    return found


def found_scores(
    results: Mapping[str, Mapping], columns: Sequence[Column], differences: Mapping[str, Mapping] | None = None
) -> list[tuple[str, list[Any]]]:
    """The rows that have any of the columns' scores, in order, each with what is found for each column.

    Args:
        results: of one data set by row, as `results.json` has them.
        columns: wanted.
        differences: of that data set by row, for columns with `minus`.
    """
    lines = []
    for name in in_order(results):
        own = (differences or {}).get(name)
        found = [find(own if column.minus else results[name], column.path) for column in columns]
        if any(found):
            lines.append((name, found))
    return lines


def equal_columns(found: Mapping[str, Mapping[str, Mapping]]) -> tuple[Column, ...]:
    """Dice and its paired difference at each threshold of what `at_equal_thresholds` returns, by row."""
    taus = next(iter(found.values()), {})
    pairs = (
        (
            Column(f"Dice at {tau}", (tau, "dice")),
            Column(f"minus {title(BASELINE)}", (tau, "minus_baseline"), minus=BASELINE),
        )
        for tau in taus
    )
    return tuple(column for pair in pairs for column in pair)


def found_cues(results: Mapping[str, Mapping]) -> list[tuple[str, int, list[Any]]]:
    """Average precision of each row's residual, and of what needs no model, against the three regions.

    Args:
        results: of one data set by row, as `results.json` has them.

    Returns:
        What it is called, of how many subjects, and a statistic for each of `REGIONS`.
    """
    held = {name: results[name]["cues"] for name in in_order(results) if results[name].get("cues")}
    if not held:
        return []
    lines = [
        (f"Residual of {title(name)}", results[name]["n"], _by_region(cues["residual"]))
        for name, cues in held.items()
        if cues.get("residual")
    ]
    name, cues = next(iter(held.items()))
    n, others = results[name]["n"], {cue: heading for cue, heading in CUES.items() if cues.get(cue)}
    lines += [(heading, n, _by_region(cues[cue])) for cue, heading in others.items()]
    if others:
        lines.append((GUESSING, n, _by_region(cues[next(iter(others))], "prevalence")))
    return lines


def _by_region(cue: Mapping[str, Mapping], score: str = "average_precision") -> list[Any]:
    return [cue.get(region, {}).get(score) for region in REGIONS]
