"""Cases as rows of a `datasets` data set: a column with a NIfTI file for each modality.

Rows are read as a stream. Their bytes go through our own reader with all its checks, never through nibabel's.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import InputError, Problems, first_line
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import modality_of, safe_name, subject_of
from recoseg_hf.imaging.paths import check_is_image_file
from recoseg_hf.pipeline.conventions import CONDITIONS, FILE_ALIASES

if TYPE_CHECKING:
    from datasets import Features, IterableDataset

SUBJECT_COLUMNS = ("subject_id", "subject", "participant_id", "patient_id", "case_id", "id")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_PARQUET_FOLDERS = ("data", "train", "validation", "test")
_FILE_COLUMN = "_file_name"


@dataclass(frozen=True)
class Row:
    """One subject's row.

    Attributes:
        subject: safe identifier.
        place: the row in words, for messages.
        cells: by modality, `{"bytes", "path"}`; no empty ones.
        home: folder or address that a cell's path must lie under.
    """

    subject: str
    place: str
    cells: Mapping[str, Mapping[str, Any]]
    home: str

    def read(self) -> Case:
        """Read the volumes.

        Raises:
            InputError: as for `Case.from_files`, naming the file or the column.
            CaseError: several of these.
        """
        contents, problems = {}, Problems()
        for name in self.cells:
            with problems.collected():
                contents[name] = self._content(name)
        return Case.from_bytes(self.subject, contents, {name: self._source(name) for name in contents}, problems)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file by subject and modality."""
        return {f"{self.subject}/{name}": hashlib.sha256(self._content(name)).hexdigest() for name in self.cells}

    def _source(self, name: str) -> str | Path:
        path = self._path(name)
        return Path(path) if path and "://" not in path else f"{self.place}, column {name}"

    def _path(self, name: str) -> str | None:
        """Where the bytes are kept, if they are not in the row itself."""
        cell = self.cells[name]
        return None if cell.get("bytes") is not None else str(cell["path"]).split("::")[-1]

    def _content(self, name: str) -> bytes:
        path = self._path(name)
        if path is None:
            content = self.cells[name]["bytes"]
            if not isinstance(content, bytes):  # a table may call a column of text or numbers so
                found = f"column {name} holds {type(content).__name__} for bytes"
                raise InputError(
                    self.place, found, "the bytes of a NIfTI file", "Cast the column to `datasets.Nifti()`."
                )
            return content
        # A row can name any file of this machine, or any address: none but the data set's own is opened.
        if not _is_under(path, self.home):
            found = f"column {name} points to {path}, outside of the data set"
            raise InputError(self.place, found, "files within it", "Embed the files, or name them relative to it.")
        if "://" not in path:
            check_is_image_file(Path(path))
            return Path(path).read_bytes()
        from datasets.utils.file_utils import xopen

        with xopen(path, "rb") as stream:
            return stream.read()


def _as_cell(value: Mapping[str, Any] | bytes | None) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"bytes": value, "path": None}


def _is_under(path: str, home: str) -> bool:
    if "://" in path or "://" in home:
        return path.startswith(home) and ".." not in path
    return Path(os.path.abspath(path)).is_relative_to(home)


@dataclass(frozen=True)
class Rows:
    """A data set of rows.

    Attributes:
        name: folder or Hub id, for messages.
        splits: its tables by name, streams.
        home: see `Row`.
        columns: of the table, by modality.
        subject_column: with the subjects' names; None takes them from the FLAIR files' names.
    """

    name: str
    splits: Mapping[str, IterableDataset]
    home: str
    columns: Mapping[str, str]
    subject_column: str | None

    def count(self, split: str) -> int:
        """Return the number of a split's rows, or 0 where it is not known before they are read."""
        known = self.splits[split].info.splits or {}
        return int(known[split].num_examples or 0) if split in known else 0

    def read(self, split: str) -> Iterator[Row]:
        """Yield the rows of a split in order.

        Raises:
            InputError: a row cannot be read, names no subject, or lacks a scan that is needed.
        """
        for number, values in enumerate(self._values(split)):
            place = f"{self.name}, {split}[{number}]"
            cells = {name: _as_cell(values[column]) for name, column in self.columns.items()}
            row = {name: cell for name, cell in cells.items() if cell.get("bytes") or cell.get("path")}
            if missing := [name for name in CONDITIONS if name not in row]:
                named = " and ".join(self.columns[name] for name in missing)
                raise InputError(place, f"{named} is empty", "a file for each scan", "Fill it, or leave the row out.")
            subject = self._subject(values, row["flair"], number, place)
            yield Row(subject, f"{place} ({subject})", row, self.home)

    def subjects(self) -> set[str] | None:
        """Return everybody's names, from their column alone, which takes no scan; None where the files name them.

        Raises:
            InputError: a row cannot be read.
        """
        if self.subject_column is None:
            return None
        column = self.subject_column
        return {safe_name(str(values[column])) for split in self.splits for values in self._values(split, [column])}

    def _values(self, split: str, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        wanted = columns or [*self.columns.values(), *filter(None, [self.subject_column])]
        # `decode(False)` first: a column cast to `Nifti(decode=False)` is still decoded in a stream off the Hub.
        rows = iter(self.splits[split].decode(False).select_columns(list(wanted)))
        while True:
            try:
                values = next(rows, None)
            except Exception as error:  # parquet, csv and network each have errors of their own
                place, found = f"{self.name}, {split}", f"it cannot be read ({first_line(error)})"
                raise InputError(place, found, "a whole data set", _remedy("://" not in self.home)) from error
            if values is None:
                return
            yield values

    def _subject(self, values: Mapping[str, Any], flair: Mapping[str, Any], number: int, place: str) -> str:
        if self.subject_column:
            if values[self.subject_column] in (None, ""):
                raise InputError(place, f"{self.subject_column} is empty", "the subject's name", "Name the subject.")
            return safe_name(str(values[self.subject_column]))
        # Where the file's name is the modality alone, `subject_of` takes the folder's.
        return subject_of(Path(f"/row-{number}") / Path(flair.get("path") or "flair.nii.gz").name)


def is_dataset_folder(folder: Path) -> bool:
    """Say whether a folder is one that `datasets` loads: parquet files, or metadata that name files."""
    near = [folder, *(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))]
    files = [entry / name for entry in near for name in _METADATA]
    if any(_names_files(file) for file in files if file.is_file()):
        return True
    card = folder / "README.md"
    if card.is_file() and re.match(r"---\n(?:.*\n)*?configs:", card.read_text(encoding="utf-8", errors="replace")):
        return True
    homes = (entry for entry in near if entry == folder or entry.name in _PARQUET_FOLDERS)
    return any(file.name not in _METADATA for entry in homes for file in entry.glob("*.parquet"))


def _names_files(metadata: Path) -> bool:
    try:
        if metadata.suffix == ".parquet":
            from pyarrow import parquet

            names = parquet.read_schema(metadata).names
        else:
            with open(metadata, encoding="utf-8", newline="") as stream:
                line = stream.readline()
            names = next(csv.reader([line]), []) if metadata.suffix == ".csv" else list(json.loads(line))
    except (OSError, ValueError, TypeError, RecursionError, csv.Error):  # a table of its own, or none
        return False
    return any(str(name).endswith(_FILE_COLUMN) for name in names)


def open_rows(source: str | Path, revision: str | None = None, streaming: bool = False) -> Rows:
    """Open a folder or a Hub repository as a data set of rows.

    Args:
        source: folder that `datasets` loads, or a Hub id.
        revision: of a Hub repository.
        streaming: leave a Hub repository where it is, and read it row by row.

    Raises:
        InputError: it cannot be reached or loaded, or it has no column for a scan that is needed.
    """
    name, tables = str(source), None
    try:
        if isinstance(source, Path) or not streaming:
            folder = source if isinstance(source, Path) else _download(source, revision)
            tables, home = _load(folder), os.path.abspath(folder)
        else:
            tables, home = _load(source, revision), f"hf://datasets/{source}@"
    except Exception as error:  # of a dozen kinds: datasets, huggingface_hub, fsspec, pyarrow, pandas, yaml
        expected = "a data set with columns of NIfTI files"
        found = f"it cannot be loaded ({first_line(error)})"
        if not isinstance(source, Path):
            found = f"no folder of that name is here, and from the Hub {found}"
        raise InputError(name, found, expected, _remedy(isinstance(source, Path))) from error
    features = next(iter(tables.values())).features
    columns = _columns(name, features)
    subject = next((column for wanted in SUBJECT_COLUMNS for column in features if column.lower() == wanted), None)
    return Rows(name, tables, home, columns, subject)


def _download(source: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(source, repo_type="dataset", revision=revision))


def _load(source: str | Path, revision: str | None = None) -> dict[str, IterableDataset]:
    from datasets import load_dataset

    return dict(load_dataset(str(source), revision=revision, streaming=True))


def _columns(name: str, features: Features | None) -> dict[str, str]:
    """Find the column of each modality by the names that its files may have."""
    found: dict[str, list[str]] = {}
    for column, kind in (features or {}).items():
        if _holds_files(kind) and (modality := modality_of(column)):
            found.setdefault(modality, []).append(column)
    for modality, columns in found.items():
        if len(columns) > 1:
            raise InputError(name, f"columns {' and '.join(columns)} are both {modality}", "one", "Remove the others.")
    if missing := [modality for modality in CONDITIONS if modality not in found]:
        accepted = "; ".join(f"{' or '.join(FILE_ALIASES[modality])} for {modality}" for modality in missing)
        there = ", ".join(features or {}) or "none"
        raise InputError(
            name, f"no column of NIfTI files for {' and '.join(missing)}; its columns are {there}", accepted,
            "Rename the columns, or cast them to `datasets.Nifti()`.",
        )  # fmt: skip
    return {modality: columns[0] for modality, columns in found.items()}


def _holds_files(kind: Any) -> bool:
    from datasets import Nifti, Value

    if isinstance(kind, Nifti) or (isinstance(kind, dict) and kind.keys() == {"bytes", "path"}):
        return True
    return isinstance(kind, Value) and kind.dtype in ("binary", "large_binary")


def _remedy(local: bool) -> str:
    if local:
        return "Check its files, and that `datasets.load_dataset` loads it."
    return "Check the path or name, the network and, for a private one, `hf auth login`."
