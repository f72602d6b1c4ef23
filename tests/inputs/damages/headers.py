"""Faults of a header and of its geometry."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from tests import factories
from tests.inputs.damages.doing import LAST, SHAPE, damage, each_scan, header, path, scan


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
