"""What a folder of `training/reproduce_paper.py` holds of each subject, read when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.same_grid import grid_difference
from recoseg_hf.evaluation.systems.rows import ROWS
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import find_cases, modalities_in, subject_of_folder
from recoseg_hf.imaging.volume import Volume, read_labels, read_volume
from recoseg_hf.inference.results import output_paths


@dataclass(frozen=True)
class PredictedFiles:
    """What one row says about a subject, as `recoseg predict` writes it.

    Attributes:
        files: by content, see `output_paths`; those that are there.
        threshold: tau that made the mask.
        seed_threshold: of the hysteresis, see `seeded_mask`; 0 for none.
    """

    files: Mapping[str, Path]
    threshold: float
    seed_threshold: float

    def read(self, name: str, case: Case) -> Volume | None:
        """Read `mask`, `probability`, `t1ce` or `residual`; None where the row has none.

        Raises:
            InputError: the file is unusable, or lies on another grid than the case.
        """
        if name not in self.files:
            return None
        volume = read_labels(self.files[name]) if name == "mask" else read_volume(self.files[name])
        if difference := grid_difference(volume, case.flair):
            found = f"its grid is another than that of the case's FLAIR: {difference}"
            raise InputError(self.files[name], found, "the case's own grid", "Give the cases that were predicted.")
        return volume


@dataclass(frozen=True)
class Subject:
    """A labelled case and what each row says about it.

    Attributes:
        name: its identifier.
        folder: of its scans.
        rows: by the row's name.
    """

    name: str
    folder: Path
    rows: Mapping[str, PredictedFiles]

    def read_case(self) -> Case:
        """Read the scans and the segmentation."""
        return Case.from_folder(self.folder)


def rows_with_predictions(folder: Path, rows: Sequence[str]) -> list[str]:
    """Those of some rows whose finished predictions a folder holds, in the order given."""
    return [row for row in dict.fromkeys(rows) if any((folder / "predictions" / row).glob("*/*_report.json"))]


def find_subjects(folder: Path, cases: Path, rows: Sequence[str]) -> list[Subject]:
    """Find the labelled cases which all of some rows have finished, so that rows are compared on the same subjects.

    Args:
        folder: of one data set, as `training/reproduce_paper.py` writes it.
        cases: the data set.
        rows: with predictions.

    Returns:
        Subjects by name; none where a row has finished no labelled case.

    Raises:
        InputError: `cases` holds no case.
    """
    seeds = {row: _seed_threshold(folder, row) for row in rows}
    found = []
    for case in find_cases(cases):
        name = subject_of_folder(case)
        predicted = {row: _predicted(folder / "predictions" / row / name, name, seeds[row]) for row in rows}
        if predicted and all(predicted.values()) and _labelled(case):
            found.append(Subject(name, case, predicted))
    return sorted(found, key=lambda subject: subject.name)


def title_of(row: str) -> str:
    """A row as the table names it."""
    return ROWS[row].title if row in ROWS else row


def _labelled(case: Path) -> bool:
    return "seg" in modalities_in(case)


def _predicted(folder: Path, subject: str, seed_threshold: float) -> PredictedFiles | None:
    files = {name: file for name, file in output_paths(subject, folder).items() if file.is_file()}
    if "report" not in files:  # it is put in place last
        return None
    report = json.loads(files["report"].read_text(encoding="utf-8"))
    return PredictedFiles(files, float(report["settings"]["mask_threshold"]), seed_threshold)


def _seed_threshold(folder: Path, row: str) -> float:
    """The report of a prediction does not have it; the model and its system do."""
    for place in ("models", "systems"):
        file = folder / place / row / "model_index.json"
        if file.is_file():
            return float(json.loads(file.read_text(encoding="utf-8")).get("seed_threshold", 0.0))
    return 0.0
