"""Uploaded scans as a case: read under neutral names, so that nobody's file name gets into a message or a result."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from recoseg_hf import Case, InputError
from recoseg_hf.errors import Problems
from recoseg_hf.imaging.grids import covering_grid, ras_grid
from recoseg_hf.imaging.headers import Geometry
from recoseg_hf.imaging.nifti import read_header
from space.gate import check_there
from space.settings import EXAMPLE, MAX_BYTES, MAX_VOXELS
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
    _check_there(uploads)
    with tempfile.TemporaryDirectory(prefix="recoseg-upload-") as folder:
        files = {name: Path(folder) / f"{name}.nii.gz" for name, upload in uploads.items() if upload}
        for name, file in files.items():
            os.symlink(uploads[name], file)
        try:
            _check_sizes(files)
            yield Case.from_files(**files, subject=SUBJECT)
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


def _check_there(uploads: Mapping[str, str | None]) -> None:
    problems = Problems()
    for name, upload in uploads.items():
        with problems.collected():
            if upload:
                check_there(FIELDS[name], upload)
    problems.raise_all()


def _check_sizes(files: Mapping[str, Path]) -> None:
    """Refuse scans that are too large by their headers, all of them before a voxel of any is read."""
    problems = Problems()
    for name, file in files.items():
        with problems.collected():
            _check_size(FIELDS[name], read_header(file))
    problems.raise_all()


def _check_size(field: str, geometry: Geometry) -> None:
    own = math.prod(geometry.shape)
    try:  # the grid of 1 mm that covers it, which an oblique or sheared affine makes larger than the scan
        covering = math.prod(covering_grid(*ras_grid(geometry.shape, geometry.affine), spacing=1.0)[0])
    except ValueError:
        covering = None
    if covering is None or max(own, covering) > MAX_VOXELS:
        shown = f"{max(own, covering):,} voxels" if covering else "too many voxels"
        raise InputError(
            field,
            f"it has {shown}{' at 1 mm' if covering is None or covering > own else ''}",
            f"at most {MAX_VOXELS:,} on this shared machine",
            "Crop the scans to the head at 1 mm, or run `recoseg predict` on a machine of your own.",
        )
    if geometry.end > MAX_BYTES:
        raise InputError(
            field,
            f"its header declares {geometry.end:,} bytes",
            f"at most {MAX_BYTES:,} on this shared machine",
            "Export the scan again, in single precision and without extensions of its header.",
        )
