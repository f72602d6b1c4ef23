"""Whose scans a folder holds, by its names; and rows of a table in place of a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from recoseg_hf.files import safe_subject_id
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import find_cases, incomplete_cases, safe_name, subject_of, subject_of_folder
from recoseg_hf.imaging.rows import Row
from tests.fuzz.strategies import names, scans
from tests.fuzz.strategies.scans import plain_file
from tests.fuzz.targets.target import BrokenPromiseError, Target

_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_NUMBERS = {"flair": 0, "t1": 1, "t2": 2, "t1ce": 3}


def _folder(paths: list[str], folder: Path) -> None:
    for number, path in enumerate(paths):
        file = folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(plain_file(number))
        except OSError:  # a name that this file system does not take
            continue
    incomplete_cases(folder)
    for found in find_cases(folder):
        _check(subject_of_folder(found))
        _check(Case.from_folder(found).subject)


def _identifier(text: str, folder: Path) -> None:
    made = safe_name(text)
    if not _SAFE.fullmatch(made) or made.startswith("."):
        raise BrokenPromiseError(f"{text!r} became {made!r}")
    if text.strip() and "\0" not in text:
        subject_of(folder / f"{text}_flair.nii.gz".replace("/", "_"))
    _check(safe_subject_id(text))


def _check(subject: str) -> None:
    if not _SAFE.fullmatch(subject) or subject.endswith("."):
        raise BrokenPromiseError(f"a subject called {subject!r}")


def _row(cells: dict[str, Any], folder: Path) -> None:
    given = {
        name: cell | {"bytes": plain_file(_NUMBERS[name]) if cell["bytes"] == b"good" else cell["bytes"]}
        for name, cell in cells.items()
    }
    case = Row("sub-01", "row 1", given, str(folder)).read()
    if case.subject != "sub-01":
        raise BrokenPromiseError(case.subject)


_TREE = [f"sub-01/anat/sub-01_{ending}.nii" for ending in ("FLAIR", "T1w", "T2w", "ce-gd_T1w")]
_CELLS = {name: {"bytes": b"good", "path": None} for name in scans.NAMES[:3]}

TARGETS = (
    Target("names of files", names.trees(), (_TREE,), _folder),
    Target("subject ids", names.identifiers, ("sub-01",), _identifier, ("a/b",)),
    Target("cells of a row", names.cells, (_CELLS,), _row),
)
