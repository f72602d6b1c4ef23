"""Faults of files: paths, compression, what is no NIfTI at all."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests import factories
from tests.inputs.damages.doing import damage, header, path, raw, scan


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
