"""Which prediction belongs to which reference: found by name, in the folders both are kept in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.layout import SYNTHETIC_MARK, folders_under, modalities_in, subject_of, subject_of_folder
from recoseg_hf.imaging.paths import IMAGE_SUFFIXES, image_files, image_stem, listing
from recoseg_hf.pipeline.conventions import CONDITIONS

_MASK_MARK = "_mask"
_AT_MOST_NAMED = 12
_SCANS = {"t1ce": "T1ce", "t1": "T1", "flair": "FLAIR"}


@dataclass(frozen=True)
class Reference:
    """A subject's reference files.

    Attributes:
        names: the subject's identifier by its files, and by its folder where that holds one subject and differs.
        seg: segmentation, or None where a case has none.
        t1ce, t1, flair: measured scans, or None.
    """

    names: tuple[str, ...]
    seg: Path | None
    t1ce: Path | None = None
    t1: Path | None = None
    flair: Path | None = None

    @property
    def subject(self) -> str:
        """The identifier used in results."""
        return self.names[0]


def find_references(root: Path) -> list[Reference]:
    """Find the segmentations under a folder, and cases that have none, sorted by subject.

    Raises:
        InputError: `root` is no folder, nothing was found, or one subject was found twice.
    """
    _check_folder(root)
    found = sorted(
        (one for folder in folders_under(root) for one in _references_in(folder)), key=lambda one: one.names
    )
    if not any(one.seg for one in found):
        raise InputError(
            root,
            f"no segmentation in it; {listing(root)}",
            "<subject>_seg.nii.gz, in it or in folders under it",
            "Give the folder of labelled cases.",
        )
    subjects = Counter(one.subject for one in found)
    if twice := [subject for subject, times in subjects.items() if times > 1]:
        raise InputError(
            root, f"{named(twice)} found more than once", "one reference per subject", "Remove the copies."
        )
    return found


def find_mask(predictions: Path, names: Sequence[str]) -> Path | None:
    """Find a subject's mask in a folder or in its sub-folder of that name; None where there is none.

    Raises:
        InputError: the folder is missing, or it holds two masks of the subject.
    """
    _check_folder(predictions)
    candidates = (
        folder / f"{name}{_MASK_MARK}{suffix}"
        for name in names
        for folder in (predictions, predictions / name)
        for suffix in IMAGE_SUFFIXES
    )
    masks = [file for file in candidates if file.is_file()]
    if len(masks) > 1:
        found = f"{named([str(mask.relative_to(predictions)) for mask in masks])} are masks of one subject"
        raise InputError(predictions, found, "one mask per subject", "Keep the one you mean.")
    return masks[0] if masks else None


def find_synthetic(mask: Path) -> Path | None:
    """Return the synthetic T1ce beside a mask, or None."""
    return _beside(mask, f"{SYNTHETIC_MARK}t1ce")


def find_residual(mask: Path) -> Path | None:
    """Return the residual map beside a mask, or None."""
    return _beside(mask, "_residual")


def find_labels(mask: Path) -> Path | None:
    """Return the BraTS labels beside a mask, or None."""
    return _beside(mask, "_labels")


def _beside(mask: Path, mark: str) -> Path | None:
    stem = image_stem(mask).removesuffix(_MASK_MARK) + mark
    files = (mask.with_name(stem + suffix) for suffix in IMAGE_SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def unmatched_masks(predictions: Path, matched: Collection[Path | None]) -> list[str]:
    """Return the subjects of the masks in a folder and its sub-folders that are not among `matched`."""
    folders = [predictions, *(entry for entry in predictions.iterdir() if entry.is_dir())]
    files = {file for folder in folders for file in image_files(folder) if image_stem(file).endswith(_MASK_MARK)}
    return sorted(image_stem(file).removesuffix(_MASK_MARK) for file in files - set(matched))


def named(names: Sequence[str]) -> str:
    """Name things in a sentence, the first few of many."""
    more = f" and {len(names) - _AT_MOST_NAMED} more" if len(names) > _AT_MOST_NAMED else ""
    return ", ".join(names[:_AT_MOST_NAMED]) + more


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        found = "it is a file" if path.exists() else "no such folder"
        raise InputError(path, found, "a folder", f"Check the path: {listing(path.parent)}.")


def _references_in(folder: Path) -> Iterator[Reference]:
    files = modalities_in(folder)
    segmentations = files.get("seg", [])
    own_name = (subject_of_folder(folder),) if len(segmentations) < 2 else ()
    for seg in segmentations:
        subject = subject_of(seg)
        measured = {name: _only_scan(folder, files, name, subject) for name in _SCANS}
        yield Reference(tuple(dict.fromkeys((subject, *own_name))), seg, **measured)
    if not segmentations and files.keys() >= set(CONDITIONS):
        yield Reference(tuple(dict.fromkeys((subject_of(files["flair"][0]), *own_name))), None)


def _only_scan(folder: Path, files: Mapping[str, Sequence[Path]], modality: str, subject: str) -> Path | None:
    found = [file for file in files.get(modality, []) if subject_of(file) == subject]
    if len(found) > 1:
        both = f"{named([file.name for file in found])} are both {_SCANS[modality]} of {subject}"
        raise InputError(folder, both, "one file", "Keep the measured one.")
    return found[0] if found else None
