"""One subject's scans: found by name, read, and checked against one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from recoseg_hf.errors import InputError, Problems
from recoseg_hf.files import safe_subject_id
from recoseg_hf.imaging.layout import find_cases as find_cases
from recoseg_hf.imaging.layout import look_for_files, subject_of, subject_of_folder
from recoseg_hf.imaging.reading import distinct_files, other_grids, read_volumes
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.pipeline.conventions import CONDITIONS, MODALITIES


def brain_of_scans(scans: Mapping[str, Volume]) -> np.ndarray:
    """Return where FLAIR, T1 or T2 is not zero, bool of the shape of the scans, which lie on one grid."""
    flair, t1, t2 = (scans[name].data != 0 for name in CONDITIONS)
    flair |= t1
    flair |= t2
    return flair


@dataclass(frozen=True, eq=False)
class Case:
    """A subject's co-registered volumes, all on one grid.

    Attributes:
        subject: identifier, safe as part of a file name.
        flair: FLAIR, float32 in the source's units; its grid is the case's grid.
        t1: T1 before contrast.
        t2: T2.
        t1ce: contrast-enhanced T1, or None.
        seg: uint8 BraTS labels, or None.
        sources: where each volume was read from, by modality: a file, or words for a cell of a data set; empty for a
            simulated case.

    Raises:
        InputError: a volume does not share the grid of `flair`, or the subject id is unsafe.
        CaseError: several of these.
    """

    subject: str
    flair: Volume
    t1: Volume
    t2: Volume
    t1ce: Volume | None = None
    seg: Volume | None = None
    sources: Mapping[str, str | Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.collected():
            safe_subject_id(self.subject)
        problems += other_grids(self.volumes(), self.sources)
        problems.raise_all()

    def volumes(self) -> dict[str, Volume]:
        """Return the volumes that are there by name, in the order flair, t1, t2, t1ce, seg."""
        found = {name: getattr(self, name) for name in (*MODALITIES, "seg")}
        return {name: volume for name, volume in found.items() if volume is not None}

    @cached_property
    def brain(self) -> np.ndarray:
        """Where FLAIR, T1 or T2 is not zero, bool (I, J, K); found once, so the volumes are to stay as they are."""
        return brain_of_scans(self.volumes())

    @classmethod
    def from_folder(cls, path: str | Path, subject: str | None = None, segmentation: bool = True) -> Case:
        """Read a case from a folder with one file per modality.

        A file's modality is the last part of its name after `_` or `-`, in upper or lower case: `flair` or `t2f`;
        `t1`, `t1n` or `t1w`; `t2` or `t2w`; `t1ce`, `t1c`, `t1gd`, or a BIDS `_ce-<agent>_T1w`; `seg` or `dseg`. T1ce
        and the segmentation may be absent. That of a BIDS subject may stand under `derivatives`.

        Args:
            path: for example `Brats18_CBICA_ABM_1/`, with `Brats18_CBICA_ABM_1_flair.nii.gz` and the others in it, or
                `sub-01/anat/`.
            subject: identifier; by default taken from the folder's name, in BIDS `sub-01` or `sub-01_ses-01`.
            segmentation: False leaves a segmentation in the folder unread.

        Raises:
            InputError: a modality is missing or there twice, or as for `from_files`.
            CaseError: several of these, from whatever could be read.
        """
        folder = Path(path)
        files, problems = look_for_files(folder, segmentation)
        return cls._read(subject or subject_of_folder(folder), files, problems=problems)

    @classmethod
    def from_files(
        cls,
        flair: str | Path,
        t1: str | Path,
        t2: str | Path,
        t1ce: str | Path | None = None,
        seg: str | Path | None = None,
        subject: str | None = None,
    ) -> Case:
        """Read a case from single files.

        A file whose axes run in another order or direction than FLAIR's, but whose voxels lie at the same places, is
        flipped and permuted to FLAIR's grid.

        Args:
            flair: FLAIR volume; its grid becomes the case's.
            t1: T1 volume.
            t2: T2 volume.
            t1ce: contrast-enhanced T1 volume, if there is one.
            seg: segmentation with BraTS labels, if there is one.
            subject: identifier of 1 to 64 letters, digits, dots, underscores and hyphens; by default taken from the
                name of the FLAIR file.

        Raises:
            InputError: a file is unusable, files do not share a grid (within 0.001 mm), one file or the same voxels
                were given for two modalities, or `subject` is unsafe.
            CaseError: several of these: every file is read, whatever was wrong with the one before.
        """
        given = {"flair": flair, "t1": t1, "t2": t2, "t1ce": t1ce, "seg": seg}
        sources = {name: Path(file) for name, file in given.items() if file is not None}
        return cls._read(subject or subject_of(sources["flair"]), *distinct_files(sources))

    @classmethod
    def from_bytes(
        cls,
        subject: str,
        contents: Mapping[str, bytes],
        sources: Mapping[str, str | Path],
        problems: Iterable[InputError] = (),
    ) -> Case:
        """Read a case from the bytes of its NIfTI files.

        Args:
            subject: identifier, as for `from_files`.
            contents: of the files by modality; FLAIR, T1 and T2 are needed.
            sources: what each is called in errors.
            problems: known before, to be raised with those that reading finds; if there are any, FLAIR, T1 or T2 may
                be missing.

        Raises:
            InputError: as for `from_files`.
            CaseError: several of these.
        """
        return cls._read(subject, sources, problems, contents)

    @classmethod
    def _read(
        cls,
        subject: str,
        sources: Mapping[str, str | Path],
        problems: Iterable[InputError] = (),
        contents: Mapping[str, bytes] | None = None,
    ) -> Case:
        problems = Problems(problems)
        with problems.collected():
            safe_subject_id(subject)
        volumes = read_volumes(sources, problems, contents)
        problems.raise_all()
        return cls(subject=subject, **volumes, sources=sources)
