"""A data set as files: a folder for each split, in it one for each subject, and a table that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.skull import more_than_a_brain
from recoseg_hf.imaging.sources import CaseEntry, CaseSource, Part
from recoseg_hf.imaging.volume import Volume, write_volume
from recoseg_hf.pipeline.conventions import MODALITIES
from recoseg_hf.sharing.dataset_card import SUBJECT_COLUMN
from recoseg_hf.sharing.measuring import DatasetMeasure, Progress, known_total

TABLE = "metadata.parquet"
"""Not CSV: there a split in which nobody has a segmentation would have a column of numbers."""

SPLIT_NAMES = ("train", "validation", "test")
"""Of which `datasets` knows a folder by its name."""

_CONSENT = "--i-may-publish-these-scans"


def write_dataset_files(
    source: CaseSource,
    folder: str | Path,
    split: str | Path | None = None,
    may_publish: bool = False,
    renumber: bool = False,
    progress: Progress | None = None,
) -> DatasetMeasure:
    """Write a source's cases as `datasets` loads them: `<split>/metadata.parquet` beside the subjects' folders.

    Every volume is read, checked and written anew under a header that holds its grid alone. A scan of whole numbers is
    kept as int16, any other as float32: no intensity changes.

    Args:
        source: from `open_source`.
        folder: new or empty.
        split: JSON with subjects by split; None as for `CaseSource.parts`.
        may_publish: the user's word that these scans may be shared.
        renumber: call the subjects `sub-0001` and so on, in the order of the splits.
        progress: told how far it is.

    Returns:
        What the data set's card says, under the original names.

    Raises:
        InputError: a scan may not be published, shows more than a brain, or cannot be read.
    """
    folder, measure, parts = Path(folder), DatasetMeasure(), source.parts(split)
    total = known_total(part.count for part in parts.values())
    for name, part in parts.items():
        rows = []
        for case in _cases(name, part, may_publish):
            measure.add(name, case)
            number = len(measure.everybody)
            subject = f"sub-{number:04d}" if renumber else case.subject
            rows.append({SUBJECT_COLUMN: subject} | _write_case(folder / name, subject, case))
            if progress is not None:
                progress(number, total)
        _write_table(folder / name / TABLE, rows)
    _drop_empty_columns(folder, measure)
    return measure


def _cases(split: str, part: Part, may_publish: bool) -> Iterator[Case]:
    if split not in SPLIT_NAMES:
        expected = f"one of {', '.join(SPLIT_NAMES)}"
        raise InputError(f"split {split}", "`datasets` would not find it by its name", expected, "Rename the split.")
    for entry in part.entries:
        if not may_publish:  # a name is no proof that nobody is behind a scan
            raise _not_allowed(entry)
        case = entry.read()
        _check_stripped(entry, case)
        yield case


def _not_allowed(entry: CaseEntry) -> InputError:
    found = "nobody has said that its scans may be published"
    remedy = (
        "BraTS scans are given to those who registered, and may not be redistributed; a hospital's need the consent "
        f"of the patients or of a board. If these may be shared, as simulated "
        f"ones may, add {_CONSENT} (and --renumber to hide the names)."
    )
    return InputError(entry.place, found, "scans that may be shared", remedy)


def _check_stripped(entry: CaseEntry, case: Case) -> None:
    """Refuse a case where any one scan shows more than a brain: a face is most often left in T1."""
    for name in (name for name in case.volumes() if name in MODALITIES):
        if why := more_than_a_brain(getattr(case, name)):
            found = f"the skull seems to be in {name} ({why}); a face can be recognised"
            raise InputError(entry.place, found, "skull-stripped scans", "Strip the skulls first.")


def _write_case(folder: Path, subject: str, case: Case) -> dict[str, str]:
    """Write a case's volumes; return the table's cells."""
    cells = {}
    for name, volume in case.volumes().items():
        cells[f"{name}_file_name"] = f"{subject}/{subject}_{name}.nii.gz"
        write_volume(folder / cells[f"{name}_file_name"], volume, _stored_type(volume))
    return cells


def _stored_type(volume: Volume) -> type:
    if volume.data.dtype == np.uint8:
        return np.uint8
    limits = np.iinfo(np.int16)
    whole = np.array_equal(volume.data, np.rint(volume.data))
    return np.int16 if whole and limits.min <= volume.data.min() and volume.data.max() <= limits.max else np.float32


def _write_table(file: Path, rows: list[dict[str, str]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    names = [SUBJECT_COLUMN, *(f"{name}_file_name" for name in ("flair", "t1", "t2", "t1ce", "seg"))]
    schema = pa.schema([(name, pa.string()) for name in names])
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), file)


def _drop_empty_columns(folder: Path, measure: DatasetMeasure) -> None:
    """Leave out what no subject of any split has."""
    from pyarrow import parquet

    kept = [SUBJECT_COLUMN, *(f"{name}_file_name" for name in measure.columns)]
    for name in measure.subjects:
        file = folder / name / TABLE
        parquet.write_table(parquet.read_table(file, columns=kept), file)
