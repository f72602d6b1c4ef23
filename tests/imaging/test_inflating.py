"""Gzip streams unpacked piece by piece, as Python's own module unpacks them at once."""

import gzip
import io
import zlib

import numpy as np
import pytest

from recoseg_hf.imaging import inflating
from recoseg_hf.imaging.inflating import Inflated, deflated

CONTENT = np.random.default_rng(0).integers(0, 20, 200_000, np.uint8).tobytes()


@pytest.fixture(params=["zlib", "isal"], autouse=True)
def library(request, monkeypatch):
    """Both libraries by turns, isal where it is installed."""
    found = pytest.importorskip("isal.isal_zlib") if request.param == "isal" else None
    monkeypatch.setattr(inflating, "isal_zlib", found)


def pieces(packed, size):
    stream = Inflated(io.BytesIO(packed))
    return [*iter(lambda: stream.read(size), b"")]


@pytest.mark.parametrize("size", [1000, 2**16, 2**20])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_pieces_have_the_size_asked_for(size, level):
    found = pieces(gzip.compress(CONTENT, level), size)
    assert b"".join(found) == CONTENT
    assert {len(piece) for piece in found[:-1]} <= {size}


def test_what_shrinks_a_thousandfold_is_not_unpacked_beyond_the_size():
    stream = Inflated(io.BytesIO(gzip.compress(bytes(2**22))))
    assert stream.read(10) == bytes(10)
    assert len(stream._input) > 0
    assert stream.read(2**23) == bytes(2**22 - 10)


def test_members_and_padding():
    blocks = [CONTENT[start : start + 2**16] for start in range(0, len(CONTENT), 2**16)]
    packed = b"".join(map(gzip.compress, [*blocks, b""])) + bytes(70_000)
    assert b"".join(pieces(packed, 2**17)) == CONTENT == gzip.decompress(packed)


def test_as_many_members_as_bgzip_would_write():
    packed = b"".join(gzip.compress(bytes(2**16), 1) for _ in range(2000))
    assert sum(map(len, pieces(packed, 2**20))) == 2000 * 2**16


def test_more_members_than_that_are_refused():
    with pytest.raises(gzip.BadGzipFile, match="its first 1,001 gzip members hold only 0 bytes"):
        Inflated(io.BytesIO(gzip.compress(b"") * 1001)).read(1)
    with pytest.raises(gzip.BadGzipFile, match=r"its first 1,\d+ gzip members hold only [\d,]+ bytes"):
        pieces(gzip.compress(CONTENT) + gzip.compress(b"x") * 2000, 2**20)


@pytest.mark.parametrize(
    ("damage", "error", "match"),
    [
        (lambda packed: packed[:-1], EOFError, "ended before"),
        (lambda packed: packed[:5], EOFError, "ended before"),
        (lambda packed: packed[:-8] + bytes(4) + packed[-4:], gzip.BadGzipFile, "CRC check failed"),
        (lambda packed: packed[:-4] + bytes(4), zlib.error, "incorrect length check"),
        (lambda packed: packed + b"rubbish", zlib.error, "incorrect header check"),
        (lambda packed: packed[:1000] + bytes(200) + packed[1200:], Exception, "Error -3|CRC check failed"),
    ],
)
def test_damage(damage, error, match):
    packed = damage(gzip.compress(CONTENT))
    with pytest.raises(error, match=match):
        pieces(packed, 2**16)
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(packed)


def test_flags_that_do_not_exist_are_refused_as_zlib_does():
    packed = gzip.compress(CONTENT)
    packed = packed[:3] + b"\x20" + packed[4:]
    for unpack in (lambda: pieces(packed, 2**16), lambda: zlib.decompress(packed, 31)):
        with pytest.raises(zlib.error, match="unknown header flags set"):
            unpack()


def test_what_is_deflated_is_a_gzip_file_without_name_and_time(library):
    packed = deflated(CONTENT)
    assert gzip.decompress(packed) == CONTENT
    assert packed[:8] == b"\x1f\x8b\x08\x00" + bytes(4)
    assert deflated(CONTENT) == packed
    assert len(deflated(bytes(2**20))) < 2**14


def test_damage_far_into_a_member_is_told_by_zlib(library):
    packed = bytearray(gzip.compress(np.random.default_rng(1).bytes(2**20), 0))
    packed[2**19] ^= 0xFF  # stored, so that only the checksum at the end can tell
    stream = Inflated(io.BytesIO(bytes(packed)))
    assert sum(len(stream.read(2**16)) for _ in range(15)) == 15 * 2**16
    with pytest.raises(gzip.BadGzipFile, match="CRC check failed"):
        stream.read(2**17)
