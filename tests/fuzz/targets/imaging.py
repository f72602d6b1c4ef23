"""Reading scans, segmentations and cases."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.nifti import read_nifti
from recoseg_hf.imaging.volume import (
    Volume,
    from_canonical,
    read_labels,
    read_volume,
    same_grid,
    to_canonical,
    write_volume,
)
from recoseg_hf.imaging.voxels import LABELS
from tests.fuzz.strategies import scans
from tests.fuzz.targets.target import BrokenPromiseError, Target


def _read_scan(content: bytes, folder: Path) -> None:
    path = folder / "scan.nii"
    path.write_bytes(content)
    scan = read_volume(path)
    _check(scan)
    canonical = to_canonical(scan, spacing=4.0)
    _check(canonical)
    back = from_canonical(canonical, scan)
    if canonical.orientation != "RAS" or back.shape != scan.shape:
        raise BrokenPromiseError("the canonical grid is not RAS, or there is no way back from it")
    write_volume(folder / "again.nii.gz", scan)
    again = read_volume(folder / "again.nii.gz")
    if not np.array_equal(again.data, scan.data) or not np.allclose(again.affine, scan.affine, rtol=1e-5, atol=1e-3):
        raise BrokenPromiseError("what was written is read back otherwise")


def _read_gzip(content: bytes, folder: Path) -> None:
    """A valid result is one that Python's own gzip, which checks length and checksum, takes for whole too."""
    path = folder / "scan.nii.gz"
    path.write_bytes(content)
    data, affine = read_nifti(path)
    try:
        whole = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenPromiseError(f"a stream was taken for whole that is not: {error}") from error
    (folder / "plain.nii").write_bytes(whole)
    if not np.array_equal(read_nifti(folder / "plain.nii")[0], data, equal_nan=True):
        raise BrokenPromiseError("compressed and plain, the same bytes give other voxels")
    if affine.shape != (4, 4):
        raise BrokenPromiseError("no affine")


def _read_labels(content: bytes, folder: Path) -> None:
    path = folder / "seg.nii"
    path.write_bytes(content)
    found = read_labels(path)
    values = set(np.unique(found.data).tolist())
    if found.data.dtype != np.uint8 or not values <= set(LABELS) or {3, 4} <= values:
        raise BrokenPromiseError(f"labels {values}")


def _read_case(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    case = Case.from_folder(folder, "sub")
    for volume in case.volumes().values():
        _check(volume)
        if not same_grid(volume, case.flair.shape, case.flair.affine):
            raise BrokenPromiseError("volumes of one case lie on several grids")


def _check(volume: Volume) -> None:
    if volume.data.ndim != 3 or volume.data.dtype not in (np.float32, np.uint8) or not np.isfinite(volume.data).all():
        raise BrokenPromiseError(f"a volume of {volume.data.dtype} {volume.data.shape} that may not be finite")
    if not np.isfinite(volume.affine).all() or abs(np.linalg.det(volume.affine[:3, :3])) == 0:
        raise BrokenPromiseError(f"an affine of no use: {volume.affine.tolist()}")


_ORDERS = tuple(scans.plain_file(version=version, big_endian=big) for version in (1, 2) for big in (False, True))
_CASE = {
    f"sub_{name}.nii": scans.plain_file(number, dtype="u1" if name == "seg" else "f4")
    for number, name in enumerate(scans.NAMES)
}

TARGETS = (
    Target("nifti header", scans.damaged_headers(), _ORDERS, _read_scan),
    Target("nifti bytes", scans.damaged_files, _ORDERS, _read_scan),
    Target("gzip bytes", scans.gzip_streams(), (gzip.compress(_ORDERS[0]), _ORDERS[1]), _read_gzip),
    Target("labels", scans.label_files(), (scans.plain_file(dtype="u1"),), _read_labels),
    Target("case", scans.case_files(), (_CASE,), _read_case),
)
