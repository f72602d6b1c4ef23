"""The threshold alone, chosen anew on a site's own subjects; no weight changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.prediction import predict_case
from recoseg_hf.learning.run_record import RECORD, subjects_seen, training_record
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.masks import seeded_mask

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""What is tried by default."""


def threshold_scores(
    pipeline: ReCoSegPipeline,
    cases: Iterable[Case],
    thresholds: Sequence[float] = THRESHOLDS,
    progress: Callable[[int], None] | None = None,
) -> dict[float, list[float | None]]:
    """Whole-tumour Dice of each subject at each threshold, full volumes; the nets run once per subject.

    Args:
        pipeline: its `seed_threshold` stays as it is.
        cases: with a segmentation.
        thresholds: to try, each in (0, 1).
        progress: called with how many subjects are done.

    Returns:
        For each threshold the Dice of the subjects, in order; None where both masks are empty.

    Raises:
        InputError: the model cannot use a subject's scans.
    """
    scores: dict[float, list[float | None]] = {threshold: [] for threshold in thresholds}
    for done, case in enumerate(cases, start=1):
        probability = predict_case(pipeline, case).probability.data
        for threshold, values in scores.items():
            mask = seeded_mask(probability, threshold, pipeline.config.seed_threshold)
            values.append(compare_case(Volume(mask, case.flair.affine), case.seg)["dice"])
        if progress is not None:
            progress(done)
    return scores


def mean_scores(scores: Mapping[float, Sequence[float | None]]) -> dict[float, float | None]:
    """The mean over the subjects that have a score; None where none has."""
    defined = {threshold: [value for value in values if value is not None] for threshold, values in scores.items()}
    return {threshold: float(np.mean(values)) if values else None for threshold, values in defined.items()}


def best_threshold(scores: Mapping[float, Sequence[float | None]], current: float) -> float:
    """The threshold of the highest mean Dice; of equals the one nearest to `current`.

    Raises:
        ValueError: no threshold has a score.
    """
    means = {threshold: mean for threshold, mean in mean_scores(scores).items() if mean is not None}
    if not means:
        raise ValueError("no subject has a Dice at any threshold; expected one with tumour")
    highest = max(means.values())
    return min((one for one, mean in means.items() if mean == highest), key=lambda one: (abs(one - current), one))


def check_new_folder(folder: Path) -> None:
    """Raise InputError where a folder holds files already."""
    if folder.exists() and any(folder.iterdir()):
        raise InputError(folder, "it holds files", "a new or empty folder", "Name another one.")


def save_with_threshold(model: str | Path, output: str | Path, threshold: float, subjects: Sequence[str]) -> Path:
    """Copy a model's folder with another `mask_threshold`; weights and all other settings stay byte for byte.

    Checkpoints, logs and a card, whose numbers would no longer hold, are left behind.

    Args:
        model: a pipeline's folder.
        output: a new or empty folder.
        threshold: in (0, 1).
        subjects: that it was chosen on; where the model has a record of whom it has seen, they are added to it.

    Returns:
        `output`.

    Raises:
        InputError: `output` holds files.
    """
    model, output = Path(model), Path(output)
    check_new_folder(output)
    index = json.loads((model / "model_index.json").read_text(encoding="utf-8"))
    for name, value in index.items():
        if isinstance(value, list) and (model / name).is_dir():
            shutil.copytree(model / name, output / name)
    for file in (*model.glob("LICENSE*"), *model.glob("training*.json")):
        shutil.copy2(file, output / file.name)
    write_json(output / "model_index.json", index | {"mask_threshold": threshold})
    if (seen := subjects_seen(model)) is not None:
        record = training_record(model)
        seen = sorted({*seen, *map(subject_hash, subjects)})
        write_json(output / RECORD, record | {"subjects_seen": seen})
    return output
