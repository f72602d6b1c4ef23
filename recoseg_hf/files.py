"""Files written whole or not at all, hashes, safe names, and the size limits for what is read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError

try:
    import resource
except ImportError:  # Windows
    resource = None

MAX_VOXELS = 512**3
"""Largest volume accepted, in voxels; checked against the header before anything is allocated."""

MAX_DECOMPRESSED_BYTES = 2**30
"""Largest file accepted once decompressed, in bytes; checked against the header before anything is allocated."""

_SUBJECT_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
# Windows opens a device, not a file, for these names, with or without an extension.
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_HASH_CHUNK = 2**20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path` in one step.

    A reader sees the old file or the whole new one, never a part, also after a crash or a full disk. The folder is
    made where it is missing. The temporary name keeps the suffix (`.nii.gz`, `.png`), from which writers tell the
    format.

    Args:
        path: the file to write.

    Yields:
        The path to write to. It exists, empty, when handed out.

    Raises:
        OSError: the folder cannot be written to or the disk is full; `path` is then as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}{''.join(path.suffixes[-2:])}"
    # Not tempfile: its files are private (0600), and results should follow the user's umask.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def is_full_disk(error: BaseException) -> bool:
    """Say whether there was no room to write; safetensors gives the system's error number in its text alone."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return any(f"(os error {number})" in str(error) for number in _NO_ROOM)


def free_bytes(folder: str | Path) -> int:
    """Return what a file in a folder can take: what the disk has left, or less where a limit says so (`ulimit -f`).

    A quota is known to nobody before it is reached.
    """
    free = shutil.disk_usage(folder).free
    if resource is None:
        return free
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return free if allowed == resource.RLIM_INFINITY else min(free, allowed)


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_json(path: str | Path, obj: Any) -> None:
    """Write `obj` as JSON, atomically, with sorted keys: the same object always gives the same bytes.

    Raises:
        ValueError: `obj` holds NaN or infinity, which JSON does not know. Say None instead.
        TypeError: `obj` holds something that is no JSON value.
    """
    text = json.dumps(obj, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def shipped_folder(name: str) -> Path:
    """Return the folder `name` (`pipelines`, `model_cards`) that comes with the project.

    In an installed wheel it is package data (`setup.py` copies it there); in a checkout it is the folder itself.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}: neither packaged with recoseg_hf nor beside it; reinstall the package")


def real_path(path: str | Path) -> Path:
    """Return where a path leads, through links; one that leads in a circle is left as it is (Python 3.11 raises)."""
    return Path(os.path.realpath(path))


def safe_subject_id(text: str) -> str:
    """Return `text` when it can safely be part of a file name.

    Args:
        text: a subject's identifier: 1 to 64 letters, digits, dots, underscores and hyphens, no dot at either end.

    Raises:
        InputError: it is longer, empty, holds another character (a path separator, say) or is a name Windows reserves.
    """
    if _SUBJECT_ID.fullmatch(text) and not text.endswith(".") and not _DEVICE_NAME.fullmatch(text):
        return text
    shown = repr(text if len(text) <= 80 else text[:80] + "...")
    raise InputError(
        "subject id",
        f"{shown} cannot be used in a file name",
        "1 to 64 letters, digits, '.', '_' and '-', not starting or ending with a dot, and no reserved device name",
        "Give a plain identifier.",
    )


def sync(path: Path) -> None:
    """Ask the system to put a file's or folder's content on the disk before we go on (Windows: files only)."""
    if os.name != "posix" and path.is_dir():
        return
    # Windows can only flush a descriptor that is open for writing; POSIX opens folders for reading only.
    flags = os.O_RDWR if path.is_file() else os.O_RDONLY
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
