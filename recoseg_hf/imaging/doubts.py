"""What may be used but is seldom meant: scans unlike those that the models know, and names that mislead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recoseg_hf.errors import InputError, printable
from recoseg_hf.imaging.nifti import is_compressed, read_header
from recoseg_hf.imaging.skull import more_than_a_brain
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.pipeline.conventions import CONDITIONS, MODALITIES

_SPACING_TOLERANCE = 0.1  # mm of the 1 mm that the models work at
_SHEAR_TOLERANCE = 0.1  # degrees: 0.4 mm over a head
_SHORTEST_BRAIN_MM = 100  # an adult's is at least 120 mm long in every direction


@dataclass(frozen=True)
class Doubt:
    """Something that stops nobody, in the words of an `InputError`.

    Attributes:
        file: the file or folder it is about.
        found: what was found there, as a clause.
        expected: what would have raised no doubt, as a noun phrase.
        remedy: what comes of it, or what can be done, as a sentence.
    """

    file: str | Path
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return printable(f"{self.file}: {self.found}; expected {self.expected}. {self.remedy}")


def find_doubts(volumes: Mapping[str, Volume], sources: Mapping[str, str | Path]) -> list[Doubt]:
    """Look at volumes that could be read.

    Args:
        volumes: by modality.
        sources: the files they are from, or words.
    """
    doubts = []
    for name, volume in volumes.items():
        file = sources.get(name, name)
        if name == next(iter(volumes)):
            doubts += _grid_doubts(file, volume)
        doubts += _scan_doubts(file, volume) if name in MODALITIES else []
        if found := doubtful_qform(file):
            remedy = "The sform is used where there is one; other programs may use the qform. Set both alike."
            doubts.append(Doubt(file, found, "an sform and a qform that say the same", remedy))
        if found := misnamed(file):
            expected = f"a name that ends in {'.nii.gz' if is_compressed(file) else '.nii'}"
            doubts.append(Doubt(file, found, expected, "Rename it: other programs go by the name."))
    if volumes.keys() >= {*CONDITIONS} and "t1ce" not in sources:
        remedy = "`recoseg predict` needs --residual-source ensemble or none."
        doubts.append(Doubt("t1ce", "there is none", "a T1ce to compare the synthetic one with", remedy))
    return doubts


def off_spacing(volume: Volume) -> str:
    """Return a voxel's size, as in "1 x 1 x 3 mm", where it is more than a tenth off 1 mm; else ""."""
    if all(abs(size - 1) <= _SPACING_TOLERANCE for size in volume.voxel_spacing):
        return ""
    return f"{' x '.join(f'{size:.3g}' for size in volume.voxel_spacing)} mm"


def degrees_of_shear(volume: Volume) -> float:
    """By how many degrees two axes of a grid miss the right angle; 0 within the tolerance."""
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    cosines = np.abs((axes.T @ axes)[np.triu_indices(3, 1)])
    degrees = float(np.degrees(np.arcsin(np.clip(cosines.max(), 0, 1))))
    return degrees if degrees > _SHEAR_TOLERANCE else 0.0


def is_slice(volume: Volume) -> bool:
    """Say whether a volume is a single slice."""
    return min(volume.shape) == 1


def misnamed(file: str | Path) -> str:
    """Say in a clause where a file's name tells otherwise than its content whether it is compressed; else ""."""
    if not isinstance(file, Path) or not os.path.isfile(file):
        return ""
    named, compressed = file.name.lower().endswith(".gz"), is_compressed(file)
    if named == compressed:
        return ""
    return (
        "it is compressed though its name does not end in .gz"
        if compressed
        else "it is not compressed though its name ends in .gz"
    )


def doubtful_qform(file: str | Path) -> str:
    """Say in a clause where a file that can be read has a qform that is damaged or not what the sform is; else ""."""
    if not isinstance(file, Path):
        return ""
    with contextlib.suppress(InputError):  # it was changed since it was read
        geometry = read_header(file)
        if geometry.forms_differ:
            return f"its sform and qform place a voxel {geometry.disagreement:.2g} mm apart"
        return geometry.qform_trouble
    return ""


def _grid_doubts(file: str | Path, volume: Volume) -> list[Doubt]:
    doubts = []
    if size := off_spacing(volume):
        remedy = "It is resampled for the model and back, with loss of detail."
        doubts.append(Doubt(file, f"its voxels are {size}", "1 mm within a tenth", remedy))
    if degrees := degrees_of_shear(volume):
        remedy = "It is resampled for the model and back; other programs may refuse it."
        doubts.append(Doubt(file, f"its axes miss the right angle by {degrees:.1f} degrees", "no shear", remedy))
    extent = [n * size for n, size in zip(volume.shape, volume.voxel_spacing, strict=True)]
    if is_slice(volume):
        remedy = "The mask has no volume to speak of, and distances are those in the plane."
        doubts.append(Doubt(file, "it is a single slice", "a whole brain", remedy))
    elif min(extent) < _SHORTEST_BRAIN_MM:
        found = f"it covers {' x '.join(f'{mm:.0f}' for mm in extent)} mm"
        doubts.append(Doubt(file, found, "a whole brain", "The models know whole brains; check what was cut off."))
    return doubts


def _scan_doubts(file: str | Path, volume: Volume) -> list[Doubt]:
    if found := more_than_a_brain(volume):
        remedy = "Strip the skull first: the models know stripped brains alone."
        return [Doubt(file, found, "a brain on a background of zeros", remedy)]
    return []
