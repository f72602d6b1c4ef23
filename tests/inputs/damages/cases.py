"""Faults of a case: its scans together."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests import factories
from tests.inputs.damages.doing import LAST, damage, each_scan, path, scan


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
