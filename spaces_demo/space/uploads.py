"""Uploaded scans as a case: read under neutral names, so that nobody's file name gets into a message or a result."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from recoseg_hf import Case, InputError
from space.settings import EXAMPLE, MAX_VOXELS
from space.words import FIELDS, SUBJECT, about_field

OPTIONAL = ("t1ce",)


@contextlib.contextmanager
def uploaded_case(uploads: Mapping[str, str | None]) -> Iterator[Case]:
    """Read what was uploaded.

    Args:
        uploads: file by modality, None where a field was left empty.

    Yields:
        The case; its files are there as long as the context lasts.

    Raises:
        InputError: a field is empty, or its file is unusable; names the field. So do errors raised in the context.
    """
    _check_complete(uploads)
    with tempfile.TemporaryDirectory(prefix="recoseg-upload-") as folder:
        files = {name: Path(folder) / f"{name}.nii.gz" for name, upload in uploads.items() if upload}
        for name, file in files.items():
            os.symlink(uploads[name], file)
        try:
            case = Case.from_files(**files, subject=SUBJECT)
            _check_size(case)
            yield case
        except InputError as error:
            raise about_field(error, files) from None


@contextlib.contextmanager
def example_case() -> Iterator[Case]:
    """Read the simulated case that comes with the Space."""
    yield Case.from_folder(EXAMPLE, subject="example")


def _check_complete(uploads: Mapping[str, str | None]) -> None:
    for name, upload in uploads.items():
        if not upload and name not in OPTIONAL:
            raise InputError(
                FIELDS[name],
                "no file was given",
                "a NIfTI file (.nii or .nii.gz)",
                "Upload one, or try the simulated example.",
            )


def _check_size(case: Case) -> None:
    flair = case.flair
    voxels = max(flair.data.size, round(flair.data.size * 1000 * flair.voxel_volume_ml))  # its own, or of 1 mm
    if voxels > MAX_VOXELS:
        raise InputError(
            FIELDS["flair"],
            f"it has {voxels:,} voxels{' at 1 mm' if voxels > flair.data.size else ''}",
            f"at most {MAX_VOXELS:,} on this shared machine",
            "Crop the scans to the head at 1 mm, or run `recoseg predict` on a machine of your own.",
        )
