"""The folder that `training/reproduce_paper.py` writes, as those read it who judge and report it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.paper.same_model import why_other_model
from recoseg_hf.json_files import read_json
from recoseg_hf.learning.run_record import RECORD

RESULTS = "results.json"
_REMEDY = "Give the --output_dir of training/reproduce_paper.py, which writes it after its first row."


@dataclass(frozen=True)
class PaperFolder:
    """One run of the paper's table.

    Attributes:
        folder: the `--output_dir`.
        whole: what its `results.json` holds: `options`, and by data set and row `results` and `differences`; of later
            versions `equal_thresholds` and `thresholds` too.
    """

    folder: Path
    whole: Mapping[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> PaperFolder:
        """Open a folder.

        Raises:
            InputError: `results.json` is missing or not what that script writes.
        """
        folder = Path(folder)
        whole = _read_json(folder / RESULTS)
        names = ("options", "results", "differences")
        parts = [whole.get(name) if isinstance(whole, dict) else None for name in names]
        if not all(isinstance(part, dict) for part in parts):
            raise InputError(folder / RESULTS, "no options, results and differences", "all three", _REMEDY)
        for rows in parts[1].values():
            for name, row in rows.items():
                if not isinstance(row, dict) or not {"n", "volume", "bootstrap"} <= row.keys():
                    raise InputError(folder / RESULTS, f"row {name} is no result", "n, volume, bootstrap", _REMEDY)
        return cls(folder, whole)

    @property
    def results(self) -> Mapping[str, Mapping[str, Mapping]]:
        """By data set and row, without subjects."""
        return self.whole["results"]

    def row(self, data: str, name: str) -> Mapping[str, Any] | None:
        """A row's result with its subjects; None where its own file is not there, or it is none of the table's."""
        if name not in self.results.get(data, {}):
            return None
        return self._rows.get(data, {}).get(name)

    def stages(self, data: str) -> dict[str, Mapping[str, Any]]:
        """The finished stages' records by name, those that ran first in front."""
        files = sorted(self._files(data, "stages", "*.json"), key=lambda file: file.stat().st_mtime)
        return {file.stem: _read_json(file) for file in files}

    def sweeps(self, data: str, row: str) -> Mapping[str, Any] | None:
        """What `training/ablate_inference.py` wrote of a row's model to `sweeps/ROW.json`.

        None without it, and where it is of another model; `refused_sweeps` tells these apart.
        """
        return None if self.refused_sweeps(data, row) else self._sweeps(data, row)

    def refused_sweeps(self, data: str, row: str) -> str:
        """Why `sweeps/ROW.json` is not taken for the row's, in a few words; "" where it is, or where there is none."""
        found = self._sweeps(data, row)
        if found is None:
            return ""
        files = self._files(data, "predictions", "*/*/*_report.json")
        reports = [_read_json(file) for file in files if file.parents[1].name == row]
        return why_other_model(found.get("measurement"), reports)

    def own_cut(self, data: str, row: str) -> Mapping[str, float] | None:
        """What makes a row's masks of its probabilities: `mask_threshold` and `seed_threshold`; None if unknown."""
        return self.whole.get("thresholds", {}).get(data, {}).get(row)

    def dice_at(self, data: str, row: str, threshold: str) -> Sequence[float | None] | None:
        """A row's Dice at one of `equal_thresholds.EQUAL_THRESHOLDS`, subject by subject; None if unknown."""
        return self.whole.get("equal_thresholds", {}).get(data, {}).get(row, {}).get(threshold, {}).get("by_subject")

    def figures(self, data: str) -> list[Path]:
        """The pictures of a data set, by name."""
        return sorted(self._files(data, "figures", "*.png"))

    def subjects_seen(self, data: str, row: str) -> list[str] | None:
        """Hashes of the subjects that a row's model was trained on; None where it has no record."""
        records = {file.parent.name: file for file in self._files(data, "models", f"*/{RECORD}")}
        return _read_json(records[row]).get("subjects_seen") if row in records else None

    def subjects(self) -> set[str]:
        """The names of all subjects that the folder knows: what a report must not hold."""
        names = {
            record["subject"]
            for rows in self._rows.values()
            for row in rows.values()
            for record in row.get("subjects", ())
            if "subject" in record
        }
        for data in self.results:
            names |= {file.name for file in self._files(data, "predictions", "*/*") if file.is_dir()}
            for file in self._files(data, "slices", "*/recoseg_manifest.json"):
                names |= {name for part in _read_json(file).get("subjects", {}).values() for name in part}
        return {str(name) for name in names}

    def _sweeps(self, data: str, row: str) -> Mapping[str, Any] | None:
        files = {file.stem: file for file in self._files(data, "sweeps", "*.json")}
        return _read_json(files[row]) if row in files else None

    @cached_property
    def _rows(self) -> dict[str, dict[str, Mapping]]:
        return {
            data: {file.stem: _read_json(file) for file in self._files(data, "results", "*.json")}
            for data in self.results
        }

    def _files(self, data: str, room: str, pattern: str) -> list[Path]:
        """Files of a data set, whose name, out of a file, may lead nowhere but to a folder that is there."""
        folders = {path.name: path for path in self.folder.iterdir() if path.is_dir()}
        if data not in folders:
            return []
        return [path for path in sorted((folders[data] / room).glob(pattern)) if not path.name.startswith(".")]


def _read_json(file: Path) -> Any:
    return read_json(file, "a file of that script", _REMEDY)
