"""Which file is what: modalities by file name, cases in a folder tree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.paths import image_files, image_stem, listing
from recoseg_hf.pipeline.conventions import CONDITIONS, FILE_ALIASES

SYNTHETIC_MARK = "_desc-synth_"
"""Marks a synthetic image in its file name, so that it is never taken for a measured one."""


def find_cases(root: str | Path) -> list[Path]:
    """Find the folders under `root`, itself included, that hold FLAIR, T1 and T2, as in a BraTS download.

    Returns:
        Folders sorted by path; `Case.from_folder` reads each.

    Raises:
        InputError: `root` is no folder, or no such folder is under it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(root, "no such folder", "a folder of cases", f"Check the path: {listing(root.parent)}.")
    cases = sorted(folder for folder in folders_under(root) if modalities_in(folder).keys() >= set(CONDITIONS))
    if not cases:
        raise InputError(
            root,
            f"no folder in it holds a whole case; {listing(root)}",
            f"folders with one file each for {', '.join(CONDITIONS)}",
            f"Name the files by modality: {_accepted(CONDITIONS)}.",
        )
    return cases


def folders_under(root: Path) -> Iterator[Path]:
    """Walk the folders under `root`, through links too (data sets are often linked), each real folder once."""
    seen = set()
    for folder, children, _ in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            children.clear()
            continue
        seen.add(real)
        children[:] = [name for name in children if not name.startswith(".")]
        yield Path(folder)


def modalities_in(folder: Path) -> dict[str, list[Path]]:
    """Return a folder's image files by modality; files that name none, and synthetic images, are left out."""
    found: dict[str, list[Path]] = {}
    for file in image_files(folder):
        stem = image_stem(file).lower()
        if SYNTHETIC_MARK in stem:
            continue
        token = re.split("[_-]", stem)[-1]
        for modality, aliases in FILE_ALIASES.items():
            if token in aliases:
                found.setdefault(modality, []).append(file)
    return found


def case_files(folder: Path) -> dict[str, Path]:
    """Return a case folder's one file per modality.

    Raises:
        InputError: it is no folder, a modality other than T1ce is missing, or two files name the same one.
    """
    if not folder.is_dir():
        kind = "it is a file" if folder.exists() else "no such folder"
        raise InputError(folder, kind, "a case folder", f"Check the path: {listing(folder.parent)}.")
    found = modalities_in(folder)
    for modality, files in found.items():
        if len(files) > 1:
            names = " and ".join(file.name for file in files)
            raise InputError(folder, f"{names} are both {modality}", "one file", "Give the files one by one.")
    missing = [modality for modality in CONDITIONS if modality not in found]
    if missing:
        raise InputError(
            folder,
            f"no file for {' and '.join(missing)}; {listing(folder)}",
            f"names that end in {_accepted(missing)}",
            "Rename the files, or give them one by one." if found else "Give the folder of a single case.",
        )
    return {modality: files[0] for modality, files in found.items()}


def _accepted(modalities: tuple[str, ...] | list[str]) -> str:
    """Name the accepted endings: "_flair or _t2f for flair"."""
    endings = (f"{' or '.join('_' + alias for alias in FILE_ALIASES[name])} for {name}" for name in modalities)
    return ", ".join(endings)


def subject_of(file: Path) -> str:
    """Return a safe subject id from a file's name without its modality, or from its folder's where nothing is left."""
    stem = image_stem(file)
    parts = re.split("[_-]", stem)
    known = any(parts[-1].lower() in aliases for aliases in FILE_ALIASES.values())
    subject = stem[: -len(parts[-1])].rstrip("_-") if known else stem
    return safe_name(subject or file.resolve().parent.name)


def safe_name(name: str) -> str:
    """Make a safe subject id of a file or folder name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64].strip(".-") or "case"
