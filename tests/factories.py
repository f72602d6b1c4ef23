"""Tiny NIfTI files for the tests: simulated, never a patient's."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (12, 10, 8)
MODALITIES = ("flair", "t1", "t2", "t1ce")


def affine(
    orientation: str = "RAS", spacing: tuple[float, ...] = (1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)
) -> np.ndarray:
    """Affine whose axes point as `orientation` says, `spacing` mm apart."""
    result = np.eye(4)
    result[:3, :3] = 0
    for axis, code in enumerate(orientation):
        world, sign = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}[code]
        result[world, axis] = sign * spacing[axis]
    result[:3, 3] = origin
    return result


def intensities(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    """Float32 "brain": positive noise in an ellipsoid, 0 around it."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    inside = sum(a**2 for a in axes) < 1
    return np.where(inside, rng.uniform(50, 500, shape), 0).astype(np.float32)


def labels(shape: tuple[int, ...] = SHAPE, values: tuple[int, ...] = (1, 2, 4)) -> np.ndarray:
    """Uint8 segmentation: one block of voxels for each label in the middle of an empty volume."""
    result = np.zeros(shape, dtype=np.uint8)
    middle = tuple(slice(n // 4, max(n // 4 + 1, 3 * n // 4)) for n in shape[1:])
    for value, start in zip(values, range(shape[0] // 4, shape[0]), strict=False):
        result[(start, *middle)] = value
    return result


def save(path: Path, data: np.ndarray, matrix: np.ndarray | None = None) -> Path:
    """Write an array with nibabel, so that reading is tested against another writer than ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine() if matrix is None else matrix), path)
    return path


def save_case(folder: Path, subject: str = "sub-01", shape: tuple[int, ...] = SHAPE, **kwargs) -> Path:
    """Write a case with all five files in BraTS naming; `kwargs` go to `save`."""
    for seed, name in enumerate(MODALITIES):
        save(folder / subject / f"{subject}_{name}.nii.gz", intensities(shape, seed), **kwargs)
    save(folder / subject / f"{subject}_seg.nii.gz", labels(shape), **kwargs)
    return folder / subject


def save_head(root: Path, subject: str, shape: tuple[int, ...] = (104, 110, 102)) -> Path:
    """Write a case as large as a head, uncompressed integers: it is read in no time and gives no warning."""
    for seed, name in enumerate(MODALITIES):
        scan = np.where(intensities(shape, 0) > 0, 100 + np.indices(shape)[seed % 3] + seed, 0).astype(np.int16)
        save(root / subject / f"{subject}_{name}.nii", scan)
    save(root / subject / f"{subject}_seg.nii", labels(shape))
    return root / subject


def raw_bytes(data: np.ndarray | None = None, matrix: np.ndarray | None = None) -> bytearray:
    """Bytes of an uncompressed file, to be damaged by the caller."""
    image = nib.Nifti1Image(intensities() if data is None else data, affine() if matrix is None else matrix)
    return bytearray(image.to_bytes())


def with_header(**fields) -> bytearray:
    """Bytes of a good file with header fields overwritten, as in `with_header(scl_slope=0)`."""
    content = raw_bytes()
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    return content


def write_bytes(path: Path, content: bytes, compress: bool | None = None) -> Path:
    """Write bytes, gzipped where the name says so unless `compress` says otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    compress = path.name.lower().endswith(".gz") if compress is None else compress
    path.write_bytes(gzip.compress(bytes(content), mtime=0) if compress else bytes(content))
    return path
