"""What a reader has to know beside the table's numbers: how they came about, and what they are too few for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recoseg_hf.evaluation.systems.rows import ROWS

ONE_TRAINING = (
    "One training of each system with one seed: another seed may change a mean by more than two systems differ."
)
FEW = 10
"""Subjects below which intervals are told to be too narrow."""
PLATEAU_PATIENCE = 3
"""Of `train_segmenter.py` and the paper: validations without a better one before the learning rate falls."""

_NONE_SHARE, _MEASURED_SHARE = 0.15, 0.7  # of `train_segmenter.py`, where a run does not say
_NEEDED = {
    "budget", "full_size", "healthy_slice_share", "inference_steps", "mixed_precision", "patches", "seed",
    "train_batch_size",
}  # fmt: skip
_PAPER_STEPS, _FEW_STEPS = 1000, 50


def caption(whole: Mapping[str, Any]) -> str:
    """How every number of a run came about, and what so few subjects and trainings mean for it.

    Args:
        whole: as `table_markdown` takes it.
    """
    numbers = [result["n"] for rows in whole["results"].values() for result in rows.values()]
    sentences = (how_it_was_run(whole), few_subjects(min(numbers, default=FEW)), ONE_TRAINING)
    return " ".join(sentence for sentence in sentences if sentence)


def how_it_was_run(whole: Mapping[str, Any]) -> str:
    """The same without what few subjects and trainings mean; "" where the options are not those of the script."""
    options, results = whole["options"], whole["results"]
    if not options.keys() >= _NEEDED:
        return ""
    patches = options["patches"]
    size = "the paper's widths" if options["full_size"] else "widths 32-64-128 on pixels folded 2 x 2"
    volumes = "1 patch, without gradient accumulation" if patches == 1 else f"{patches} patches, gradients accumulated"
    sentences = [
        f"Every net: {options['budget']} optimiser steps of {options['train_batch_size']} slices (3D nets: of "
        f"{volumes}), seed {options['seed']}, precision {options['mixed_precision']}.",
        f"The paper's 2D systems have {size}{_steps(options)}; ReCoSeg small, the regression and the 3D nets their "
        "own.",
        f"2D segmenters see {100 * options['healthy_slice_share']:.0f} % of the slices without tumour"
        f"{_dropped(options)}.",
        f"Each system has its own threshold (`pipelines/README.md`), which alone moves Dice by points{_equal(whole)}.",
        _validations(options, results),
        "Means over the validation subjects with 95 % bootstrap intervals by subject; p of a paired difference is "
        "two-sided, with each subject's sign flipped.",
    ]
    return " ".join(sentences)


def few_subjects(n: int) -> str:
    """That intervals of so few subjects are too narrow; "" where they are not that few."""
    if n >= FEW:
        return ""
    return (
        f"With n = {n} subjects the intervals are too narrow: with 6, a 95 % interval held the true mean in about "
        "83 % of simulated trials."
    )


def _steps(options: Mapping[str, Any]) -> str:
    steps = options["inference_steps"]
    if not steps:
        return ""
    short = f", where the paper takes {_PAPER_STEPS}" if steps < _FEW_STEPS else ""
    return f" and {steps} denoising steps{short}"


def _dropped(options: Mapping[str, Any]) -> str:
    """Which rows were trained without what they are judged with: the residual is left out of some slices."""
    share = options.get("none_share", _NONE_SHARE)
    if not share:
        return ""
    return (
        f", and those with a residual none in {100 * share / (share + _MEASURED_SHARE):.0f} % of them, which costs "
        "them where it is there, as here. The 3D row with a residual, and rows with T1ce or |T1ce - T1| in its place, "
        "always see theirs: only --none_share 0 treats all rows alike"
    )


def _equal(whole: Mapping[str, Any]) -> str:
    """Of which data sets a table has all rows at the same threshold."""
    held = [data for data in whole["results"] if (whole.get("equal_thresholds") or {}).get(data)]
    if not held:
        return ""
    where = "a table of its own" if len(held) == len(whole["results"]) else f"a table of {' and '.join(held)}"
    return f": {where} has all at the same"


def _validations(options: Mapping[str, Any], results: Mapping[str, Mapping]) -> str:
    """How the best of each net was chosen, and what so few validations do to a learning rate that waits for them."""
    every = max(options["budget"] // 4, 1)  # of `training/reproduce_paper.py`
    count = -(-options["budget"] // every)
    chosen = (
        f"Of each net the best of {count} validations is kept, chosen on the subjects that are judged here, as the "
        "thresholds of ReCoSeg small were: values are optimistic for that."
    )
    rows = [ROWS[name] for data in results.values() for name in data if name in ROWS]
    waits = any(row.training.get("lr_scheduler", "plateau") == "plateau" for row in rows)
    # The first sets the mark, and the one after those that it waits for lowers the rate of what follows.
    if not waits or count > PLATEAU_PATIENCE + 2:
        return chosen
    return (
        f"{chosen} The paper's plateau (patience {PLATEAU_PATIENCE}) can never lower the learning rate in so few: the "
        "paper's rows have a constant one."
    )
