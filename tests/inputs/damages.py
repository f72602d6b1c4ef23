"""What goes wrong with scans in practice, done to a case's folder; the numbers are those of `docs/reliability.md`.

`tests/inputs` tries each on this project, `benchmarks/compare_readers.py` on others as well.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from tests import factories

SHAPE = factories.SHAPE
LAST = SHAPE[0] - 1


@dataclass(frozen=True)
class Damage:
    """One fault.

    Attributes:
        number: of the row in the matrix.
        name: of it.
        do: changes the files of a case in a folder.
        right: what a reader should do: `refuse` the case, `read` it as if nothing were wrong, or read it and `warn`.
    """

    number: int
    name: str
    do: Callable[[Path], None]
    right: Literal["refuse", "read", "warn"]


DAMAGES: dict[str, Damage] = {}


def damage(number: int, right: Literal["refuse", "read", "warn"]):
    """Enter a function into `DAMAGES` under its name."""

    def enter(do: Callable[[Path], None]) -> Callable[[Path], None]:
        DAMAGES[do.__name__] = Damage(number, do.__name__, do, right)
        return do

    return enter


def path(folder: Path, name: str = "t1", suffix: str = ".nii.gz") -> Path:
    """A file of a case as `factories.save_case` names it."""
    return folder / f"{folder.name}_{name}{suffix}"


def scan(seed: int = 1) -> np.ndarray:
    """The voxels of the scan of that number; 1 is T1."""
    return factories.intensities(seed=seed)


def each_scan(folder: Path, change: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray | None = None) -> None:
    """Save every file of a case anew."""
    for seed, name in enumerate(factories.MODALITIES):
        factories.save(path(folder, name), change(scan(seed)), matrix)
    factories.save(path(folder, "seg"), change(factories.labels()), matrix)


def raw(folder: Path, content: bytes) -> None:
    """Put bytes in the place of T1."""
    path(folder).write_bytes(content)


def header(folder: Path, **fields) -> None:
    """Overwrite fields of T1's header."""
    data = factories.raw_bytes(scan())
    head = nib.Nifti1Header(bytes(data[:348]), check=False)
    for name, value in fields.items():
        head[name] = value
    data[:348] = head.binaryblock
    factories.write_bytes(path(folder), data)


# --- files ---


@damage(1, "refuse")
def path_missing(folder: Path) -> None:
    path(folder).unlink()


@damage(2, "refuse")
def empty_file(folder: Path) -> None:
    raw(folder, b"")


@damage(3, "refuse")
def truncated_gz(folder: Path) -> None:
    content = path(folder).read_bytes()
    raw(folder, content[: len(content) // 2])


@damage(4, "refuse")
def flipped_byte(folder: Path) -> None:
    # Stored, not deflated: the stream stays valid, and only the checksum at its end can tell.
    content = bytearray(gzip.compress(bytes(factories.raw_bytes(scan())), compresslevel=0, mtime=0))
    content[len(content) // 2] ^= 0x40
    raw(folder, bytes(content))


@damage(5, "refuse")
def wrong_crc(folder: Path) -> None:
    content = bytearray(gzip.compress(bytes(factories.raw_bytes(scan())), mtime=0))
    content[-8] ^= 0xFF
    raw(folder, bytes(content))


@damage(6, "refuse")
def truncated_nii(folder: Path) -> None:
    path(folder).unlink()
    path(folder, suffix=".nii").write_bytes(factories.raw_bytes(scan())[:-100])


@damage(7, "warn")
def plain_named_gz(folder: Path) -> None:
    raw(folder, bytes(factories.raw_bytes(scan())))


@damage(8, "warn")
def gz_named_nii(folder: Path) -> None:
    path(folder).rename(path(folder, suffix=".nii"))


@damage(9, "refuse")
def dicom_file(folder: Path) -> None:
    raw(folder, bytes(128) + b"DICM" + bytes(1000))


@damage(10, "refuse")
def lfs_pointer(folder: Path) -> None:
    raw(folder, b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 2211840\n")


@damage(11, "refuse")
def html_page(folder: Path) -> None:
    raw(folder, b"<!DOCTYPE html><html><title>Sign in</title></html>\n" * 20)


@damage(12, "refuse")
def header_bomb(folder: Path) -> None:
    header(folder, dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])
    raw(folder, path(folder).read_bytes()[:14_000])


@damage(13, "refuse")
def gzip_bomb(folder: Path) -> None:
    """A header of a small scan, and after it zeros without end: 1.1 MB that become more than 1 GiB."""
    member = gzip.compress(bytes(2**25), 9, mtime=0)
    raw(folder, gzip.compress(bytes(factories.raw_bytes(scan())), mtime=0) + 33 * member)


@damage(14, "read")
def unicode_path(folder: Path) -> None:
    path(folder).rename(folder / "Anne é 脳 1_t1.nii.gz")


@damage(15, "read")
def upper_case(folder: Path) -> None:
    path(folder).rename(path(folder, "T1", ".NII.GZ"))


# --- header and geometry ---


@damage(17, "refuse")
def two_d(folder: Path) -> None:
    factories.save(path(folder), scan()[:, :, 4])


@damage(18, "read")
def fourth_axis_of_one(folder: Path) -> None:
    factories.save(path(folder), scan()[..., None])


@damage(19, "refuse")
def four_d(folder: Path) -> None:
    factories.save(path(folder), np.stack([scan(), scan(9)], axis=-1))


@damage(20, "refuse")
def five_d(folder: Path) -> None:
    factories.save(path(folder), scan()[..., None, None].repeat(3, axis=4))


@damage(21, "refuse")
def size_zero(folder: Path) -> None:
    header(folder, dim=[3, 0, 10, 8, 1, 1, 1, 1])


@damage(22, "warn")
def single_slice(folder: Path) -> None:
    each_scan(folder, lambda data: data[:, :, 4:5])


@damage(23, "refuse")
def colour(folder: Path) -> None:
    factories.save(path(folder), np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]))


@damage(24, "refuse")
def complex_values(folder: Path) -> None:
    factories.save(path(folder), (scan() * (1 + 1j)).astype(np.complex64))


@damage(25, "read")
def big_endian(folder: Path) -> None:
    head = nib.Nifti1Header(endianness=">")
    head.set_data_shape(SHAPE)
    head.set_data_dtype(np.float32)
    head.set_sform(factories.affine(), 1)
    head["magic"], head["vox_offset"] = b"n+1", 352
    factories.write_bytes(path(folder), head.binaryblock + bytes(4) + scan().astype(">f4").tobytes(order="F"))


@damage(26, "read")
def slope_of_zero(folder: Path) -> None:
    header(folder, scl_slope=0, scl_inter=3)


@damage(27, "refuse")
def intercept_of_nan(folder: Path) -> None:
    header(folder, scl_slope=1, scl_inter=np.nan)


@damage(28, "refuse")
def zero_affine(folder: Path) -> None:
    header(folder, srow_x=[0] * 4, srow_y=[0] * 4, srow_z=[0] * 4)


@damage(29, "refuse")
def affine_of_nan(folder: Path) -> None:
    header(folder, srow_x=[np.nan, 0, 0, 0])


@damage(30, "refuse")
def no_orientation(folder: Path) -> None:
    header(folder, sform_code=0, qform_code=0)


@damage(31, "refuse")
def two_orientations(folder: Path) -> None:
    image = nib.Nifti1Image(scan(), factories.affine())
    image.set_sform(factories.affine(), 1)
    image.set_qform(factories.affine("LAS", origin=(LAST, 0, 0)), 1)
    nib.save(image, path(folder))


@damage(32, "warn")
def sheared(folder: Path) -> None:
    matrix = factories.affine()
    matrix[0, 1] = 0.2
    each_scan(folder, lambda data: data, matrix)


@damage(33, "refuse")
def metres(folder: Path) -> None:
    each_scan(folder, lambda data: data, factories.affine(spacing=(0.001,) * 3))


@damage(34, "read")
def other_axes(folder: Path) -> None:
    each_scan(
        folder,
        lambda data: np.transpose(data[:, ::-1, ::-1], (1, 2, 0)),
        factories.affine("PIR", origin=(0, SHAPE[1] - 1, SHAPE[2] - 1)),
    )


# --- cases ---


@damage(35, "read")
def rounded_affine(folder: Path) -> None:
    factories.save(path(folder), scan(), factories.affine(origin=(5e-4, 0, 0)))


@damage(36, "refuse")
def shifted_origin(folder: Path) -> None:
    factories.save(path(folder), scan(), factories.affine(origin=(3, 0, 4)))


@damage(37, "refuse")
def other_shape(folder: Path) -> None:
    factories.save(path(folder), factories.intensities((12, 10, 9), 1))


@damage(38, "read")
def mirrored_with_its_header(folder: Path) -> None:
    factories.save(path(folder), scan()[::-1], factories.affine("LAS", origin=(LAST, 0, 0)))


@damage(39, "refuse")
def modality_missing(folder: Path) -> None:
    path(folder, "t2").unlink()


@damage(40, "refuse")
def modality_twice(folder: Path) -> None:
    shutil.copy(path(folder, "flair"), path(folder, "t2f"))


@damage(41, "refuse")
def same_scan_twice(folder: Path) -> None:
    shutil.copy(path(folder), path(folder, "t1ce"))


@damage(42, "read")
def swapped(folder: Path) -> None:
    path(folder).rename(folder / "other")
    path(folder, "t1ce").rename(path(folder))
    (folder / "other").rename(path(folder, "t1ce"))


@damage(43, "read")
def other_names(folder: Path) -> None:
    for name, alias in {"flair": "t2f", "t1": "t1n", "t2": "t2w", "t1ce": "t1Gd"}.items():
        path(folder, name).rename(path(folder, alias))


@damage(44, "warn")
def with_skull(folder: Path) -> None:
    factories.save(path(folder), scan() + 20)


@damage(45, "warn")
def thick_slices(folder: Path) -> None:
    each_scan(folder, lambda data: data, factories.affine(spacing=(1, 1, 3)))


# --- intensities ---


@damage(46, "refuse")
def one_nan(folder: Path) -> None:
    data = scan()
    data[1, 2, 3] = np.nan
    factories.save(path(folder), data)


@damage(47, "refuse")
def all_zero(folder: Path) -> None:
    factories.save(path(folder), np.zeros(SHAPE, np.float32))


@damage(48, "read")
def empty_edge_slices(folder: Path) -> None:
    def cleared(data: np.ndarray) -> np.ndarray:
        data = data.copy()
        data[:, :, 0] = data[:, :, -1] = 0
        return data

    each_scan(folder, cleared)


@damage(49, "read")
def negative_and_outlier(folder: Path) -> None:
    data = scan()
    data[5, 5, 4], data[6, 5, 4] = -800, 1e6
    factories.save(path(folder), data)


@damage(50, "read")
def odd_size(folder: Path) -> None:
    for seed, name in enumerate(factories.MODALITIES):
        factories.save(path(folder, name), factories.intensities((13, 11, 7), seed))
    factories.save(path(folder, "seg"), factories.labels((13, 11, 7)))


# --- labels ---


def label(folder: Path, value: float, dtype: type = np.float32) -> None:
    """Put a value into a corner of the segmentation."""
    data = factories.labels().astype(dtype)
    data[0, 0, 0] = value
    factories.save(path(folder, "seg"), data)


@damage(51, "refuse")
def labels_of_two_schemes(folder: Path) -> None:
    label(folder, 3, np.uint8)


@damage(52, "refuse")
def unknown_label(folder: Path) -> None:
    label(folder, 7, np.uint8)


@damage(53, "read")
def scaled_labels(folder: Path) -> None:
    factories.save(path(folder, "seg"), factories.labels().astype(np.float32) * np.float32(1.0000001))


@damage(54, "refuse")
def interpolated_labels(folder: Path) -> None:
    label(folder, 2.5)


@damage(55, "refuse")
def labels_on_another_grid(folder: Path) -> None:
    factories.save(path(folder, "seg"), factories.labels(), factories.affine(spacing=(1, 1, 2)))
