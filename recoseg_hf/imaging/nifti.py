"""NIfTI files as arrays: read once, to the end, with every check; written afresh, in one step."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np

from recoseg_hf.errors import InputError
from recoseg_hf.files import atomic_write
from recoseg_hf.imaging.grids import grid_distance
from recoseg_hf.imaging.headers import Geometry, read_geometry
from recoseg_hf.imaging.inflating import Inflated, deflated
from recoseg_hf.imaging.paths import check_is_image, check_is_image_file, unreadable
from recoseg_hf.imaging.qforms import rounding_mm

_GZIP_MAGIC = b"\x1f\x8b"
_NIFTI1_BYTES, _NIFTI2_BYTES = 348, 540  # of the headers
_CHUNK = 2**20  # holds whole voxels of any type
_LONGEST_TAIL = 2**20  # some programs pad their files
_SUFFIXES = (".nii", ".nii.gz")

Readable = BinaryIO | Inflated


def read_nifti(path: str | Path, content: bytes | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a 3D NIfTI-1 or NIfTI-2 file, `.nii` or `.nii.gz` (told apart by content, not by name).

    The file is read to its end, so that a damaged gzip stream is noticed. Further axes of length one are dropped.

    Args:
        path: the file.
        content: its bytes, where they are at hand; `path` then only names it in errors.

    Returns:
        Intensities with `scl_slope` and `scl_inter` applied, float32 (I, J, K), and the affine, float64 (4, 4), in mm.

    Raises:
        InputError: the file is missing, damaged, too large, no NIfTI, not one 3D volume, or its affine is unusable.
    """
    return read_with_range(path, content)[:2]


def read_with_range(
    path: str | Path, content: bytes | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Do what `read_nifti` does, and return the smallest and the largest intensity, too; NaN where one is NaN.

    They are found while a piece of the volume is in the processor's cache, in half the time that it takes after.
    """
    if content is None:
        path = Path(path)
        check_is_image_file(path)
    else:
        check_is_image(path, content[:256])
    with _explained(path), open(path, "rb") if content is None else io.BytesIO(content) as raw:
        return _read_voxels(path, _decompressed(raw))


def read_header(path: str | Path) -> Geometry:
    """Read what a file says of its grid, and not one voxel: to refuse it before memory is taken for them.

    Raises:
        InputError: the file is missing, its header is damaged, or a check of the header failed.
    """
    path = Path(path)
    check_is_image_file(path)
    with _explained(path), open(path, "rb") as raw:
        return read_geometry(path, _read_head(_decompressed(raw)))


@contextlib.contextmanager
def _explained(path: str | Path) -> Iterator[None]:
    """Turn what reading raises into an error that names the file."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"its compressed data is broken ({error})") from error
    except OSError as error:  # a disk or network that fails halfway
        raise unreadable(path, error) from error


def is_compressed(path: Path) -> bool:
    """Say whether a file is compressed, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(2) == _GZIP_MAGIC


def write_nifti(path: str | Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI-1 file under a fresh header: nothing of a patient's original header is carried over.

    Args:
        path: ends in `.nii` or `.nii.gz`; replaced in one step. The same input gives the same bytes, but that isal,
            where it is installed, compresses into others than zlib.
        data: (I, J, K), stored as it is, without scaling.
        affine: (4, 4), voxel index to mm.

    Raises:
        ValueError: the name ends otherwise.
    """
    path = Path(path)
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(f"{path.name}: a NIfTI file's name ends in .nii or .nii.gz")
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    if grid_distance(data.shape, image.get_qform(), affine) > rounding_mm(image.header, data.shape, affine):
        image.set_qform(None, code=0)  # a quaternion cannot hold a shear: the sform alone speaks then
    payload = image.to_bytes()
    with atomic_write(path) as temporary:
        temporary.write_bytes(deflated(payload) if path.name.lower().endswith(".gz") else payload)


def _read_voxels(path: str | Path, stream: Readable) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return what `read_with_range` does; limits are checked before anything large is read, no voxel is held twice."""
    head = _read_head(stream)
    geometry = read_geometry(path, head)
    for _ in _chunks(path, stream, geometry, len(head), geometry.offset):
        pass  # extensions of the header
    # Systems give memory when it is written to: a file that ends early takes none for what its header declares.
    data, done, ends = np.empty(math.prod(geometry.shape), np.float32), 0, []
    for chunk in _chunks(path, stream, geometry, geometry.offset, geometry.end):
        piece = data[done : done + len(chunk) // geometry.dtype.itemsize]
        _decode(geometry, chunk, piece)
        ends += [piece.min(), piece.max()]
        done += piece.size
    _read_to_end(path, stream)
    # numpy's, since Python's own loses a NaN that does not come first
    return data.reshape(geometry.shape, order="F"), geometry.affine, (float(np.min(ends)), float(np.max(ends)))


def _read_head(stream: Readable) -> bytes:
    """Read a header and nothing after it; what is neither NIfTI-1 nor NIfTI-2 is for `read_geometry` to refuse."""
    head = stream.read(_NIFTI1_BYTES)
    is_nifti2 = _NIFTI2_BYTES in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    return head + stream.read(_NIFTI2_BYTES - _NIFTI1_BYTES) if is_nifti2 else head


def _chunks(path: str | Path, stream: Readable, geometry: Geometry, start: int, stop: int) -> Iterator[bytes]:
    """Read the bytes `start` to `stop` of a file, of which those before are read."""
    for begin in range(start, stop, _CHUNK):
        chunk = stream.read(min(_CHUNK, stop - begin))
        if len(chunk) < min(_CHUNK, stop - begin):
            raise _damaged(path, f"it ends after {begin + len(chunk):,} of {geometry.end:,} bytes")
        yield chunk


def _decode(geometry: Geometry, stored: bytes, data: np.ndarray) -> None:
    """Turn stored voxels into intensities; in float32 throughout, which halves nibabel's time and memory."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows becomes Inf, which the caller's check reports
        data[:] = np.frombuffer(stored, geometry.dtype, count=data.size)
        if (geometry.slope, geometry.intercept) != (1.0, 0.0):
            data *= np.float32(geometry.slope)
            data += np.float32(geometry.intercept)


def _decompressed(raw: BinaryIO) -> Readable:
    compressed = raw.read(2) == _GZIP_MAGIC
    raw.seek(0)
    return Inflated(raw) if compressed else raw


def _read_to_end(path: str | Path, stream: Readable) -> None:
    """Read what follows the voxels: a gzip stream's checksum is compared only at its end, and a bomb has none."""
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > _LONGEST_TAIL:
            found = f"it goes on for more than {_LONGEST_TAIL:,} bytes after its voxels"
            remedy = "Check where the file comes from; its header may be that of another scan."
            raise InputError(path, found, "a file that ends with its voxels", remedy)


def _damaged(path: str | Path, found: str) -> InputError:
    return InputError(path, found, "a complete NIfTI file", "Copy or download it again.")
