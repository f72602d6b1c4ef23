"""What every contestant is given: one case on disk, and how much of what takes long is run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import simulate_case, write_case
from recoseg_hf.imaging.volume import Volume, scan_to_canonical
from recoseg_hf.pipeline.conventions import CONDITIONS

FULL_SHAPE = (240, 240, 155)
_QUICK_SHAPE, _QUICK_SLICES = (60, 60, 39), 4
_EMBEDDED = Path(__file__).resolve().parents[2] / "recoseg_hf" / "pretrained" / "recoseg-small"


@dataclass(frozen=True)
class Workload:
    """What is measured on; sent to every process.

    Attributes:
        case: folder of four .nii.gz files.
        model: folder of the model, or None for the embedded one.
        shape: of a scan in voxels.
        slices: axial slices that hold brain, at 1 mm; the others are nobody's work.
        threads: of every contestant.
        quick: everything tiny, to see that it runs; its times mean nothing.
    """

    case: Path
    model: str | None
    shape: tuple[int, int, int]
    slices: int
    threads: int
    quick: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """The model's own, of its `model_index.json`."""
        return json.loads((Path(self.model or _EMBEDDED) / "model_index.json").read_text(encoding="utf-8"))

    @property
    def synthesizer(self) -> dict[str, Any]:
        """The synthesizer's configuration: others' nets get its width."""
        return json.loads((Path(self.model or _EMBEDDED) / "synthesizer" / "config.json").read_text(encoding="utf-8"))

    @property
    def side(self) -> int:
        """Pixels a side of the grid that the model prepares slices on."""
        return self.settings["image_size"]

    @property
    def fold(self) -> int:
        """Pixels a side that the nets get as channels."""
        return self.settings.get("pixel_unshuffle", 1)

    @property
    def steps(self) -> int:
        """Denoising steps by default."""
        return self.settings["num_inference_steps"]

    @property
    def slices_seen(self) -> int:
        """Slices that the model's nets look at: of some models one in two."""
        return ceil(self.slices / self.settings.get("slice_step", 1))

    @property
    def padded(self) -> tuple[int, int, int]:
        """A scan's shape in multiples of 8, as nets of three halvings need it: 240 x 240 x 160."""
        return tuple(8 * ceil(size / 8) for size in self.shape)

    @property
    def window(self) -> int:
        """Side of the sliding window of 3D nets in voxels."""
        return 32 if self.quick else 128

    @property
    def peak_size(self) -> int:
        """Rows of the square matrices by which the machine's peak is sought."""
        return 256 if self.quick else 2048

    def described(self) -> dict[str, Any]:
        """What the result tells of it, as JSON values; no path."""
        files, settings = self.files(), self.settings
        return {
            "name": self.case.name, "shape": [*self.shape], "voxels": prod(self.shape), "scans": len(files),
            "slices_with_brain": self.slices, "slices_seen": self.slices_seen,
            "compressed_mib": sum(file.stat().st_size for file in files) / 2**20,
            "grid": self.side, "regions": len(settings.get("regions", "wt").split(",")),
        }  # fmt: skip

    def files(self) -> list[Path]:
        """The four scans."""
        return sorted(file for file in self.case.glob("*.nii*") if not file.name.endswith(("_seg.nii.gz", "_seg.nii")))


def make_workload(folder: Path, case: Path | None, model: str | None, threads: int, quick: bool) -> Workload:
    """Take a case as it is, or simulate one in BraTS geometry and write it as BraTS does: int16, .nii.gz."""
    if case is None:
        case = write_case(tiny_case() if quick else simulate_case(0, FULL_SHAPE), folder)
    read = Case.from_folder(case, segmentation=False)
    return Workload(case, model, read.flair.shape, brain_slices(read), threads, quick)


def tiny_case() -> Case:
    """A few slices of a small head, said to be of 1 mm, so that nothing is interpolated."""
    thin = thinned(simulate_case(0, _QUICK_SHAPE), _QUICK_SLICES)
    scale = np.diag([_QUICK_SHAPE[0] / FULL_SHAPE[0]] * 3 + [1.0])
    volumes = {name: Volume(volume.data, scale @ volume.affine) for name, volume in thin.volumes().items()}
    return Case(thin.subject, **volumes)


def brain_slices(case: Case) -> int:
    """Count the axial slices at 1 mm that hold brain."""
    scans = [scan_to_canonical(getattr(case, name)).data for name in CONDITIONS]
    return int(np.count_nonzero(np.logical_or.reduce([(scan != 0).any(axis=(0, 1)) for scan in scans])))


def thinned(case: Case, slices: int) -> Case:
    """Return a case with so many of its middle slices."""
    first = (case.flair.shape[2] - slices) // 2
    volumes = {}
    for name, volume in case.volumes().items():
        affine = volume.affine.copy()
        affine[:3, 3] += first * affine[:3, 2]
        volumes[name] = Volume(np.ascontiguousarray(volume.data[:, :, first : first + slices]), affine)
    return Case(f"{case.subject}-{slices}", **volumes)
