"""What a data set's card says of its scans: counts, grids and tumour volumes, by split; no name and no path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.new_site.fingerprint import describe_case, summarise_descriptions
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.sources import CaseSource
from recoseg_hf.pipeline.conventions import MODALITIES

_BRATS = re.compile(r"brats", re.IGNORECASE)
_SIMULATED = re.compile(r"simulated-\d+")

Progress = Callable[[int, int], None]
"""Called with the subjects done and all of them, 0 where that is not known."""


def is_simulated(subject: str) -> bool:
    """Say whether a name is one that `simulate_case` gives: nobody is behind such scans."""
    return _SIMULATED.fullmatch(subject) is not None


@dataclass
class DatasetMeasure:
    """What is known of a data set, subject by subject.

    Attributes:
        subjects: names by split; these never get into a card.
        columns: that some subject has, in the order flair, t1, t2, t1ce, seg.
    """

    subjects: dict[str, list[str]] = field(default_factory=dict)
    _present: set[str] = field(default_factory=set)
    _described: dict[str, list[dict]] = field(default_factory=dict)

    def add(self, split: str, case: Case) -> None:
        """Take one more subject into account."""
        self.subjects.setdefault(split, []).append(case.subject)
        self._present |= case.volumes().keys()
        self._described.setdefault(split, []).append(describe_case(case))

    @property
    def columns(self) -> list[str]:
        return [name for name in (*MODALITIES, "seg") if name in self._present]

    @property
    def everybody(self) -> list[str]:
        """All subjects' names."""
        return [subject for names in self.subjects.values() for subject in names]

    def of_brats(self) -> bool:
        """Whether a subject is called as those of BraTS are."""
        return any(map(_BRATS.search, self.everybody))

    def simulated(self) -> bool:
        """Whether all subjects are simulated, by their names."""
        return all(map(is_simulated, self.everybody))

    def values(self) -> dict[str, Any]:
        """Return JSON values: `splits` (by name `n` and `n_labelled`) and the fields of `summarise_descriptions`."""
        splits = {
            name: {"n": len(found), "n_labelled": sum(one["tumour_ml"] is not None for one in found)}
            for name, found in self._described.items()
        }
        everybody = [one for found in self._described.values() for one in found]
        return {"splits": splits, "columns": self.columns, **summarise_descriptions(everybody)}


def measure_dataset(
    source: CaseSource, split: str | Path | None = None, progress: Progress | None = None
) -> DatasetMeasure:
    """Read all cases of a source, one after another, and measure them.

    Args:
        source: from `open_source`.
        split: JSON with subjects by split; None as for `CaseSource.parts`.
        progress: told how far it is.

    Raises:
        InputError: a case cannot be read.
    """
    measure, parts = DatasetMeasure(), source.parts(split)
    total = known_total(part.count for part in parts.values())
    for name, part in parts.items():
        for entry in part.entries:
            measure.add(name, entry.read())
            if progress is not None:
                progress(len(measure.everybody), total)
    return measure


def known_total(counts: Iterable[int]) -> int:
    """Add up counts; 0 where one of them is not known."""
    counts = list(counts)
    return sum(counts) if all(counts) else 0
