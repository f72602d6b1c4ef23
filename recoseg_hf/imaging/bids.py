"""Names in the manner of BIDS: whose scans a folder holds, and where that subject's tumour segmentation is kept.

The Brain Imaging Data Structure (Gorgolewski et al. 2016, 10.1038/sdata.2016.44) has scans in
`sub-01[/ses-01]/anat/sub-01[_ses-01][_<entity>-<value>]_<suffix>.nii.gz`, and what was made of them in `derivatives/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from recoseg_hf.imaging.paths import image_files, image_stem

DERIVATIVES = "derivatives"
NO_CASES = (DERIVATIVES, "sourcedata")
"""Folders beside the subjects' that hold the same subjects' files again."""

_NAME = re.compile(r"sub-[a-z0-9]+(?:_[a-z]+-[a-z0-9+]+)*_[a-z0-9]+", re.IGNORECASE)
_SUBJECT = re.compile(r"sub-[a-z0-9]+", re.IGNORECASE)
_SESSION = re.compile(r"ses-[a-z0-9]+", re.IGNORECASE)
_SEGMENTATIONS = ("dseg", "seg", "mask")
_REPORTS = "*_report.json"
_TUMOUR = re.compile(r"tumou?r|lesion|glioma|glioblastoma|brats|\bwt\b", re.IGNORECASE)
# Programs whose segmentations are of tissues or of anatomy: labels 1 to 3 of theirs would pass for a tumour's.
_ANATOMY = re.compile(
    r"[fs]mriprep|freesurfer|fastsurfer|synthseg|samseg|ants|cat12|spm|fsl|hd-?bet|mindboggle", re.IGNORECASE
)


def entities(stem: str) -> dict[str, str]:
    """Return the entities of a file's name, in lower case: {"sub": "01", "ce": "gadolinium"}; none of another name."""
    if not _NAME.fullmatch(stem):
        return {}
    return dict(part.split("-", 1) for part in stem.lower().split("_")[:-1])


def is_contrast_enhanced(stem: str) -> bool:
    """Say whether a name has the entity `ce-<agent>`, which tells T1ce from T1."""
    return entities(stem).get("ce", "none") not in ("none", "no")


def subject_of_stem(stem: str) -> str | None:
    """Return `sub-01` or `sub-01_ses-01` of a file's name, as it is written there; None for another name."""
    if not _NAME.fullmatch(stem):
        return None
    first, second = stem.split("_")[:2]
    return f"{first}_{second}" if _SESSION.fullmatch(second) else first


def subject_of_folder(folder: Path) -> str | None:
    """Return `sub-01` or `sub-01_ses-01` for `sub-01[/ses-01][/anat]`; None for another folder."""
    place = _place(folder)
    return "_".join(place[1]) if place else None


def _place(folder: Path) -> tuple[Path, list[str]] | None:
    """Return the data set's root, and the names of the subject and, where there is one, of the session."""
    path = Path(os.path.abspath(folder))
    path = path.parent if path.name.lower() == "anat" else path
    if _SUBJECT.fullmatch(path.name):
        return path.parent, [path.name]
    if _SESSION.fullmatch(path.name) and _SUBJECT.fullmatch(path.parent.name):
        return path.parent.parent, [path.parent.name, path.name]
    return None


def without_derived(folders: Iterable[str]) -> list[str]:
    """Leave out of a folder's sub-folders those that repeat the subjects beside them."""
    names = list(folders)
    if not any(_SUBJECT.fullmatch(name) for name in names):
        return names
    return [name for name in names if name.lower() not in NO_CASES]


def derived_segmentations(folder: Path) -> list[Path]:
    """Return the files under `derivatives/` that may be a subject's tumour segmentation, those that say so alone.

    A `_dseg`, `_seg` or `_mask` whose label, description or pipeline names a tumour; where none does, a `_dseg` or
    `_seg` of neither label nor description, from no pipeline that segments tissue or anatomy.
    """
    place = _place(folder)
    if place is None:
        return []
    root, names = place
    # Co-registered scans are often derivatives themselves, and the segmentation lies in another pipeline's folder.
    derivatives = root.parent if root.parent.name == DERIVATIVES else root / DERIVATIVES
    if not derivatives.is_dir():
        return []
    homes = [derivatives, *sorted(entry for entry in derivatives.iterdir() if entry.is_dir())]
    found = [(home, file) for home in homes for file in _files_of(home.joinpath(*names), "_".join(names))]
    named = [file for home, file in found if _names_tumour(home, file)]
    return named or [file for home, file in found if _is_plain(home, file)]


def _files_of(folder: Path, subject: str) -> list[Path]:
    # Results of `recoseg predict` are no reference, whatever the folder they were written to is called.
    folders = [part for part in (folder, folder / "anat") if part.is_dir() and not any(part.glob(_REPORTS))]
    files = [file for part in folders for file in image_files(part) if _suffix(file) in _SEGMENTATIONS]
    return [file for file in files if (subject_of_stem(image_stem(file)) or "").lower() == subject.lower()]


def _suffix(file: Path) -> str:
    return image_stem(file).lower().split("_")[-1]


def _names_tumour(home: Path, file: Path) -> bool:
    found = entities(image_stem(file))
    described = [found[key] for key in ("label", "desc") if key in found]
    return any(map(_TUMOUR.search, described or ([] if home.name == DERIVATIVES else [home.name])))


def _is_plain(home: Path, file: Path) -> bool:
    described = {"label", "desc"} & entities(image_stem(file)).keys()
    return _suffix(file) != "mask" and not described and not _ANATOMY.search(home.name)
