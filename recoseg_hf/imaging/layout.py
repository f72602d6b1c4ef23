"""Which file is what: modalities by file name, cases in a folder tree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from recoseg_hf.errors import InputError, Problems
from recoseg_hf.files import real_path
from recoseg_hf.imaging import bids
from recoseg_hf.imaging.paths import DICOM_REMEDY, holds_dicom, image_files, image_stem, listing
from recoseg_hf.pipeline.conventions import CONDITIONS, FILE_ALIASES, MODALITIES

_ONE_OF_TWO = "Keep the one you mean in the folder; `recoseg predict` takes files one by one too."

SYNTHETIC_MARK = "_desc-synth_"
"""Marks a synthetic image in its file name, so that it is never taken for a measured one."""


def find_cases(root: str | Path) -> list[Path]:
    """Find the folders under `root`, itself included, that hold FLAIR, T1 and T2, as in a BraTS download or in BIDS.

    Of a BIDS data set, what stands in `derivatives` and `sourcedata` is left out.

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
        derived = (root / bids.DERIVATIVES).is_dir()
        named = f"Name the files by modality: {_accepted(CONDITIONS)}."
        raise InputError(
            root,
            f"no folder in it holds a whole case; {listing(root)}",
            f"folders with one file each for {', '.join(CONDITIONS)}",
            f"Give the folder in {bids.DERIVATIVES} that has the co-registered scans." if derived else named,
        )
    return cases


def incomplete_cases(root: Path) -> list[Path]:
    """Find the folders with two scans of a case or more, but not the three that `find_cases` wants, sorted by path."""
    return [folder for folder, scans in likely_cases(root).items() if not scans >= {*CONDITIONS}]


def likely_cases(root: Path) -> dict[Path, set[str]]:
    """Find the folders with at least two of the four scans, sorted by path, and which scans each has."""
    found = {folder: modalities_in(folder).keys() & {*MODALITIES} for folder in folders_under(root)}
    return {folder: found[folder] for folder in sorted(found) if len(found[folder]) > 1}


def folders_under(root: Path) -> Iterator[Path]:
    """Walk the folders under `root`, through links too (data sets are often linked), each real folder once."""
    seen = set()
    for folder, children, _ in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            children.clear()
            continue
        seen.add(real)
        children[:] = bids.without_derived(name for name in children if not name.startswith("."))
        yield Path(folder)


def modalities_in(folder: Path) -> dict[str, list[Path]]:
    """Return a folder's image files by modality; files that name none, and synthetic images, are left out.

    A BIDS folder without a segmentation of its own has those under `derivatives`.
    """
    found: dict[str, list[Path]] = {}
    for file in image_files(folder):
        if modality := modality_of(image_stem(file)):
            found.setdefault(modality, []).append(file)
    if found and "seg" not in found and (derived := bids.derived_segmentations(folder)):
        found["seg"] = derived
    return found


def modality_of(stem: str) -> str | None:
    """Return what a name says that an image is, `flair`, `t1`, `t2`, `t1ce` or `seg`; None where it says nothing."""
    stem = stem.lower()
    if SYNTHETIC_MARK in stem:
        return None
    token = re.split("[_-]", stem)[-1]
    modality = next((name for name, aliases in FILE_ALIASES.items() if token in aliases), None)
    return "t1ce" if modality == "t1" and bids.is_contrast_enhanced(stem) else modality


def case_files(folder: Path, segmentation: bool = True) -> dict[str, Path]:
    """Return a case folder's one file per modality; of a BIDS subject's or session's folder, those in its `anat`.

    Args:
        folder: with the scans.
        segmentation: False leaves it out, and what is wrong with it unsaid.

    Raises:
        InputError: it is no folder, a modality other than T1ce is missing, or two files name the same one.
        CaseError: several of these.
    """
    files, problems = look_for_files(folder, segmentation)
    problems.raise_all()
    return files


def look_for_files(folder: Path, segmentation: bool = True) -> tuple[dict[str, Path], Problems]:
    """As `case_files`, but return what was found together with what is wrong, to be raised with more.

    Raises:
        InputError: it is no folder, or nothing in it is a scan.
    """
    if not folder.is_dir():
        kind = "it is a file" if folder.exists() else "no such folder"
        raise InputError(folder, kind, "a case folder", f"Check the path: {listing(folder.parent)}.")
    found = modalities_in(folder) or (modalities_in(folder / "anat") if (folder / "anat").is_dir() else {})
    if not segmentation:
        found.pop("seg", None)
    problems = Problems()
    for modality, files in found.items():
        if len(files) > 1:
            names = " and ".join(_within(file, folder) for file in files)
            problems.append(InputError(folder, f"{names} are both {modality}", "one file", _ONE_OF_TWO))
    missing = [modality for modality in CONDITIONS if modality not in found]
    if missing:
        lacking = DICOM_REMEDY if holds_dicom(folder) else "Give the folder of a single case."
        remedy = "Rename the files, or give them one by one." if found else lacking
        absent = f"no file for {' and '.join(missing)}; {listing(folder)}"
        problems.append(InputError(folder, absent, f"names that end in {_accepted(missing)}", remedy))
    if not found:
        problems.raise_all()
    return {modality: files[0] for modality, files in found.items() if len(files) == 1}, problems


def _within(file: Path, folder: Path) -> str:
    """Name a file as seen from a case's folder: derivatives of several pipelines often have one name."""
    return os.path.relpath(file, folder) if file.parent != folder else file.name


def _accepted(modalities: tuple[str, ...] | list[str]) -> str:
    """Name the accepted endings: "_flair or _t2f for flair"."""
    endings = (f"{' or '.join('_' + alias for alias in FILE_ALIASES[name])} for {name}" for name in modalities)
    return ", ".join(endings)


def subject_of(file: Path) -> str:
    """Return a safe subject id from a file's name without its modality, or from its folder's where nothing is left.

    Of a BIDS name it is `sub-01`, or `sub-01_ses-01`, whatever else the name says.
    """
    stem = image_stem(file)
    if subject := bids.subject_of_stem(stem):
        return safe_name(subject)
    parts = re.split("[_-]", stem)
    known = any(parts[-1].lower() in aliases for aliases in FILE_ALIASES.values())
    subject = stem[: -len(parts[-1])].rstrip("_-") if known else stem
    return safe_name(subject or real_path(file).parent.name)


def case_name(folder: Path) -> str:
    """Return what a case folder is called: `sub-01` or `sub-01_ses-01` in BIDS, else the folder's own name."""
    return bids.subject_of_folder(folder) or folder.name or real_path(folder).name


def subject_of_folder(folder: Path) -> str:
    """Return a safe subject id from the name of a case folder; of one reached by a link, from its real name."""
    real = real_path(folder)
    return safe_name(bids.subject_of_folder(folder) or bids.subject_of_folder(real) or real.name)


def safe_name(name: str) -> str:
    """Make a safe subject id of a file or folder name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64].strip(".-") or "case"
