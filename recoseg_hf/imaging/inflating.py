"""Gzip streams, unpacked piece by piece; `gzip.GzipFile` goes through any number of empty members in one `read`.

Both ways isal is taken where it is installed, which needs half of zlib's time to unpack and a tenth to compress.
"""

from __future__ import annotations

import gzip
import zlib
from typing import BinaryIO

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

_GZIP_WBITS = 31  # a gzip header and trailer around each member, whose length and checksum zlib compares
_INPUT = 2**15
_FLAGS = 3  # the place of a header's flags
_RESERVED_FLAGS = 0xE0  # RFC 1952
_FEW_MEMBERS = 1000
_MEMBER_BYTES = 2**12  # those of bgzip hold 2**16


class Inflated:
    """What a gzip file holds, to be read once from front to back.

    Args:
        raw: the compressed file, at its beginning.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._input = b""
        self._member = None
        self._members = 0
        self._size = 0
        self._begun, self._member_size = 0, 0
        self._with_isal = False

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end only.

        Raises:
            EOFError: the file ends within a member.
            zlib.error: its bytes cannot be unpacked.
            gzip.BadGzipFile: a checksum or length is wrong, or its members are many and hold next to nothing.
        """
        parts = []
        while size and (part := self._some(size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _some(self, most: int) -> bytes:
        """Return 1 to `most` bytes, none at the end of the file."""
        while self._member is not None or self._begins():
            if part := self._inflated(most):
                self._size += len(part)
                self._member_size += len(part)
                return part
        return b""

    def _begins(self) -> bool:
        """Go to the next member, past the zeros that may pad a file; False where there is none."""
        while not (data := self._input.lstrip(b"\0")):
            self._input = self._raw.read(_INPUT)
            if not self._input:
                return False
        self._input = data
        self._members += 1
        if self._members > _FEW_MEMBERS + self._size // _MEMBER_BYTES:
            raise gzip.BadGzipFile(f"its first {self._members:,} gzip members hold only {self._size:,} bytes")
        self._begun, self._member_size = self._raw.tell() - len(data), 0
        # isal takes headers with flags that do not exist, zlib refuses them.
        self._with_isal = isal_zlib is not None and len(data) > _FLAGS and not data[_FLAGS] & _RESERVED_FLAGS
        self._member = (isal_zlib if self._with_isal else zlib).decompressobj(_GZIP_WBITS)
        return True

    def _begin_again(self) -> None:
        """Go on with zlib from the beginning of the member, so that damage is told in the same words everywhere."""
        self._raw.seek(self._begun)
        self._with_isal = False
        self._input, self._member = b"", zlib.decompressobj(_GZIP_WBITS)
        left = self._member_size
        while left and self._member is not None:
            left -= len(self._inflated(min(left, _INPUT)))
        if self._member is None:
            raise zlib.error("two libraries unpack it differently")

    def _inflated(self, most: int) -> bytes:
        data = self._input or self._raw.read(_INPUT)
        try:
            part = self._member.decompress(data, most)
        except getattr(isal_zlib, "error", ()):
            self._begin_again()
            return self._inflated(most)
        except zlib.error as error:
            if "incorrect data check" in str(error):
                raise gzip.BadGzipFile("CRC check failed") from error
            raise
        if self._member.eof:
            self._input, self._member = self._member.unused_data, None
        elif not data and not part:
            if self._with_isal:
                self._begin_again()
                return self._inflated(most)
            raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        else:
            self._input = self._member.unconsumed_tail
        return part


def deflated(content: bytes) -> bytes:
    """Compress as a gzip file without name and time: masks and maps, at about the size of gzip's level 1.

    isal at level 1, or zlib looking for runs alone: the background is one, and elsewhere in a map nothing repeats.
    """
    if isal_zlib is not None:
        return isal_zlib.compress(content, 1, _GZIP_WBITS)
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP_WBITS, 9, zlib.Z_RLE)
    return packer.compress(content) + packer.flush()
