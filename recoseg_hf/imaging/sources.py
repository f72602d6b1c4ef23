"""Where cases come from: a folder of case folders, or rows of a data set; by split, read one at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import case_files, case_name, find_cases, safe_name, subject_of_folder
from recoseg_hf.imaging.paths import listing
from recoseg_hf.imaging.rows import Rows, is_dataset_folder, open_rows
from recoseg_hf.json_files import read_json

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class CaseEntry:
    """A case that is known and not yet read.

    Attributes:
        subject: identifier, safe as part of a file name.
        place: folder, or words for a row of a data set.
        read: reads its volumes.
        hashes: SHA-256 of each of its files.
    """

    subject: str
    place: str | Path
    read: Callable[[], Case]
    hashes: Callable[[], dict[str, str]]


@dataclass(frozen=True)
class Part:
    """The cases of a split, in order.

    Attributes:
        entries: to go through once.
        count: how many; 0 where that is not known before.
    """

    entries: Iterable[CaseEntry]
    count: int = 0


class CaseSource(Protocol):
    """What cases can be taken from."""

    def parts(self, split: str | Path | None) -> dict[str, Part]:
        """Return the cases by split: as a JSON file has them, or else as the source does.

        Raises:
            InputError: the file is no split, or names a subject that is not there.
        """
        ...


def open_source(source: str | Path, revision: str | None = None, streaming: bool = False) -> CaseSource:
    """Open a folder of cases, a folder that `datasets` loads, or a data set on the Hub.

    Args:
        source: a folder in BraTS or BIDS layout; one with `metadata.csv` (`flair_file_name`, ...) or parquet files; or
            a Hub id, `organisation/name`.
        revision: branch, tag or commit of a Hub repository.
        streaming: read a Hub repository row by row instead of downloading it first.

    Raises:
        InputError: nothing of that name is there, or it holds no cases.
    """
    folder = Path(source)
    if folder.is_dir():
        return RowCases(open_rows(folder)) if is_dataset_folder(folder) else FolderCases(folder)
    if folder.exists() or not _HUB_ID.fullmatch(str(source)):
        found = "it is a file" if folder.exists() else f"no such folder; {listing(folder.absolute().parent)}"
        expected = "a folder of cases, or a data set on the Hub as organisation/name"
        raise InputError(folder, found, expected, "Check the path.")
    return RowCases(open_rows(str(source), revision, streaming))


class FolderCases:
    """Cases in folders: BraTS or BIDS layout.

    Args:
        root: with the case folders somewhere under it.
    """

    def __init__(self, root: Path):
        self.root = root

    def parts(self, split: str | Path | None) -> dict[str, Part]:
        """See `CaseSource`; without a file everybody is in `train`."""
        folders = read_split(split, self.root) if split else {"train": list(_folders_by_name(self.root).values())}
        return {name: Part([self._entry(path) for path in paths], len(paths)) for name, paths in folders.items()}

    def _entry(self, folder: Path) -> CaseEntry:
        return CaseEntry(
            subject_of_folder(folder), folder, lambda: Case.from_folder(folder), lambda: self._hashes(folder)
        )

    def _hashes(self, folder: Path) -> dict[str, str]:
        files = case_files(folder).values()
        return {os.path.relpath(file, self.root).replace(os.sep, "/"): sha256_file(file) for file in files}


class RowCases:
    """Cases in rows of a data set.

    Args:
        rows: of the data set.
    """

    def __init__(self, rows: Rows):
        self.rows = rows

    def parts(self, split: str | Path | None) -> dict[str, Part]:
        """See `CaseSource`; without a file the splits are those of the data set."""
        if split is None:
            seen: dict[str, str] = {}
            return {name: Part(self._entries(name, seen), self.rows.count(name)) for name in self.rows.splits}
        chosen = {name: {safe_name(subject) for subject in subjects} for name, subjects in read_names(split).items()}
        known = self.rows.subjects()
        if known is not None:  # told before hours of work on those that are there
            self._check_present(split, {subject for subjects in chosen.values() for subject in subjects}, known)
        return {name: Part(self._chosen(split, subjects), len(subjects)) for name, subjects in chosen.items()}

    def _check_present(self, split: str | Path, wanted: set[str], known: Collection[str]) -> None:
        if absent := sorted(wanted.difference(known)):
            raise InputError(split, f"{', '.join(absent)} not in {self.rows.name}", "a row for each", "Check both.")

    def _entries(self, split: str, seen: dict[str, str]) -> Iterator[CaseEntry]:
        """Yield a split's rows; `seen` has the subjects before them and where these stand."""
        for row in self.rows.read(split):
            if row.subject in seen:
                found = f"its subject is also that of {seen[row.subject]}"
                raise InputError(row.place, found, "each subject in one row", "Name them apart, in one split each.")
            seen[row.subject] = row.place
            yield CaseEntry(row.subject, row.place, row.read, row.hashes)

    def _chosen(self, split: str | Path, wanted: set[str]) -> Iterator[CaseEntry]:
        seen: dict[str, str] = {}
        for name in self.rows.splits:
            yield from (entry for entry in self._entries(name, seen) if entry.subject in wanted)
        self._check_present(split, wanted, seen)


def read_names(path: str | Path) -> dict[str, list[str]]:
    """Read `{"train": [subject, ...], "validation": [...]}`; entries that are no lists are left alone.

    Raises:
        InputError: it is no such JSON, or a subject stands in it twice.
    """
    content = read_json(path, "subjects by split", "Check the path.", dict)
    splits = {name: list(subjects) for name, subjects in content.items() if isinstance(subjects, list)}
    if not any(splits.values()) or not all(isinstance(subject, str) for ids in splits.values() for subject in ids):
        form = '{"train": ["subject", ...], "validation": [...]} with subjects\' names'
        raise InputError(path, "no list of names by split", form, "Write the split in this form.")
    chosen = [subject for subjects in splits.values() for subject in subjects]
    twice = sorted({subject for subject in chosen if chosen.count(subject) > 1})
    if twice:
        raise InputError(path, f"{', '.join(twice)} more than once", "each subject once", "Split by subject.")
    return {name: subjects for name, subjects in splits.items() if subjects}


def read_split(path: str | Path, root: Path) -> dict[str, list[Path]]:
    """Read `{"train": [subject, ...], "validation": [...]}` and find each subject's folder under `root`.

    Entries of the file that are no lists are left alone.

    Raises:
        InputError: it is no such JSON, or a subject is missing, stands in two splits or has two folders.
    """
    splits = read_names(path)
    folders = _folders_by_name(root)
    absent = sorted({subject for subjects in splits.values() for subject in subjects} - set(folders))
    if absent:
        raise InputError(path, f"{', '.join(absent)} not under {root}", "a folder for each", "Check both paths.")
    return {name: [folders[subject] for subject in subjects] for name, subjects in splits.items()}


def _folders_by_name(root: Path) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    subjects: dict[str, Path] = {}
    for folder in find_cases(root):
        name, subject = case_name(folder), subject_of_folder(folder)
        if name in found:
            raise InputError(folder, f"{found[name]} has the same name", "one folder for each subject", "Rename one.")
        if subject in subjects:  # two patients as one would stand in two splits, and nobody would see it
            there = f"its subject is called {subject}, as that of {subjects[subject]} is"
            raise InputError(folder, there, "one folder for each subject", "Rename one, not by a link.")
        found[name] = subjects[subject] = folder
    return found
