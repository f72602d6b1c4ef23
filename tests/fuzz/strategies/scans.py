"""NIfTI files of 4 x 4 x 4 voxels, damaged in header, bytes or compression; and cases of several of them."""

from __future__ import annotations

import functools
import gzip
import struct
import zlib

import nibabel as nib
import numpy as np
from hypothesis import strategies as st

from tests.factories import affine
from tests.fuzz.strategies.values import HARD_FLOATS, HARD_INTEGERS, damaged_bytes

SIDE = 4
NAMES = ("flair", "t1", "t2", "t1ce", "seg")
_CODES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 4096, -1, 255)
_VALUES = {
    "sizeof_hdr": (348, 540, 0, -1, 1543569408),
    "datatype": _CODES,
    "bitpix": (0, 1, 8, 16, 24, 32, 64, 128, -1),
    "dim": (0, 1, 2, 3, 4, 5, 7, 8, -1, 32767, -32768),
    "magic": (b"n+1\0", b"ni1\0", b"n+2\0\r\n\x1a\n", b"n+3\0", b"\0\0\0\0"),
    "xyzt_units": (0, 1, 2, 3, 8, 10, 16, 18, 255),
    "qform_code": (0, 1, 2, 3, 4, 5, -1, 32767),
    "sform_code": (0, 1, 2, 3, 4, 5, -1, 32767),
    "vox_offset": (0, 1, 16, 348, 352, 353, 368, 540, 544, 560, -1, 1e9, 2**31, float("nan"), float("inf")),
}
_SCALES = (0.0, 1.0, -1.0, 2.0, 0.5, 1e-30, 1e30, float("nan"), float("inf"))
_FIELDS = (
    *_VALUES, "pixdim", "scl_slope", "scl_inter", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z", "cal_max", "slice_code", "dim_info", "intent_code", "descrip",
)  # fmt: skip


@functools.cache
def plain_file(seed: int = 0, version: int = 1, big_endian: bool = False, dtype: str = "f4") -> bytes:
    """The bytes of a good file: simulated intensities or, for `u1`, labels."""
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 3, (SIDE,) * 3) if dtype == "u1" else rng.uniform(1, 500, (SIDE,) * 3)
    kind = (nib.Nifti1Image, nib.Nifti2Image)[version - 1]
    image = kind(data.astype(dtype), affine())
    image.set_sform(affine(), code=1)
    image.set_qform(affine(), code=1)
    if not big_endian:
        return image.to_bytes()
    header = image.header.as_byteswapped(">")
    header["vox_offset"] = header.single_vox_offset
    return header.binaryblock + bytes(4) + data.astype(f">{dtype}").tobytes(order="F")


@st.composite
def damaged_headers(draw: st.DrawFn) -> bytes:
    """A file whose header had one to four fields changed; sometimes with extensions after it."""
    version, big = draw(st.sampled_from((1, 2))), draw(st.booleans())
    content = bytearray(plain_file(draw(st.integers(0, 3)), version, big, draw(st.sampled_from(("f4", "i2", "u1")))))
    fields = (nib.Nifti1Header, nib.Nifti2Header)[version - 1].template_dtype.newbyteorder("><"[not big])
    for name in draw(st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=4)):
        kind, start = fields[name], fields.fields[name][1]
        content[start : start + kind.itemsize] = draw(
            _other(name, kind, bytes(content[start : start + kind.itemsize]))
        )
    if draw(st.integers(0, 4)) == 0:
        size = fields.itemsize
        content[size : size + 4] = bytes([draw(st.integers(0, 255)), 0, 0, 0]) + draw(_extension(big))
    return bytes(content)


def _other(name: str, kind: np.dtype, former: bytes) -> st.SearchStrategy[bytes]:
    """Other bytes for a field: any, or with one of its numbers set to a hard value."""
    anything = st.binary(min_size=kind.itemsize, max_size=kind.itemsize)
    if kind.base.kind not in "iuf":
        return anything | st.sampled_from(_VALUES.get(name, (b"",))).map(
            lambda value: value[: kind.itemsize].ljust(kind.itemsize, b"\0")
        )
    hard = _VALUES.get(name, (*HARD_FLOATS, -2.0, 3.0, 25.4) if kind.base.kind == "f" else HARD_INTEGERS)
    count = kind.itemsize // kind.base.itemsize

    def put(chosen: tuple[int, float]) -> bytes:
        numbers = np.frombuffer(former, kind.base).copy()
        with np.errstate(all="ignore"):
            numbers[chosen[0]] = np.array(chosen[1], dtype=np.float64).astype(kind.base)
        return numbers.tobytes()

    return st.tuples(st.integers(0, count - 1), st.sampled_from(hard)).map(put) | anything


@st.composite
def _extension(draw: st.DrawFn, big: bool) -> bytes:
    size = draw(st.sampled_from((0, 8, 16, 32, -16, 15, 2**31 - 1)))
    return struct.pack("><"[not big] + "ii", size, draw(st.sampled_from((0, 2, 4, 6, -1)))) + draw(
        st.binary(max_size=24)
    )


damaged_files = st.sampled_from((1, 2)).flatmap(lambda version: damaged_bytes(plain_file(version=version)))
"""Bytes flipped, cut and put in anywhere."""


@st.composite
def gzip_streams(draw: st.DrawFn) -> bytes:
    """A file compressed by one to three gzip members, with optional header fields, then damaged or not."""
    content = draw(st.just(plain_file()) | damaged_headers())
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=2)))
    pieces = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    stream = b"".join(draw(_member(piece)) for piece in pieces)
    if draw(st.integers(0, 5)) == 0:
        stream += draw(st.binary(min_size=1, max_size=12) | st.just(bytes(512)))
    return draw(damaged_bytes(stream)) if draw(st.booleans()) else stream


@st.composite
def _member(draw: st.DrawFn, content: bytes) -> bytes:
    """One gzip member (RFC 1952) by hand: flags, extra field, name and comment; now and then with a false trailer."""
    flags = draw(st.sampled_from((0, 0, 0, 2, 4, 8, 16, 28, 31, 32, 255)))
    header = b"\x1f\x8b" + bytes([draw(st.sampled_from((8, 8, 8, 8, 0, 7))), flags]) + bytes(4) + b"\0\xff"
    if flags & 4:
        extra = draw(st.binary(max_size=8))
        header += struct.pack("<H", draw(st.sampled_from((len(extra), 65535)))) + extra
    for flag in (8, 16):
        if flags & flag:
            header += draw(st.binary(max_size=8)).replace(b"\0", b"x") + b"\0"
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    engine = zlib.compressobj(draw(st.sampled_from((0, 1, 9))), zlib.DEFLATED, -zlib.MAX_WBITS)
    body = engine.compress(content) + engine.flush()
    checksum = zlib.crc32(content) ^ draw(st.sampled_from((0, 0, 0, 1)))
    return header + body + struct.pack("<II", checksum, len(content) + draw(st.sampled_from((0, 0, 0, 1))))


@st.composite
def label_files(draw: st.DrawFn) -> bytes:
    """A segmentation of any values in any stored type, scaled or not."""
    dtype = draw(st.sampled_from(("u1", "i1", "i2", "u2", "i4", "f4", "f8", "i8", "u8")))
    values = st.sampled_from((0, 0, 0, 1, 2, 3, 4)) | st.sampled_from(
        (5, -1, 255, 2.5, 4.00000024, 1e30, float("nan"))
    )
    chosen = draw(st.lists(values, min_size=SIDE**3, max_size=SIDE**3))
    with np.errstate(all="ignore"):
        data = np.array(chosen, dtype=np.float64).astype(dtype).reshape((SIDE,) * 3)
    image = nib.Nifti1Image(data, affine(), dtype=data.dtype)
    content = bytearray(image.to_bytes())
    if draw(st.integers(0, 3)) == 0:
        slope, intercept = draw(st.tuples(st.sampled_from(_SCALES), st.sampled_from(_SCALES)))
        content[112:120] = struct.pack("<ff", slope, intercept)
    return bytes(content)


@st.composite
def case_files(draw: st.DrawFn) -> dict[str, bytes]:
    """The files of a case by name; some damaged, missing, alike, gzipped or under another suffix."""
    files: dict[str, bytes] = {}
    for number, name in enumerate(NAMES):
        good = plain_file(number, dtype="u1" if name == "seg" else "f4")
        kind = draw(st.sampled_from(("good",) * 6 + ("header", "bytes", "missing", "copy", "labels", "empty")))
        if kind == "missing":
            continue
        content = {
            "header": damaged_headers(),
            "bytes": damaged_bytes(good),
            "copy": st.just(plain_file(0)),
            "labels": label_files(),
            "empty": st.just(b""),
        }.get(kind, st.just(good))
        suffix = draw(st.sampled_from((".nii", ".nii", ".nii.gz", ".NII.GZ")))
        packed = draw(st.sampled_from((False, False, True)))
        files[f"sub_{name}{suffix}"] = gzip.compress(draw(content), 1, mtime=0) if packed else draw(content)
    return files
